"""Gas of whole transactions on anvil, beside an on-chain-offer market on the same plain ERC-20.

The state is that of a running venue: users hold free balances, fees have accrued, a maker has used other nonces of the same
word, the seller has approved the escrow without limit; offers carry no references unless said. A batch of 8 is the sweep of
one maker's ladder, and its deals; rows with 8 makers or buyers show the other extreme. "deliver" is to a buyer who never held
the token.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from escrow.contracts import bindings, hashing
from escrow.contracts.bindings import (
    Attestation,
    Close,
    Deal,
    Delivery,
    Fill,
    Filled,
    MarketTerms,
    Offer,
    Resale,
    SettlementTerms,
    TrancheOf,
)
from escrow.contracts.build import HERE
from otc.bench.anvil import Anvil
from otc.bench.report import Row

NOBODY = "0x" + "00" * 20
ZERO = "0x" + "00" * 32
DAY = 86_400
UNIT = 10**18
BATCH = 8
FEE_BPS = 100
INFINITE = 2**256 - 1
SNAPSHOT = HERE / "gas.json"  # what the tests hold us to, within 2 %

# DESIGN: whole transaction, plain ERC-20
BARS = {
    "post": 0,
    "fill": 85_000,
    "fill in part": 105_000,
    "deliver": 90_000,
    "slash": 50_000,
    "refund": 50_000,
    "fill, each of 8": 46_000,
    "deliver, each of 8": 32_000,
    "slash, each of 8": 25_000,
}


@dataclass(frozen=True, slots=True)
class User:
    address: str
    key: bytes


def user(role: str) -> User:
    key = keccak(text=f"gas bench {role}")
    return User(Account.from_key(key).address.lower(), key)


def reference(text: str) -> str:
    return "0x" + keccak(text=text).hex()


def artifact(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "artifacts" / f"{name}.json").read_text())
    return found


class Venue:
    """The escrow on a fresh chain, with one market and two tokens."""

    def __init__(self, chain: Anvil) -> None:
        self.chain = chain
        self.chain_id = int(chain.rpc("eth_chainId"), 16)
        self.owner = user("owner")
        self.salt = 0
        chain.fund(self.owner.address)
        self.pay = self.deploy("PlainToken", [], [])
        self.drop = self.deploy("PlainToken", [], [])
        roles = [self.owner.address, user("guardian").address, user("fee recipient").address]
        self.escrow = self.deploy("OTCEscrow", ["address", "address", "address"], roles)
        self.by_owner(bindings.encode_set_pay_token(self.pay, True))
        self.by_owner(bindings.encode_set_fee(FEE_BPS))

    def by_owner(self, data: str) -> None:
        self.chain.send(self.owner.address, self.escrow, data)

    def deploy(self, name: str, types: list[str], values: list[Any]) -> str:
        data = artifact(name)["bytecode"] + encode(types, values).hex()
        return str(self.chain.send(self.owner.address, None, data)["contractAddress"]).lower()

    def token(self, token: str, sender: str, signature: str, types: list[str], values: list[Any]) -> int:
        data = "0x" + keccak(text=signature).hex()[:8] + encode(types, values).hex()
        return self.chain.gas(sender, token, data)

    def mint(self, token: str, to: str, amount: int) -> None:
        self.token(token, self.owner.address, "mint(address,uint256)", ["address", "uint256"], [to, amount])

    def approve(self, token: str, who: User, spender: str) -> None:
        self.token(token, who.address, "approve(address,uint256)", ["address", "uint256"], [spender, INFINITE])

    def trader(self, role: str) -> User:
        """A user who has money inside and outside, and has approved the escrow for both tokens."""
        who = user(role)
        self.chain.fund(who.address)
        self.mint(self.pay, who.address, 10**9 * UNIT)
        self.mint(self.drop, who.address, 10**9 * UNIT)
        self.approve(self.pay, who, self.escrow)
        self.approve(self.drop, who, self.escrow)
        self.chain.send(who.address, self.escrow, bindings.encode_deposit(self.pay, 10**7 * UNIT, who.address))
        # a nonce of the word is used already, as after a first trade
        self.chain.send(who.address, self.escrow, bindings.encode_invalidate_nonces(0, 1 << 255))
        return who

    def market(self, name: str, *, attested: bool = False) -> MarketTerms:
        terms = MarketTerms(
            resolver=user("resolver").address,
            guardian=user("guardian").address,
            attestor=user("attestor").address if attested else NOBODY,
            arbitrator=user("arbitrator").address if attested else NOBODY,
            pay_token=self.pay,
            kind=0,
            settlement=int(attested),
            objection=DAY,
            min_window=DAY,
            max_window=30 * DAY,
            challenge=DAY if attested else 0,
            arbitration_window=3 * DAY if attested else 0,
            bond_bps=500 if attested else 0,
            long_stop=self.chain.now() + 365 * DAY,
            max_ratio_num=0,
            max_ratio_den=0,
            rules_hash=reference(name),
        )
        self.chain.fund(terms.resolver)
        self.chain.send(self.owner.address, self.escrow, bindings.encode_create_market(terms))
        return terms

    def settle(self, terms: MarketTerms, *, window: int = 2 * DAY) -> int:
        """Proposes, and waits until deliveries open; returns the deadline."""
        start = self.chain.now() + DAY + 60
        token = NOBODY if terms.settlement else self.drop
        settlement = SettlementTerms(token, 3 * UNIT, 1, start, window, 10_000, 1, 0)
        self.chain.send(terms.resolver, self.escrow, bindings.encode_propose(terms, settlement))
        self.chain.warp(start)
        return start + window

    def offer(self, maker: User, terms: MarketTerms, *, side: int = 1, parts: bool = False, refs: bool = False) -> Fill:
        """A signed offer of 100 units, all or none unless `parts`, filled in whole by this Fill."""
        self.salt += 1
        offer = Offer(
            maker=maker.address,
            taker=NOBODY,
            side=side,
            market=hashing.market_id(terms),
            pay_token=self.pay,
            units=100,
            payment=1_234_567_890_123_456_789,
            collateral=987_654_321_987_654_321,
            min_fill=10 if parts else 100,
            max_fee_bps=200,
            expiry=self.chain.now() + 300 * DAY,
            epoch=0,
            salt=self.salt,
            ref=ZERO if not refs else reference(f"maker {self.salt}"),
        )
        return Fill(
            offer=offer,
            signature=self.sign(maker, offer),
            units=100,
            taker_ref=ZERO if not refs else reference(f"taker {self.salt}"),
        )

    def sign(self, who: User, struct: hashing.Signed) -> bytes:
        digest = hashing.signed_hash(struct, chain_id=self.chain_id, contract=self.escrow)
        return bytes(Account.unsafe_sign_hash(bytes.fromhex(digest[2:]), who.key).signature)

    def fill(self, taker: User, item: Fill) -> tuple[int, Deal]:
        data = bindings.encode_fill(item.offer, item.signature, item.units, item.taker_ref)
        receipt = self.chain.send(taker.address, self.escrow, data)
        return int(receipt["gasUsed"], 16), self.deals(receipt)[0]

    def fill_batch(self, taker: User, items: list[Fill]) -> tuple[int, list[Deal]]:
        receipt = self.chain.send(taker.address, self.escrow, bindings.encode_fill_batch(items))
        return int(receipt["gasUsed"], 16), self.deals(receipt)

    @staticmethod
    def deals(receipt: dict[str, Any]) -> list[Deal]:
        logs = [log for log in receipt["logs"] if log["topics"][0] == Filled.TOPIC0]
        return [Filled.decode(log["topics"], log["data"]).deal for log in logs]


def measure_escrow(chain: Anvil) -> Iterator[tuple[str, float]]:
    """Name and gas of every operation of ours."""
    venue = Venue(chain)
    maker, taker = venue.trader("maker"), venue.trader("taker")
    makers = [venue.trader(f"maker {i}") for i in range(BATCH)]
    terms = venue.market("first")
    yield "post", 0
    yield "deposit", chain.gas(maker.address, venue.escrow, bindings.encode_deposit(venue.pay, UNIT, maker.address))
    yield "withdraw", chain.gas(maker.address, venue.escrow, bindings.encode_withdraw(venue.pay, UNIT, maker.address))

    gas, deal = venue.fill(taker, venue.offer(maker, terms))
    yield "fill", gas
    yield "fill, with references", venue.fill(taker, venue.offer(maker, terms, refs=True))[0]
    parts = venue.offer(maker, terms, parts=True)
    yield "fill in part", venue.fill(taker, replace(parts, units=40))[0]
    yield "fill in part, again", venue.fill(taker, replace(parts, units=25))[0]
    gas, ladder = venue.fill_batch(taker, [venue.offer(maker, terms) for _ in range(BATCH)])
    yield "fill, each of 8", gas / BATCH
    yield "fill, each of 8 makers", venue.fill_batch(taker, [venue.offer(one, terms) for one in makers])[0] / BATCH
    yield "cancel", chain.gas(maker.address, venue.escrow, bindings.encode_cancel(venue.offer(maker, terms).offer))

    _, late = venue.fill_batch(taker, [venue.offer(maker, terms) for _ in range(BATCH)])
    _, spread = venue.fill_batch(taker, [venue.offer(one, terms, side=0) for one in makers])
    _, spread_late = venue.fill_batch(taker, [venue.offer(one, terms, side=0) for one in makers])
    fresh = venue.trader("fresh buyer")
    venue.token(venue.drop, fresh.address, "transfer(address,uint256)", ["address", "uint256"], [taker.address, 10**27])
    single = [venue.fill(taker, venue.offer(fresh, terms, side=0))[1] for _ in range(4)]
    deadline = venue.settle(terms)
    chain.send(maker.address, venue.escrow, bindings.encode_deliver(delivery(deal)))  # from now on fees are not zero
    yield "deliver", chain.gas(taker.address, venue.escrow, bindings.encode_deliver(delivery(single[0])))
    yield "deliver to a holder", chain.gas(taker.address, venue.escrow, bindings.encode_deliver(delivery(single[1])))
    half = replace(delivery(single[2]), amount=150 * UNIT)
    yield "deliver in part", chain.gas(taker.address, venue.escrow, bindings.encode_deliver(half))
    yield "deliver the rest", chain.gas(taker.address, venue.escrow, bindings.encode_deliver(half))
    batch = bindings.encode_deliver_batch([delivery(each) for each in ladder])
    yield "deliver, each of 8", chain.gas(maker.address, venue.escrow, batch) / BATCH
    batch = bindings.encode_deliver_batch([delivery(each) for each in spread])
    yield "deliver, each of 8 buyers", chain.gas(taker.address, venue.escrow, batch) / BATCH
    keeper = user_funded(chain, "keeper")
    chain.warp(deadline + 1)
    yield "slash", chain.gas(keeper, venue.escrow, bindings.encode_slash(single[3], 0))
    batch = bindings.encode_slash_batch([TrancheOf(each, 0) for each in late])
    yield "slash, each of 8", chain.gas(keeper, venue.escrow, batch) / BATCH
    batch = bindings.encode_slash_batch([TrancheOf(each, 0) for each in spread_late])
    yield "slash, each of 8 buyers", chain.gas(keeper, venue.escrow, batch) / BATCH

    never = venue.market("never")
    _, void = venue.fill(taker, venue.offer(maker, never))
    _, voids = venue.fill_batch(taker, [venue.offer(one, never) for one in makers])
    chain.warp(never.long_stop + 1)
    yield "refund", chain.gas(keeper, venue.escrow, bindings.encode_refund(void))
    yield "refund, each of 8", chain.gas(keeper, venue.escrow, bindings.encode_refund_batch(voids)) / BATCH


def measure_places(chain: Anvil) -> Iterator[tuple[str, float]]:
    """A match of two offers, changes of hands, an end by both, a delivery on a standing approval."""
    venue = Venue(chain)
    maker, taker, third = venue.trader("maker"), venue.trader("taker"), venue.trader("third")
    terms = venue.market("first")
    keeper = user_funded(chain, "keeper")
    for parts in (False, True):
        buy, sell = venue.offer(taker, terms, side=0, parts=parts), venue.offer(maker, terms, parts=parts)
        data = bindings.encode_match_offers(buy.offer, buy.signature, sell.offer, sell.signature, 100)
        yield "match, in part" if parts else "match", chain.gas(keeper, venue.escrow, data)

    for side, role in enumerate(("buyer", "seller")):
        deal = venue.fill(taker, venue.offer(maker, terms))[1]
        holder = maker if side else taker
        listed = Resale(hashing.deal_hash(deal), side, UNIT, False, NOBODY, terms.long_stop, 0, 10**6 + side)
        data = bindings.encode_fill_resale(deal, listed, venue.sign(holder, listed), ZERO)
        yield f"resale, {role}", chain.gas(third.address, venue.escrow, data)
    deal = venue.fill(taker, venue.offer(maker, terms))[1]
    data = bindings.encode_transfer_position(deal, 0, third.address, ZERO)
    yield "transfer", chain.gas(taker.address, venue.escrow, data)

    deal = venue.fill(taker, venue.offer(maker, terms))[1]
    close = Close(hashing.deal_hash(deal), deal.payment, deal.collateral, terms.long_stop)
    data = bindings.encode_mutual_close(deal, close, venue.sign(taker, close), venue.sign(maker, close))
    yield "mutual close", chain.gas(keeper, venue.escrow, data)

    deal = venue.fill(taker, venue.offer(maker, terms))[1]
    again = venue.fill(taker, venue.offer(maker, terms))[1]
    data = bindings.encode_set_auto_deliver(deal.market, venue.drop, 10**9 * UNIT)
    yield "approve deliveries", chain.gas(maker.address, venue.escrow, data)
    venue.settle(terms)
    chain.send(maker.address, venue.escrow, bindings.encode_deliver(delivery(again)))  # from now on fees are not zero
    yield "deliver for", chain.gas(keeper, venue.escrow, bindings.encode_deliver_for(delivery(deal)))


def measure_attested(chain: Anvil) -> Iterator[tuple[str, float]]:
    """Deliveries outside the escrow, signed by the attestor, sent by anybody."""
    venue = Venue(chain)
    maker, taker = venue.trader("maker"), venue.trader("taker")
    terms = venue.market("attested", attested=True)
    keeper, arbitrator = user_funded(chain, "keeper"), user_funded(chain, "arbitrator")
    deals = [venue.fill(taker, venue.offer(maker, terms))[1] for _ in range(3)]
    venue.settle(terms)
    for deal in deals:
        done = Attestation(hashing.deal_hash(deal), deal.units, reference("evidence"), terms.long_stop)
        data = bindings.encode_attest(deal, terms, done, venue.sign(user("attestor"), done))
        gas = chain.gas(keeper, venue.escrow, data)
    yield "attest", gas
    data = bindings.encode_dispute(deals[0], terms, reference("claim"))
    yield "dispute", chain.gas(taker.address, venue.escrow, data)
    yield "rule", chain.gas(arbitrator, venue.escrow, bindings.encode_rule(deals[0], terms, deals[0].collateral))
    chain.warp(chain.now() + terms.challenge + 1)
    chain.send(keeper, venue.escrow, bindings.encode_finalize(deals[1]))  # from now on fees are not zero
    yield "finalize", chain.gas(keeper, venue.escrow, bindings.encode_finalize(deals[2]))


def delivery(deal: Deal) -> Delivery:
    return Delivery(deal=deal, tranche=0, amount=deal.units * 3 * UNIT, to_escrow=False)


def user_funded(chain: Anvil, role: str) -> str:
    who = user(role)
    chain.fund(who.address)
    return who.address


def measure_incumbent(chain: Anvil) -> Iterator[tuple[str, float]]:
    """The same operations of the on-chain-offer design, in the same state of the tokens."""
    venue = Venue(chain)
    fee_wallet = user("fee wallet").address
    market = venue.deploy("OnChainOfferMarket", ["address", "uint256"], [fee_wallet, FEE_BPS])
    maker, taker, fresh = venue.trader("maker"), venue.trader("taker"), venue.trader("fresh buyer")
    venue.mint(venue.pay, fee_wallet, UNIT)
    for who in (maker, taker, fresh):
        venue.approve(venue.pay, who, market)
        venue.approve(venue.drop, who, market)
    venue.token(venue.drop, fresh.address, "transfer(address,uint256)", ["address", "uint256"], [taker.address, 10**27])
    season = keccak(text="season")
    amounts = [100, 1_234_567_890_123_456_789, 987_654_321_987_654_321]

    def call(who: str, signature: str, *values: Any) -> int:
        types = signature[signature.index("(") + 1 : -1].split(",")
        return chain.gas(who, market, "0x" + keccak(text=signature).hex()[:8] + encode(types, values).hex())

    def post(who: User, side: int) -> int:
        signature = "newOffer(uint256,bytes32,address,uint256,uint256,uint256)"
        return call(who.address, signature, side, season, venue.pay, *amounts)

    post(maker, 2)
    call(taker.address, "fillOffer(uint256,uint256)", 1, 100)
    yield "post", post(maker, 2)
    yield "fill", call(taker.address, "fillOffer(uint256,uint256)", 2, 100)
    post(maker, 2)
    yield "fill in part", call(taker.address, "fillOffer(uint256,uint256)", 3, 40)
    yield "fill in part, again", call(taker.address, "fillOffer(uint256,uint256)", 3, 25)
    yield "cancel", call(maker.address, "cancelOffer(uint256)", 3)
    for number in (4, 5):
        post(fresh, 1)
        call(taker.address, "fillOffer(uint256,uint256)", number, 100)
    start = chain.now() + DAY
    signature = "setSeason(bytes32,uint256,uint256,address,uint256)"
    call(venue.owner.address, signature, season, start, start + 2 * DAY, venue.drop, 3 * UNIT)
    chain.warp(start)
    deliver = call(taker.address, "settleFilled(uint256)", 5)
    yield "deliver", deliver
    yield "deliver to a holder", call(taker.address, "settleFilled(uint256)", 6)
    chain.warp(start + 2 * DAY + 1)
    yield "slash", call(user_funded(chain, "keeper"), "settleCancelled(uint256)", 1)


def measure() -> tuple[dict[str, float], dict[str, float]]:
    """Ours, and the incumbent's."""
    ours: dict[str, float] = {}
    for part in (measure_escrow, measure_places, measure_attested):
        with Anvil() as chain:
            ours.update(part(chain))
    with Anvil() as chain:
        theirs = dict(measure_incumbent(chain))
    return ours, theirs


def run() -> list[Row]:
    ours, theirs = measure()
    rows = []
    for name, figure in ours.items():
        single = name.split(", each")[0]
        other = theirs.get(name, theirs.get(single))
        beside = "" if other is None else f"on-chain offers: {other:,.0f}"
        rows.append(Row(name, figure, "gas", BARS.get(name), beside=beside))
    trade, rival = (side["post"] + side["fill"] + side["deliver"] for side in (ours, theirs))
    rows.append(Row("a whole trade: post, fill, deliver", trade, "gas", beside=f"on-chain offers: {rival:,.0f}"))
    rows.append(Row("gas saved on a whole trade", round(100 - 100 * trade / rival, 1), "%"))
    return rows


def save_snapshot() -> None:
    """Stores the figures of now as those that the tests hold us to."""
    figures = {name: round(figure) for name, figure in measure()[0].items()}
    SNAPSHOT.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    save_snapshot()
