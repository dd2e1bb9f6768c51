"""Rebuilds a chain's state from its stored events beside the live one, compares the two, and puts the rebuilt one in place when they differ.

The rebuild works in temporary tables of the same names, which shadow the real ones for this connection alone, inside a snapshot that is
rolled back at the end: the same code folds, and neither readers nor writers of the live tables meet a lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef

from escrow.chain.models import Block, ChainCursor, ChainEvent
from escrow.checks.state import State, state_hash
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
from escrow.services.bulk import table_of
from escrow.services.markets import markets_to_adopt
from escrow.services.rebuild import projection_refold
from otc.core import clock
from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import advisory_lock
from otc.core.models import Chain
from otc.core.snapshots import snapshot
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer, PayToken, UnknownMarket, UnknownOffer
from points.services.chain_facts import offers_timed_wrongly

READER_SECONDS = 10.0  # a step of the reader ends well before

# Every table that a fold writes. What is derived begins empty; of the others a copy is needed, and of which rows.
EMPTY: tuple[type[models.Model], ...] = (
    Account,
    Transfer,
    Deal,
    DealTranche,
    DealTransfer,
    MarketRecord,
    AutoDelivery,
    DeliveredRight,
    KeptRight,
    RightMovement,
    MakerFunds,
    MakerEpoch,
    MakerNonces,
    UnknownMarket,
    UnknownOffer,
)
COPIED: dict[type[models.Model], str] = {
    Chain: "{key} = %s",
    ChainCursor: "chain_id = %s",
    Block: "chain_id = %s AND canonical",
    ChainEvent: "chain_id = %s AND canonical",
    PayToken: "chain_id = %s",
    Market: "chain_id = %s",
    Offer: "market_id IN (SELECT id FROM points_market WHERE chain_id = %s)",
    SettlementTerms: "market_id IN (SELECT id FROM points_market WHERE chain_id = %s)",
}


@dataclass(frozen=True, slots=True)
class Replay:
    """`live` and `rebuilt` are of one moment. `installed`: the live state differed and was replaced, holding `locked_seconds`."""

    chain: Chain
    events: int
    live: State
    rebuilt: State
    seconds: float
    installed: bool = False
    locked_seconds: float = 0.0

    @property
    def same(self) -> bool:
        return self.live.hash == self.rebuilt.hash


def replay(*, chain_id: int, install: bool) -> Replay:
    """Rebuilds and compares; where they differ, `install` drops the live state and folds it anew under the chain's lock, while which the
    reader waits, and whoever writes what hangs on the chain's offers.

    Never call it inside a transaction. Errors: NOT_FOUND, CONFLICT when the reader is in the middle of something, FoldError.
    """
    began = clock.monotonic()
    chain = Chain.objects.filter(pk=chain_id, head_number__isnull=False).first()
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"Nothing of a chain {chain_id} was read yet.")
    with snapshot():
        _require_settled(chain)
        live = state_hash(chain)
        _shadow(chain)
        events = projection_refold(chain_id=chain.pk)
        rebuilt = state_hash(chain)
        transaction.set_rollback(True)
    found = Replay(chain, events, live, rebuilt, clock.monotonic() - began)
    if found.same or not install:
        return found
    began = clock.monotonic()
    with _reader_stopped(chain):
        projection_refold(chain_id=chain.pk)
    return Replay(chain, events, live, rebuilt, found.seconds, installed=True, locked_seconds=clock.monotonic() - began)


def _require_settled(chain: Chain) -> None:
    """A market or offer that came here after its events is only linked to them by the reader's next step, and of very many offers that
    ran out at once some are left to it.
    """
    posted = Offer.objects.filter(market__chain=chain, offer_hash=OuterRef("offer_hash"))
    if markets_to_adopt(chain) or Deal.objects.filter(Exists(posted), chain=chain, offer=None).exists():
        raise DomainError(
            ErrorCode.CONFLICT, f"{chain}: the reader is taking up a market or offer. Try again in a few seconds."
        )
    if any(rows.exists() for rows in offers_timed_wrongly(chain)):
        raise DomainError(
            ErrorCode.CONFLICT, f"{chain}: the reader is ending offers that ran out. Try again in a few seconds."
        )


def _shadow(chain: Chain) -> None:
    """Makes the temporary tables: same columns, indexes and constraints, other rows; no foreign keys, no triggers."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        schema = connection.ops.quote_name(cursor.fetchone()[0])
        for model in (*COPIED, *EMPTY):
            cursor.execute(f"CREATE TEMPORARY TABLE {table_of(model)} (LIKE {table_of(model)} INCLUDING ALL)")
        for model, rows in COPIED.items():
            table, condition = table_of(model), rows.format(key=model._meta.pk.column)  # noqa: SLF001 - documented API
            cursor.execute(
                f"INSERT INTO pg_temp.{table} SELECT * FROM {schema}.{table} WHERE {condition}",  # noqa: S608 - our tables
                [chain.pk],
            )
            cursor.execute(f"ANALYZE pg_temp.{table}")


@contextmanager
def _reader_stopped(chain: Chain) -> Iterator[None]:
    """Holds the reader's lock: no step begins."""
    until = clock.monotonic() + READER_SECONDS
    while True:
        with advisory_lock(f"escrow.chain:{chain.pk}") as got:
            if got:
                yield
                return
        if clock.monotonic() > until:
            raise DomainError(ErrorCode.CONFLICT, f"A worker is reading {chain} all the time: try again.")
        clock.wait(0.05)
