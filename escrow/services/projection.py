"""What a chain's events mean here: one fold, forward over new events, and anew for what a reorg or a late registration touched.

Call within the step's transaction, holding the chain's cursor row. Order of locks as in `otc.core.locks`: Chain (by the caller), then
Market, MakerFunds and Offer (in `facts_apply`), then deals.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from escrow.chain.events import FoldEvent, MarketEvent, fold_events
from escrow.chain.models import ChainEvent, Depth
from escrow.contracts import bindings
from escrow.domain.ledger import AccountKey
from escrow.models import Deal
from escrow.services.announcements import Announcements, events_between
from escrow.services.auto_deliveries import auto_deliveries_write
from escrow.services.deals import DealBook, deals_refold, fills, parties_now
from escrow.services.facts import chain_config, facts_collect
from escrow.services.ledger import free_in, transfers_post, transfers_void, transfers_write
from escrow.services.markets import UNKNOWN_TOKEN, MarketHistory, Tokens, histories, markets_to_adopt, markets_write
from escrow.services.rights import rights_take_back, rights_write
from otc.core.failpoints import reach
from otc.core.models import Chain
from points.models import Market, PayToken
from points.services.chain_facts import ChainFacts, facts_apply, market_trades_set
from points.services.pay_tokens import DECIMALS_MAX, pay_token_register

log = logging.getLogger(__name__)

PRICE_SCALE = 10**18


def events_project(
    *, chain: Chain, events: Sequence[FoldEvent], final_number: int, tokens: Tokens, told: Announcements
) -> None:
    """Folds new canonical events, in chain order, all after those folded before. Errors: FoldError."""
    listed = pay_tokens_register(chain=chain, events=events, tokens=tokens)
    book = DealBook(chain, events)
    balances = transfers_write(chain=chain, events=events, parties_of=book.parties, final_number=final_number)
    balances = free_in(chain=chain, tokens=listed) | balances
    reach("projector.transfers")
    kept = rights_write(chain=chain, events=events, parties_of=book.parties)
    facts_push(chain=chain, events=events, balances=balances, tokens=tokens, told=told, rewound=False)
    book.fold()
    _trades_count_on(chain, events)
    if events and told.is_news(events[-1].block_number):
        told.rights(kept)
    seen = [item for item in events if item.block_number > final_number]
    told.deal_events(seen, book.parties, depth=Depth.SEEN)
    told.deal_events([item for item in events if item.block_number <= final_number], book.parties, depth=Depth.FINAL)


def events_take_back(*, chain: Chain, rows: Sequence[ChainEvent], tokens: Tokens, told: Announcements) -> None:
    """Undoes events that a reorg removed: marks them, voids their transfers, rebuilds what they touched. Errors: FoldError."""
    events = fold_events(rows)
    balances = transfers_void(event_ids=[row.pk for row in rows])
    told.rights(rights_take_back(event_ids=[row.pk for row in rows]))
    ChainEvent.objects.filter(pk__in=[row.pk for row in rows]).update(canonical=False)
    facts_push(chain=chain, events=events, balances=balances, tokens=tokens, told=told, rewound=True)
    deal_ids = sorted({row.deal_id for row in rows if row.deal_id is not None})
    deals_refold(chain=chain, deal_ids=deal_ids)
    trades_recount(chain=chain, market_ids={event.deal.market for _, event in fills(events)})
    told.deals_reverted(events, parties_now(chain, events))


def finality_advance(*, chain: Chain, above: int, upto: int, told: Announcements) -> None:
    """Facts of the blocks above `above` up to `upto`, stored in earlier steps, became final."""
    if upto <= above:
        return
    transfers_post(chain=chain, final_number=upto)
    if not told.is_news(upto):
        return
    events = events_between(chain, above, upto)
    if events:
        told.deals_final(events, parties_now(chain, events))


def markets_adopt(*, chain: Chain, tokens: Tokens, told: Announcements) -> None:
    """Folds the past of markets that were registered here after they came to the chain."""
    market_ids = markets_to_adopt(chain)
    if not market_ids:
        return
    found = histories(chain, market_ids)
    status = {market_id: history.progress.status for market_id, history in found.items()}
    facts_apply(chain_id=chain.pk, facts=ChainFacts(market_status=status))
    markets_write(chain=chain, found=found, tokens=tokens, begin=market_ids)
    opened = ChainEvent.objects.filter(chain=chain, market_id__in=market_ids, name="Filled", canonical=True)
    deals_refold(chain=chain, deal_ids=[deal_id for deal_id in opened.values_list("deal_id", flat=True) if deal_id])
    trades_recount(chain=chain, market_ids=market_ids)
    told.markets(Market.objects.filter(chain=chain, market_id__in=market_ids), status)


def facts_push(
    *,
    chain: Chain,
    events: Sequence[FoldEvent],
    balances: dict[AccountKey, int],
    tokens: Tokens,
    told: Announcements,
    rewound: bool,
) -> None:
    """What `events`, new or taken back, change: the chain's configuration, all facts of points at once, the terms of markets,
    standing approvals.
    """
    config = chain_config(chain, events)
    if config:
        Chain.objects.filter(pk=chain.pk).update(**config)
    found = histories(chain, {item.event.market for item in events if isinstance(item.event, MarketEvent)})
    facts = facts_collect(chain=chain, events=events, balances=balances, rewound=rewound)
    facts.market_status = {market_id: history.progress.status for market_id, history in found.items()}
    before = _market_status(chain, found)
    facts_apply(chain_id=chain.pk, facts=facts, tell=told.from_block is not None)
    begin = {item.event.market for item in events if isinstance(item.event, bindings.MarketCreated)}
    changed = {market.pk: market for market in markets_write(chain=chain, found=found, tokens=tokens, begin=begin)}
    for market_id, (market, status) in before.items():
        if status != facts.market_status[market_id]:
            changed[market.pk] = market
    approvals = auto_deliveries_write(chain=chain, events=events, rewound=rewound)
    if events and told.is_news(events[-1].block_number):
        told.approvals(approvals)
        told.markets(changed.values(), facts.market_status)
        told.funds(balances)


def _market_status(chain: Chain, found: Mapping[str, MarketHistory]) -> dict[str, tuple[Market, int]]:
    if not found:
        return {}
    return {
        market.market_id: (market, market.status)
        for market in Market.objects.filter(chain=chain, market_id__in=list(found))
    }


# ---------------------------------------------------------------- payment tokens, trades


def pay_tokens_register(*, chain: Chain, events: Iterable[FoldEvent], tokens: Tokens) -> list[str]:
    """Makes payment tokens known that the contract began to take, and returns them. A token without a symbol goes by its address.

    One that does not say its decimals, or too many, is not listed: amounts of it can't be shown, so nobody here deposits it or makes a
    market in it; what was deposited can be withdrawn. It is asked again when the contract next names it (`setPayToken`).
    """
    named = {item.event.token for item in events if isinstance(item.event, bindings.PayTokenSet)}
    if not named:
        return []
    listed = []
    known = set(PayToken.objects.filter(chain=chain, address__in=list(named)).values_list("address", flat=True))
    for address in sorted(named - known):
        facts = tokens.get(address, UNKNOWN_TOKEN)
        if facts.decimals is None or facts.decimals > DECIMALS_MAX:
            log.error("the escrow of %s takes %s, which does not say its decimals: it is not listed", chain, address)
            continue
        pay_token_register(chain=chain, address=address, symbol=facts.symbol or address[:10], decimals=facts.decimals)
        listed.append(address)
    return listed


def _trades_count_on(chain: Chain, events: Sequence[FoldEvent]) -> None:
    """Adds new deals to the count of their markets, and sets the price of the newest."""
    counts: Counter[str] = Counter()
    prices: dict[str, int] = {}
    for _, event in fills(events):
        counts[event.deal.market] += 1
        prices[event.deal.market] = event.deal.payment * PRICE_SCALE // event.deal.units
    if not counts:
        return
    folded = Market.objects.filter(chain=chain, market_id__in=list(counts), record__isnull=False)
    for market_id, count in sorted(folded.values_list("market_id", "deal_count")):
        market_trades_set(
            chain_id=chain.pk,
            market_id=market_id,
            deal_count=count + counts[market_id],
            last_price_e18=prices[market_id],
        )


def trades_recount(*, chain: Chain, market_ids: Iterable[str]) -> None:
    """Counts the deals of markets anew."""
    for market in Market.objects.filter(chain=chain, market_id__in=sorted(set(market_ids))).order_by("market_id"):
        deals = Deal.objects.filter(market=market)
        newest = deals.order_by("-opened_event__block_number", "-opened_event__log_index").first()
        market_trades_set(
            chain_id=chain.pk,
            market_id=market.market_id,
            deal_count=deals.count(),
            last_price_e18=None if newest is None else newest.payment * PRICE_SCALE // newest.units,
        )
