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

from escrow.domain import payouts
from escrow.keeper import confirming, driver, rpc, sending
from escrow.keeper.kms import KmsSigner
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.policy import Policy
from escrow.keeper.services import signer_resume
from escrow.keeper.signer import TransactionSigner, from_key
from escrow.models import AutoDelivery, ChainEvent, Deal, DealTranche
from escrow.models import Block as BlockRow
from otc.core import clock
from otc.core.models import Chain, EscrowKind
from otc.stack import anvil
from tests.sim.keeper_chain import FIRST, GWEI, UNKNOWN_WORDS, Block, KeeperChain, Tx
from tests.sim.keeper_escrow import DELIVER, FINALIZE, REFUND, SLASH, TIMEOUT, Duties, Item, State, acts_of
from tests.sim.world import KilledError, ViolationError
from tests.support import rows
from tests.support.key_service import SoftKeyService

KEEPER = from_key(anvil.key("taker"))
RIGHTS_ESCROW = "0x" + "e6" * 20
HRB = "0x" + "77" * 20  # what is delivered
UNTIL = rows.START + rows.WINDOW + 30_000
EVIDENCE = "0x" + "ee" * 32
ATTESTED = {"phase": 1, "phase_until": UNTIL, "attested_units": 100, "attestation_evidence": EVIDENCE}
DISPUTED = {"phase": 3, "phase_until": UNTIL, "disputed_by": rows.SELLER, "dispute_evidence": EVIDENCE, "bond": 5}
TURNS = 40  # of a seed
POINTS = 60  # a keeper that is to die does so within these
HEALED_WITHIN = 60  # steps
LAST_MINUTES = 3_600  # seconds before a deadline in which nobody is blamed for what he does not deliver
ODD_WORDS = ("transaction underpriced", "insufficient funds for gas * price + value", "execution reverted")


class KeeperWorld:
    """`drive_once` on PostgreSQL, over `KeeperChain`. Call within a transaction that is rolled back afterwards."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)  # noqa: S311 - a seed that can be run again
        self.counts: Counter[str] = Counter()
        self.now = 1_900_000_000.0
        self.begun = start = rows.START + rows.WINDOW + 1
        unread = {
            "safe_number": FIRST,
            "final_number": FIRST,
            "head_time": start,
            "final_depth": rng.choice([2, 5, 70]),
        }
        self.chains: list[Chain] = [rows.chain(**unread)]
        if rng.random() < 0.4:
            self.chains.append(rows.chain(kind=EscrowKind.RIGHTS, escrow_address=RIGHTS_ESCROW, **unread))
        self.final_depth: int = self.chains[0].final_depth
        self.service = SoftKeyService(anvil.key("taker"), seed=seed)
        self.signer: TransactionSigner = rng.choice([KEEPER, KEEPER, KmsSigner(self.service)])
        self.fake = KeeperChain(
            rng,
            address=KEEPER.address,
            now=start,
            legacy=rng.random() < 0.25,
            around=self._around,
            sent=self._sent,
        )
        self.fake.escrows |= {chain.escrow_address for chain in self.chains}
        self.policy = Policy(max_items=rng.choice([1, 2, 5]), max_in_flight=rng.choice([1, 3, 8]), max_reverts=99)
        self.faults, self.deaths = rng.choice([0.0, 0.05, 0.2]), rng.choice([0.0, 0.3])
        self.odd, self.strangers = rng.random() < 0.15, rng.random() < 0.15
        self.refusals = rng.random() < 0.4
        self.read: dict[int, list[Block]] = {chain.pk: [self.fake.head] for chain in self.chains}
        self.highest = FIRST
        self._left = -1  # points until the keeper dies
        self._level = 0
        self._may_halt = False
        for chain in self.chains:
            ways = [SLASH, SLASH, REFUND, FINALIZE, TIMEOUT]
            if chain.kind == EscrowKind.TOKENS:
                ways += [DELIVER, DELIVER]
            for _ in range(rng.randint(1, 7 // len(self.chains))):
                self._open(chain, rng.choice(ways))

    def _open(self, chain: Chain, how: str) -> None:
        tranches = self.rng.randint(1, 3) if how in {SLASH, DELIVER} else 1
        start = self.begun - 60 if how == DELIVER else rows.START
        market = rows.market(chain, status=4) if how == REFUND else rows.market(chain)
        if how in {SLASH, DELIVER}:
            many = {"tge_bps": 4_000, "tranches": tranches, "period": rows.PERIOD} if tranches > 1 else {}
            rows.terms(market, start=start, token=HRB, **many)
        elif how != REFUND:
            proof = {"attestor": "0x" + "a7" * 20, "arbitrator": "0x" + "a8" * 20, "challenge": 86_400}
            market.delete()
            market = rows.market(chain, settlement=1, arbitration_window=86_400, bond_bps=500, **proof)
            rows.terms(market, token="0x" + "00" * 20)
        begins = [start + rows.PERIOD * number for number in range(tranches)]
        due = {REFUND: [0], FINALIZE: [UNTIL], TIMEOUT: [UNTIL]}.get(how, [begin + rows.WINDOW for begin in begins])
        for _ in range(self.rng.randint(1, 4)):
            deal = rows.deal(market, **{FINALIZE: ATTESTED, TIMEOUT: DISPUTED}.get(how, {}))
            duties = Duties(how, chain.escrow_address, due)
            if how == DELIVER:
                terms = payouts.Terms(
                    10**18, 1, start, rows.WINDOW, 4_000 if tranches > 1 else 10_000, tranches, rows.PERIOD
                )
                duties.pot = (deal.seller, market.market_id, HRB)
                duties.begins = begins
                duties.whole = [payouts.due_in_tranche(deal.units, terms, number) for number in range(tranches)]
                self._approve(chain, duties.pot, sum(duties.whole))
            self.fake.escrow.deals[deal.deal_id] = duties

    def _approve(self, chain: Chain, pot: tuple[str, str, str], whole: int) -> None:
        """The seller lets the keeper deliver the deal, or some of it, or nothing; and has it, or not."""
        escrow, amount = self.fake.escrow, self.rng.choice([whole, whole, whole // 3, 0])
        escrow.approved[pot] = escrow.approved.get(pot, 0) + amount
        escrow.wallet[pot[0], pot[2]] = escrow.wallet.get((pot[0], pot[2]), 0) + self.rng.choice(
            [whole, whole, whole // 2]
        )
        AutoDelivery.objects.update_or_create(
            chain=chain, seller=pot[0], market_id=pot[1], token=pot[2], defaults={"amount": escrow.approved[pot]}
        )

    # ------------------------------------------------------------ a turn

    def run(self, turns: int = TURNS) -> None:
        """Errors: ViolationError."""
        with self._patched():
            for _ in range(turns):
                self._live()
                for chain in self.chains:
                    self._follow(chain, self.rng.choice([0, 0, 0, 1, 2]))
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
        self.service.down = rng.random() < self.faults / 2
        what = rng.random()
        depth = min(fake.head.number - max(self.highest - self.final_depth, FIRST), 64)
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
        closed = self.fake.state().closed
        return [
            (deal_id, tranche)
            for deal_id, duties in self.fake.escrow.deals.items()
            for tranche, due in enumerate(duties.due)
            if now > due and (deal_id, tranche) not in closed
        ]

    def _drive(self) -> None:
        for chain in self.chains:
            self.counts["steps"] += 1
            self._left = self.rng.randint(1, POINTS) if self.rng.random() < self.deaths else -1
            try:
                driver.drive_once(chain_id=chain.pk, signer=self.signer, policy=self.policy)
            except KilledError:
                self.counts["deaths"] += 1
            finally:
                self._left = -1
            self._check()

    def _heal(self) -> None:
        """Nothing fails any more: what can be delivered is; then all that is due takes effect, and is known to have."""
        fake = self.fake
        self.faults = fake.faults = self.deaths = 0.0
        self.service.down = False
        fake.odd_words.clear()
        fake.head.base_fee = 0 if fake.legacy else GWEI
        self._go_on(lambda: not self._deliverable(), seconds=60)
        left = self._deliverable()
        self._require(not left, f"never delivered: {left}")
        fake.mine(seconds=rows.PERIOD * 4)
        self._go_on(self._settled, seconds=12)
        left = self._due(10**12)
        self._require(not left, f"never closed: {left}")
        states = Counter(Intent.objects.values_list("state", flat=True))
        self._require(set(states) <= {IntentState.DONE, IntentState.MOOT}, f"intents are left: {states}")
        signer = Signer.objects.filter(address=KEEPER.address).first()
        if signer is not None and signer.next_nonce is not None:
            known, mined = (signer.next_nonce, signer.final_nonce), fake.nonce()
            # What a stranger sends while there is nothing to do is noticed with the next thing to do.
            holds = known[0] == known[1] <= mined if self.strangers else known == (mined, mined)
            self._require(holds, f"nonces {known}, mined {mined}")
        again = fake.escrow.again
        self.counts["again"] += again
        self.counts["delivered"] += len(fake.state().came)
        if not (self.refusals or self.odd or self.strangers):
            self._require(again == 0, f"{again} items were sent again after they had taken effect")

    def _go_on(self, done: Callable[[], bool], *, seconds: int) -> None:
        """Steps until `done`, but no more than there are to finality and some; blocks to finality come by the dozen."""
        fake = self.fake
        for _ in range(HEALED_WITHIN + self.final_depth):
            self.now += 100
            for chain in self.chains:
                self._follow(chain, 0)
            self._drive()
            if done():
                return
            for _ in range(1 if any(node.pool for node in fake.nodes) else 1 + self.final_depth // 6):
                fake.mine(seconds=seconds)

    def _deliverable(self) -> list[Item]:
        """What is due, and covered by approval and wallet, and not in its last minutes."""
        fake, escrow = self.fake, self.fake.escrow
        state, now = fake.state(), fake.head.timestamp
        return [
            (deal_id, tranche)
            for deal_id, duties in escrow.deals.items()
            if duties.pot is not None
            for tranche, whole in enumerate(duties.whole)
            if (deal_id, tranche) not in state.closed
            and duties.begins[tranche] <= now < duties.due[tranche] - LAST_MINUTES
            and whole - state.came.get((deal_id, tranche), 0)
            <= min(escrow.approval(duties.pot, state), escrow.purse(duties.pot[0], HRB, state))
        ]

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

    def _follow(self, chain: Chain, lag: int) -> None:
        """Reads up to `lag` blocks below the head."""
        target, before = self.fake.blocks[: max(1, len(self.fake.blocks) - lag)], self.read[chain.pk]
        common = sum(1 for ours, theirs in zip(before, target, strict=False) if ours is theirs)
        gone, new = before[common:], target[common:]
        for block in reversed(gone):
            row = BlockRow.objects.get(chain=chain, hash=block.hash, canonical=True)
            ChainEvent.objects.filter(block=row).update(canonical=False)
            BlockRow.objects.filter(pk=row.pk).update(canonical=False)
        for block in new:
            self._write(chain, block)
        self.read[chain.pk] = list(target)
        touched = {item[0] for block in (*gone, *new) for item in (*block.did.closed, *block.did.came)}
        if touched:
            self._project(chain, touched, self.fake.state(target))
        tip = target[-1]
        final = max(chain.final_number or FIRST, tip.number - self.final_depth)
        Chain.objects.filter(pk=chain.pk).update(
            head_number=tip.number,
            head_hash=tip.hash,
            head_time=tip.timestamp,
            safe_number=max(final, tip.number - 1),
            final_number=final,
        )
        chain.refresh_from_db()

    def _write(self, chain: Chain, block: Block) -> None:
        row = BlockRow.objects.create(
            chain=chain,
            number=block.number,
            hash=block.hash,
            parent_hash=block.parent.hash if block.parent else block.hash,
            timestamp=block.timestamp,
        )
        deals = self.fake.escrow.deals
        ours = [item for item in block.did.closed | block.did.came if deals[item[0]].escrow == chain.escrow_address]
        for place, (deal_id, _) in enumerate(ours):
            ChainEvent.objects.create(
                chain=chain,
                block=row,
                block_number=block.number,
                log_index=place,
                tx_hash=rows.word(rows.number()),
                address=chain.escrow_address,
                topics=[],
                data=b"",
                name="Settled",
                args={},
                deal_id=deal_id,
            )

    def _project(self, chain: Chain, touched: set[str], state: State) -> None:
        """What the fold says of these deals, and of what their sellers approved, at `state`."""
        escrow = self.fake.escrow
        for deal in Deal.objects.filter(chain=chain, deal_id__in=touched):
            duties = escrow.deals[deal.deal_id]
            items = [(deal.deal_id, tranche) for tranche in range(len(duties.due))]
            outcomes = [escrow.outcome(item, state) for item in items]
            deal.tranches.all().delete()
            if duties.how in {SLASH, DELIVER}:
                DealTranche.objects.bulk_create(
                    DealTranche(deal=deal, number=item[1], delivered=state.came.get(item, 0), outcome=outcome)
                    for item, outcome in zip(items, outcomes, strict=True)
                    if outcome or item in state.came
                )
            event = ChainEvent.objects.filter(chain=chain, deal_id=deal.deal_id, canonical=True).order_by("-pk").first()
            whole = deal.payment + deal.collateral + deal.bond
            closed = {"outcome": max(outcomes), "closed_event": event, "paid_to_seller": whole}
            still_open = {"outcome": 0, "closed_event": None, "paid_to_seller": 0}
            Deal.objects.filter(pk=deal.pk).update(**(closed if all(outcomes) else still_open))
            if duties.pot is not None:
                seller, market_id, token = duties.pot
                AutoDelivery.objects.filter(chain=chain, seller=seller, market_id=market_id, token=token).update(
                    amount=escrow.approval(duties.pot, state)
                )

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
            self._require(tx.to in self.fake.escrows, f"a call to {tx.to}")
            acts_of(tx.data)

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
        finals = {chain.escrow_address: chain.final_number or 0 for chain in self.chains}
        blocks = [block for block in self.fake.blocks if block.number <= max(finals.values())]
        mined = {tx.hash: block.number for block in blocks for tx, went in block.txs if went}
        state = self.fake.state(blocks)
        done = Intent.objects.filter(state=IntentState.DONE)
        for deal_id, tranche, tx_hash in done.values_list("deal_id", "tranche", "attempt__tx_hash"):
            item, final = (deal_id, tranche), finals[self.fake.escrow.deals[deal_id].escrow]
            self._require(item in state.closed or item in state.came, f"{deal_id} {tranche} is done and still open")
            self._require(
                mined.get(tx_hash, final + 1) <= final, f"{deal_id} {tranche} is done by {tx_hash}, which is not final"
            )
