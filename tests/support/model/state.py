"""What the escrow remembers (docs/protocol.md, Storage), and how one call changes all of it or nothing."""

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.model.structs import (
    ONCHAIN,
    OPEN,
    PENDING,
    Deal,
    Key,
    MarketTerms,
    Names,
    Rights,
    SettlementTerms,
    Signature,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.model.pieces import Collection
    from tests.support.model.tokens import Token


class Refused(Exception):  # noqa: N818  # it is an answer, not an error of ours
    """The escrow says no: the name of the contract's error, and its arguments."""

    def __init__(self, error: str, *details: Any) -> None:
        super().__init__(error, *details)
        self.error, self.details = error, details


class Event(NamedTuple):
    name: str
    fields: dict[str, Any]


class Market(NamedTuple):
    """`settlement` stands while PROPOSED (and FINAL); its window grows with an extension."""

    terms: MarketTerms
    status: int = OPEN
    proposed_at: int = 0
    settlement: SettlementTerms | None = None
    extended: bool = False
    cancel_proposed_at: int = 0


class Claim(NamedTuple):
    """What is said about a delivery outside the escrow: who disputes it, until when, and which bond is locked for it."""

    phase: int
    until: int
    units: int
    bond_bps: int = 0
    appeals: int = 0


class Kept(NamedTuple):
    """Pieces of a right that wait for a user; they go out by the standard that the last of them came in by."""

    amount: int = 0
    semi_fungible: bool = False


class DealState(NamedTuple):
    """A deal by its id. `deal` is the pre-image that holds now; `outcome` is PENDING while it is open.

    `resolved` and `slashed` hold tranches of a deal of several; `delivered` what came in an incomplete one (in deals of several
    tranches also in a complete one, save the last).
    """

    deal: Deal
    outcome: int = PENDING
    resolved: frozenset[int] = frozenset()
    slashed: frozenset[int] = frozenset()
    delivered: dict[int, int] = {}  # never changed in place
    claim: Claim | None = None

    @property
    def touched(self) -> bool:
        """Something has happened to the deal since its last change of hands."""
        return bool(self.resolved or self.claim or any(self.delivered.values()))


class State:
    """Storage, and the caller and the time of the call that runs. Values of the dictionaries are never changed in place."""

    def __init__(
        self,
        *,
        address: str,
        owner: str,
        guardian: str,
        fee_recipient: str,
        names: Names,
        tokens: "Iterable[Token]" = (),
        collections: "Iterable[Collection]" = (),
        wallets: dict[str, frozenset[str]] | None = None,
    ) -> None:
        self.address, self.names = address, names
        self.tokens = {token.address: token for token in tokens}
        self.collections = {collection.address: collection for collection in collections}
        self.wallets = wallets or {}  # contract wallets, each with the keys of which one signs for it
        self.code = {address, *self.tokens, *self.collections, *self.wallets}  # addresses with code
        self.balances: dict[tuple[str, str], int] = {}
        self.fees: dict[str, int] = {}
        self.liabilities: dict[str, int] = {}
        self.filled: dict[Key, int] = {}  # MAX_WORD: cancelled
        self.nonces: dict[tuple[str, int], int] = {}  # (maker, word) to used bits
        self.epochs: dict[str, int] = {}
        self.markets: dict[Key, Market] = {}
        self.deals: dict[Key, DealState] = {}
        self.auto_deliver: dict[tuple[str, Key, str], int] = {}
        self.rights_of: dict[Key, Rights] = {}  # as last proposed
        self.kept: dict[tuple[str, int, str], Kept] = {}  # by token, right and user
        self.pay_tokens: dict[str, bool] = {}
        self.config: dict[str, Any] = {
            "owner": owner,
            "pending_owner": "0x" + "00" * 20,
            "guardian": guardian,
            "fee_recipient": fee_recipient,
            "fee_bps": 0,
            "paused_until": 0,
        }
        self.caller, self.now = "", 0
        self.events: list[Event] = []

    STORAGE = (
        "balances",
        "fees",
        "liabilities",
        "filled",
        "nonces",
        "epochs",
        "markets",
        "deals",
        "auto_deliver",
        "rights_of",
        "kept",
        "pay_tokens",
        "config",
    )

    # ------------------------------------------------------------ a call: all or nothing

    def call(self, function: str, caller: str, now: int, *arguments: Any) -> list[Event]:
        """Runs one function of the escrow. Errors: Refused, and then nothing has changed."""
        saved = self.save()
        self.caller, self.now, self.events = caller, now, []
        try:
            getattr(self, function)(*arguments)
        except Refused:
            self.load(saved)
            raise
        return self.events

    def save(self) -> tuple:
        """Everything, for `load`."""
        storage = {name: getattr(self, name).copy() for name in self.STORAGE}
        outside = self.tokens | self.collections
        return storage, {address: contract.save() for address, contract in outside.items()}

    def load(self, saved: tuple) -> None:
        storage, contracts = saved
        for name, content in storage.items():
            setattr(self, name, content.copy())
        outside = self.tokens | self.collections
        for address, content in contracts.items():
            outside[address].load(content)

    def emit(self, event: str, **fields: Any) -> None:
        self.events.append(Event(event, fields))

    # ------------------------------------------------------------ money

    def credit(self, token: str, user: str, amount: int) -> None:
        self.balances[token, user] = self.balances.get((token, user), 0) + amount

    def debit(self, token: str, user: str, amount: int) -> None:
        has = self.balances.get((token, user), 0)
        if has < amount:
            raise Refused("InsufficientBalance", token, user, has, amount)
        self.balances[token, user] = has - amount

    def owe(self, token: str, amount: int) -> None:
        """`liabilities` change only when tokens come in or go out."""
        self.liabilities[token] = self.liabilities.get(token, 0) + amount

    def add_fee(self, token: str, amount: int) -> None:
        self.fees[token] = self.fees.get(token, 0) + amount

    def token_at(self, address: str) -> "Token":
        if address not in self.tokens:
            raise Refused("BadToken", address)
        return self.tokens[address]

    def pull(self, token: str, owner: str, to: str, amount: int) -> int:
        """Moves `amount` from `owner`'s wallet to `to`; what arrived there, measured."""
        found = self.token_at(token)
        before = found.balance_of(to)
        found.transfer_from(self.address, owner, to, amount)
        return max(0, found.balance_of(to) - before)

    # ------------------------------------------------------------ conditions that many functions share

    def require_caller(self, expected: str) -> None:
        if self.caller != expected:
            raise Refused("NotAllowed", self.caller, expected)

    def require_entry_open(self) -> None:
        until = self.config["paused_until"]
        if self.now < until:
            raise Refused("EntryIsPaused", until)

    def not_after(self, deadline: int) -> None:
        if self.now > deadline:
            raise Refused("Deadline", deadline, self.now)

    def not_before(self, opens_at: int) -> None:
        if self.now < opens_at:
            raise Refused("TooEarly", opens_at, self.now)

    def require_signature(self, signer: str, content: Key, signature: Signature | None) -> None:
        """The signer's own key, or for a contract wallet one of its owners' keys, signed exactly this."""
        keys = {signer} | self.wallets.get(signer, frozenset())
        if signature is None or signature.content != content or signature.signer not in keys:
            raise Refused("BadSignature", signer)

    def require_epoch(self, maker: str, signed: int) -> None:
        current = self.epochs.get(maker, 0)
        if signed != current:
            raise Refused("WrongEpoch", signed, current)

    def use_nonce(self, maker: str, salt: int) -> bool:
        """False when it was used before."""
        word, bit = salt // 256, 1 << salt % 256
        used = self.nonces.get((maker, word), 0)
        self.nonces[maker, word] = used | bit
        return not used & bit

    # ------------------------------------------------------------ settlement of a market

    def settlement_of(self, market: Key) -> SettlementTerms | None:
        return self.markets[market].settlement if market in self.markets else None

    def is_attested(self, market: Key) -> bool:
        return self.markets[market].terms.settlement != ONCHAIN
