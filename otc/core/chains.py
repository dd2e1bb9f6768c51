"""Registering the chains we serve, and starting one again after the watcher stopped for a person."""

import pghistory
from django.db import transaction

from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import lock_row
from otc.core.models import Chain


@transaction.atomic
def chain_register(
    *,
    chain_id: int,
    name: str,
    rpc_url: str,
    public_rpc_url: str,
    escrow_address: str,
    start_block: int,
    safe_depth: int,
    final_depth: int,
) -> Chain:
    """The chain's row, made or brought up to date; what the watcher wrote stays. Depths count blocks on top."""
    chain, _created = Chain.objects.update_or_create(
        chain_id=chain_id,
        defaults={
            "name": name,
            "rpc_urls": [rpc_url],
            "public_rpc_url": public_rpc_url,
            "escrow_address": escrow_address,
            "start_block": start_block,
            "safe_depth": safe_depth,
            "final_depth": final_depth,
        },
    )
    return chain


@transaction.atomic
def chain_escrow_set(*, chain_id: int, escrow_address: str, start_block: int) -> Chain:
    """Tells a chain's row where its escrow stands and began; all else stays. Locks the chain.

    Errors: NOT_FOUND, CONFLICT when the chain was already read for another escrow.
    """
    chain = lock_row(Chain.objects.filter(chain_id=chain_id))
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no chain {chain_id}.")
    if chain.escrow_address != escrow_address and chain.head_number is not None:
        raise DomainError(
            ErrorCode.CONFLICT,
            f"{chain} was read up to block {chain.head_number} for the escrow {chain.escrow_address}: its deals would be lost.",
        )
    chain.escrow_address, chain.start_block = escrow_address, start_block
    chain.save(update_fields=["escrow_address", "start_block"])
    return chain


@transaction.atomic
def chain_resume(*, chain_id: int, reason: str) -> Chain:
    """Clears what halted the chain's watcher and keeper; the history keeps it beside the reason. Locks the chain.

    Errors: NOT_FOUND, INVALID without a reason, CONFLICT when the chain isn't halted.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say what was found and done: it is kept.", field="reason")
    chain = lock_row(Chain.objects.filter(chain_id=chain_id))
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no chain {chain_id}.")
    if not chain.halted:
        raise DomainError(ErrorCode.CONFLICT, f"{chain} is not halted.")
    with pghistory.context(reason=reason.strip(), was_halted_by=chain.halted):
        Chain.objects.filter(pk=chain.pk).update(halted="")
    chain.halted = ""
    return chain
