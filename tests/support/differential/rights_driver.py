"""Random trading in rights: what differs from the trading of tokens."""

import random
from typing import Any

from escrow.contracts import words
from points.domain import merkle
from tests.support.differential.driver import WEIGHTS, Driver
from tests.support.differential.key_calls import Call
from tests.support.differential.rights_world import RightsWorld
from tests.support.differential.world import Action
from tests.support.model.escrow import OF_TOKENS
from tests.support.model.pieces import Conduct, Keys, Passes, Switched
from tests.support.model.rights import ANY
from tests.support.model.state import DealState, Kept
from tests.support.model.structs import MAX_WORD, NO_WORD, ZERO, Rights, RightsDelivery, SettlementTerms

FRESH = range(100, 10**6)  # ids of passes that are minted when somebody needs them
STRIKES = (("bump_epoch",), ("withdraw_right", 7, 1), ("withdraw", 1))


class RightsDriver(Driver):
    WEIGHTS = {name: weight for name, weight in WEIGHTS.items() if name not in OF_TOKENS} | {
        "deliver": 22,
        "withdraw_right": 8,
        "issuer": 9,
    }
    BUNDLED = ("withdraw", "cancel", "bump_epoch", "deposit", "deliver", "slash", "withdraw_right", "refund", "fill")

    def __init__(self, rng: random.Random, world: RightsWorld) -> None:
        super().__init__(rng, world)
        self._lists: dict[str, list[int]] = {}  # allowed ids by their root
        self._fresh = iter(FRESH)

    # ------------------------------------------------------------ what is traded

    def pay_token(self) -> str:
        """The chameleon too, while it is allowed."""
        chameleon = self.world.chameleon
        return chameleon if self.model.pay_tokens.get(chameleon) and self.luck(0.3) else super().pay_token()

    def set_pay_token(self) -> Call:
        if self.luck(0.5):
            return super().set_pay_token()
        return self._owner(self.one(*[self.world.chameleon] * 5, self.world.passes), self.luck(0.6))

    def propose(self) -> Call:
        call = super().propose()
        if call is None:
            return None
        caller, (terms, settlement) = call
        if settlement.token == ZERO:
            return caller, (
                terms,
                settlement,
                ANY if not self.luck(0.1) else self.one(Rights(NO_WORD, True), self._rights()),
            )
        world = self.world
        if self.luck(0.93):
            token = self.one(*[world.passes, world.keys] * 3, *[world.both, world.chameleon] * 2)
            settlement = self._in_pieces(settlement._replace(token=token), self.model.names.key(terms))
        return caller, (terms, settlement, self._rights(settlement.token))

    def _in_pieces(self, settlement: SettlementTerms, market: str) -> SettlementTerms:
        """So that a deal of the market comes to a few pieces."""
        if not self.luck(0.9) or not settlement.ratio_num or not settlement.ratio_den:
            return settlement
        units = self.any_of(state.deal.units for state in self.open_deals() if state.deal.market == market) or 10
        return settlement._replace(
            ratio_num=self.one(1, settlement.tranches, settlement.tranches) or 1,
            ratio_den=max(1, units // self.one(1, 1, 2, 3)),
        )

    def _rights(self, token: str = "") -> Rights:
        collection = self.model.collections.get(token)
        fungible = token in {self.world.keys, self.world.both} and not (token == self.world.both and self.luck(0.5))
        if self.luck(0.04):
            fungible = not fungible
        ids = [7, 2**256 - 1, 3]
        if isinstance(collection, Passes):
            ids = sorted(self.rng.sample(sorted(collection.owners), 5)) + [next(self._fresh) for _ in range(3)]
        elif token == self.world.chameleon:
            ids = [0, 1, 10**6]
        elif collection is not None and not fungible:
            ids = list(range(4))
        root = NO_WORD
        if self.luck(0.5):
            root = words.hexed(merkle.build([merkle.id_leaf(right) for right in ids])[0])
            self._lists[root] = ids
        return Rights(root, fungible)

    # ------------------------------------------------------------ deliveries

    def deliver(self) -> Call:
        found = self.tranche_subject(self.deliverable())
        if found is None:
            return None
        state, tranche = found
        rights = self.model.rights_of.get(state.deal.market, ANY)
        missing, token = self.missing(state, tranche)
        ids, amounts = self._pieces(state, token, rights, missing)
        if not ids and missing and self.luck(0.95):
            return None
        proofs = [self._proof(right, rights.ids_root) for right in ids] if rights.ids_root != NO_WORD else []
        if self.luck(0.04):
            amounts, proofs = self.one(([*amounts, 1], proofs), (amounts, [*proofs, []]), (amounts[:-1], proofs))
        delivery = RightsDelivery(self.shown(state.deal), self.luck(0.5), tranche, ids, amounts, proofs)
        return self.someone(state.deal.seller), (delivery,)

    def _pieces(self, state: DealState, token: str, rights: Rights, missing: int) -> tuple[list[int], list[int]]:
        """Ids that the seller has, mostly, and how many of each where that counts."""
        seller, collection = state.deal.seller, self.model.collections.get(token)
        listed = self._lists.get(rights.ids_root)
        if isinstance(collection, Keys) and rights.semi_fungible:
            has = sorted(right for (account, right), amount in collection.held.items() if account == seller and amount)
        elif isinstance(collection, Switched):
            has = sorted(right for right, owner in collection.owners.items() if owner == seller)
        else:
            has = [0, 1, 10**6] if collection is None or collection.claimed == seller else []
        if listed and not self.luck(0.06):
            has = [right for right in has if right in listed]
        if self.luck(0.06):
            has = [self.one(0, 1, 7, 99, 2**255), *has]  # another's, or nobody's
        if not missing and self.luck(0.9):
            return [], []
        count = min(len(has), max(1, self.one(*[missing, missing, 1, min(2, missing)] * 4, missing + 1)), 4)
        ids = self.rng.sample(has, count)
        if not rights.semi_fungible:
            return ids, []
        least = missing // max(1, count)
        many = [least, least, missing - least * (count - 1), min(1, least)] * 6
        return ids, [self.one(*many, 0, least + 1, MAX_WORD) for _ in ids]

    def _proof(self, right: int, root: str) -> list[str]:
        listed = self._lists.get(root, [right])
        tree = merkle.build([merkle.id_leaf(one) for one in listed])
        place = merkle.leaf_index(tree, merkle.id_leaf(right))
        if place is None or self.luck(0.04):
            return self.one([], [self.word()], [words.hexed(node) for node in merkle.proof_at(tree, len(tree) - 1)])
        return [words.hexed(node) for node in merkle.proof_at(tree, place)]

    def withdraw_right(self) -> Call:
        key = self.any_of(self._held())
        if key is None and self.luck(0.9):
            return None
        if key is None or self.luck(0.05):
            key = (self.one(*self.model.collections, *self.world.tokens[:1]), self.one(0, 7), self.person())
        token, right, user = key
        kept = self.model.kept.get(key, Kept()).amount
        amount = self.one(*[kept, kept, 1, max(1, kept // 2)] * 3, kept + 1, 0)
        to = self.one(*[self.person()] * 12, self.world.wallet, ZERO, self.world.address)
        return self.someone(user), (token, right, amount, to)

    def _held(self) -> list[tuple[str, int, str]]:
        return [key for key, kept in self.model.kept.items() if kept.amount]

    def _ready(self) -> list[str]:
        return super()._ready() + (["withdraw_right"] if self._held() and self.luck(0.3) else [])

    def _deliveries(self) -> list[str]:
        return ["deliver", "deliver", "deliver", "deliver", "issuer"]

    # ------------------------------------------------------------ issuers

    def _issuer(self) -> Action:
        if self.luck(0.2):
            return super()._issuer()
        odd = self._odd() if self.luck(0.3) else []
        if odd:
            return Action("turn", self.person(), self.now, (Conduct(), ZERO), odd[0].address)
        needed = self.any_of(self.deliverable()) if self.luck(0.8) else None
        return (needed and self._supplied(*needed)) or self._switched()

    def _switched(self) -> Action:
        """An issuer's switch, a holder's approval, or a piece that is given away."""
        address, issuer = self.one(self.world.passes, self.world.keys, self.world.both), self.person()
        collection, act = self.model.collections[address], self.one("turn", "turn", "strike", "approve", "give")
        if act == "turn":
            return Action("turn", issuer, self.now, self._conduct(collection), address)
        if act == "strike":
            name, *rest = self.one(*STRIKES)
            arguments = (address, *rest, issuer) if rest else ()
            payload = bytes.fromhex(self.world.calldata(name, issuer, *arguments)[2:])
            target = ZERO if collection.conduct.reenters else self.world.address
            return Action("strike", issuer, self.now, (target, payload), address)
        passes = self.model.collections[self.world.passes]
        right, holder = self.any_of(sorted(passes.owners.items()))
        if act == "give" and passes.conduct == Conduct() and holder in self.world.people:
            to = self.one(self.person(), self.person(), self.world.address)
            return Action("give", holder, self.now, (to, right), self.world.passes)
        return Action("approve", issuer, self.now, (self.world.address, self.luck(0.85)), address)

    def _odd(self) -> list[Switched]:
        """Collections that do not what they should."""
        found = (self.model.collections[address] for address in (self.world.passes, self.world.keys, self.world.both))
        return [collection for collection in found if collection.conduct._replace(reenters=False) != Conduct()]

    def _conduct(self, collection: Switched) -> tuple[Conduct, str]:
        """As it should, after it did not; else one switch."""
        if collection in self._odd():
            return Conduct(), ZERO
        claimed = self.person()
        sellers = [state.deal.seller for state, _tranche in self.deliverable()]
        if sellers and self.luck(0.8):
            claimed = self.any_of(sellers)
        switches: tuple[dict[str, Any], ...] = ({"still": True}, {"paused": True})
        if isinstance(collection, Passes):
            switches += ({"lies": True},) * 2
        else:
            switches += ({"lost": 1}, {"lost": 5}, {"gained": 2}, {"lost": 1, "gained": 3}, {"gained": 2**255})
        return Conduct(**self.one(*switches)), claimed

    def _supplied(self, state: DealState, tranche: int) -> Action | None:
        """What the seller of a deal still needs is minted for him."""
        _missing, token = self.missing(state, tranche)
        rights = self.model.rights_of.get(state.deal.market, ANY)
        collection, seller = self.model.collections.get(token), state.deal.seller
        listed = self._lists.get(rights.ids_root)
        if token == self.world.chameleon:
            return Action("claim", self.person(), self.now, (seller,), token)
        if isinstance(collection, Passes):
            free = [right for right in listed if right not in collection.owners] if listed else [next(self._fresh)]
            return Action("mint", self.person(), self.now, (seller, free[0]), token) if free else None
        if isinstance(collection, Keys) and rights.semi_fungible:
            right = self.any_of(listed or [7, 2**256 - 1, 3])
            return Action("mint", self.person(), self.now, (seller, right, self.one(1, 5)), token)
        if isinstance(collection, Keys):
            return Action("own", self.person(), self.now, (seller, self.any_of(listed or range(4))), token)
        return None
