"""Deliveries of pieces of an ERC-721 or ERC-1155, and what the escrow keeps of them (docs/protocol.md, Rights)."""

from tests.support.model.delivery import Delivering, Opening
from tests.support.model.markets import Markets, require
from tests.support.model.pieces import Collection
from tests.support.model.state import Kept, Refused
from tests.support.model.structs import (
    MAX_WORD,
    NO_WORD,
    ZERO,
    Key,
    MarketTerms,
    Rights,
    RightsDelivery,
    SettlementTerms,
)

ANY = Rights(NO_WORD, semi_fungible=False)
OVERFLOW = (0x11, "overflow")


class RightDelivery(Markets, Delivering):
    def propose(self, terms: MarketTerms, settlement: SettlementTerms, rights: Rights) -> None:
        """As for tokens, and which pieces count. `rights` is empty in an ATTESTED market."""
        super().propose(terms, settlement)
        token = settlement.token
        if token == ZERO:
            require(rights == ANY, "BadSettlement", "rights")
            return
        if self.pay_tokens.get(token) or not self._collection(token).is_of(semi_fungible=rights.semi_fungible):
            raise Refused("NotARight", token)
        market = self.names.key(terms)
        self.rights_of[market] = rights
        self.emit("RightsProposed", market=market, ids_root=rights.ids_root, semi_fungible=rights.semi_fungible)

    def deliver(self, delivery: RightsDelivery) -> None:
        """By the seller; all ids or none, in part too, never more than is due. What is due is asked for, what arrives counts."""
        deal, tranche = delivery.deal, delivery.tranche
        opening = self.begin(deal, tranche)
        if opening is None:
            self.refuse_done(deal.id, tranche)
        self.require_caller(deal.seller)
        token, rights = opening.terms.token, self.rights_of.get(deal.market, ANY)
        kept = rights.semi_fungible or delivery.to_escrow
        total, left = opening.before, opening.whole - opening.before
        for right, amount, proof in self._items(delivery, rights):
            if rights.ids_root != NO_WORD and not self._is_allowed(right, proof, rights.ids_root):
                raise Refused("RightNotAllowed", right)
            if amount > left:
                raise Refused("TooMuch", amount, left)
            left -= amount
            came = self._take_piece(delivery, opening, right, amount, semi_fungible=rights.semi_fungible, kept=kept)
            total = min(opening.whole, total + came)
            self.emit(
                "RightsDelivered",
                id=deal.id,
                token=token,
                right=right,
                tranche=tranche,
                amount=came,
                delivered=total,
                to_escrow=kept,
            )
        if total == opening.before and opening.whole != 0:
            raise Refused("NothingDelivered", token)
        self.book(deal, tranche, opening, total)

    def withdraw_right(self, token: str, right: int, amount: int, to: str) -> None:
        """Pieces that the escrow keeps for the caller go out as they came in. Of a pay token what is owed stays."""
        if to in {ZERO, self.address}:
            raise Refused("ZeroAddress")
        if amount == 0:
            raise Refused("ZeroAmount")
        kept = self.kept.get((token, right, self.caller), Kept())
        if kept.amount < amount:
            raise Refused("InsufficientRights", token, right, kept.amount, amount)
        self.kept[token, right, self.caller] = kept._replace(amount=kept.amount - amount)
        self.emit("RightWithdrawn", token=token, user=self.caller, to=to, right=right, amount=amount)
        self._collection(token).send(self.address, self.address, to, right, amount, semi_fungible=kept.semi_fungible)
        owed = self.liabilities.get(token, 0)
        if owed and self.token_at(token).balance_of(self.address) < owed:
            raise Refused("BadToken", token)

    # ------------------------------------------------------------ rules

    def _items(self, delivery: RightsDelivery, rights: Rights) -> list[tuple[int, int, list[Key]]]:
        """Each id with its amount and its proof. A list has an entry for each id, or none where it has no use."""
        ids = delivery.ids
        amounts = delivery.amounts if rights.semi_fungible else [1] * len(ids)
        proofs = delivery.proofs if rights.ids_root != NO_WORD else [[]] * len(ids)
        useless = (not rights.semi_fungible and delivery.amounts) or (rights.ids_root == NO_WORD and delivery.proofs)
        if useless or not len(ids) == len(amounts) == len(proofs):
            raise Refused("BadLists")
        return list(zip(ids, amounts, proofs, strict=True))

    def _is_allowed(self, right: int, proof: list[Key], root: Key) -> bool:
        node = self.names.leaf(right)
        for sibling in proof:
            node = self.names.parent(node, sibling)
        return node == root

    def _take_piece(
        self, delivery: RightsDelivery, opening: Opening, right: int, amount: int, *, semi_fungible: bool, kept: bool
    ) -> int:
        """What arrived of an id. One of an ERC-721 was the seller's before and is the receiver's then; of an ERC-1155 the
        receiver's balance tells.
        """
        seller, buyer, token = delivery.deal.seller, delivery.deal.buyer, opening.terms.token
        collection, receiver = self._collection(token), self.address if kept else buyer
        if semi_fungible:
            before = collection.pieces(receiver, right)
        else:
            self._require_holder(collection, right, seller)
        collection.send(self.address, seller, receiver, right, amount, semi_fungible=semi_fungible)
        if semi_fungible:
            amount = collection.pieces(receiver, right) - before
        else:
            self._require_holder(collection, right, receiver)
        if kept:
            has = self.kept.get((token, right, buyer), Kept()).amount + amount
            if amount < 0 or 2 * has > MAX_WORD:
                raise Refused("Panic", *OVERFLOW)
            self.kept[token, right, buyer] = Kept(has, semi_fungible)
        return amount

    @staticmethod
    def _require_holder(collection: Collection, right: int, expected: str) -> None:
        owner = collection.owner_of(right)
        if owner != expected:
            raise Refused("WrongOwner", right, owner, expected)

    def _collection(self, address: str) -> Collection:
        if address not in self.collections:
            raise Refused("BadToken", address)
        return self.collections[address]
