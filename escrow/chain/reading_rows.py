"""Stores what was read: headers and logs as new canonical rows."""

from typing import Any

from escrow.chain.events import FoldEvent, subjects_of
from escrow.chain.models import Block, ChainEvent
from escrow.chain.readings import EscrowLog, Reading
from escrow.services.bulk import copy_rows, next_ids
from otc.core.models import Chain

BLOCK_COLUMNS = ["id", "chain_id", "number", "hash", "parent_hash", "timestamp", "canonical"]
EVENT_COLUMNS = [
    "id",
    "chain_id",
    "block_id",
    "block_number",
    "log_index",
    "tx_hash",
    "address",
    "topics",
    "data",
    "name",
    "args",
    "deal_id",
    "market_id",
    "offer_hash",
    "canonical",
]


def reading_store(*, chain: Chain, reading: Reading) -> list[FoldEvent]:
    """Inserts headers and logs; returns the events that are known, in chain order. Within the step's transaction."""
    blocks = dict(
        zip((header.number for header in reading.headers), next_ids(Block, len(reading.headers)), strict=True)
    )
    copy_rows(
        Block,
        BLOCK_COLUMNS,
        [
            (blocks[header.number], chain.pk, header.number, header.hash, header.parent_hash, header.timestamp, True)
            for header in reading.headers
        ],
    )
    ids = next_ids(ChainEvent, len(reading.logs))
    copy_rows(
        ChainEvent,
        EVENT_COLUMNS,
        [_row(pk, chain.pk, blocks[log.block_number], log) for pk, log in zip(ids, reading.logs, strict=True)],
    )
    return [
        FoldEvent(pk, log.block_number, log.log_index, log.tx_hash, log.event)
        for pk, log in zip(ids, reading.logs, strict=True)
        if log.event is not None
    ]


def _row(pk: int, chain: int, block: int, log: EscrowLog) -> tuple[Any, ...]:
    event = log.event
    about = subjects_of(event)
    return (
        pk,
        chain,
        block,
        log.block_number,
        log.log_index,
        log.tx_hash,
        log.address,
        log.topics,
        log.data,
        log.name,
        event.as_json() if event is not None else {},
        about.deal_id,
        about.market_id,
        about.offer_hash,
        True,
    )
