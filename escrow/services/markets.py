"""Markets as projected from events: status, settlement terms, record. Always rebuilt whole: a market has few events."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from escrow.chain.events import MARKET_EVENTS, FoldEvent, fold_events
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings, rights_bindings
from escrow.domain.markets import MarketProgress, Rights, Settlement
from escrow.domain.payouts import Terms
from escrow.models import MarketRecord, SettlementTerms
from otc.core.fields import ZERO_HASH
from otc.core.models import Chain
from points.models import Market


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says of itself, cleaned for the screen; never trusted. `decimals` None: it doesn't say."""

    symbol: str
    decimals: int | None


Tokens = Mapping[str, TokenFacts]
UNKNOWN_TOKEN = TokenFacts("", None)


@dataclass(slots=True)
class MarketHistory:
    """One market's events, folded."""

    progress: MarketProgress
    created_event: int | None = None
    cancel_confirmable_at: int | None = None


def market_history(events: Iterable[FoldEvent]) -> MarketHistory:
    """Folds the canonical events of one market. Errors: FoldError."""
    history = MarketHistory(MarketProgress())
    progress = history.progress
    for item in events:
        match item.event:
            case bindings.MarketCreated():
                progress.move("created")
                history.created_event = item.pk
            case bindings.Proposed() as event:
                progress.move("proposed")
                progress.settlement = _settlement(event, item.pk)
            case rights_bindings.RightsProposed() as event:
                root = None if event.ids_root == ZERO_HASH else event.ids_root
                progress.settles_in(Rights(event.semi_fungible, root))
            case bindings.Vetoed():
                progress.move("vetoed")
                progress.settlement = None
            case bindings.Extended() as event:
                progress.move("extended")
                _extend(progress, event.window)
            case bindings.CancelProposed() as event:
                progress.move("cancel_proposed")
                history.cancel_confirmable_at = event.confirmable_at
            case bindings.CancelWithdrawn():
                progress.move("cancel_withdrawn")
                history.cancel_confirmable_at = None
            case bindings.Cancelled():
                progress.move("cancelled")
                history.cancel_confirmable_at = None
    return history


def _settlement(event: bindings.Proposed, pk: int) -> Settlement:
    given = event.settlement
    return Settlement(
        token=given.token,
        terms=Terms(
            ratio_num=given.ratio_num,
            ratio_den=given.ratio_den,
            start=given.start,
            window=given.window,
            tge_bps=given.tge_bps,
            tranches=given.tranches,
            period=given.period,
        ),
        final_at=event.final_at,
        event=pk,
    )


def _extend(progress: MarketProgress, window: int) -> None:
    settlement = progress.settlement
    if settlement is not None:
        settlement.terms = Terms(
            ratio_num=settlement.terms.ratio_num,
            ratio_den=settlement.terms.ratio_den,
            start=settlement.terms.start,
            window=window,
            tge_bps=settlement.terms.tge_bps,
            tranches=settlement.terms.tranches,
            period=settlement.terms.period,
        )
        settlement.extended = True


def histories(chain: Chain, market_ids: Iterable[str]) -> dict[str, MarketHistory]:
    """The canonical history of each market, by market id."""
    wanted = sorted(set(market_ids))
    rows = ChainEvent.objects.filter(chain=chain, market_id__in=wanted, name__in=MARKET_EVENTS, canonical=True)
    grouped: dict[str, list[ChainEvent]] = {market_id: [] for market_id in wanted}
    for row in rows.order_by("block_number", "log_index"):
        grouped[row.market_id].append(row)
    return {market_id: market_history(fold_events(events)) for market_id, events in grouped.items()}


def markets_write(
    *, chain: Chain, found: Mapping[str, MarketHistory], tokens: Tokens, begin: Collection[str]
) -> list[Market]:
    """Writes record and settlement terms of markets from their histories. Returns those whose terms changed. Status is a
    fact of points: the caller pushes it there.

    A market is folded once it has a record. `begin` are those that get their first one now; others without are left to
    `markets_to_adopt`, because their past (deals too) is still to be folded.
    """
    markets = Market.objects.filter(chain=chain, market_id__in=list(found)).order_by("pk")
    folded = markets.filter(Q(record__isnull=False) | Q(market_id__in=list(begin)))
    return [market for market in folded if _write(market, found[market.market_id], tokens)]


def _write(market: Market, history: MarketHistory, tokens: Tokens) -> bool:
    """Whether the terms changed."""
    if history.created_event is None:
        MarketRecord.objects.filter(market=market).delete()
    else:
        MarketRecord.objects.update_or_create(
            market=market,
            defaults={
                "created_event_id": history.created_event,
                "cancel_confirmable_at": history.cancel_confirmable_at,
            },
        )
    return _write_terms(market, history.progress.settlement, tokens)


def _write_terms(market: Market, settlement: Settlement | None, tokens: Tokens) -> bool:
    before = SettlementTerms.objects.filter(market=market).first()
    if settlement is None:
        if before is not None:
            before.delete()
        return before is not None
    facts = tokens.get(settlement.token, UNKNOWN_TOKEN)
    if facts.decimals is None and before is not None and before.token == settlement.token:
        facts = TokenFacts(before.token_symbol, before.token_decimals)
    terms = settlement.terms
    values = {
        "token": settlement.token,
        "token_symbol": facts.symbol,
        "token_decimals": facts.decimals,
        "ratio_num": terms.ratio_num,
        "ratio_den": terms.ratio_den,
        "start": terms.start,
        "window": terms.window,
        "tge_bps": terms.tge_bps,
        "tranches": terms.tranches,
        "period": terms.period,
        "final_at": settlement.final_at,
        "extended": settlement.extended,
        "semi_fungible": settlement.rights.semi_fungible if settlement.rights else None,
        "ids_root": settlement.rights.ids_root if settlement.rights else None,
        "event_id": settlement.event,
    }
    if before is not None and all(getattr(before, name) == value for name, value in values.items()):
        return False
    SettlementTerms.objects.update_or_create(market=market, defaults=values)
    return True


def markets_to_adopt(chain: Chain) -> list[str]:
    """Ids of markets that are registered here, whose events are on chain already and not yet folded."""
    unfolded = list(Market.objects.filter(chain=chain, record=None).values_list("market_id", flat=True))
    if not unfolded:
        return []
    # Two questions: the planner would join them the long way round while a new table has no statistics.
    created = ChainEvent.objects.filter(chain=chain, market_id__in=unfolded, name="MarketCreated", canonical=True)
    return [market_id for market_id in created.order_by().values_list("market_id", flat=True) if market_id]
