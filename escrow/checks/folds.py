"""Invariants that need the rules of the domain: deals folded anew in memory, and what their tranches say is locked."""

from collections.abc import Iterator
from itertools import groupby, islice

from escrow.chain.events import DEAL_EVENTS, FoldEvent, fold_events
from escrow.chain.models import ChainEvent
from escrow.domain.deals import FoldError
from escrow.domain.ledger import LOCKED
from escrow.models import Account, Deal, DealOutcome
from escrow.selectors.deals import deal_view, deals_of
from escrow.services.deal_rows import Standing, deals_held
from escrow.services.deals import deal_fold
from otc.core.models import Chain

CHUNK = 2_000

Broken = Iterator[tuple[str, str]]


def deals_not_their_fold(chain: Chain) -> Broken:
    """Deals whose row is not the fold of their canonical events. Deal by deal, in memory."""
    histories = _histories(chain)
    deal_id, events = next(histories, (None, []))
    for stored_id, stored in _stored(chain):
        # Events of deals in markets that are unknown here are passed over.
        while deal_id is not None and deal_id < stored_id:
            deal_id, events = next(histories, (None, []))
        if deal_id != stored_id:
            yield stored_id, "no event opened it"
            continue
        try:
            standing = deal_fold(events)
        except FoldError as error:
            yield stored_id, f"its events contradict each other: {error}"
            continue
        if stored[1:] != standing[1:]:
            yield stored_id, f"{stored[1:]}, by its events {standing[1:]}"


def _stored(chain: Chain) -> Iterator[tuple[str, Standing]]:
    """All deals by their ids, ascending."""
    ids = Deal.objects.filter(chain=chain).order_by("deal_id").values_list("deal_id", flat=True).iterator(CHUNK)
    while chunk := list(islice(ids, CHUNK)):
        held = deals_held(chain, chunk)
        yield from ((deal_id, held[deal_id]) for deal_id in chunk)


def _histories(chain: Chain) -> Iterator[tuple[str, list[FoldEvent]]]:
    rows = ChainEvent.objects.filter(chain=chain, canonical=True, name__in=DEAL_EVENTS)
    ordered = rows.only("topics", "data", "deal_id", "block_number", "log_index", "tx_hash").order_by(
        "deal_id", "block_number", "log_index"
    )
    for deal_id, group in groupby(ordered.iterator(CHUNK), key=lambda row: row.deal_id):
        yield deal_id, fold_events(group)


def deals_not_their_shares(chain: Chain) -> Broken:
    """Open deals whose account holds something else than the shares of their tranches that are still to be settled."""
    accounts = Account.objects.filter(chain=chain, kind=LOCKED, balance__gt=0)
    held = dict(accounts.values_list("deal_id", "balance"))
    for deal in deals_of(chain_id=chain.pk, outcome=DealOutcome.OPEN).defer("market__rules_text").iterator(CHUNK):
        view = deal_view(deal)
        shares, found = view.payment_locked + view.collateral_locked + view.bond_locked, held.get(deal.deal_id, 0)
        if shares != found:
            yield deal.deal_id, f"{found} in its account, {shares} by its tranches"
