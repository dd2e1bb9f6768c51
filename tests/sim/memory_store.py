"""What a step of the reader writes, in memory: the meaning of the one in PostgreSQL, thousands of times a second."""

from bisect import bisect_left
from collections.abc import Collection, Iterable

from escrow.chain.events import FoldEvent
from escrow.chain.looking import Policy
from escrow.chain.planner import Depths, Header, Staged, TipWindow
from escrow.chain.readings import EscrowLog, Reading
from escrow.chain.store import TipLostError
from escrow.contracts import bindings
from escrow.domain.deals import FoldError
from escrow.services.markets import Tokens
from tests.sim.projection import Projection


class MemoryStore:
    """`headers` and `items` (events known to this version, in chain order) are canonical; `final` is the height up to which all is final."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.reason = ""
        self.forget()

    def forget(self) -> None:
        """As a person does after a halt: everything is read again."""
        self.reason = ""
        self.headers: list[Header] = []
        self.items: list[FoldEvent] = []
        self.strange: list[int] = []  # the blocks of logs that this version doesn't know
        self.safe = self.final = -1
        self.staging: list[Reading] = []
        self.projection = Projection()
        self._window: TipWindow | None = None
        self._next = 0

    @property
    def tip(self) -> Header | None:
        return self.headers[-1] if self.headers else None

    # ------------------------------------------------------------ escrow.chain.store.Store

    def policy(self) -> Policy:
        return self._policy

    def halted(self) -> str:
        return self.reason

    def window(self) -> TipWindow:
        if self._window is None:
            start = bisect_left(self.headers, self.final, key=lambda header: header.number)
            self._window = TipWindow(self._policy.start, self.final, tuple(self.headers[start:]))
        return self._window

    def has_late_work(self) -> bool:
        return False

    def tokens_of(self, reading: Reading) -> Collection[str]:
        return {log.event.token for log in reading.logs if isinstance(log.event, bindings.PayTokenSet)}

    def tokens_above(self, to: Header) -> Collection[str]:
        return ()

    def staged(self) -> Staged:
        tip = self.staging[-1].headers[-1] if self.staging else None
        return Staged(tip, sum(len(reading.logs) for reading in self.staging))

    def stage(self, window: TipWindow, after: Header | None, reading: Reading) -> None:
        self._require_tip(window)
        if (self.staged().tip or window.tip) != after:
            raise TipLostError("what is staged moved")
        self.staging.append(reading)

    def bite(self, upto: int, events: int) -> Reading:
        headers = [header for reading in self.staging for header in reading.headers if header.number <= upto]
        logs = [log for reading in self.staging for log in reading.logs if log.block_number <= upto]
        if len(logs) >= events:
            upto = logs[events - 1].block_number
        return self._upto(headers, logs, upto)

    @staticmethod
    def _upto(headers: Iterable[Header], logs: Iterable[EscrowLog], upto: int) -> Reading:
        return Reading(
            tuple(header for header in headers if header.number <= upto),
            tuple(log for log in logs if log.block_number <= upto),
        )

    def unstage(self) -> None:
        self.staging = []

    def _keep_staged(self, above: int) -> None:
        """What lies above a block."""
        left = [
            Reading(
                tuple(header for header in reading.headers if header.number > above),
                tuple(log for log in reading.logs if log.block_number > above),
            )
            for reading in self.staging
        ]
        self.staging = [reading for reading in left if reading.headers]

    def extend(self, window: TipWindow, reading: Reading, depths: Depths, tokens: Tokens) -> None:
        self._require_tip(window)
        assert self.tokens_of(reading) <= set(tokens)
        known = [log for log in reading.logs if log.event is not None]
        items = [
            FoldEvent(self._next + place, log.block_number, log.log_index, log.tx_hash, log.event)
            for place, log in enumerate(known)
        ]
        self.projection.apply(items)
        self._next += len(items)
        self.items += items
        self.strange += [log.block_number for log in reading.logs if log.event is None]
        self.headers += reading.headers
        self.safe, self.final = depths.safe, depths.final
        if self.staging and reading.headers:
            self._keep_staged(reading.headers[-1].number)
        self._window = None

    def rewind(self, window: TipWindow, to: Header, tokens: Tokens) -> int:
        self._require_tip(window)
        start = bisect_left(self.items, to.number + 1, key=lambda item: item.block_number)
        gone = self.items[start:]
        if gone and gone[0].block_number <= self.final:
            raise FoldError("a final transfer would be taken back")
        self.projection.take_back(gone)
        del self.items[start:]
        del self.strange[bisect_left(self.strange, to.number + 1) :]
        del self.headers[bisect_left(self.headers, to.number + 1, key=lambda header: header.number) :]
        self.safe = min(self.safe, to.number)
        self.staging = []
        self._window = None
        return len(gone)

    def halt(self, reason: str) -> None:
        self.reason = reason

    def _require_tip(self, window: TipWindow) -> None:
        if self.tip != window.tip:
            raise TipLostError("the tip moved")
