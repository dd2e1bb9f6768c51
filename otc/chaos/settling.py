"""What people do on the chain once terms are proposed: tokens and rights delivered, deals attested and disputed, a market called off."""

import random
from collections.abc import Callable, Iterator

from escrow.contracts import bindings, hashing, rights_bindings
from otc.chaos.seen import Contracts, Seen
from otc.chaos.trading import (
    ADDRESS,
    ATTESTED,
    DAY,
    OBJECTION,
    RIGHTS,
    ROLE,
    TOKENS,
    TRADERS,
    VOID,
    Call,
    Place,
    Trading,
)
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.signatures import sign_digest
from otc.rehearsal import abi
from otc.stack import anvil
from points.domain import merkle

ENOUGH_DEALS = 5
EVIDENCE = "0x" + "e1" * 32
CANCEL_WAIT = 3 * DAY
TOKENS_A_UNIT = 10**17
UNITS_A_PIECE = 10
IDS = range(1, 41)  # of rights
LISTED = 12  # of them, where the terms list those that count


class People(Trading):
    """The roles of one seed, all day. The settlement token has 18 decimals; rights are counted in pieces."""

    def __init__(self, chance: random.Random, *, chain_id: int, contracts: Contracts) -> None:
        super().__init__(chance, chain_id=chain_id, contracts=contracts)
        self.semi_fungible = False
        self._ids: list[int] = []  # that may be delivered
        self._tree: list[bytes] = []  # of the listed ids; empty: any id counts

    def open(self, now: int, rules_hash: Callable[[str], str]) -> None:
        super().open(now, rules_hash)
        self.semi_fungible = self.chance.choice([True, False])
        self._ids = list(IDS)
        if self.chance.choice([True, False]):
            self._ids = sorted(self.chance.sample(self._ids, LISTED))
            self._tree = merkle.build([merkle.id_leaf(right) for right in self._ids])

    # ------------------------------------------------------------ terms

    def propose(self, seen: Seen) -> Iterator[Call]:
        """The resolver's terms for the markets that settle, where they are not on chain. With too few deals, more of these first."""
        if len(seen.deals) < ENOUGH_DEALS:
            for _ in range(ENOUGH_DEALS):
                yield from self.fill(seen)
            return
        for name in (TOKENS, ATTESTED, RIGHTS):
            place = self.places[name]
            if place.market_id in seen.created and place.market_id not in seen.settlements:
                yield "resolver", place.escrow, self._proposal(place, seen.now)

    def _proposal(self, place: Place, now: int) -> str:
        several = place.tranches > 1
        tokens = {ATTESTED: ZERO_ADDRESS, TOKENS: self.contracts.delivered, RIGHTS: self._pieces()}
        settlement = bindings.SettlementTerms(
            token=tokens[place.name],
            ratio_num=1 if place.name == RIGHTS else TOKENS_A_UNIT,
            ratio_den=UNITS_A_PIECE if place.name == RIGHTS else 1,
            start=now + OBJECTION + 900,
            window=DAY,
            tge_bps=4_000 if several else 10_000,
            tranches=place.tranches,
            period=DAY // 2 if several else 0,
        )
        if place.name != RIGHTS:
            return bindings.encode_propose(place.terms, settlement)
        root = "0x" + self._tree[0].hex() if self._tree else ZERO_HASH
        return rights_bindings.encode_propose(place.terms, settlement, rights_bindings.Rights(root, self.semi_fungible))

    def _pieces(self) -> str:
        """The contract of the rights that are delivered."""
        return self.contracts.passes if self.semi_fungible else self.contracts.keys

    # ------------------------------------------------------------ acting

    def settle(self, seen: Seen) -> Iterator[Call]:
        """Two random acts while terms are final: deliveries, an attestation, a dispute, a step of a cancellation, rights taken out.
        What is missing of the terms is proposed again.
        """
        yield from self.propose(seen)
        acts = {
            self._deliver: 8,
            self._deliver_rights: 6,
            self._prove: 6,
            self._withdraw_right: 3,
            self._call_off: 2,
            self.approve_standing: 1,
        }
        for act in self.chance.choices(list(acts), list(acts.values()), k=2):
            yield from act(seen)

    def _call_off(self, seen: Seen) -> Iterator[Call]:
        place = self.places[VOID]
        if place.market_id in seen.cancel_proposed:
            yield "guardian", place.escrow, bindings.encode_confirm_cancel(place.terms)
        else:
            yield "resolver", place.escrow, bindings.encode_propose_cancel(place.terms)

    def _deal_of(self, place: Place, seen: Seen) -> bindings.Deal | None:
        deals = seen.open_deals(place.market_id)
        return self.chance.choice(deals) if deals and place.market_id in seen.settlements else None

    def _deliver(self, seen: Seen) -> Iterator[Call]:
        place = self.places[TOKENS]
        deal = self._deal_of(place, seen)
        if deal is None:
            return
        whole = deal.units * TOKENS_A_UNIT
        delivery = bindings.Delivery(
            deal=deal,
            tranche=self.chance.randrange(place.tranches),
            amount=self.chance.choice([whole, whole, whole // 3, 1]),
            to_escrow=self.chance.choice([True, False, False]),
        )
        yield ROLE[deal.seller], place.escrow, bindings.encode_deliver(delivery)

    def _deliver_rights(self, seen: Seen) -> Iterator[Call]:
        """All pieces of a tranche or one; they are made for the purpose."""
        place = self.places[RIGHTS]
        deal = self._deal_of(place, seen)
        fresh = [right for right in self._ids if right not in seen.delivered]
        if deal is None or not (fresh or self.semi_fungible):
            return
        role, count = ROLE[deal.seller], self.chance.choice([-(-deal.units // UNITS_A_PIECE // place.tranches), 1])
        if self.semi_fungible:
            ids, amounts = [self.chance.choice(self._ids)], [count]
            yield role, self._pieces(), abi.call_data("mint(address,uint256,uint256)", deal.seller, ids[0], count)
        else:
            ids, amounts = self.chance.sample(fresh, min(count, len(fresh))), []
            for right in ids:
                yield role, self._pieces(), abi.call_data("mint(address,uint256)", deal.seller, right)
        delivery = rights_bindings.RightsDelivery(
            deal=deal,
            to_escrow=self.chance.choice([True, False]),
            tranche=self.chance.randrange(place.tranches),
            ids=ids,
            amounts=amounts,
            proofs=[self._proof(right) for right in ids] if self._tree else [],
        )
        yield role, place.escrow, rights_bindings.encode_deliver(delivery)

    def _proof(self, right: int) -> list[str]:
        place = merkle.leaf_index(self._tree, merkle.id_leaf(right))
        assert place is not None  # noqa: S101 - only listed ids are delivered
        return ["0x" + node.hex() for node in merkle.proof_at(self._tree, place)]

    def _withdraw_right(self, seen: Seen) -> Iterator[Call]:
        kept = [(key, amount) for key, amount in seen.kept.items() if amount]
        if not kept:
            return
        (token, right, user), amount = self.chance.choice(kept)
        to = ADDRESS[self.chance.choice(TRADERS)]
        data = rights_bindings.encode_withdraw_right(token, right, self.chance.randint(1, amount), to)
        yield ROLE[user], self.contracts.rights, data

    def _prove(self, seen: Seen) -> Iterator[Call]:
        place = self.places[ATTESTED]
        deals = seen.open_deals(place.market_id)
        if not deals:
            return
        deal = self.chance.choice(deals)
        if deal.id in seen.attested or self.chance.choice([True, False, False, False]):
            role = ROLE[self.chance.choice([deal.buyer, deal.seller])]
            yield role, place.escrow, bindings.encode_dispute(deal, place.terms, EVIDENCE)
            return
        attestation = bindings.Attestation(
            deal=hashing.deal_hash(deal),
            units=self.chance.randint(1, deal.units),
            evidence=EVIDENCE,
            valid_until=seen.now + DAY,
        )
        digest = hashing.attestation_hash(attestation, chain_id=self.chain_id, contract=place.escrow)
        signature = sign_digest(bytes.fromhex(digest[2:]), anvil.key("attestor"))
        data = bindings.encode_attest(deal, place.terms, attestation, signature)
        yield self.chance.choice(TRADERS), place.escrow, data

    # ------------------------------------------------------------ when

    def start(self, seen: Seen) -> int:
        """From when on deliveries are possible in every market that has terms."""
        return max((terms.start for terms in seen.settlements.values()), default=seen.now)

    def deadline(self, seen: Seen) -> int:
        """The last second of the last window."""
        return max(
            (terms.start + (terms.tranches - 1) * terms.period + terms.window for terms in seen.settlements.values()),
            default=seen.now,
        )
