"""History that is read ahead of the fold: checked headers and logs in tables without a log of their own.

Reading costs a quarter of folding and is done in the ranges that a node allows, folding is best in large bites: so the two go at
their own pace (docs/decisions/staging.md). What is staged begins right after the tip and has no gap. It is nobody's truth: a rewind
drops it, a crash of the database server empties it, and it is read again.
"""

from collections.abc import Iterator, Sequence

from django.db import connection

from escrow.chain.decoder import decode
from escrow.chain.models import StagedBlock, StagedLog
from escrow.chain.planner import Header, Staged
from escrow.chain.readings import EscrowLog, Reading
from escrow.services.bulk import copy_rows, table_of

BLOCK_COLUMNS = ["chain_id", "number", "hash", "parent_hash", "timestamp"]
LOG_COLUMNS = ["chain_id", "block_number", "log_index", "tx_hash", "address", "topics", "data"]
BLOCKS, LOGS = table_of(StagedBlock), table_of(StagedLog)
LAST = 2**63 - 1
HEADERS = f"""
SELECT number, '0x' || encode(hash, 'hex'), '0x' || encode(parent_hash, 'hex'), timestamp FROM {BLOCKS}
 WHERE chain_id = %s AND number <= %s ORDER BY number
"""  # noqa: S608 - our table
BITE = f"""
SELECT block_number, log_index, tx_hash, address, topics, data FROM {LOGS}
 WHERE chain_id = %s AND block_number <= %s ORDER BY block_number, log_index
"""  # noqa: S608 - our table


def staged(chain: int) -> Staged:
    """What is staged of a chain."""
    tip = staged_tip(chain)
    if tip is None:
        return Staged(None, 0)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {LOGS} WHERE chain_id = %s", [chain])  # noqa: S608 - our table
        return Staged(tip, cursor.fetchone()[0])


def staged_tip(chain: int) -> Header | None:
    """The newest header that is staged."""
    with connection.cursor() as cursor:
        cursor.execute(f"{HEADERS} DESC LIMIT 1", [chain, LAST])
        row = cursor.fetchone()
    return None if row is None else Header(*row)


def staging_add(chain: int, reading: Reading) -> None:
    """Adds a reading after what is staged. Within a transaction that holds the cursor's row, and that need not reach the disk: what
    a crash takes is read again.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
    copy_rows(
        StagedBlock,
        BLOCK_COLUMNS,
        [(chain, block.number, block.hash, block.parent_hash, block.timestamp) for block in reading.headers],
    )
    copy_rows(
        StagedLog,
        LOG_COLUMNS,
        [
            (chain, log.block_number, log.log_index, log.tx_hash, log.address, _joined(log.topics), log.data)
            for log in reading.logs
        ],
    )


def staged_bite(chain: int, upto: int, events: int) -> Reading:
    """The first blocks that are staged, none above `upto`, with about so many events: all of a block or none."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT block_number FROM {LOGS} WHERE chain_id = %s AND block_number <= %s"  # noqa: S608 - our table
            " ORDER BY block_number, log_index OFFSET %s LIMIT 1",
            [chain, upto, events - 1],
        )
        row = cursor.fetchone()
        last = upto if row is None else row[0]
        cursor.execute(HEADERS, [chain, last])
        headers = tuple([Header(*values) for values in cursor.fetchall()])
        cursor.execute(BITE, [chain, last])
        return Reading(headers, tuple(_logs(cursor.fetchall(), {header.number: header.hash for header in headers})))


def staging_drop(chain: int, *, upto: int | None = None) -> None:
    """Forgets what is staged, all of it or up to a block."""
    with connection.cursor() as cursor:
        for table, column in ((BLOCKS, "number"), (LOGS, "block_number")):
            limit, values = ("", [chain]) if upto is None else (f" AND {column} <= %s", [chain, upto])
            cursor.execute(f"DELETE FROM {table} WHERE chain_id = %s{limit}", values)  # noqa: S608 - our tables


def _logs(
    rows: Sequence[tuple[int, int, memoryview, memoryview, memoryview, memoryview]], hashes: dict[int, str]
) -> Iterator[EscrowLog]:
    for number, index, tx_hash, address, words, raw in rows:
        digits, data = words.hex(), _hex(raw)
        topics = tuple(["0x" + digits[at : at + 64] for at in range(0, len(digits), 64)])
        yield EscrowLog(number, index, hashes[number], _hex(tx_hash), _hex(address), topics, data, decode(topics, data))


def _joined(topics: Sequence[str]) -> str:
    return "0x" + "".join([topic[2:] for topic in topics])


def _hex(raw: memoryview) -> str:
    return "0x" + raw.hex()
