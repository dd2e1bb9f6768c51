"""Derived state thrown away and folded anew from stored events, or forgotten altogether to be read again from the chain."""

from itertools import islice

from django.db import transaction

from escrow.chain.events import fold_events
from escrow.chain.models import Block, ChainCursor, ChainEvent
from escrow.chain.staging import staging_drop
from escrow.keeper.services import intents_doubt
from escrow.models import (
    Account,
    AutoDelivery,
    Deal,
    DealTranche,
    DealTransfer,
    DeliveredRight,
    KeptRight,
    MarketRecord,
    RightMovement,
    SettlementTerms,
    Transfer,
)
from escrow.services.announcements import Announcements
from escrow.services.markets import TokenFacts
from escrow.services.projection import events_project
from otc.core import locks
from otc.core.models import Chain
from points.models import PayToken
from points.services.chain_facts import facts_derive, facts_forget

CHUNK = 5_000  # events folded at once


@transaction.atomic
def projection_refold(*, chain_id: int) -> int:
    """Rebuilds deals, terms, ledger and pushed facts from the canonical events, of which nobody is told. Returns how many events
    were folded.

    Locks Chain and cursor, so no step of the watcher runs meanwhile, and the chain's rows of points. Errors: FoldError.
    """
    chain, cursor = _lock(chain_id)
    if cursor is None:
        return 0
    tokens = _tokens(chain)
    _drop(chain)
    told = Announcements(chain, None)
    rows = ChainEvent.objects.filter(chain=chain, canonical=True).order_by("block_number", "log_index")
    count, stream = 0, rows.iterator(CHUNK)
    while chunk := list(islice(stream, CHUNK)):
        count += len(chunk)
        events = fold_events(chunk)
        events_project(chain=chain, events=events, final_number=cursor.final_number, tokens=tokens, told=told)
    facts_derive(chain=chain)
    return count


@transaction.atomic
def chain_forget(*, chain_id: int) -> None:
    """Drops everything that was read from a chain, and its halt: the next step begins at the first block again. What the keeper did
    there is judged anew.

    For a person who has decided that the chain really changed below what was final. Locks Chain, cursor and the chain's intents.
    """
    chain, cursor = _lock(chain_id)
    _drop(chain)
    facts_derive(chain=chain)
    ChainEvent.objects.filter(chain=chain).delete()
    Block.objects.filter(chain=chain).delete()
    staging_drop(chain.pk)
    if cursor is not None:
        cursor.delete()
    intents_doubt(chain_id=chain.pk)
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
    """Deletes what is derived, and sets the facts of points and of the chain to what they are without any event."""
    facts_forget(chain=chain)
    Chain.objects.filter(pk=chain.pk).update(fee_bps=0, paused_until=0)
    # What others refer to comes after them.
    for rows in (
        Transfer.objects.filter(debit__chain=chain),
        RightMovement.objects.filter(kept__chain=chain),
        KeptRight.objects.filter(chain=chain),
        DeliveredRight.objects.filter(deal__chain=chain),
        Account.objects.filter(chain=chain),
        DealTranche.objects.filter(deal__chain=chain),
        DealTransfer.objects.filter(deal__chain=chain),
        Deal.objects.filter(chain=chain),
        SettlementTerms.objects.filter(market__chain=chain),
        MarketRecord.objects.filter(market__chain=chain),
        AutoDelivery.objects.filter(chain=chain),
    ):
        rows._raw_delete(rows.db)  # noqa: SLF001 - one statement each: delete() would load all rows to look for others
