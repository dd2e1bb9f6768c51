"""A venue as the pages read it: rows without a chain behind them."""

import pytest
from django.core.cache import cache
from django.test import Client

from escrow.models import Account, AccountKind
from escrow.services.transactions import Prepared, Simulation
from otc.accounts.models import User
from otc.core import clock
from otc.web import flows
from points.models import MakerFunds
from tests.support import rows
from tests.support.signed_offers import wallet

DAY = 86_400
USD = 10**6


@pytest.fixture
def now():
    return clock.unix_now()


@pytest.fixture
def chain(db, now):
    cache.clear()
    return rows.chain(head_time=now, fee_bps=50, head_number=100, safe_number=99, final_number=90)


@pytest.fixture
def market(chain, now):
    return rows.market(chain, long_stop=now + 90 * DAY)


@pytest.fixture
def seller():
    return wallet(0x5E11E4)


@pytest.fixture
def buyer():
    return wallet(0xB0BE4)


def fund(market, who, free):
    """Free escrow money at depth seen, in both places that say so."""
    MakerFunds.objects.update_or_create(pay_token=market.pay_token, maker=who.address, defaults={"free": free})
    Account.objects.update_or_create(
        chain=market.chain,
        token=market.pay_token.address,
        kind=AccountKind.FREE,
        owner=who.address,
        defaults={"balance": free},
    )


def browser(who=None, **extra):
    """A browser, signed in as a wallet where one is given."""
    client = Client(**extra)
    if who is not None:
        client.force_login(User.objects.for_wallet(who.address), backend="django.contrib.auth.backends.ModelBackend")
    return client


class Node:
    """Stands for `escrow.services.transactions.prepare`, which asks a node: answers as told, remembers what was asked."""

    def __init__(self):
        self.asked = []
        self.issues = []
        self.error = None

    def __call__(self, *, action, account, params):
        self.asked.append((str(action), account, dict(params)))
        if self.error is not None:
            raise self.error
        issues = [] if action.startswith("approve") else self.issues
        ok = not issues
        return Prepared(
            transaction={
                "chain_id": 31337,
                "from": account,
                "to": rows.ESCROW,
                "data": "0x1234",
                "value": "0",
                "gas": 90_000 if ok else None,
            },
            simulation=Simulation(ok=ok, name=None if ok else "Refused", error=None if ok else "The contract refuses."),
            issues=issues,
            explanation="First sentence.\nSecond sentence.",
            block_number=1234,
        )


@pytest.fixture
def node(monkeypatch):
    node = Node()
    monkeypatch.setattr(flows, "prepare", node)
    return node
