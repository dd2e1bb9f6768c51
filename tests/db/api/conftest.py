import pytest
from rest_framework.test import APIClient

from otc.core.models import Chain


@pytest.fixture
def chain(db):
    return Chain.objects.create(
        pk=31337,
        chain_id=31337,
        name="Local",
        escrow_address="0x" + "e5" * 20,
        start_block=1,
        rpc_urls=["http://127.0.0.1:1"],
    )


@pytest.fixture
def api():
    return APIClient()
