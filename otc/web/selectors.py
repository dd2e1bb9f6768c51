"""What the pages show of several apps at once: read-only queries over points and escrow, no rules."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from escrow.domain.actions import Schedule
from escrow.models import ChainEvent, Deal, SettlementTerms
from otc.core.models import Chain
from otc.web.context import chain_now
from otc.web.phases import Phase, phase_of
from points.domain.offers import OfferTerms, outcomes
from points.models import MakerFunds, Market, MarketStatus, Offer, PayToken
from points.selectors.markets import markets_with_quotes

MARKET_ROWS = 200
DEAL_ROWS = 20


@dataclass(frozen=True)
class MarketCard:
    """A line of the market list. Prices are floor(payment * 10^18 / units) in base units, None where there is none."""

    market: Market
    phase: Phase
    now: int
    best_bid: int | None
    best_ask: int | None
    open_offers: int


@dataclass(frozen=True)
class BookRow:
    """An open offer as a taker sees it. Amounts are for what can be filled now; `share` is 0..100 of the side's depth so far."""

    offer: Offer
    units: int
    payment: int
    collateral: int
    cumulative: int
    share: int
    break_even_e18: int


def settlement_of(market: Market) -> SettlementTerms | None:
    """The market's proposed or final settlement terms; expects them select_related."""
    terms: SettlementTerms | None = getattr(market, "settlement_terms", None)
    return terms


def schedule_of(terms: SettlementTerms | None) -> Schedule | None:
    if terms is None:
        return None
    return Schedule(start=terms.start, window=terms.window, tranches=terms.tranches, period=terms.period)


def market_phase_now(market: Market) -> Phase:
    """The phase at the chain's time; expects chain and settlement_terms select_related."""
    terms = settlement_of(market)
    return phase_of(
        status=market.status,
        schedule=schedule_of(terms),
        final_at=terms.final_at if terms else None,
        long_stop=market.long_stop,
        now=chain_now(market.chain),
    )


def markets_listed(*, kind: int | None, text: str) -> list[MarketCard]:
    """Listed markets that are on chain, busiest first, each with its best prices. One query."""
    # Any: the annotations of markets_with_quotes are no fields of Market.
    markets: QuerySet[Any] = (
        markets_with_quotes()
        .exclude(status=MarketStatus.NONE)
        .select_related("settlement_terms")
        .defer("rules_text")
        .order_by("-deal_count", "-id")
    )
    if kind is not None:
        markets = markets.filter(program__kind=kind)
    if text:
        markets = markets.filter(
            Q(program__name__icontains=text)
            | Q(program__project__name__icontains=text)
            | Q(pay_token__symbol__icontains=text)
        )
    return [_card(market) for market in markets[:MARKET_ROWS]]


def _card(market: Any) -> MarketCard:
    """A row of markets_with_quotes; the quotes of a market that takes no deals now are none."""
    phase = market_phase_now(market)
    return MarketCard(
        market=market,
        phase=phase,
        now=chain_now(market.chain),
        best_bid=market.best_bid_e18 if phase.tradable else None,
        best_ask=market.best_ask_e18 if phase.tradable else None,
        open_offers=market.open_offers if phase.tradable else 0,
    )


def market_get(escrow: int, market_id: str) -> Market | None:
    """A market that is served, by its escrow's key and its hash, with all that its page names."""
    return (
        Market.objects.select_related("program__project", "pay_token", "chain", "settlement_terms")
        .filter(chain__pk=escrow, chain__active=True, market_id=market_id)
        .first()
    )


def terms_of(offer: Offer) -> OfferTerms:
    """The signed fields of a stored offer; expects its market and payment token at hand."""
    return OfferTerms(
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


def book_rows(offers: list[Offer]) -> list[BookRow]:
    """The lines of one side of the book, best first as given; the offers' market, payment token and chain at hand."""
    rows, total = [], 0
    depth = sum(offer.fillable_units for offer in offers) or 1
    for offer in offers:
        units = offer.fillable_units
        total += units
        ends = outcomes(
            terms_of(offer), units=units, fee_bps=offer.market.chain.fee_bps, filled_before=offer.filled_units
        )
        rows.append(
            BookRow(
                offer=offer,
                units=units,
                payment=ends.payment,
                collateral=ends.collateral,
                cumulative=total,
                share=max(1, total * 100 // depth),
                break_even_e18=ends.break_even_e18,
            )
        )
    return rows


def deals_recent(market: Market) -> list[Deal]:
    """The newest deals of a market, with the block that opened them."""
    return list(Deal.objects.filter(market=market).select_related("opened_event").order_by("-id")[:DEAL_ROWS])


def offer_get(offer_hash: str) -> Offer | None:
    """An offer by its hash, with all that its dialog names."""
    related = ("market__program__project", "market__pay_token", "market__chain", "market__settlement_terms")
    return Offer.objects.select_related(*related).filter(offer_hash=offer_hash).first()


def free_of(wallet: str, token: PayToken) -> int:
    """Free escrow money of `wallet` in `token`, base units, at depth seen."""
    free = MakerFunds.objects.filter(pay_token=token, maker=wallet).values_list("free", flat=True).first()
    return free or 0


def block_of_transaction(chain: Chain, tx_hash: str) -> int | None:
    """The canonical block in which a transaction made an event of the escrow."""
    return (
        ChainEvent.objects.filter(chain=chain, tx_hash=tx_hash, canonical=True)
        .order_by()
        .values_list("block_number", flat=True)
        .first()
    )


def token_name(chain: Chain, token: str) -> tuple[str, int | None]:
    """Symbol and decimals of a payment or settlement token; nothing known: the empty string and None."""
    known = PayToken.objects.filter(chain=chain, address=token).first()
    if known is not None:
        return known.symbol, known.decimals
    terms = SettlementTerms.objects.filter(market__chain=chain, token=token).first()
    return (terms.token_symbol, terms.token_decimals) if terms else ("", None)
