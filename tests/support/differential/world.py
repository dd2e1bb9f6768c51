"""Two escrows in step: the model, and the byte code on an anvil. Every action goes to both, and everything is compared."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from itertools import count
from types import ModuleType
from typing import Any, ClassVar

from eth_abi.abi import encode

from escrow.contracts import bindings, build
from otc.stack import anvil as published
from tests.support import model
from tests.support.anvil import Anvil
from tests.support.differential import abi
from tests.support.differential.fixtures import fixtures
from tests.support.differential.node import Node, NodeError
from tests.support.differential.storage import Known, View

GENESIS = 2_000_000_000  # after any real clock: every run sees the same times
GAS = hex(20_000_000)
DECIMALS = (6, 18, 8, 24)  # the first two are payment tokens
ACTORS = published.ADDRESSES[:6]
DEPLOYER = published.ADDRESSES[9]


@dataclasses.dataclass(frozen=True)
class Action:
    """A call of the escrow, or of a token when `token` names one."""

    function: str
    caller: str
    now: int
    arguments: tuple = ()
    token: str = ""

    def __str__(self) -> str:
        where = f"{self.token}." if self.token else ""
        return f"[{self.now}] {self.caller}: {where}{self.function}{self.arguments}"


class MismatchError(AssertionError):
    """Model and contract differ. `kind` stays when what is not needed for the difference is left out."""

    def __init__(self, message: str, kind: tuple = ()) -> None:
        super().__init__(message)
        self.kind = kind


def shipped(name: str) -> str:
    """Creation code of a committed artifact."""
    return json.loads((build.HERE / "artifacts" / f"{name}.json").read_text())["bytecode"]


TOKEN_CALLS = {
    "mint": "mint(address,uint256)",
    "approve": "approve(address,uint256)",
    "list": "list(address,bool)",
    "set": "set(uint256,uint256,bool,bool,bool)",
    "strike": "strike(address,bytes)",
}


class World:
    """`reset()` brings both back to the beginning, which is what `opening` did."""

    contract: ClassVar[str] = "OTCEscrow"
    bindings: ClassVar[ModuleType] = bindings
    functions: ClassVar[tuple[str, ...]] = model.FUNCTIONS
    view: ClassVar[type[View]] = View

    def __init__(self, anvil: Anvil) -> None:
        code = fixtures()  # before anything is open: it may refuse
        self.node = Node(anvil.url)
        self.node.rpc("evm_setAutomine", False)
        self._known: Known = {}
        self._compared = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        self.errors: Counter[tuple[str, str]] = Counter()
        self.seen: Counter[tuple[str, str]] = Counter()  # events by function
        self.node.rpc("evm_mine", {"timestamp": GENESIS - 100})
        self._time = GENESIS - 100
        lens = self._create(code["Lens"])
        tokens = self._create_tokens(code)
        owners = list(ACTORS[:2])
        wallet = self._create(shipped("DemoWallet"), ["address[]", "uint256"], [owners, 1])
        trio = list(ACTORS[:3])  # owner, global guardian, fee recipient
        self.address = self._create(shipped(self.contract), ["address"] * 3, trio)
        self.lens, self.tokens, self.wallet = lens, tokens, wallet
        self.decimals = dict(zip(tokens, DECIMALS, strict=False))
        self.people = (*ACTORS, wallet)
        for person in self.people:
            self.node.rpc("anvil_impersonateAccount", person)
        self.node.rpc("anvil_setBalance", wallet, hex(10**24))
        self.model = self._fresh_model()
        self.opening: list[model.Event] = []
        for action in self._opening():
            self.opening += self.step(action)
        self._start = self.model.save()
        self._snapshot = self.node.rpc("evm_snapshot")

    def close(self) -> None:
        for person in self.people:
            self.node.rpc("anvil_stopImpersonatingAccount", person)
        self.node.close()

    def reset(self) -> None:
        if self.node.rpc("evm_revert", self._snapshot) is not True:
            raise AssertionError("the node forgot the beginning")
        self._snapshot = self.node.rpc("evm_snapshot")
        self.model = self._fresh_model()
        self.model.load(self._start)
        self._known.clear()

    def _opening(self) -> Iterator[Action]:
        """Everybody has tokens, and some of the payment tokens in the escrow."""
        now = count(GENESIS)
        for token in self.tokens[:2]:
            yield Action("set_pay_token", ACTORS[0], next(now), (token, True))
        yield Action("set_fee", ACTORS[0], next(now), (37,))
        for token, decimals in self.decimals.items():
            for person in self.people:
                yield Action("mint", person, next(now), (person, 10 ** (12 + decimals)), token)
                yield Action("approve", person, next(now), (self.address, model.MAX_WORD), token)
                if token in self.tokens[:2]:
                    yield Action("deposit", person, next(now), (token, 10 ** (4 + decimals), person))

    def _create_tokens(self, code: dict[str, str]) -> list[str]:
        return [self._create(code["ModelToken"], ["uint8"], [decimals]) for decimals in DECIMALS]

    def _fresh_model(self) -> Any:
        return model.Escrow(tokens=[model.Token(address) for address in self.tokens], **self._model_fields())

    def _model_fields(self) -> dict[str, Any]:
        return {
            "address": self.address,
            "owner": ACTORS[0],
            "guardian": ACTORS[1],
            "fee_recipient": ACTORS[2],
            "names": abi.ChainNames(self.address),
            "wallets": {self.wallet: frozenset(ACTORS[:2])},
        }

    def _create(self, code: str, kinds: tuple | list = (), values: tuple | list = ()) -> str:
        data = code + encode(kinds, values).hex()
        self._time += 1
        receipt = self._mine({"from": DEPLOYER, "data": data, "gas": GAS}, self._time)
        return receipt["contractAddress"].lower()

    def _mine(self, fields: dict[str, str], now: int) -> dict[str, Any]:
        sent = self.node.rpc("eth_sendTransaction", fields)
        self.node.rpc("evm_mine", {"timestamp": now})
        return self.node.rpc("eth_getTransactionReceipt", sent)

    # ------------------------------------------------------------ a step

    def step(self, action: Action, *, send_refused: bool = False) -> list[model.Event] | None:
        """Does it in both. The events, or None when both refused. Errors: MismatchError.

        A refused call is asked for its error; with `send_refused` it is also sent, to show that nothing changes.
        """
        if action.token:
            self._turn(action)
            events: list[model.Event] | None = []
            self._accepted(action, events)
        else:
            try:
                events = self.model.call(action.function, action.caller, action.now, *action.arguments)
            except model.Refused as refused:
                self._refused(action, (refused.error, *refused.details), send=send_refused)
                self.errors[action.function, refused.error] += 1
                events = None
            else:
                self._accepted(action, events)
                self._check_solvency(action)
                self.seen.update((action.function, event.name) for event in events)
        self.counts[action.function, "refused" if events is None else "accepted"] += 1
        return events

    def _check_solvency(self, action: Action) -> None:
        try:
            self.model.check_solvency()
        except AssertionError as error:
            raise MismatchError(f"{action}\ninsolvent: {error}", (action.function, "insolvent")) from error

    def _transaction(self, action: Action) -> dict[str, str]:
        if action.token:
            to, data = action.token, abi.token_calldata(*self._outside_call(action))
        else:
            to, data = self.address, self.calldata(action.function, action.caller, *action.arguments)
        return {"from": action.caller, "to": to, "data": data, "gas": GAS}

    def calldata(self, function: str, caller: str, *arguments: Any) -> str:
        """Of a call of the escrow."""
        return abi.calldata(self.bindings, function, caller, arguments)

    def _outside_call(self, action: Action) -> tuple[str, tuple]:
        """What `action` calls of a token: the function with its types, and the arguments."""
        arguments = action.arguments
        if action.function == "set":
            rule = arguments[0]
            arguments = (rule.fee_bps, rule.extra_bps, rule.fails, rule.silent, rule.paused)
        return TOKEN_CALLS[action.function], arguments

    def _turn(self, action: Action) -> None:
        """What people and issuers do with a token itself."""
        token, arguments = self.model.tokens[action.token], action.arguments
        if action.function == "set":
            token.behaviour = arguments[0]._replace(reenters=token.behaviour.reenters)
        elif action.function == "strike":
            token.behaviour = token.behaviour._replace(reenters=arguments[0] != model.ZERO)
        elif action.function == "list":
            account, listed = arguments
            token.listed = token.listed | {account} if listed else token.listed - {account}
        elif action.function == "approve":
            token.approve(action.caller, *arguments)
        else:
            getattr(token, action.function)(*arguments)

    def _accepted(self, action: Action, events: list[model.Event]) -> None:
        fields = self._transaction(action)
        receipt = self._mine(fields, action.now)
        if receipt["status"] != "0x1":
            found = self._ask(fields, action.now)
            kind = (action.function, "refused", found[0])
            raise MismatchError(f"{action}\nmodel accepts, contract refuses: {found}", kind)
        logs = [log for log in receipt["logs"] if log["address"].lower() == self.address]
        found = [abi.event_of(log) for log in logs]
        if found != events:
            raise MismatchError(
                f"{action}\nevents of the model    {events}\nevents of the contract {found}",
                (action.function, "events"),
            )
        self._compare(action)

    def _refused(self, action: Action, expected: tuple, *, send: bool) -> None:
        fields = self._transaction(action)
        found = self._ask(fields, action.now)
        if found != expected:
            raise MismatchError(
                f"{action}\nrefusal of the model    {expected}\nrefusal of the contract {found}",
                (expected[0], found[0]),
            )
        if send:
            if self._mine(fields, action.now)["status"] != "0x0":
                raise MismatchError(f"{action}\nrefused when asked, accepted when sent")
            self._compare(action)

    def _ask(self, fields: dict[str, str], now: int) -> tuple:
        try:
            self.node.rpc("eth_call", fields, "latest", {}, {"time": hex(now)})
        except NodeError as error:
            return abi.refusal_of(error.data)
        return ("accepted",)

    def _compare(self, action: Action, *, whole: bool = False) -> None:
        """The views of the contract against the model; with `whole`, and each eighth time, those of what is over too."""
        self._compared += 1
        view = self.view(self.model, self.people, self._known, whole=whole or self._compared % 8 == 0)
        answer = self._look(view, hashed=True)
        if answer != view.digest():
            differences = "\n".join(view.differences(self._look(view, hashed=False)))
            raise MismatchError(f"{action}\nstorage differs:\n{differences or answer}", (action.function, "storage"))

    def finish(self, action: Action) -> None:
        """At the end of a run: everything once more."""
        self._compare(action, whole=True)

    def _look(self, view: View, *, hashed: bool) -> str:
        return self.node.rpc("eth_call", {"to": self.lens, "data": view.request(hashed=hashed)}, "latest")
