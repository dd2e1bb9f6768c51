"""Collections of rights as the escrow meets them: ERC-721 and ERC-1155 whose issuer may turn any switch at any time."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from tests.support.model.state import Refused
from tests.support.model.structs import ZERO
from tests.support.model.tokens import Token


class Conduct(NamedTuple):
    """`still`: it moves nothing, and says nothing of it. `lies`: it moves nothing, and names as owner of all whom it was last asked to
    give to. Of an ERC-1155 `lost` pieces vanish where they arrive, and `gained` come on top. `paused`: it refuses. `reenters`: it
    calls the escrow back, which refuses that call only.
    """

    still: bool = False
    lies: bool = False
    lost: int = 0
    gained: int = 0
    paused: bool = False
    reenters: bool = False


class Collection(ABC):
    """What the escrow asks of one. Errors: Refused with the collection's own, or BadToken where it has no answer."""

    address: str

    @abstractmethod
    def is_of(self, *, semi_fungible: bool) -> bool:
        """What it says of itself by ERC-165."""

    def owner_of(self, right: int) -> str:
        raise Refused("BadToken", self.address)

    def pieces(self, account: str, right: int) -> int:
        raise Refused("BadToken", self.address)

    @abstractmethod
    def send(self, operator: str, source: str, to: str, right: int, amount: int, *, semi_fungible: bool) -> None:
        """As `operator` asks: one piece of an ERC-721, or `amount` of an ERC-1155."""


class Switched(Collection):
    """With an issuer's switches. `closed`: addresses with code that take no ERC-1155."""

    def __init__(self, address: str, closed: frozenset[str] = frozenset()) -> None:
        self.address, self.closed = address, closed
        self.conduct = Conduct()
        self.approved: frozenset[tuple[str, str]] = frozenset()  # of (owner, operator)
        self.owners: dict[int, str] = {}
        self.held: dict[tuple[str, int], int] = {}
        self.claimed = ZERO
        self.struck_back = False

    def save(self) -> tuple:
        return self.owners.copy(), self.held.copy(), self.approved, self.claimed, self.struck_back

    def load(self, saved: tuple) -> None:
        owners, held, self.approved, self.claimed, self.struck_back = saved
        self.owners, self.held = owners.copy(), held.copy()

    def approve_all(self, owner: str, operator: str, on: bool) -> None:
        self.approved = self.approved | {(owner, operator)} if on else self.approved - {(owner, operator)}

    def _called(self) -> None:
        if self.conduct.paused:
            raise Refused("Error", "refused by the issuer")
        self.struck_back = self.struck_back or self.conduct.reenters


class Passes(Switched):
    """An ERC-721."""

    def is_of(self, *, semi_fungible: bool) -> bool:
        return not semi_fungible

    def mint(self, to: str, right: int) -> None:
        self.owners[right] = to

    def owner_of(self, right: int) -> str:
        if self.conduct.lies:
            return self.claimed
        if right not in self.owners:
            return super().owner_of(right)
        return self.owners[right]

    def send(self, operator: str, source: str, to: str, right: int, amount: int, *, semi_fungible: bool) -> None:
        self._called()
        if self.conduct.lies:
            self.claimed = to
        elif not self.conduct.still:
            self._move(operator, source, to, right)

    def _move(self, operator: str, source: str, to: str, right: int) -> None:
        owner = self.owners.get(right)
        if owner is None:
            raise Refused("ERC721NonexistentToken", right)
        if operator != owner and (owner, operator) not in self.approved:
            raise Refused("ERC721InsufficientApproval", operator, right)
        if owner != source:
            raise Refused("ERC721IncorrectOwner", source, right, owner)
        self.owners[right] = to


class Keys(Switched):
    """An ERC-1155."""

    def is_of(self, *, semi_fungible: bool) -> bool:
        return semi_fungible

    def mint(self, to: str, right: int, amount: int) -> None:
        self.held[to, right] = self.pieces(to, right) + amount

    def pieces(self, account: str, right: int) -> int:
        return self.held.get((account, right), 0)

    def send(self, operator: str, source: str, to: str, right: int, amount: int, *, semi_fungible: bool) -> None:
        self._called()
        if self.conduct.still:
            return
        if operator != source and (source, operator) not in self.approved:
            raise Refused("ERC1155MissingApprovalForAll", operator, source)
        has = self.pieces(source, right)
        if has < amount:
            raise Refused("ERC1155InsufficientBalance", source, has, amount, right)
        self.held[source, right] = has - amount
        self.mint(to, right, amount)
        if to in self.closed:
            raise Refused("ERC1155InvalidReceiver", to)
        lost = min(self.conduct.lost, self.pieces(to, right))
        self.mint(to, right, self.conduct.gained - lost)


class Both(Keys):
    """Two things at once: an ERC-1155 that says it is an ERC-721 too, and has an owner of each id."""

    def is_of(self, *, semi_fungible: bool) -> bool:
        return True

    def own(self, to: str, right: int) -> None:
        self.owners[right] = to

    def owner_of(self, right: int) -> str:
        return self.owners.get(right, ZERO)

    def send(self, operator: str, source: str, to: str, right: int, amount: int, *, semi_fungible: bool) -> None:
        if semi_fungible:
            super().send(operator, source, to, right, amount, semi_fungible=True)
            return
        self._called()
        if self.owner_of(right) != source:
            raise Refused("Error", "not the owner")
        self.owners[right] = to


class Chameleon(Collection, Token):
    """An ERC-20 that says it is an ERC-721: `transferFrom` has one selector in both, and the last receiver owns every id."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.claimed = ZERO

    def save(self) -> tuple:
        return self.claimed, super().save()

    def load(self, saved: tuple) -> None:
        self.claimed, token = saved
        super().load(token)

    def is_of(self, *, semi_fungible: bool) -> bool:
        return not semi_fungible

    def owner_of(self, right: int) -> str:
        return self.claimed

    def transfer_from(self, spender: str, owner: str, to: str, amount: int) -> None:
        super().transfer_from(spender, owner, to, amount)
        self.claimed = to

    def send(self, operator: str, source: str, to: str, right: int, amount: int, *, semi_fungible: bool) -> None:
        """`right` is taken for an amount. Nobody looks at the answer here: that it fails is not seen."""
        if operator == source:
            self.move(source, to, right)
        elif not self.behaviour.fails:
            self.spend(operator, source, right)
            self.move(source, to, right)
        self.claimed = to
