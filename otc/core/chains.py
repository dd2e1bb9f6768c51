"""The escrows we serve: which one is meant, registering one, its endpoints and depths, and starting one again after the watcher
stopped for a person.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

import pghistory
from django.db import transaction

from otc.core.errors import DomainError, ErrorCode
from otc.core.locks import lock_row
from otc.core.models import Chain, EscrowKind, Finality, escrow_key


def escrow_ref(chain: Chain) -> dict[str, int | str]:
    """How the API and its events name an escrow: the chain's number, and which of its two."""
    return {"chain_id": chain.chain_id, "escrow": chain.kind}


def chain_of(chain_id: int | None, escrow: str | None = None) -> Chain:
    """The active escrow that is asked for: that of tokens unless `escrow` says otherwise, on the chain of that number or on the only
    one that is served.

    Errors: INVALID naming `chain_id` when several are served, NOT_FOUND naming what isn't.
    """
    kind = escrow or EscrowKind.TOKENS
    served = Chain.objects.filter(active=True)
    rows = served if chain_id is None else served.filter(chain_id=chain_id)
    found = list(rows.filter(kind=kind)[:2])
    if len(found) == 1:
        return found[0]
    if found:
        numbers = ", ".join(str(number) for number in served.filter(kind=kind).values_list("chain_id", flat=True))
        raise DomainError(ErrorCode.INVALID, f"Several chains are served: name one of {numbers}.", field="chain_id")
    if rows.exists():
        raise DomainError(ErrorCode.NOT_FOUND, f"No escrow of {kind} is served here on that chain.", field="escrow")
    raise DomainError(ErrorCode.NOT_FOUND, "This chain is not served here.", field="chain_id")


@transaction.atomic
def chain_register(
    *,
    chain_id: int,
    kind: EscrowKind = EscrowKind.TOKENS,
    name: str,
    rpc_url: str,
    public_rpc_url: str,
    escrow_address: str,
    start_block: int,
    safe_depth: int,
    final_depth: int,
) -> Chain:
    """The escrow's row, made or brought up to date; what the watcher wrote stays. Depths count blocks on top."""
    chain, _created = Chain.objects.update_or_create(
        pk=escrow_key(chain_id, kind),
        defaults={
            "chain_id": chain_id,
            "kind": kind,
            "name": name,
            "rpc_urls": [rpc_url],
            "final_quorum": 1,  # of one endpoint
            "public_rpc_url": public_rpc_url,
            "escrow_address": escrow_address,
            "start_block": start_block,
            "safe_depth": safe_depth,
            "final_depth": final_depth,
        },
    )
    return chain


@transaction.atomic
def chain_escrow_set(*, pk: int, escrow_address: str, start_block: int) -> Chain:
    """Tells an escrow's row where it stands and began; all else stays. Locks the chain.

    Errors: NOT_FOUND, CONFLICT when the chain was already read for another escrow.
    """
    chain = lock_row(Chain.objects.filter(pk=pk))
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no escrow {pk}.")
    if chain.escrow_address != escrow_address and chain.head_number is not None:
        raise DomainError(
            ErrorCode.CONFLICT,
            f"{chain} was read up to block {chain.head_number} for the escrow {chain.escrow_address}: its deals would be lost.",
        )
    chain.escrow_address, chain.start_block = escrow_address, start_block
    chain.save(update_fields=["escrow_address", "start_block"])
    return chain


@transaction.atomic
def chain_policy_set(
    *,
    pk: int,
    rpc_urls: Sequence[str],
    safe_depth: int,
    finality: Finality,
    final_depth: int,
    final_quorum: int,
    reason: str,
) -> Chain:
    """Which endpoints are asked, best first, and what makes a block safe and final there: from the reader's next step on. What was
    final stays so. Locks the chain.

    Errors: NOT_FOUND, INVALID naming the field.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say why: it is kept.", field="reason")
    if not rpc_urls or not all(_is_endpoint(url) for url in rpc_urls):
        raise DomainError(
            ErrorCode.INVALID, "rpc_urls: one or more addresses that begin with http:// or https://.", field="rpc_urls"
        )
    if len(set(rpc_urls)) < len(rpc_urls):
        raise DomainError(ErrorCode.INVALID, "rpc_urls: one address stands there twice.", field="rpc_urls")
    if min(safe_depth, final_depth) < 0:
        raise DomainError(ErrorCode.INVALID, "safe_depth, final_depth: 0 or more blocks.", field="final_depth")
    if not 1 <= final_quorum <= len(rpc_urls):
        raise DomainError(
            ErrorCode.INVALID,
            f"final_quorum: from 1 to the number of endpoints, {len(rpc_urls)}. Add endpoints, or lower it.",
            field="final_quorum",
        )
    chain = lock_row(Chain.objects.filter(pk=pk))
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no escrow {pk}.")
    chain.rpc_urls, chain.final_quorum = list(rpc_urls), final_quorum
    chain.safe_depth, chain.finality, chain.final_depth = safe_depth, Finality(finality), final_depth
    with pghistory.context(reason=reason.strip()):
        chain.save(update_fields=["rpc_urls", "safe_depth", "finality", "final_depth", "final_quorum"])
    return chain


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is read when it is asked for, and may be none
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


@transaction.atomic
def chain_resume(*, pk: int, reason: str) -> Chain:
    """Clears what halted the escrow's watcher and keeper; the history keeps it beside the reason. Locks the chain.

    Errors: NOT_FOUND, INVALID without a reason, CONFLICT when the chain isn't halted.
    """
    if not reason.strip():
        raise DomainError(ErrorCode.INVALID, "Say what was found and done: it is kept.", field="reason")
    chain = lock_row(Chain.objects.filter(pk=pk))
    if chain is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no escrow {pk}.")
    if not chain.halted:
        raise DomainError(ErrorCode.CONFLICT, f"{chain} is not halted.")
    with pghistory.context(reason=reason.strip(), was_halted_by=chain.halted):
        Chain.objects.filter(pk=chain.pk).update(halted="")
    chain.halted = ""
    return chain
