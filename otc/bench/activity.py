"""A chain with the life of a venue on it: seasons of deposits, fills, deliveries and defaults, 100,000 events and more.

Made once, kept as anvil's own dump, with a file beside it that says what a venue knows without the chain: the escrow's address, the
terms of its markets, the offers that were posted to it.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from escrow.contracts import bindings, hashing
from escrow.contracts.bindings import Deal, Delivery, Fill, Filled, MarketTerms, Offer, TrancheOf
from otc.bench.anvil import Anvil
from otc.bench.gas import NOBODY, ZERO, User, Venue, delivery, user

EVENTS = 100_000  # at least
SEASONS = 8
TRADERS = 32  # makers, and as many takers
BATCH = 8  # fills, deliveries or slashings in a transaction
PER_BLOCK = 5  # transactions
FILLS_PER_OFFER = 10
UNITS = 1_000  # of an offer; each fill takes a tenth
DELIVERED = 0.8  # share of deals; the others default
PER_DEAL = 1 + 2 * DELIVERED + 1 * (1 - DELIVERED)  # events: filled, then delivered and settled, or settled
GAS = 1_000_000_000  # of a block
VERSION = 1  # of what is made here: another one makes the chain anew


@dataclass(frozen=True, slots=True)
class Facts:
    """What a venue knows of the chain beforehand. `head` is its last block, `events` the logs of the escrow up to it."""

    escrow: str
    token: str
    head: int
    events: int
    markets: list[MarketTerms]
    offers: list[Offer]


def arguments(state: Path) -> list[str]:
    """What anvil is started with to serve the kept chain."""
    return ["--load-state", str(state), "--gas-limit", str(GAS)]


def chain_made(folder: Path, *, say: Any = print) -> tuple[Path, Facts]:
    """The dump and the facts of the chain; made when `folder` has none of this version."""
    state, facts = folder / f"activity-{VERSION}.state.json", folder / f"activity-{VERSION}.facts.json"
    if not (state.exists() and facts.exists()):
        folder.mkdir(parents=True, exist_ok=True)
        say(f"making a chain of {EVENTS:,} events, once (some minutes)")
        state.unlink(missing_ok=True)
        with Anvil("--gas-limit", str(GAS), "--dump-state", str(state)) as chain:
            made = Season.all(chain, say)
        facts.write_text(json.dumps(asdict(made)), encoding="ascii")
    return state, _facts(json.loads(facts.read_text(encoding="ascii")))


def venue_of(chain: Anvil, facts: Facts) -> Venue:
    """The venue on the kept chain, to go on with."""
    venue = Venue.__new__(Venue)
    venue.chain, venue.chain_id = chain, int(chain.rpc("eth_chainId"), 16)
    venue.owner, venue.salt = user("owner"), len(facts.offers) + 10**6
    venue.escrow, venue.pay = facts.escrow, facts.token
    return venue


def traders(side: str) -> list[User]:
    """The makers or takers."""
    return [user(f"{side} {i}") for i in range(TRADERS)]


def _facts(stored: dict[str, Any]) -> Facts:
    markets = [MarketTerms(**terms) for terms in stored["markets"]]
    offers = [Offer(**offer) for offer in stored["offers"]]
    return Facts(**{**stored, "markets": markets, "offers": offers})


class Season:
    """One market from its creation to the end of its last deal."""

    def __init__(self, venue: Venue, number: int, makers: Sequence[User], takers: Sequence[User]) -> None:
        self.venue = venue
        self.makers, self.takers = makers, takers
        self.rng = random.Random(number)  # noqa: S311 - the same chain each time
        self.terms = venue.market(f"season {number}")
        self.offers: list[Offer] = []

    @classmethod
    def all(cls, chain: Anvil, say: Any) -> Facts:
        """Lives through all seasons."""
        venue = Venue(chain)
        makers = [venue.trader(f"maker {i}") for i in range(TRADERS)]
        takers = [venue.trader(f"taker {i}") for i in range(TRADERS)]
        markets, offers = [], []
        for number in range(SEASONS):
            season = cls(venue, number, makers, takers)
            season.live(round(EVENTS / PER_DEAL / SEASONS))
            markets.append(season.terms)
            offers += season.offers
            say(f"  season {number + 1} of {SEASONS}")
        head = int(chain.rpc("eth_blockNumber"), 16)
        events = sum(
            len(chain.rpc("eth_getLogs", {"address": venue.escrow, "fromBlock": hex(at), "toBlock": hex(at + 499)}))
            for at in range(0, head + 1, 500)
        )
        return Facts(venue.escrow, venue.pay, head, events, markets, offers)

    def live(self, deals: int) -> None:
        venue = self.venue
        opened = self._deals(self.blocks(self.fills(deals)))
        deadline = venue.settle(self.terms)
        kept = round(len(opened) * DELIVERED)
        by_seller: dict[str, list[Delivery]] = {}
        for deal in opened[:kept]:
            by_seller.setdefault(deal.seller, []).append(delivery(deal))
        list(self.blocks(self._deliveries(by_seller)))
        venue.chain.warp(deadline + 1)
        late = [TrancheOf(deal, 0) for deal in opened[kept:]]
        list(self.blocks((self.takers[0].address, bindings.encode_slash_batch(part)) for part in _parts(late)))

    def fills(self, deals: int) -> Iterator[tuple[str, str]]:
        """Each transaction fills the ladder of one maker."""
        fills: list[Fill] = []
        for at in range(0, deals, FILLS_PER_OFFER):
            maker, taker = self.rng.choice(self.makers), self.rng.choice(self.takers)
            offer, signature = self._offer(maker)
            fills += [Fill(offer, signature, UNITS // FILLS_PER_OFFER, ZERO)] * min(FILLS_PER_OFFER, deals - at)
            while len(fills) >= BATCH or (fills and at + FILLS_PER_OFFER >= deals):
                yield taker.address, bindings.encode_fill_batch(fills[:BATCH])
                del fills[:BATCH]

    def _offer(self, maker: User) -> tuple[Offer, bytes]:
        self.venue.salt += 1
        payment = self.rng.randint(10**15, 10**16)
        offer = Offer(
            maker=maker.address,
            taker=NOBODY,
            side=self.rng.randrange(2),
            market=hashing.market_id(self.terms),
            pay_token=self.venue.pay,
            units=UNITS,
            payment=payment,
            collateral=payment * self.rng.choice([1, 2, 4]) // 2,
            min_fill=UNITS // FILLS_PER_OFFER,
            max_fee_bps=200,
            expiry=self.terms.long_stop,
            epoch=0,
            salt=self.venue.salt,
            ref=ZERO,
        )
        self.offers.append(offer)
        return offer, self.venue.sign(maker, offer)

    @staticmethod
    def _deliveries(by_seller: dict[str, list[Delivery]]) -> Iterator[tuple[str, str]]:
        for seller, items in by_seller.items():
            for part in _parts(items):
                yield seller, bindings.encode_deliver_batch(part)

    def blocks(self, calls: Iterator[tuple[str, str]], per_block: int = PER_BLOCK) -> Iterator[int]:
        """Sends the calls, some in a block; yields the numbers of the blocks."""
        chain, waiting = self.venue.chain, 0
        for sender, data in calls:
            fields = {"from": sender, "to": self.venue.escrow, "data": data, "gas": hex(10_000_000)}
            chain.rpc("eth_sendTransaction", fields)
            waiting += 1
            if waiting == per_block:
                yield self._mined(waiting)
                waiting = 0
        if waiting:
            yield self._mined(waiting)

    def _mined(self, count: int) -> int:
        chain = self.venue.chain
        chain.rpc("evm_mine")
        block = chain.rpc("eth_getBlockByNumber", "latest", False)
        receipts = chain.rpc("eth_getBlockReceipts", block["number"])
        if len(receipts) != count or any(receipt["status"] != "0x1" for receipt in receipts):
            raise RuntimeError(f"block {block['number']} holds {len(receipts)} of {count} calls, or one failed")
        return int(block["number"], 16)

    def _deals(self, blocks: Iterator[int]) -> list[Deal]:
        query = {"address": self.venue.escrow, "topics": [Filled.TOPIC0]}
        found = []
        for number in blocks:
            logs = self.venue.chain.rpc("eth_getLogs", {**query, "fromBlock": hex(number), "toBlock": hex(number)})
            found += [Filled.decode(log["topics"], log["data"]).deal for log in logs]
        return found


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(items), BATCH):
        yield items[at : at + BATCH]
