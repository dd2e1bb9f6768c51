"""How fast a chain of 100,000 events is read into an empty database: ours, what people write with web3.py, and the limit of node and database.

All contenders read the same anvil, one after the other in each round, and end with the same rows. Ours is the reader itself, up to where it would
begin to fold: every header linked, every log checked and decoded, staged. web3.py's loops decode and store rows, the limit stores them
undecoded and unchecked; both web3.py loops are measured on a slice and the slice's speed is given. The fold that follows, into ledger, deals and facts
of offers and makers, is measured by itself: no other contender has one.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import requests
from django.db import connection
from web3 import Web3

from escrow.chain.client import LANES
from escrow.chain.health import ChainEndpoints
from escrow.chain.models import ChainEvent, StagedLog
from escrow.chain.readings import Reading
from escrow.chain.store import DatabaseStore
from escrow.chain.watcher import Outcome, StepResult, step, watch
from escrow.contracts import bindings
from escrow.models import Deal
from escrow.services.replay import replay
from otc.bench import ponder
from otc.bench.activity import Facts, Season, arguments, chain_made, traders, venue_of
from otc.bench.anvil import Anvil
from otc.bench.database import BenchDatabase, bench_database
from otc.bench.gas import artifact
from otc.bench.registered import FINAL_DEPTH, market_registered, venue_registered
from otc.bench.report import Row
from otc.core import clock
from otc.core.models import Chain
from otc.stack.layout import Layout

ROUNDS = 3
RANGE = 150  # blocks in one question of the contenders: about as many events as twice a range of ours
WEB3_BLOCKS, NAIVE_BLOCKS, PONDER_BLOCKS = 150, 60, 150  # the slices
SLICES = {"web3.py by ranges": WEB3_BLOCKS, "web3.py by blocks": NAIVE_BLOCKS, "ponder": PONDER_BLOCKS}
SLICE_AT = 600  # the first block of the slices: past the making of accounts
REORG_DEPTH = 64
REORG_ROUNDS = 5

RAW = """
CREATE TABLE bench_log (block_number bigint, log_index int, block_hash bytea, tx_hash bytea, address bytea, topics text, data bytea,
PRIMARY KEY (block_number, log_index))
"""
RAW_ROWS = "SELECT block_number, log_index, tx_hash, address, topics, data FROM bench_log ORDER BY 1, 2"
STAGED_ROWS = """
SELECT block_number, log_index, tx_hash, address, (SELECT string_agg('0x' || encode(substr(topics, at, 32), 'hex'), ',' ORDER BY at)
       FROM generate_series(1, length(topics), 32) AS at), data FROM escrow_stagedlog ORDER BY 1, 2
"""
FOLDED_ROWS = """
SELECT block_number, log_index, tx_hash, address, array_to_string(ARRAY(SELECT jsonb_array_elements_text(topics)), ','), data
  FROM escrow_chainevent WHERE canonical ORDER BY 1, 2
"""


Contender = Callable[[BenchDatabase, Anvil, Facts], "Run"]


@dataclass(frozen=True, slots=True)
class Run:
    """Events that were stored, and seconds; `rows` is a digest of them."""

    events: int
    seconds: float
    rows: str

    @property
    def speed(self) -> float:
        return self.events / self.seconds


# ---------------------------------------------------------------- contenders


class Unfolded(DatabaseStore):
    """Where the reader stops for the bench: all is staged, and the first bite is about to be folded."""

    def bite(self, upto: int, events: int) -> Reading:  # noqa: ARG002 - as the store's
        raise AllStaged


class AllStaged(Exception):  # noqa: N818 - no error
    """The history is read."""


def ours(database: BenchDatabase, chain: Anvil, facts: Facts) -> Run:
    """The reader, up to its first fold. The connection is open, the rows of the venue are there."""
    database.fresh()
    row = venue_registered(facts, url=chain.url, chain_id=int(chain.rpc("eth_chainId"), 16))
    begun = clock.monotonic()
    with suppress(AllStaged):
        while True:
            step(Unfolded(row.pk), ChainEndpoints(row), until=begun + 60.0)
    seconds = clock.monotonic() - begun
    return Run(StagedLog.objects.count(), seconds, _digest(STAGED_ROWS))


def fold() -> Run:
    """What the run before staged, folded, and on up to the head."""
    begun = clock.monotonic()
    read_up(Chain.objects.get())
    seconds = clock.monotonic() - begun
    return Run(ChainEvent.objects.count(), seconds, _digest(FOLDED_ROWS))


def read_up(row: Chain) -> None:
    """Steps until the reader is level. RuntimeError when it halts; a step that waits is followed by another, as in production."""
    result = StepResult(Outcome.WAITING)
    while result.outcome is not Outcome.LEVEL:
        result = watch(row.pk, budget=60.0)
        if result.outcome is Outcome.HALTED:
            raise RuntimeError(result.detail)


def limit(database: BenchDatabase, chain: Anvil, facts: Facts) -> Run:
    """Logs by ranges, as many under way as ours has, into a plain table: no header, no check, no decoding."""
    database.fresh()
    with connection.cursor() as cursor:
        cursor.execute(RAW)
    session = requests.Session()
    ranges = [(first, min(first + RANGE - 1, facts.head)) for first in range(0, facts.head + 1, RANGE)]

    def ask(span: tuple[int, int]) -> str:
        query = {"address": facts.escrow, "fromBlock": hex(span[0]), "toBlock": hex(span[1])}
        body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]})
        answer = session.post(chain.url, data=body, headers={"Content-Type": "application/json"}, timeout=60)
        return _raw_lines(orjson.loads(answer.content)["result"])

    begun = clock.monotonic()
    with ThreadPoolExecutor(LANES) as pool:
        for lines in pool.map(ask, ranges):
            _copy(lines)
    seconds = clock.monotonic() - begun
    return Run(_count(), seconds, _digest(RAW_ROWS))


def _raw_lines(logs: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        f"{int(log['blockNumber'], 16)}\t{int(log['logIndex'], 16)}\t\\\\x{log['blockHash'][2:]}\t\\\\x{log['transactionHash'][2:]}"
        f"\t\\\\x{log['address'][2:]}\t{','.join(log['topics'])}\t\\\\x{log['data'][2:]}"
        for log in logs
    )


def web3_loop(database: BenchDatabase, chain: Anvil, facts: Facts) -> Run:
    """get_logs by ranges, process_log for each, rows by COPY."""
    database.fresh()
    with connection.cursor() as cursor:
        cursor.execute(RAW)
    node, events = _contract(chain, facts)
    begun = clock.monotonic()
    for first in range(SLICE_AT, SLICE_AT + WEB3_BLOCKS, RANGE):
        query: Any = {
            "address": Web3.to_checksum_address(facts.escrow),
            "fromBlock": first,
            "toBlock": first + RANGE - 1,
        }
        logs = node.eth.get_logs(query)
        decoded = [events[log["topics"][0]].process_log(log) for log in logs]
        _copy("\n".join(map(_web3_line, logs)))
    seconds = clock.monotonic() - begun
    assert all(item["args"] for item in decoded)  # noqa: S101  # it was not for nothing
    return Run(_count(), seconds, _digest(RAW_ROWS))


def naive_loop(database: BenchDatabase, chain: Anvil, facts: Facts) -> Run:
    """Block by block: the block, its logs, each decoded and inserted by a statement of its own."""
    database.fresh()
    with connection.cursor() as cursor:
        cursor.execute(RAW)
    node, events = _contract(chain, facts)
    begun = clock.monotonic()
    for number in range(SLICE_AT, SLICE_AT + NAIVE_BLOCKS):
        node.eth.get_block(number)
        query: Any = {"address": Web3.to_checksum_address(facts.escrow), "fromBlock": number, "toBlock": number}
        for log in node.eth.get_logs(query):
            events[log["topics"][0]].process_log(log)
            with connection.cursor() as cursor:
                values: list[Any] = [
                    log["blockNumber"],
                    log["logIndex"],
                    bytes(log["blockHash"]),
                    bytes(log["transactionHash"]),
                ]
                values += [bytes.fromhex(log["address"][2:]), _topics(log), bytes(log["data"])]
                cursor.execute("INSERT INTO bench_log VALUES (%s, %s, %s, %s, %s, %s, %s)", values)
    seconds = clock.monotonic() - begun
    return Run(_count(), seconds, _digest(RAW_ROWS))


def ponder_loop(folder: Path) -> Contender:
    """Ponder on the slice, its own start included; the rows are those of its own store of logs."""

    def contender(database: BenchDatabase, chain: Anvil, facts: Facts) -> Run:
        database.fresh()
        last = SLICE_AT + PONDER_BLOCKS - 1
        url = database.cluster.url_of(database.cluster.database)
        seconds = ponder.run(folder, chain, facts, database=url, first=SLICE_AT, last=last)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM peer.log")
            return Run(int(cursor.fetchone()[0]), seconds, _digest(ponder.ROWS))

    return contender


def _contract(chain: Anvil, facts: Facts) -> tuple[Web3, dict[bytes, Any]]:
    """web3.py on the node, and its event decoders by topic."""
    node = Web3(Web3.HTTPProvider(chain.url))
    contract = node.eth.contract(address=Web3.to_checksum_address(facts.escrow), abi=artifact("OTCEscrow")["abi"])
    decoders = {bytes.fromhex(topic[2:]): contract.events[kind.__name__]() for topic, kind in bindings.EVENTS.items()}
    return node, decoders


def _topics(log: Any) -> str:
    return ",".join("0x" + topic.hex() for topic in log["topics"])


def _web3_line(log: Any) -> str:
    return (
        f"{log['blockNumber']}\t{log['logIndex']}\t\\\\x{log['blockHash'].hex()}\t\\\\x{log['transactionHash'].hex()}"
        f"\t\\\\x{log['address'][2:].lower()}\t{_topics(log)}\t\\\\x{log['data'].hex()}"
    )


# ---------------------------------------------------------------- rows


def _copy(lines: str) -> None:
    if lines:
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY bench_log FROM STDIN", StringIO(lines))


def _count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bench_log")
        return int(cursor.fetchone()[0])


def _digest(query: str, *, first: int = 0, last: int = 2**62) -> str:
    """Of all rows, or of those of some blocks."""
    digest = hashlib.sha256()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({query}) rows WHERE block_number BETWEEN %s AND %s", [first, last])  # noqa: S608 - ours
        for number, index, tx_hash, address, topics, data in cursor.fetchall():
            digest.update(f"{number} {index} {bytes(tx_hash).hex()} {bytes(address).hex()} {topics} ".encode())
            digest.update(bytes(data))
    return digest.hexdigest()


# ---------------------------------------------------------------- reorgs


def reorgs(chain: Anvil, facts: Facts) -> tuple[float, int]:
    """Seconds from the new head to a level reader, the longest of some reorgs of 64 blocks full of fills; and the deals that one took."""
    row = Chain.objects.get()
    season = Season(venue_of(chain, facts), 1_000, traders("maker"), traders("taker"))
    market_registered(row, season.terms)
    longest, taken = 0.0, 0
    for _ in range(REORG_ROUNDS):
        for _block in season.blocks(season.fills(8 * REORG_DEPTH), per_block=1):
            pass
        read_up(row)
        before = Deal.objects.count()
        chain.rpc("anvil_reorg", REORG_DEPTH, [])
        begun = clock.monotonic()
        read_up(row)
        longest = max(longest, clock.monotonic() - begun)
        taken = before - Deal.objects.count()
    return longest, taken


# ---------------------------------------------------------------- the figures


CONTENDERS: dict[str, Contender] = {
    "limit": limit,
    "web3.py by ranges": web3_loop,
    "web3.py by blocks": naive_loop,
    "ours": ours,  # last: the fold and the reorgs go on with its database
}


def run(*, with_ponder: bool = False) -> list[Row]:
    contenders = {"ponder": ponder_loop(ponder.ready()), **CONTENDERS} if with_ponder else CONTENDERS
    state, facts = chain_made(Layout.of("bench").root / "chain")
    runs: dict[str, list[Run]] = {name: [] for name in [*contenders, "fold"]}
    with bench_database() as database, Anvil(*arguments(state)) as chain:
        chain.rpc("anvil_mine", hex(FINAL_DEPTH))  # all that happened is history
        for _ in range(ROUNDS):
            for name, contender in contenders.items():
                runs[name].append(contender(database, chain, facts))
            runs["fold"].append(fold())
        same = len({done.rows for name in ("ours", "fold", "limit") for done in runs[name]}) == 1
        for name in contenders.keys() & SLICES.keys():
            expected = _digest(FOLDED_ROWS, first=SLICE_AT, last=SLICE_AT + SLICES[name] - 1)
            same &= all(done.rows == expected for done in runs[name])
        rebuilt = replay(chain_id=Chain.objects.get().pk, install=False).same
        seconds, taken = reorgs(chain, facts)
    return list(_rows(runs, same=same, rebuilt=rebuilt, reorg=seconds, taken=taken))


def _rows(runs: dict[str, list[Run]], *, same: bool, rebuilt: bool, reorg: float, taken: int) -> Iterator[Row]:
    speed = {name: median(done.speed for done in done_runs) for name, done_runs in runs.items()}
    events = runs["ours"][0].events
    spread = ", ".join(f"{done.speed:,.0f}" for done in runs["ours"])
    yield Row("events on the chain", events, "events", 100_000, "at least")
    yield Row("back-fill, headers checked", round(speed["ours"]), "events/s", 20_000, "at least", f"rounds: {spread}")
    yield Row(
        "fold of what was read",
        round(speed["fold"]),
        "events/s",
        None,
        "at least",
        f"{events / speed['fold']:.1f} s in all",
    )
    for name in [name for name in SLICES if name in runs]:
        ratio = _ratio(runs, name)
        bar = 10.0 if name == "web3.py by ranges" else None
        slice_ = f"{speed[name]:,.0f} events/s on {runs[name][0].events:,} events"
        yield Row(f"against {name}", round(ratio, 1), "times", bar, "at least", slice_)
    share = round(100 * _ratio(runs, "limit"), 1)
    yield Row("of raw RPC and COPY", share, "%", 60.0, "at least", f"{speed['limit']:,.0f} events/s")
    yield Row("rows equal in all of them", int(same), "yes", 1, "at least")
    yield Row("state equal to a rebuild", int(rebuilt), "yes", 1, "at least")
    yield Row(
        f"reorg of {REORG_DEPTH} blocks, longest", round(reorg, 2), "s", 2.0, "at most", f"{taken} deals taken back"
    )


def _ratio(runs: dict[str, list[Run]], name: str) -> float:
    """The median over the rounds of ours against that one."""
    return median(mine.speed / other.speed for mine, other in zip(runs["ours"], runs[name], strict=True))
