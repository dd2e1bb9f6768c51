"""A seller's standing approval, and deliveries that anyone sends on it."""

from escrow.contracts import bindings, structs
from escrow.selectors.deals import auto_delivery_amount
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind, summed
from escrow.services.tx.deals import delivery_explained, handover_of, tranche_of
from escrow.services.tx.lookup import market_of, terms_of
from escrow.services.tx.wording import TokenWords, moment, settlement_token_words
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import EscrowKind
from points.models import Market


def set_auto_deliver(account: str, given: params.SetAutoDeliver) -> Call:  # noqa: ARG001 - for oneself; all builders are called alike
    """Sets, not adds: `amount` 0 takes the approval back. Errors: NOT_FOUND, INVALID."""
    market = market_of(given)
    if market.chain.kind == EscrowKind.RIGHTS:
        raise DomainError(
            ErrorCode.INVALID, "Rights are delivered by the seller himself, with deliver_rights.", field="market_id"
        )
    if market.settlement == structs.ATTESTED:
        raise DomainError(
            ErrorCode.INVALID, "The deals of this market are attested, no token is delivered.", field="market_id"
        )
    token = _token(market, given.token)
    needs = (Need(NeedKind.ALLOWANCE, token.address, given.amount),)
    return Call(
        market.chain,
        market.chain.escrow_address,
        bindings.encode_set_auto_deliver(market.market_id, token.address, given.amount),
        _approval_explained(market, token, given.amount),
        summed(needs),
    )


def deliver_for(account: str, given: params.Deliver) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """`amount` None: as much as is due and allowed. Errors: as `deliver`, and CONFLICT without an approval."""
    tranche = tranche_of(given.deal_id, given.tranche, prefix="")
    deal = tranche.deal
    allowed = auto_delivery_amount(deal, tranche.row.token)
    left = tranche.whole - tranche.delivered
    handover = handover_of(tranche, given, left=min(left, allowed) if allowed or not left else left, prefix="")
    if allowed == 0 and handover.amount:
        raise DomainError(
            ErrorCode.CONFLICT,
            f"The seller, {to_checksum(deal.seller)}, has no standing approval for this token in this market: he sends set_auto_deliver.",
            field="deal_id",
        )
    token = settlement_token_words(tranche.row)
    said = delivery_explained(handover, whose="the seller's wallet", who="The seller gets")
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_deliver_for(handover.struct),
        (
            *said,
            f"Of the seller's standing approval {token.amount(max(0, allowed - handover.amount))} are left then.",
            "Whoever sends this pays gas and gets nothing.",
        ),
    )


def _token(market: Market, named: str | None) -> TokenWords:
    """Errors: INVALID."""
    row = terms_of(market)
    if named is None and row is None:
        raise DomainError(
            ErrorCode.INVALID,
            "No settlement terms are proposed yet: name the token that you will allow, or wait for them.",
            field="token",
        )
    if row is not None and named in {None, row.token}:
        return settlement_token_words(row)
    if named in {None, ZERO_ADDRESS}:
        raise DomainError(ErrorCode.INVALID, "The zero address is no token: name the one to deliver.", field="token")
    return TokenWords(str(named))


def _approval_explained(market: Market, token: TokenWords, amount: int) -> tuple[str, ...]:
    if amount == 0:
        return (
            f"Nobody may deliver {token.symbol or 'this token'} for you in {market} any more: you deliver yourself.",
        )
    lines = [
        f"Anyone may deliver up to {token.amount(amount)} from your wallet into your own deals of {market}: never elsewhere, never more than is due.",
        "For each delivery you get its collateral back and its payment, less the fee of the deal. What is not delivered in time is slashed.",
        "It stands until it is used up or you set another amount, 0 to end it. Nothing moves yet.",
    ]
    row = terms_of(market)
    if row is None:
        lines.append("No terms are proposed yet: deliveries start with those that name this token.")
    elif row.token != token.address:
        lines.append(
            f"Mind: the market's terms name another token, {to_checksum(row.token)}; nothing is taken under this approval then."
        )
    else:
        schedule = structs.schedule(row)
        last = schedule.deadline(schedule.tranches - 1)
        lines.append(f"Deliveries are possible from {moment(schedule.opens_at(0))} to {moment(last)}.")
    return tuple(lines)
