"""What keeps the keeper from sending: switches, budgets, floors, caps, its own list, its key."""

from datetime import timedelta

import pytest

from escrow.contracts import bindings, words
from escrow.keeper import driver
from escrow.keeper.driver import drive_once
from escrow.keeper.kms import KmsSigner
from escrow.keeper.models import Attempt, Intent, Signer
from escrow.keeper.policy import Policy
from otc.core import clock, flags
from otc.core.models import FlagName
from otc.stack import anvil
from tests.support import rows
from tests.support.keeper_node import GWEI
from tests.support.keeper_steps import drive, mine, signer, states
from tests.support.key_service import SoftKeyService

pytestmark = pytest.mark.django_db


def test_the_switch_stops_sending_not_planning_nor_confirming(node, chain, deal, market):
    drive(node)
    flags.flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason="drill")
    rows.deal(market)
    mine(node, chain, blocks=4)
    report = drive(node)
    assert (report.planned, report.sent, report.idle_because) == (1, 0, "Paused by the operators.")
    assert states() == ["done", "planned"]


def test_the_balance_floor_holds(node, deal):
    drive(node, policy=Policy(max_in_flight=0))
    Signer.objects.update(balance_floor=node.balance)
    assert "floor" in drive(node).idle_because
    assert node.sends == []
    Signer.objects.update(balance_floor=0)
    assert drive(node).sent == 1


def test_the_hourly_budget_holds(node, market):
    rows.deal(market)
    cost = (21_000 + 30_000) * 5 // 4 * 3 * GWEI
    drive(node, policy=Policy(max_in_flight=0))
    Signer.objects.update(hourly_budget=cost)
    assert drive(node).sent == 1
    rows.deal(market)
    assert "budget" in drive(node).idle_because


def test_fees_above_the_cap_wait(node, deal):
    node.base_fee = 600 * GWEI
    assert "cap" in drive(node).idle_because
    assert states() == ["planned"]


def test_a_halted_chain_drives_nothing(node, chain, deal):
    chain.halted = "reorg past finality"
    chain.save()
    assert drive(node).idle_because == "The chain's reader has halted."
    assert Intent.objects.count() == 0


def test_without_a_key_it_only_plans(node, deal):
    assert drive_once(chain_id=31337, node=node).idle_because == "No keeper key is set."
    assert states() == ["planned"]


def test_the_allow_list_names_every_escrow_of_the_chain_and_nothing_but_the_duties(chain):
    named = {bindings.SELECTORS[name]: name.partition("(")[0] for name in bindings.SELECTORS}
    allowed = driver.allowed_calls(chain)
    assert {(to, named[words.hexed(selector)]) for to, selector in allowed.direct} == {
        (rows.ESCROW, "slashBatch"),
        (rows.ESCROW, "refundBatch"),
    }
    assert {(to, named[words.hexed(selector)]) for to, selector in allowed.within} == {
        (rows.ESCROW, "finalize"),
        (rows.ESCROW, "ruleTimeout"),
        (rows.ESCROW, "deliverFor"),
    }


def test_a_replacement_keeps_within_the_budget_and_counts_its_nonce_once(node, deal):
    cost = (21_000 + 30_000) * 5 // 4 * 3 * GWEI
    drive(node)
    Signer.objects.update(hourly_budget=cost * 9 // 8 - 1)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    assert "budget" in drive(node).idle_because
    assert Attempt.objects.count() == 1
    Signer.objects.update(hourly_budget=cost * 9 // 8 + GWEI)
    assert drive(node).sent == 1
    assert Attempt.objects.count() == 2


def test_what_the_signer_has_is_written_down(node, deal):
    node.balance = 12_345 * GWEI * 1_000_000
    drive(node)
    assert signer().balance == node.balance


def test_a_key_service_that_is_down_sends_nothing_and_is_asked_again(node, deal):
    service = SoftKeyService(anvil.key("taker"))
    kms = KmsSigner(service)
    service.down = True
    report = drive(node, signer=kms)
    assert "key service" in report.idle_because
    assert (states(), node.sends, Attempt.objects.count()) == (["planned"], [], 0)
    assert signer().next_nonce == 0
    service.down = False
    assert drive(node, signer=kms).sent == 1


def test_a_signature_of_another_key_halts(node, deal):
    service = SoftKeyService(anvil.key("taker"))
    kms = KmsSigner(service)
    service.sign_digest = SoftKeyService(anvil.key("owner")).sign_digest
    drive(node, signer=kms)
    assert "no signature" in signer().halted
    assert (states(), node.sends, Attempt.objects.count()) == (["planned"], [], 0)
