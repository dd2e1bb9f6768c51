"""Registering the chains we serve."""

from django.db import transaction

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
