"""What tokens say the escrow holds: a payment token must cover what is owed; any other is anybody's code, and spoils its own row alone."""

import logging
from contextlib import ExitStack

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from escrow.chain import asking
from escrow.chain.client import RpcError, RpcFault
from escrow.chain.reconcile import Drift, reconcile
from escrow.checks import tasks
from escrow.checks.models import CheckRun
from escrow.contracts import bindings
from escrow.models import Account, AccountKind
from otc.core.fields import to_checksum
from points.models import PayToken
from tests.support import rows
from tests.support.rpc_server import RpcServer, serving

pytestmark = pytest.mark.django_db
PATH = "/api/v1/solvency"
OWED = 5
FINE = rows.word(OWED)
HOSTILE, PLAIN = "0x" + "ee" * 20, "0x" + "aa" * 20
ALLOWED = bindings.encode_pay_token_allowed(rows.TOKEN)[:10]
REVERTS = RpcError(RpcFault.REVERTED, "execution reverted: block range too wide, rate limit, timeout")
BURNS = RpcError(RpcFault.REFUSED, "out of gas")
# By what the token does: its answer, and the balance that is read out of it.
STRANGE = {
    "reverts": (REVERTS, None),
    "burns": (BURNS, None),
    "no code": ("0x", None),
    "half a word": ("0x05", None),
    "lies": (rows.word(0), 0),
    "more": (rows.word(2**256 - 1), 2**256 - 1),
    "two words": (FINE + FINE[2:], OWED),
}


class Said:
    """A node where the escrow owes OWED of each token, all of it fees. `tokens`: what each token answers; OWED where nothing is said."""

    def __init__(self):
        self.tokens = {}
        self.calls = []

    def answers(self, calls):
        ((method, (call, _)),) = calls
        assert method == "eth_call"
        self.calls.append(call)
        if call["to"] == rows.ESCROW:
            return [rows.word(1) if call["data"].startswith(ALLOWED) else FINE]
        return [self.tokens.get(call["to"], FINE)]


@pytest.fixture
def nodes():
    """Two endpoints."""
    with ExitStack() as stack:
        yield [stack.enter_context(serving(RpcServer(Said()))) for _ in range(2)]


@pytest.fixture
def node(nodes):
    """What the first says."""
    return nodes[0].node


@pytest.fixture
def chain(nodes):
    made = rows.chain(fee_bps=OWED, paused_until=OWED, rpc_urls=[server.url for server in nodes])
    for token in (rows.TOKEN, HOSTILE, PLAIN):
        book(made, token)
    PayToken.objects.create(chain=made, address=rows.TOKEN, symbol="USDT", decimals=6)
    return made


def book(chain, token):
    for kind in (AccountKind.EXTERNAL, AccountKind.FEES):
        Account.objects.create(chain=chain, token=token, kind=kind, balance=OWED)


def told(query=""):
    answer = APIClient(raise_request_exception=False).get(PATH + query)
    assert answer.status_code == 200, answer.content
    return {row["token"].lower(): row for row in answer.json()["results"]}


def balances(found):
    return {token: row["contract_balance"] for token, row in found.items()}


# ---------------------------------------------------------------- GET solvency


@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_token_spoils_its_own_row_alone(chain, node, nodes, what):
    answer, balance = STRANGE[what]
    node.tokens[HOSTILE] = answer
    found = told()
    assert balances(found) == {rows.TOKEN: "5", HOSTILE: None if balance is None else str(balance), PLAIN: "5"}
    assert found[HOSTILE]["solvent"] == (None if balance is None else balance >= OWED)
    assert [found[token]["solvent"] for token in (rows.TOKEN, PLAIN)] == [True, True]
    assert {token: row["payment_token"] for token, row in found.items()} == {
        rows.TOKEN: True,
        HOSTILE: False,
        PLAIN: False,
    }
    assert all(row["agrees"] for row in found.values())
    assert nodes[1].asked == 0  # a revert is an answer


def test_tokens_are_called_with_little_gas(chain, node):
    told()
    assert {call.get("gas") for call in node.calls if call["to"] != rows.ESCROW} == {hex(300_000)}
    assert {call.get("gas") for call in node.calls if call["to"] == rows.ESCROW} == {None}


def test_a_payment_token_that_gives_no_number_is_told_as_it_is(chain, node):
    node.tokens[rows.TOKEN] = REVERTS
    row = told()[rows.TOKEN]
    assert (row["payment_token"], row["contract_balance"], row["solvent"]) == (True, None, None)


@pytest.mark.parametrize("token", [rows.TOKEN, HOSTILE])
def test_another_node_is_asked_when_the_node_fails(chain, node, nodes, token):
    node.tokens[token] = RpcError(RpcFault.RATE_LIMITED, "rate limit exceeded")
    assert balances(told()) == {rows.TOKEN: "5", HOSTILE: "5", PLAIN: "5"}
    assert nodes[1].asked > 0


def test_a_token_that_no_node_can_ask_has_no_balance_and_its_neighbours_do(chain, nodes, monkeypatch):
    monkeypatch.setattr(asking, "STRANGERS_AT_ONCE", 1)
    for server in nodes:
        server.broken = lambda server=server: None if f'"to":"{HOSTILE}"' in server.body.decode() else server.respond()
    found = told()
    assert balances(found) == {rows.TOKEN: "5", HOSTILE: None, PLAIN: "5"}
    assert (found[HOSTILE]["contract_liabilities"], found[HOSTILE]["solvent"]) == ("5", None)


def test_strangers_together_get_only_so_much_time(chain, nodes, monkeypatch):
    monkeypatch.setattr(asking, "STRANGERS_SECONDS", 0.0)
    assert balances(told()) == {rows.TOKEN: "5", HOSTILE: None, PLAIN: None}


def test_no_node_no_answer(chain, nodes):
    for server in nodes:
        server.broken = lambda: None
    answer = APIClient().get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "chain_unavailable")


def test_a_request_asks_about_one_page_of_tokens(chain, node):
    for number in range(7):
        book(chain, f"0x{number + 1:040x}")
    first = APIClient().get(PATH + "?limit=3").json()
    assert [row["token"].lower() for row in first["results"]] == [rows.TOKEN, HOSTILE, PLAIN]
    assert len(node.calls) == 3 * 3
    second = APIClient().get(PATH, {"limit": 3, "cursor": first["next"]}).json()
    assert [row["token"] for row in second["results"]] == [to_checksum(f"0x{number + 1:040x}") for number in range(3)]
    assert len(node.calls) == 2 * 3 * 3


# ---------------------------------------------------------------- reconcile


def drift(token, said):
    return Drift("token balance", token, said, f"at least {OWED}")


@pytest.mark.parametrize(("what", "said"), [("reverts", "no answer"), ("no code", "no answer"), ("lies", "0")])
def test_what_a_strange_token_says_is_no_drift(chain, node, what, said):
    before = reconcile(chain)
    assert (before.drifts, before.strangers) == ([], [])
    node.tokens[HOSTILE] = STRANGE[what][0]
    report = reconcile(chain)
    assert (report.drifts, report.strangers) == ([], [drift(HOSTILE, said)])
    assert report.checked == before.checked - (said == "no answer")


@pytest.mark.parametrize(("what", "said"), [("reverts", "no answer"), ("no code", "no answer"), ("lies", "0")])
def test_what_a_payment_token_says_is(chain, node, what, said):
    node.tokens[rows.TOKEN] = STRANGE[what][0]
    report = reconcile(chain)
    assert (report.drifts, report.strangers) == ([drift(rows.TOKEN, said)], [])


def test_the_night_and_the_command_tell_of_it_without_alarm(chain, node, caplog, capsys):
    node.tokens[HOSTILE] = REVERTS
    tasks.reconcile_chain(chain.pk)
    run = CheckRun.objects.get()
    assert (run.differing, run.differences) == (0, [])
    assert [record.levelno for record in caplog.records if record.name == "escrow.checks.runs"] == [logging.WARNING]
    call_command("reconcile")
    out = capsys.readouterr().out
    assert f"token balance {HOSTILE}: no answer, where at least 5 is owed. Not a payment token: its own doing" in out
    assert "0 differ" in out
