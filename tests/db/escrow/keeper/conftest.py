"""A market whose deadline has passed, a deal in it, and a node double."""

import pytest

from tests.support import rows
from tests.support.keeper_node import FakeNode


@pytest.fixture
def chain(db):
    return rows.chain(head_time=rows.START + rows.WINDOW + 1)


@pytest.fixture
def market(chain):
    market = rows.market(chain)
    rows.terms(market)
    return market


@pytest.fixture
def deal(market):
    return rows.deal(market)


@pytest.fixture
def node():
    return FakeNode()
