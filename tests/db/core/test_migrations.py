"""Data of an earlier version, carried over."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from otc.core.models import Chain
from points.models import PayToken

BEFORE, AFTER = ("core", "0002_finality_in_data"), ("core", "0003_escrows_of_a_chain")


def migrate(*targets):
    executor = MigrationExecutor(connection)
    executor.migrate(list(targets))
    return executor.loader.project_state(list(targets)).apps


@pytest.mark.django_db(transaction=True)
def test_rows_of_chains_become_rows_of_token_escrows():
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    old = migrate(BEFORE, ("points", "0002_whole_protocol"))
    try:
        chain = old.get_model("core", "Chain").objects.create(
            chain_id=42161, name="Arbitrum", escrow_address="0x" + "e5" * 20, start_block=7
        )
        old.get_model("points", "PayToken").objects.create(
            chain=chain, address="0x" + "70" * 20, symbol="USDC", decimals=6
        )
    finally:
        migrate(*newest)
    found = Chain.objects.get()
    assert (found.pk, found.chain_id, found.kind, found.start_block) == (42161, 42161, "tokens", 7)
    assert PayToken.objects.get(chain=found).symbol == "USDC"
    # The history goes on under the same key.
    found.name = "Arbitrum One"
    found.save()
    assert list(found.changes.order_by("pk").values_list("name", flat=True)) == ["Arbitrum", "Arbitrum One"]
