"""What a step knows of a chain and what it writes, behind a protocol: all decisions are the watcher's and the planner's.

`DatabaseStore` is the one that serves; `tests/sim` has one in memory.
"""

import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from django.db import transaction

from escrow.chain.looking import Policy
from escrow.chain.models import Block, ChainCursor, ChainEvent, Reorg
from escrow.chain.planner import Depths, Header, Staged, TipWindow
from escrow.chain.reading_rows import reading_store
from escrow.chain.readings import Reading
from escrow.chain.staging import staged, staged_bite, staged_tip, staging_add, staging_drop
from escrow.contracts import bindings
from escrow.services.announcements import Announcements
from escrow.services.deals import deals_link
from escrow.services.markets import Tokens, markets_to_adopt
from escrow.services.projection import events_project, events_take_back, finality_advance, markets_adopt
from otc.core import locks
from otc.core.chains import escrow_ref
from otc.core.failpoints import reach
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.flags import flag_set
from otc.core.models import Chain, Finality, FlagName
from otc.core.outbox import outbox_add
from points.services.chain_facts import offers_expire

log = logging.getLogger(__name__)

REASON_MAX = 300  # characters of Chain.halted and Flag.reason


class TipLostError(Exception):
    """The tip is not the one that was planned on: another writer was faster."""


class Store(Protocol):
    """One chain as we hold it. Reading never writes; each of the writing calls is all or nothing.

    `extend` and `rewind` compare the stored tip with `window.tip` and raise TipLostError when it moved; they raise `FoldError` when the
    events contradict each other, and leave everything as it was.
    """

    def policy(self) -> Policy:
        """Asked at the begin of each step: a change in data holds from the next step on."""
        ...

    def halted(self) -> str:
        """Why a person must look before anything is read; empty: nothing."""
        ...

    def window(self) -> TipWindow:
        """Our canonical headers from the newest final one up to the tip."""
        ...

    def has_late_work(self) -> bool:
        """Something that the chain told of before can be folded only now: a step is due though no block is new."""
        ...

    def tokens_of(self, reading: Reading) -> Collection[str]:
        """Tokens that `extend` with this reading wants facts of."""
        ...

    def tokens_above(self, to: Header) -> Collection[str]:
        """Tokens that `rewind` to this header wants facts of."""
        ...

    def staged(self) -> Staged:
        """What is staged: history that was read ahead of the fold, from the tip on."""
        ...

    def stage(self, window: TipWindow, after: Header | None, reading: Reading) -> None:
        """Adds a reading of history to what is staged, whose last header is `after` (the tip, when nothing is), or raises TipLostError."""
        ...

    def bite(self, upto: int, events: int) -> Reading:
        """The first of what is staged, no block above `upto`, about so many events: all of a block or none."""
        ...

    def unstage(self) -> None:
        """Forgets what is staged: it is of a branch that lost."""
        ...

    def extend(self, window: TipWindow, reading: Reading, depths: Depths, tokens: Tokens) -> None:
        """Adds the blocks and logs of the reading after `window.tip`, folds the events, sets the depths. An empty reading only sets
        the depths, and does late work. What is staged of these blocks is forgotten.
        """
        ...

    def rewind(self, window: TipWindow, to: Header, tokens: Tokens) -> int:
        """Takes back the blocks above `to` and what their events did; depths stay, but safe is `to` at most. Returns how many
        events went. Nothing stays staged.
        """
        ...

    def halt(self, reason: str) -> None:
        """Nothing is read any more, and nothing sent, until a person has looked."""
        ...


class DatabaseStore:
    """The chain in PostgreSQL: each writing call is one transaction over blocks, events, projections, cursor and outbox."""

    def __init__(self, chain_pk: int) -> None:
        self._pk = chain_pk
        self._chain = Chain.objects.get(pk=chain_pk)

    def policy(self) -> Policy:
        chain = self._chain = Chain.objects.get(pk=self._pk)
        return Policy(
            start=chain.start_block,
            escrow=chain.escrow_address,
            safe_depth=chain.safe_depth,
            final_depth=chain.final_depth,
            finality=Finality(chain.finality),
            final_quorum=chain.final_quorum,
            check_blooms=chain.check_blooms,
        )

    def halted(self) -> str:
        return Chain.objects.values_list("halted", flat=True).get(pk=self._pk)

    def window(self) -> TipWindow:
        start = self._chain.start_block
        cursor = ChainCursor.objects.filter(chain=self._pk).first()
        if cursor is None:
            return TipWindow(start, -1, ())
        rows = Block.objects.filter(
            chain=self._pk, canonical=True, number__gte=cursor.final_number, number__lte=cursor.tip_number
        ).order_by("number")
        headers = tuple(Header(*values) for values in rows.values_list("number", "hash", "parent_hash", "timestamp"))
        return TipWindow(start, cursor.final_number, headers)

    def has_late_work(self) -> bool:
        """A market was registered here after its events came."""
        return bool(markets_to_adopt(self._chain))

    # ------------------------------------------------------------ tokens to ask about

    def tokens_of(self, reading: Reading) -> Collection[str]:
        named = set()
        for log_ in reading.logs:
            if isinstance(log_.event, bindings.Proposed):
                named.add(log_.event.settlement.token)
            elif isinstance(log_.event, bindings.PayTokenSet):
                named.add(log_.event.token)
        adopted = markets_to_adopt(self._chain)
        if adopted:
            named |= self._proposed(adopted)
        return named - {ZERO_ADDRESS}

    def tokens_above(self, to: Header) -> Collection[str]:
        """Whose proposal may come back when the blocks above go."""
        touched = ChainEvent.objects.filter(
            chain=self._pk, canonical=True, block_number__gt=to.number, market_id__isnull=False
        ).exclude(name="Filled")
        return self._proposed({market for market in touched.values_list("market_id", flat=True) if market})

    def _proposed(self, market_ids: Iterable[str]) -> set[str]:
        rows = ChainEvent.objects.filter(
            chain=self._pk, market_id__in=list(market_ids), name="Proposed", canonical=True
        )
        return {args["settlement"]["token"] for args in rows.values_list("args", flat=True)} - {ZERO_ADDRESS}

    # ------------------------------------------------------------ history, ahead of the fold

    def staged(self) -> Staged:
        return staged(self._pk)

    @transaction.atomic
    def stage(self, window: TipWindow, after: Header | None, reading: Reading) -> None:
        """Locks Chain and cursor. Errors: TipLostError."""
        chain, _ = self._lock(window, history=-1)
        if (staged_tip(chain.pk) or window.tip) != after:
            raise TipLostError(f"what is staged of {chain} moved")
        staging_add(chain.pk, reading)
        reach("watcher.staging")

    def bite(self, upto: int, events: int) -> Reading:
        return staged_bite(self._pk, upto, events)

    def unstage(self) -> None:
        staging_drop(self._pk)

    # ------------------------------------------------------------ the transactions

    @transaction.atomic
    def extend(self, window: TipWindow, reading: Reading, depths: Depths, tokens: Tokens) -> None:
        """Locks Chain and cursor. Errors: TipLostError, FoldError."""
        chain, cursor = self._lock(window, history=depths.history)
        tip = reading.headers[-1] if reading.headers else window.tip
        assert tip is not None, "an empty reading only follows a tip"  # noqa: S101
        before, final = cursor.final_number, depths.final
        _set_head(chain, tip, safe=depths.safe, final=final)
        told = Announcements(chain, cursor.announce_from)
        events = reading_store(chain=chain, reading=reading)
        reach("watcher.stored")
        if final > before:
            finality_advance(chain=chain, above=before, upto=min(final, cursor.tip_number), told=told)
        if events:
            events_project(chain=chain, events=events, final_number=final, tokens=tokens, told=told)
        markets_adopt(chain=chain, tokens=tokens, told=told)
        cursor.linked_offer = deals_link(chain=chain, linked=cursor.linked_offer)
        offers_expire(chain_id=chain.pk)
        reach("watcher.folded")
        told.write()
        _move(cursor, tip, final)
        staging_drop(chain.pk, upto=tip.number)
        reach("watcher.written")

    @transaction.atomic
    def rewind(self, window: TipWindow, to: Header, tokens: Tokens) -> int:
        """Locks Chain and cursor. Errors: TipLostError, FoldError."""
        chain, cursor = self._lock(window)
        rows = list(
            ChainEvent.objects.filter(chain=chain, canonical=True, block_number__gt=to.number).order_by(
                "block_number", "log_index"
            )
        )
        Reorg.objects.create(chain=chain, from_number=cursor.tip_number, to_number=to.number, events=len(rows))
        Block.objects.filter(chain=chain, canonical=True, number__gt=to.number).update(canonical=False)
        safe = min(-1 if chain.safe_number is None else chain.safe_number, to.number)
        _set_head(chain, to, safe=safe, final=cursor.final_number)
        told = Announcements(chain, cursor.announce_from)
        events_take_back(chain=chain, rows=rows, tokens=tokens, told=told)
        reach("watcher.taken_back")
        offers_expire(chain_id=chain.pk)
        told.write()
        _move(cursor, to, cursor.final_number)
        staging_drop(chain.pk)
        return len(rows)

    @transaction.atomic
    def halt(self, reason: str) -> None:
        """Stops the keeper too. Locks Chain."""
        chain = locks.lock_row(Chain.objects.filter(pk=self._pk))
        assert chain is not None, "chains are never deleted"  # noqa: S101
        text = reason[:REASON_MAX]
        Chain.objects.filter(pk=chain.pk).update(halted=text)
        reach("watcher.halting")
        flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason=f"{chain.name} is halted: {reason}"[:REASON_MAX])
        outbox_add(type="chain.halted", aggregate=f"chain:{chain.pk}", payload={**escrow_ref(chain), "reason": text})
        log.critical("chain %s halted: %s", chain.pk, text)

    def _lock(self, window: TipWindow, *, history: int | None = None) -> tuple[Chain, ChainCursor]:
        """The chain and its cursor, locked, when the tip is still the planned one. `history`: a cursor may be made."""
        chain = locks.lock_row(Chain.objects.filter(pk=self._pk))
        assert chain is not None, "chains are never deleted"  # noqa: S101
        cursor = locks.lock_row(ChainCursor.objects.filter(chain=chain))
        tip = window.tip
        if cursor is None and tip is None and history is not None:
            # What is final when a chain is first read is history: nobody waits to hear of it.
            return chain, ChainCursor(chain=chain, tip_number=0, tip_hash=ZERO_HASH, announce_from=max(0, history + 1))
        if cursor is None or tip is None or (cursor.tip_number, cursor.tip_hash) != (tip.number, tip.hash):
            raise TipLostError(f"the tip of {chain} moved")
        return chain, cursor


def _move(cursor: ChainCursor, tip: Header, final: int) -> None:
    cursor.tip_number, cursor.tip_hash, cursor.final_number = tip.number, tip.hash, final
    cursor.save()


def _set_head(chain: Chain, tip: Header, *, safe: int, final: int) -> None:
    """What others judge time and depth by. Safe is never less than final."""
    safe = max(safe, final)
    Chain.objects.filter(pk=chain.pk).update(
        head_number=tip.number,
        head_time=tip.timestamp,
        head_hash=tip.hash,
        safe_number=safe if safe >= 0 else None,
        final_number=final if final >= 0 else None,
    )
    chain.refresh_from_db()
