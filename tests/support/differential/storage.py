"""The model's state as the words that the contract's views answer: what is compared after each call."""

from collections.abc import Iterator
from functools import lru_cache

from eth_utils.crypto import keccak

from tests.support import model
from tests.support.model.state import DealState, Market

# What was as the model says stands here until the model changes it. Such words of things that are over (closed deals, used
# offers) are read again only with `whole`; all else is read each time.
Known = dict[str, tuple[int, ...]]


def word(value: str | int | bool) -> int:
    return int(value, 16) if isinstance(value, str) else int(value)


@lru_cache(maxsize=65536)
def record(target: str, view: str, count: int, *arguments: int) -> str:
    """132 bytes of the lens's calldata, as hex digits. `arguments` are words."""
    body = keccak(text=view)[:4] + b"".join(argument.to_bytes(32, "big") for argument in arguments)
    return f"{count << 160 | int(target, 16):064x}{body.ljust(100, bytes(1)).hex()}"


class View:
    """The queries of one state with the answers that the model expects."""

    def __init__(self, escrow: model.Escrow, people: tuple[str, ...], known: Known, *, whole: bool) -> None:
        self._known, self._whole = known, whole
        self.records: list[str] = []
        self.labels: list[tuple[str, tuple, int]] = []
        self.words: list[int] = []
        self._escrow, self._people = escrow, people
        self._funds()
        self._config()
        for key, market in escrow.markets.items():
            self._market(key, market)
        for state in escrow.deals.values():
            self._deal(state)
        self._offers()
        self._deliveries()

    def _ask(self, target: str, view: str, arguments: tuple, *expected: str | int | bool, over: bool = False) -> None:
        asked = record(target, view, len(expected), *map(word, arguments))
        words = tuple(map(word, expected))
        if over:
            if not self._whole and self._known.get(asked) == words:
                return
            self._known[asked] = words
        self.records.append(asked)
        self.labels.append((view, arguments, len(expected)))
        self.words += words

    def request(self, *, hashed: bool) -> str:
        return f"0x{int(hashed):064x}" + "".join(self.records)

    def digest(self) -> str:
        return "0x" + keccak(b"".join(value.to_bytes(32, "big") for value in self.words)).hex()

    def differences(self, answer: str) -> Iterator[str]:
        """What the chain says otherwise, in words."""
        at = 0
        for view, arguments, count in self.labels:
            expected = self.words[at : at + count]
            found = [int(answer[2 + 64 * i : 66 + 64 * i] or "0", 16) for i in range(at, at + count)]
            if found != expected:
                yield f"{view} {arguments}: model {expected}, chain {found}"
            at += count

    def _funds(self) -> None:
        escrow, me = self._escrow, self._escrow.address
        for address, token in escrow.tokens.items():
            self._ask(me, "fees(address)", (address,), escrow.fees.get(address, 0))
            self._ask(me, "liabilities(address)", (address,), escrow.liabilities.get(address, 0))
            self._ask(me, "payTokenAllowed(address)", (address,), escrow.pay_tokens.get(address, False))
            self._ask(address, "attackFailed()", (), token.struck_back)
            self._ask(address, "balanceOf(address)", (me,), token.balance_of(me))
            for person in self._people:
                free = escrow.balances.get((address, person), 0)
                self._ask(me, "balances(address,address)", (address, person), free)
                self._ask(address, "balanceOf(address)", (person,), token.balance_of(person))
                allowed = token.allowances.get((person, me), 0)
                self._ask(address, "allowance(address,address)", (person, me), allowed)

    def _config(self) -> None:
        me, config = self._escrow.address, self._escrow.config
        names = ("owner", "pendingOwner", "guardian", "feeRecipient", "feeBps", "pausedUntil")
        for view, value in zip(names, map(config.get, CONFIG), strict=True):
            self._ask(me, f"{view}()", (), value)

    def _market(self, key: str, market: Market) -> None:
        me, terms = self._escrow.address, market.terms
        self._ask(me, "marketStatus(bytes32)", (key,), market.status, market.proposed_at, terms.long_stop)
        self._ask(me, "settlementOf(bytes32)", (key,), *(market.settlement or (0,) * 8))

    def _deal(self, state: DealState) -> None:
        me, deal, over = self._escrow.address, state.deal, bool(state.outcome)
        slot = state.outcome or word(self._escrow.names.key(deal)) | state.touched
        self._ask(me, "deals(bytes32)", (deal.id,), slot, over=over)
        claim = state.claim
        if claim:
            progress = 1 | claim.phase << 8 | claim.appeals << 16 | claim.bond_bps << 24 | claim.until << 40
            progress |= claim.units << 80
            stated = (claim.phase, claim.until, claim.units, claim.bond_bps, claim.appeals)
            self._ask(me, "attestationOf(bytes32)", (deal.id,), *stated, over=over)
        else:
            progress = sum(1 << i for i in state.resolved) | sum(1 << 64 + i for i in state.slashed)
        self._ask(me, "progress(bytes32)", (deal.id,), progress, over=over)
        for tranche in {0, 1, *state.delivered}:
            self._ask(me, "delivered(bytes32,uint256)", (deal.id, tranche), state.delivered.get(tranche, 0), over=over)

    def _offers(self) -> None:
        escrow, me = self._escrow, self._escrow.address
        for key, units in escrow.filled.items():
            self._ask(me, "filled(bytes32)", (key,), units, over=True)
        for (person, number), bits in escrow.nonces.items():
            self._ask(me, "nonces(address,uint256)", (person, number), bits, over=True)
        for person in self._people:
            self._ask(me, "epochs(address)", (person,), escrow.epochs.get(person, 0))

    def _deliveries(self) -> None:
        """What deliveries alone leave behind."""
        for (seller, market, token), amount in self._escrow.auto_deliver.items():
            asked = (seller, market, token)
            self._ask(self._escrow.address, "autoDeliver(address,bytes32,address)", asked, amount, over=True)


CONFIG = ("owner", "pending_owner", "guardian", "fee_recipient", "fee_bps", "paused_until")
