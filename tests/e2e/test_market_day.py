"""The demonstration's market day, made through the API on a chain that begins yesterday, and left alone the second time."""

import time

import pytest

from otc.rehearsal.market_day import HISTORY, TEAMS, MarketDay
from otc.stack import anvil as published
from tests.support.anvil import Anvil
from tests.support.trade import Trade

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = ("seller", "buyer", "maker", "taker")


@pytest.fixture
def yesterday(tmp_path):
    process = Anvil(tmp_path, "--timestamp", str(int(time.time()) - HISTORY))
    process.start()
    yield process
    process.stop()


def deals_of(trade: Trade, role: str) -> list[dict]:
    return list(trade.venue.pages("deals", party=published.address(role)))


def test_the_day_is_whole_and_made_once(live_server, yesterday):
    trade = Trade(live_server.url, yesterday)
    now = int(time.time())
    assert MarketDay(trade.world, wall_clock=now).make()

    markets = list(trade.venue.pages("markets"))
    assert sorted(market["status"] for market in markets) == ["open", "open", "open", "proposed", "proposed"]
    assert {market["program"] for market in markets} == {team.program for team in TEAMS}
    assert {market["pay_token"]["decimals"] for market in markets} == {6, 18}
    for market in markets:
        book = trade.venue.get(f"markets/{market['market_id']}/book")
        assert bool(book["bids"] and book["asks"]) == (market["status"] == "open")

    deals = {deal["deal_id"]: deal for role in ROLES for deal in deals_of(trade, role)}
    assert 15 <= len(deals) <= 25
    for role in ROLES:
        assert deals_of(trade, role), f"the portfolio of {role} is empty"
    for role in ("seller", "buyer"):
        deliverable = [
            deal
            for deal in deals_of(trade, role)
            if deal["seller"].lower() == published.address(role)
            and deal["outcome"] == "open"
            and deal["settlement"]
            and deal["settlement"]["final"]
        ]
        assert deliverable
        assert all(deal["settlement"]["start"] < now < deal["deadline"] for deal in deliverable)
    assert now - 60 <= trade.node.now() <= int(time.time()) + 60

    offers = len(list(trade.venue.pages("offers")))
    assert 40 <= offers <= 50
    sent = trade.node.block_number()
    assert not MarketDay(trade.world, wall_clock=now).make()
    assert (len(list(trade.venue.pages("offers"))), trade.node.block_number()) == (offers, sent)
    trade.close()


def test_a_chain_without_a_yesterday_gets_what_fits(live_server, anvil):
    trade = Trade(live_server.url, anvil)
    assert MarketDay(trade.world, wall_clock=trade.node.now()).make()
    statuses = [market["status"] for market in trade.venue.pages("markets")]
    assert sorted(statuses) == ["open", "open", "open", "proposed", "proposed"]
    trade.close()
