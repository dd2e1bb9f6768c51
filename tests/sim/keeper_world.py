"""One seed of the keeper's simulation: deals that fall due, a chain that forks and forgets, a keeper that dies at any point, and what must hold.

The tables are PostgreSQL's; what the reader would write into them is written here, straight from the chain's model.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from django.db import connection
from django.db.models import Max

from escrow.keeper import confirming, driver, rpc, sending
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.policy import Policy
from escrow.keeper.services import signer_resume
from escrow.keeper.signer import from_key
from escrow.models import Block as BlockRow
from escrow.models import ChainEvent, Deal, DealTranche
from otc.core import clock
from otc.core.models import Chain
from otc.stack import anvil
from tests.sim.keeper_chain import (
    FINALIZE,
    FIRST,
    GWEI,
    OUTCOMES,
    REFUND,
    SLASH,
    TIMEOUT,
    UNKNOWN_WORDS,
    Block,
    Duties,
    Item,
    KeeperChain,
    Tx,
)
from tests.sim.world import KilledError, ViolationError
from tests.support import rows

KEEPER = from_key(anvil.key("taker"))
UNTIL = rows.START + rows.WINDOW + 30_000
EVIDENCE = "0x" + "ee" * 32
ATTESTED = {"phase": 1, "phase_until": UNTIL, "attested_units": 100, "attestation_evidence": EVIDENCE}
DISPUTED = {"phase": 3, "phase_until": UNTIL, "disputed_by": rows.SELLER, "dispute_evidence": EVIDENCE, "bond": 5}
TURNS = 40  # of a seed
POINTS = 60  # a keeper that is to die does so within these
HEALED_WITHIN = 60  # steps
ODD_WORDS = ("transaction underpriced", "insufficient funds for gas * price + value", "execution reverted")


class KeeperWorld:
    """`drive_once` on PostgreSQL, over `KeeperChain`. Call within a transaction that is rolled back afterwards."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
        self.counts: Counter[str] = Counter()
        self.now = 1_900_000_000.0
        start = rows.START + rows.WINDOW + 1
        depth = rng.choice([2, 5, 70])
        unread = {"safe_number": FIRST, "final_number": FIRST, "head_time": start}
        self.chain: Chain = rows.chain(final_depth=depth, **unread)
        self.fake = KeeperChain(
            rng,
            escrow=self.chain.escrow_address,
            address=KEEPER.address,
            now=start,
            legacy=rng.random() < 0.25,
            around=self._around,
            sent=self._sent,
        )
        self.policy = Policy(max_items=rng.choice([1, 2, 5]), max_in_flight=rng.choice([1, 3, 8]), max_reverts=99)
        self.faults, self.deaths = rng.choice([0.0, 0.05, 0.2]), rng.choice([0.0, 0.3])
        self.odd, self.strangers = rng.random() < 0.15, rng.random() < 0.15
        self.refusals = rng.random() < 0.4
        self.read: list[Block] = [self.fake.head]
        self.highest = FIRST
        self._left = -1  # points until the keeper dies
        self._level = 0
        self._may_halt = False
        for _ in range(rng.randint(1, 7)):
            self._open(rng.choice([SLASH, SLASH, REFUND, FINALIZE, TIMEOUT]))

    def _open(self, how: str) -> None:
        tranches = self.rng.randint(1, 3) if how == SLASH else 1
        if how == REFUND:
            market = rows.market(self.chain, status=4)
        elif how == SLASH:
            market = rows.market(self.chain)
            many = {"tge_bps": 4_000, "tranches": tranches, "period": rows.PERIOD} if tranches > 1 else {}
            rows.terms(market, **many)
        else:
            proof = {"attestor": "0x" + "a7" * 20, "arbitrator": "0x" + "a8" * 20, "challenge": 86_400}
            market = rows.market(self.chain, settlement=1, arbitration_window=86_400, bond_bps=500, **proof)
            rows.terms(market, token="0x" + "00" * 20)
        due = {REFUND: [0], FINALIZE: [UNTIL], TIMEOUT: [UNTIL]}.get(
            how, [rows.START + rows.WINDOW + rows.PERIOD * number for number in range(tranches)]
        )
        for _ in range(self.rng.randint(1, 4)):
            deal = rows.deal(market, **{FINALIZE: ATTESTED, TIMEOUT: DISPUTED}.get(how, {}))
            self.fake.deals[deal.deal_id] = Duties(how, due)

    # ------------------------------------------------------------ a turn

    def run(self, turns: int = TURNS) -> None:
        """Errors: ViolationError."""
        with self._patched():
            for _ in range(turns):
                self._live()
                self._follow(self.rng.choice([0, 0, 0, 1, 2]))
                self._drive()
            self._heal()

    @contextmanager
    def _patched(self) -> Iterator[None]:
        self._level = len(connection.savepoint_ids)
        with (
            mock.patch.object(rpc, "chain_answers", self.fake.answers),
            mock.patch.object(sending, "reach", self._reach),
            mock.patch.object(confirming, "reach", self._reach),
            mock.patch.object(clock, "now", self._moment),
            connection.execute_wrapper(self._execute),
        ):
            yield

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now, UTC)

    def _live(self) -> None:
        rng, fake = self.rng, self.fake
        self.now += rng.choice([1, 1, 10, 100])
        fake.faults = self.faults
        what = rng.random()
        depth = min(fake.head.number - max(self.highest - self.chain.final_depth, FIRST), 64)
        if what < 0.12 and depth > 0:
            self.counts["reorgs"] += 1
            fake.reorg(rng.choice([1, rng.randint(1, depth), depth]), keeps_pool=rng.choice([0.0, 0.5, 1.0]))
        elif what < 0.2:
            for node in rng.sample(fake.nodes, rng.randint(1, 2)):  # evicted, or restarted
                node.pool.clear()
        elif what < 0.3 and not fake.legacy:
            fake.head.base_fee = rng.choice([1, 10, 100, 700]) * GWEI
        elif what < 0.4 and self.refusals:
            fake.odd_words += rng.choices(ODD_WORDS, k=rng.randint(1, 2))
        elif what < 0.43 and self.odd:
            fake.odd_words.append(UNKNOWN_WORDS)
            self._may_halt = True
        elif what < 0.46 and self.strangers:
            fake.stranger()
            self._may_halt = True
        for _ in range(rng.choice([0, 1, 1, 2, 6])):
            self._mine()

    def _mine(self) -> None:
        rng = self.rng
        seconds = rng.choice([2, 12, 12, 20_000])
        others = [item for item in self._due(self.fake.head.timestamp + seconds) if rng.random() < 0.02]
        self.fake.mine(seconds=seconds, others=others, full=rng.random() < 0.2)
        self.highest = max(self.highest, self.fake.head.number)

    def _due(self, now: int) -> list[Item]:
        closed = self.fake.closed()
        return [
            (deal_id, tranche)
            for deal_id, duties in self.fake.deals.items()
            for tranche, due in enumerate(duties.due)
            if now > due and (deal_id, tranche) not in closed
        ]

    def _drive(self) -> None:
        self.counts["steps"] += 1
        self._left = self.rng.randint(1, POINTS) if self.rng.random() < self.deaths else -1
        try:
            driver.drive_once(chain_id=self.chain.pk, signer=KEEPER, policy=self.policy)
        except KilledError:
            self.counts["deaths"] += 1
        finally:
            self._left = -1
        self._check()

    def _heal(self) -> None:
        """Nothing fails any more: all that is due takes effect, and is known to have."""
        fake = self.fake
        self.faults = fake.faults = self.deaths = 0.0
        fake.odd_words.clear()
        fake.head.base_fee = 0 if fake.legacy else GWEI
        fake.mine(seconds=rows.PERIOD * 3)
        for _ in range(HEALED_WITHIN + self.chain.final_depth):
            self.now += 100
            self._follow(0)
            self._drive()
            if self._settled():
                break
            fake.mine(seconds=12)
        left = self._due(10**12)
        self._require(not left, f"never closed: {left}")
        states = Counter(Intent.objects.values_list("state", flat=True))
        self._require(set(states) <= {IntentState.DONE, IntentState.MOOT}, f"intents are left: {states}")
        signer = Signer.objects.filter(address=KEEPER.address).first()
        nonces = (signer.next_nonce, signer.final_nonce) if signer is not None else (None, 0)
        self._require(nonces in {(fake.nonce(), fake.nonce()), (None, 0)}, f"nonces {nonces}, mined {fake.nonce()}")
        self.counts["again"] += fake.again
        if not (self.refusals or self.odd or self.strangers):
            self._require(fake.again == 0, f"{fake.again} items were sent again after they had taken effect")

    def _settled(self) -> bool:
        open_states = [IntentState.PLANNED, IntentState.SENT, IntentState.MINED]
        signer = Signer.objects.filter(address=KEEPER.address).first()
        waits = Intent.objects.filter(state__in=open_states).exists()
        return not waits and not self._due(10**12) and (signer is None or signer.next_nonce == signer.final_nonce)

    # ------------------------------------------------------------ where a keeper dies

    def _point(self) -> None:
        if self._left > 0:
            self._left -= 1
            if self._left == 0:
                raise KilledError

    def _around(self) -> None:
        self._require(len(connection.savepoint_ids) == self._level, "a node is asked within a transaction")
        self._point()

    def _reach(self, _name: str) -> None:
        self._point()

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT ", "INSERT ", "UPDATE ")) and "advisory" not in sql:
            self._point()
        return execute(sql, params, many, context)

    # ------------------------------------------------------------ what the reader writes

    def _follow(self, lag: int) -> None:
        """Reads up to `lag` blocks below the head."""
        target = self.fake.blocks[: max(1, len(self.fake.blocks) - lag)]
        common = sum(1 for ours, theirs in zip(self.read, target, strict=False) if ours is theirs)
        for block in reversed(self.read[common:]):
            self._take_back(block)
        for block in target[common:]:
            self._write(block)
        self.read = list(target)
        tip = target[-1]
        final = max(self.chain.final_number or FIRST, tip.number - self.chain.final_depth)
        Chain.objects.filter(pk=self.chain.pk).update(
            head_number=tip.number,
            head_hash=tip.hash,
            head_time=tip.timestamp,
            safe_number=max(final, tip.number - 1),
            final_number=final,
        )
        self.chain.refresh_from_db()

    def _write(self, block: Block) -> None:
        row = BlockRow.objects.create(
            chain=self.chain,
            number=block.number,
            hash=block.hash,
            parent_hash=block.parent.hash if block.parent else block.hash,
            timestamp=block.timestamp,
        )
        for place, (deal_id, tranche) in enumerate(block.closed):
            event = ChainEvent.objects.create(
                chain=self.chain,
                block=row,
                block_number=block.number,
                log_index=place,
                tx_hash=rows.word(rows.number()),
                address=self.chain.escrow_address,
                topics=[],
                data=b"",
                name="Settled",
                args={},
                deal_id=deal_id,
            )
            self._close(deal_id, tranche, event)

    def _close(self, deal_id: str, tranche: int, event: ChainEvent) -> None:
        deal, duties = Deal.objects.get(deal_id=deal_id), self.fake.deals[deal_id]
        if duties.how == SLASH:
            DealTranche.objects.update_or_create(deal=deal, number=tranche, defaults={"outcome": OUTCOMES[SLASH]})
            if deal.tranches.filter(outcome__gt=0).count() < len(duties.due):
                return
        whole = deal.payment + deal.collateral + deal.bond
        Deal.objects.filter(pk=deal.pk).update(outcome=OUTCOMES[duties.how], closed_event=event, paid_to_seller=whole)

    def _take_back(self, block: Block) -> None:
        row = BlockRow.objects.get(hash=block.hash, canonical=True)
        for deal_id, tranche in block.closed:
            Deal.objects.filter(deal_id=deal_id).update(outcome=0, closed_event=None, paid_to_seller=0)
            DealTranche.objects.filter(deal__deal_id=deal_id, number=tranche).delete()
        ChainEvent.objects.filter(block=row).update(canonical=False)
        BlockRow.objects.filter(pk=row.pk).update(canonical=False)

    # ------------------------------------------------------------ what must hold

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ViolationError(what)

    def _sent(self, raw: bytes, tx: Tx) -> None:
        """Every transaction that leaves us."""
        self.counts["sent"] += 1
        stored = Attempt.objects.filter(tx_hash=tx.hash).first()
        self._require(stored is not None and bytes(stored.raw) == raw, "bytes were sent that are not stored")
        if tx.to == KEEPER.address:
            self._require(tx.data == "0x", "a call to ourselves")
        else:
            self._require(tx.to == self.chain.escrow_address, f"a call to {tx.to}")
            self.fake.items_of(tx.data)

    def _check(self) -> None:
        """After every step."""
        signer = Signer.objects.filter(address=KEEPER.address).first()
        if signer is None:
            return
        if signer.halted:
            self.counts["halts"] += 1
            self._require(self._may_halt, f"halted without a reason: {signer.halted}")
            signer_resume(signer_pk=signer.pk)
        attempts = Attempt.objects.filter(signer=signer)
        dearest = attempts.aggregate(most=Max("max_fee"))["most"] or 0
        self._require(dearest <= signer.fee_cap, f"{dearest} wei per gas, the cap is {signer.fee_cap}")
        if not self.strangers and not signer.halted:
            nonces = sorted(set(attempts.values_list("nonce", flat=True)))
            self._require(nonces == list(range(signer.next_nonce or 0)), f"nonces {nonces}, next {signer.next_nonce}")
        self._check_done()

    def _check_done(self) -> None:
        """What is DONE was done by the transaction that says so, in a final block, or was done before it."""
        final = [block for block in self.fake.blocks if block.number <= (self.chain.final_number or 0)]
        mined = {tx.hash for block in final for tx, went in block.txs if went}
        closed = self.fake.closed(final)
        done = Intent.objects.filter(state=IntentState.DONE)
        for deal_id, tranche, tx_hash in done.values_list("deal_id", "tranche", "attempt__tx_hash"):
            self._require((deal_id, tranche) in closed, f"{deal_id} {tranche} is done and still open")
            self._require(tx_hash in mined, f"{deal_id} {tranche} is done by {tx_hash}, which is not final")
