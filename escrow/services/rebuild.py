"""Derived state thrown away and folded anew from stored events, or forgotten altogether to be read again from the chain."""

from django.db import transaction

from escrow.chain.events import fold_events
from escrow.chain.models import Block, ChainCursor, ChainEvent
from escrow.domain.ledger import FREE, AccountKey
from escrow.models import Account, AutoDelivery, Deal, MarketRecord, SettlementTerms, Transfer
from escrow.services.announcements import Announcements
from escrow.services.markets import TokenFacts
from escrow.services.projection import events_project, facts_push, trades_recount
from otc.core import locks
from otc.core.models import Chain
from points.models import Market, PayToken

CHUNK = 5_000  # events folded at once
NOBODY = 2**62  # a first block to tell of that never comes: a rebuild is not news


@transaction.atomic
def projection_refold(*, chain_id: int) -> int:
    """Rebuilds deals, terms, ledger and pushed facts from the canonical events. Returns how many events were folded.

    Locks Chain and cursor, so no step of the watcher runs meanwhile. Errors: FoldError.
    """
    chain, cursor = _lock(chain_id)
    if cursor is None:
        return 0
    tokens = _tokens(chain)
    _drop(chain)
    told = Announcements(chain, NOBODY)
    rows = ChainEvent.objects.filter(chain=chain, canonical=True).order_by("block_number", "log_index")
    count = rows.count()
    for start in range(0, count, CHUNK):
        events = fold_events(rows[start : start + CHUNK])
        events_project(chain=chain, events=events, final_number=cursor.final_number, tokens=tokens, told=told)
    return count


@transaction.atomic
def chain_forget(*, chain_id: int) -> None:
    """Drops everything that was read from a chain, and its halt: the next step begins at the first block again.

    For a person who has decided that the chain really changed below what was final. Locks Chain and cursor.
    """
    chain, cursor = _lock(chain_id)
    _drop(chain)
    ChainEvent.objects.filter(chain=chain).delete()
    Block.objects.filter(chain=chain).delete()
    if cursor is not None:
        cursor.delete()
    Chain.objects.filter(pk=chain_id).update(
        head_number=None, head_time=None, head_hash=None, safe_number=None, final_number=None, halted=""
    )


def _lock(chain_id: int) -> tuple[Chain, ChainCursor | None]:
    chain = locks.lock_row(Chain.objects.filter(pk=chain_id))
    assert chain is not None, "chains are never deleted"  # noqa: S101
    return chain, locks.lock_row(ChainCursor.objects.filter(chain=chain))


def _tokens(chain: Chain) -> dict[str, TokenFacts]:
    """What is known of tokens: a rebuild asks no node."""
    known = {token.address: TokenFacts(token.symbol, token.decimals) for token in PayToken.objects.filter(chain=chain)}
    for terms in SettlementTerms.objects.filter(market__chain=chain):
        known[terms.token] = TokenFacts(terms.token_symbol, terms.token_decimals)
    return known


def _drop(chain: Chain) -> None:
    """Deletes what is derived, and pushes to points what it would be without any event."""
    free = Account.objects.filter(chain=chain, kind=FREE)
    balances = {AccountKey(token, FREE, owner): 0 for token, owner in free.values_list("token", "owner")}
    Transfer.objects.filter(event__chain=chain).delete()
    Account.objects.filter(chain=chain).delete()
    Deal.objects.filter(chain=chain).delete()
    SettlementTerms.objects.filter(market__chain=chain).delete()
    MarketRecord.objects.filter(market__chain=chain).delete()
    rows = ChainEvent.objects.filter(chain=chain, canonical=True)
    events = fold_events(rows.order_by("block_number", "log_index"))
    ids = list(rows.values_list("pk", flat=True))
    rows.update(canonical=False)
    told = Announcements(chain, NOBODY)
    facts_push(chain=chain, events=events, balances=balances, tokens={}, told=told, rewound=True)
    trades_recount(chain=chain, market_ids=Market.objects.filter(chain=chain).values_list("market_id", flat=True))
    AutoDelivery.objects.filter(chain=chain).delete()
    ChainEvent.objects.filter(pk__in=ids).update(canonical=True)
