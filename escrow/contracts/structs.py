"""Rows as the structs of the contract: the one place where the two meet. Pure; related rows must be loaded."""

from escrow.contracts import bindings
from escrow.domain.actions import Schedule
from escrow.domain.payouts import Terms
from escrow.models import Deal, SettlementTerms
from points.models import Market, Offer

ATTESTED = 1  # `settlement` of market terms: deliveries outside the escrow


def market_terms(market: Market) -> bindings.MarketTerms:
    """The terms whose keccak is `market.market_id`. Reads market.pay_token and market.program."""
    return bindings.MarketTerms(
        resolver=market.resolver,
        guardian=market.guardian,
        attestor=market.attestor,
        arbitrator=market.arbitrator,
        pay_token=market.pay_token.address,
        kind=market.program.kind,
        settlement=market.settlement,
        objection=market.objection,
        min_window=market.min_window,
        max_window=market.max_window,
        challenge=market.challenge,
        arbitration_window=market.arbitration_window,
        bond_bps=market.bond_bps,
        long_stop=market.long_stop,
        max_ratio_num=market.max_ratio_num,
        max_ratio_den=market.max_ratio_den,
        rules_hash=market.rules_hash,
    )


def settlement_terms(row: SettlementTerms) -> Terms:
    """The proposed or final terms, as the pay-out rules want them."""
    return Terms(
        ratio_num=row.ratio_num,
        ratio_den=row.ratio_den,
        start=row.start,
        window=row.window,
        tge_bps=row.tge_bps,
        tranches=row.tranches,
        period=row.period,
    )


def schedule(row: SettlementTerms) -> Schedule:
    """When the tranches are due."""
    return Schedule(start=row.start, window=row.window, tranches=row.tranches, period=row.period)


def signed_offer(offer: Offer) -> bindings.Offer:
    """The signed fields. Reads offer.market and its pay_token."""
    return bindings.Offer(
        maker=offer.maker,
        taker=offer.taker,
        side=offer.side,
        market=offer.market.market_id,
        pay_token=offer.market.pay_token.address,
        units=offer.units,
        payment=offer.payment,
        collateral=offer.collateral,
        min_fill=offer.min_fill,
        max_fee_bps=offer.max_fee_bps,
        expiry=offer.expiry,
        epoch=offer.epoch,
        salt=offer.salt,
        ref=offer.ref,
    )


def deal_preimage(deal: Deal) -> bindings.Deal:
    """The pre-image of the deal's commitment: without it nobody can deliver, slash or refund. Reads deal.market, pay_token."""
    return bindings.Deal(
        id=deal.deal_id,
        market=deal.market.market_id,
        buyer=deal.buyer,
        seller=deal.seller,
        pay_token=deal.pay_token.address,
        units=deal.units,
        payment=deal.payment,
        collateral=deal.collateral,
        fee_bps=deal.fee_bps,
        buyer_ref=deal.buyer_ref,
        seller_ref=deal.seller_ref,
        opened_at=deal.opened_at,
    )
