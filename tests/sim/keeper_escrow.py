"""What the calls of a keeper do, by the contracts' rules: which items they close, what they deliver, when they revert."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from escrow.chain.client import RpcError, RpcFault
from escrow.contracts import bindings, words
from escrow.domain.outcomes import DELIVERED, REFUNDED, SLASHED, TIMED_OUT

SLASH, REFUND, FINALIZE, TIMEOUT, DELIVER = "slash", "refund", "finalize", "timeout", "deliver"
OUTCOMES = {SLASH: SLASHED, REFUND: REFUNDED, FINALIZE: DELIVERED, TIMEOUT: TIMED_OUT}
SINGLE = {FINALIZE, TIMEOUT, DELIVER}  # revert where a batch would skip
SELECTOR = {name.partition("(")[0]: value for name, value in bindings.SELECTORS.items()}
OPEN_DEAL = "ab" * 32

Item = tuple[str, int]  # deal, tranche
Pot = tuple[str, str, str]  # seller, market, token: what a standing approval names


class Act(NamedTuple):
    """One item of a call; `amount` is of a delivery."""

    name: str
    item: Item
    amount: int = 0


@dataclass(slots=True)
class Duties:
    """A deal of the model: how it is to end, in which escrow, and when each of its tranches may be slashed (else when the deal may
    end). One to deliver has a pot, and of each tranche the time from which it may be delivered, and the amount.
    """

    how: str
    escrow: str
    due: list[int]
    pot: Pot | None = None
    begins: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)

    def allows(self, name: str) -> bool:
        return name == self.how or (self.how == DELIVER and name == SLASH)


@dataclass(slots=True)
class State:
    """What has taken effect: items that are closed, by the transaction that did it (empty: somebody else's), and what came of each
    item that is delivered.
    """

    closed: dict[Item, str] = field(default_factory=dict)
    came: dict[Item, int] = field(default_factory=dict)

    def add(self, other: "State") -> None:
        assert not self.closed.keys() & other.closed.keys()
        self.closed |= other.closed
        for item, amount in other.came.items():
            self.came[item] = self.came.get(item, 0) + amount


class KeeperEscrow:
    """Both escrows of a chain. `approved` and `wallet` are what sellers had at the beginning, by pot and by (seller, token)."""

    def __init__(self) -> None:
        self.deals: dict[str, Duties] = {}
        self.approved: dict[Pot, int] = {}
        self.wallet: dict[tuple[str, str], int] = {}
        self.again = 0  # items of ours in blocks in which nothing was left to do

    # ------------------------------------------------------------ calls

    def call(self, to: str, data: str, now: int, before: State, *, ours: bool = False) -> State:
        """What a call adds to `before`. Errors: RpcError when it reverts."""
        done, after = State(), State(dict(before.closed), dict(before.came))
        for act in acts_of(data):
            duties = self.deals[act.item[0]]
            assert duties.escrow == to, f"{act} of the other escrow"
            if act.item in after.closed:
                if act.name in SINGLE:
                    raise refusal("DealClosed", words.raw(act.item[0]), 0)
                self.again += ours and duties.how == act.name and bool(before.closed.get(act.item, "."))
                continue
            assert duties.allows(act.name), f"{act.name} of a deal that is to be {duties.how}"
            new = self._one(act, duties, now, after)
            after.add(new)
            done.add(new)
        return done

    def _one(self, act: Act, duties: Duties, now: int, before: State) -> State:
        tranche = act.item[1]
        if act.name != DELIVER:
            if now <= duties.due[tranche]:
                raise refusal("TooEarly", duties.due[tranche], now)
            return State({act.item: ""})
        if now < duties.begins[tranche]:
            raise refusal("TooEarly", duties.begins[tranche], now)
        if now > duties.due[tranche]:
            raise refusal("Deadline", duties.due[tranche], now)
        left = duties.whole[tranche] - before.came.get(act.item, 0)
        if act.amount > min(left, self.approval(duties.pot, before)):
            raise refusal("TooMuch", act.amount, left)
        if act.amount > self.purse(duties.pot[0], duties.pot[2], before):
            raise RpcError(RpcFault.REVERTED, "execution reverted: transfer amount exceeds balance")
        return State({act.item: ""} if act.amount == left else {}, {act.item: act.amount})

    # ------------------------------------------------------------ views

    def approval(self, pot: Pot, state: State) -> int:
        """What is left of a standing approval."""
        return self.approved.get(pot, 0) - self._spent(state, lambda of: of == pot)

    def purse(self, seller: str, token: str, state: State) -> int:
        """What is left in a wallet."""
        return self.wallet.get((seller, token), 0) - self._spent(state, lambda of: (of[0], of[2]) == (seller, token))

    def _spent(self, state: State, counts: Any) -> int:
        return sum(amount for (deal_id, _), amount in state.came.items() if counts(self.deals[deal_id].pot))

    def outcome(self, item: Item, state: State) -> int:
        """Of an item; 0: open."""
        if item not in state.closed:
            return 0
        duties = self.deals[item[0]]
        if duties.how == DELIVER:
            return DELIVERED if state.came.get(item, 0) == duties.whole[item[1]] else SLASHED
        return OUTCOMES[duties.how]

    def view(self, call: str, state: State) -> bytes:
        """Deals, progress, delivered amounts and approvals."""
        selector, args = call[:10], [call[at : at + 64] for at in range(10, len(call), 64)]
        if selector == SELECTOR["autoDeliver"]:
            pot = ("0x" + args[0][24:], "0x" + args[1], "0x" + args[2][24:])
            return self.approval(pot, state).to_bytes(32, "big")
        deal_id = "0x" + args[0]
        if selector == SELECTOR["delivered"]:
            return state.came.get((deal_id, int(args[1], 16)), 0).to_bytes(32, "big")
        duties = self.deals.get(deal_id)
        items = [(deal_id, tranche) for tranche in range(len(duties.due) if duties else 0)]
        if selector == SELECTOR["progress"]:
            return sum(1 << item[1] for item in items if item in state.closed).to_bytes(32, "big")
        assert selector == SELECTOR["deals"], f"the keeper asks {selector}"
        outcomes = [self.outcome(item, state) for item in items]
        return (max(outcomes) if all(outcomes) else int(OPEN_DEAL, 16)).to_bytes(32, "big") if items else bytes(32)

    def token_view(self, token: str, call: str, state: State) -> int:
        """Balance, or an allowance that never ends."""
        seller = "0x" + call[34:74]
        return self.purse(seller, token, state) if len(call) == 10 + 64 else 2**256 - 1


def acts_of(data: str) -> list[Act]:
    """A call that a keeper may make; AssertionError for any other."""
    selector, body = data[:10], "0x" + data[10:]
    if selector == SELECTOR["slashBatch"]:
        found = words.result([f"{bindings.TrancheOf.ABI_TYPE}[]"], body)[0]
        return [Act(SLASH, (words.hexed(deal[0]), tranche)) for deal, tranche in found]
    if selector == SELECTOR["refundBatch"]:
        found = words.result([f"{bindings.Deal.ABI_TYPE}[]"], body)[0]
        return [Act(REFUND, (words.hexed(deal[0]), 0)) for deal in found]
    assert selector == SELECTOR["multicall"], f"the keeper calls {selector}"
    return list(_within(words.hexed(each) for each in words.result(["bytes[]"], body)[0]))


def _within(calls: Iterator[str]) -> Iterator[Act]:
    for each in calls:
        if each[:10] == SELECTOR["deliverFor"]:
            given = bindings.Delivery.from_abi(words.result([bindings.Delivery.ABI_TYPE], "0x" + each[10:])[0])
            yield Act(DELIVER, (given.deal.id, given.tranche), given.amount)
        else:
            yield Act(
                {SELECTOR["finalize"]: FINALIZE, SELECTOR["ruleTimeout"]: TIMEOUT}[each[:10]], ("0x" + each[10:74], 0)
            )


def refusal(name: str, *values: Any) -> RpcError:
    """A revert with a contract's error."""
    selector, parameters = next((each, told) for each, (error, told) in bindings.ERRORS.items() if error == name)
    data = words.call(selector, [kind for _, kind in parameters], list(values)[: len(parameters)])
    return RpcError(RpcFault.REVERTED, "execution reverted", data=data)
