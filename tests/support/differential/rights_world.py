"""The rights escrow beside its model: collections whose issuers turn every switch, one of them an ERC-20 too."""

from types import ModuleType
from typing import Any, ClassVar

from escrow.contracts import rights_bindings
from tests.support import model
from tests.support.differential.storage import View
from tests.support.differential.world import Action, World
from tests.support.model.pieces import Switched

UNASKED = "transferFrom(address,address,uint256)"


class RightsView(View):
    """With what the escrow keeps, and what the collections say."""

    def _deliveries(self) -> None:
        me = self._escrow.address
        for market, rights in self._escrow.rights_of.items():
            self._ask(me, "rightsOf(bytes32)", (market,), *rights, over=True)
        for (token, right, user), kept in self._escrow.kept.items():
            self._ask(me, "rights(address,uint256,address)", (token, right, user), kept.amount, over=True)
        for address, collection in self._escrow.collections.items():
            if isinstance(collection, Switched):
                self._collection(address, collection)
            else:
                self._ask(address, "claimed()", (), collection.claimed)

    def _collection(self, address: str, collection: Switched) -> None:
        self._ask(address, "attackFailed()", (), collection.struck_back)
        for right in collection.owners:
            self._ask(address, "ownerOf(uint256)", (right,), collection.owner_of(right))
        for (account, right), amount in collection.held.items():
            self._ask(address, "balanceOf(address,uint256)", (account, right), amount)


class RightsWorld(World):
    """`tokens`: two payment tokens, and the chameleon, which is a collection too. `passes` an ERC-721, `keys` an ERC-1155, `both`."""

    contract: ClassVar[str] = "RightsEscrow"
    bindings: ClassVar[ModuleType] = rights_bindings
    functions: ClassVar[tuple[str, ...]] = model.RIGHTS_FUNCTIONS
    view: ClassVar[type[View]] = RightsView

    def _create_tokens(self, code: dict[str, str]) -> list[str]:
        pay = [self._create(code["ModelToken"], ["uint8"], [decimals]) for decimals in (6, 18)]
        self.passes, self.keys, self.both, self.chameleon = (
            self._create(code[name]) for name in ("ModelPasses", "ModelKeys", "ModelBoth", "ModelChameleon")
        )
        return [*pay, self.chameleon]

    def _opening(self) -> Any:
        """Everybody has a few pieces too, and lets the escrow take them."""
        now = 0
        for action in super()._opening():
            now = action.now
            yield action
        for number, person in enumerate(self.people):
            for collection in (self.passes, self.keys, self.both):
                now += 1
                yield Action("approve", person, now, (self.address, True), collection)
            for action in (
                Action("mint", person, now + 1, (person, number), self.passes),
                Action("mint", person, now + 2, (person, 2**255 + number), self.passes),
                Action("mint", person, now + 3, (person, 7, 40), self.keys),
                Action("mint", person, now + 4, (person, 2**256 - 1, 9), self.keys),
                Action("mint", person, now + 5, (person, 3, 12), self.both),
                Action("own", person, now + 6, (person, number), self.both),
            ):
                yield action
            now += 6

    def _fresh_model(self) -> model.RightsEscrow:
        closed = frozenset({self.wallet})
        chameleon = model.Chameleon(self.chameleon)
        return model.RightsEscrow(
            tokens=[*(model.Token(address) for address in self.tokens[:2]), chameleon],
            collections=[
                model.Passes(self.passes, closed),
                model.Keys(self.keys, closed),
                model.Both(self.both, closed),
                chameleon,
            ],
            **self._model_fields(),
        )

    def _outside_call(self, action: Action) -> tuple[str, tuple]:
        arguments, fungible = action.arguments, action.token != self.passes
        if action.function == "claim":
            return "claim(address)", arguments
        if action.token in self.tokens:
            return super()._outside_call(action)
        if action.function == "turn":
            conduct, claimed = arguments
            if fungible:
                return "turn(bool,uint256,uint256,bool)", (conduct.still, conduct.lost, conduct.gained, conduct.paused)
            return "turn(bool,bool,address,bool)", (conduct.still, conduct.lies, claimed, conduct.paused)
        if action.function == "give":
            return UNASKED, (action.caller, *arguments)
        kinds = {
            "approve": "setApprovalForAll(address,bool)",
            "own": "own(address,uint256)",
            "strike": "strike(address,bytes)",
            "mint": "mint(address,uint256,uint256)" if fungible else "mint(address,uint256)",
        }
        return kinds[action.function], arguments

    def _turn(self, action: Action) -> None:
        collection, arguments = self.model.collections.get(action.token), action.arguments
        if action.function == "claim":
            (collection.claimed,) = arguments
        elif not isinstance(collection, Switched):
            super()._turn(action)
        elif action.function == "turn":
            conduct, collection.claimed = arguments
            collection.conduct = conduct._replace(reenters=collection.conduct.reenters)
        elif action.function == "strike":
            collection.conduct = collection.conduct._replace(reenters=arguments[0] != model.ZERO)
        elif action.function == "approve":
            collection.approve_all(action.caller, *arguments)
        elif action.function == "give":  # into the escrow too, which an ERC-721 does not ask: nobody has a claim to it
            to, right = arguments
            collection.owners[right] = to
        else:
            getattr(collection, action.function)(*arguments)
