"""Every answer a node can give to a transaction, and every moment between storing and sending."""

from datetime import timedelta

import pytest

from escrow.keeper import driver
from escrow.keeper.models import Attempt, Intent, SendResult, Signer
from escrow.keeper.services import signer_resume
from otc.core import clock
from tests.support.keeper_node import GWEI
from tests.support.keeper_steps import KEEPER, drive, mine, signer, states

pytestmark = pytest.mark.django_db


def test_a_crash_between_store_and_broadcast_sends_the_same_bytes(node, chain, deal, monkeypatch):
    class KilledError(BaseException):
        pass

    def killed(*args):
        raise KilledError

    monkeypatch.setattr(driver, "attempt_send", killed)
    with pytest.raises(KilledError):
        drive(node)
    monkeypatch.undo()
    assert states() == ["sent"]
    stored = Attempt.objects.get()
    assert node.sends == []
    drive(node)
    assert node.sends == [stored.tx_hash]
    assert Attempt.objects.count() == 1
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_crash_between_broadcast_and_mark_finds_it_known(node, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=None, send_result="")
    drive(node)
    attempt = Attempt.objects.get()
    assert attempt.send_result == SendResult.KNOWN
    assert attempt.broadcast_at is not None
    assert len(node.pool) == 1


def test_a_crash_after_it_was_mined_needs_no_second_send(node, chain, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=None, send_result="")
    mine(node, chain)
    assert drive(node).sent == 0
    assert states() == ["mined"]


def test_a_dropped_transaction_goes_out_again_unchanged(node, deal):
    drive(node)
    node.pool.clear()
    drive(node)
    assert node.sends[0] == node.sends[1]
    assert Attempt.objects.count() == 1


@pytest.mark.parametrize("message", ["txpool is full", "rate limit exceeded"])
def test_a_node_that_takes_nothing_now_is_asked_again(node, deal, message):
    node.answers = [(SendResult.TRANSIENT, message)]
    report = drive(node)
    assert message in report.idle_because
    assert signer().notice == report.idle_because
    assert drive(node).idle_because == ""
    assert len(node.pool) == 1
    assert signer().notice == ""


def test_an_unreachable_node_ends_the_step(node, deal):
    node.down = True
    assert "No endpoint answers" in drive(node).idle_because
    assert states() == ["planned"]
    assert signer().halted == ""


def test_an_underpriced_transaction_is_replaced_at_once(node, chain, deal):
    node.answers = [(SendResult.UNDERPRICED, "max fee per gas less than block base fee")]
    drive(node)
    node.base_fee = 10 * GWEI
    drive(node)
    first, second = Attempt.objects.order_by("pk")
    assert (second.nonce, second.replaces, bytes(second.calldata)) == (first.nonce, first, bytes(first.calldata))
    assert second.max_fee == 21 * GWEI
    assert Intent.objects.get().attempt == second
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]


def test_a_stuck_transaction_is_replaced_with_an_eighth_more(node, chain, deal):
    drive(node)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    drive(node)
    first, second = Attempt.objects.order_by("pk")
    assert (second.max_fee, second.priority_fee) == (first.max_fee * 9 // 8, first.priority_fee * 9 // 8)
    assert list(node.pool) == [second.tx_hash]
    assert drive(node).sent == 0


def test_the_older_attempt_may_be_the_one_that_is_mined(node, chain, deal):
    drive(node)
    pool = dict(node.pool)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    drive(node)
    node.pool = pool
    mine(node, chain, blocks=4)
    drive(node)
    intent = Intent.objects.get()
    assert (intent.state, intent.attempt.pk) == ("done", Attempt.objects.order_by("pk").first().pk)


def test_no_replacement_above_the_cap(node, deal):
    drive(node)
    Signer.objects.update(fee_cap=3 * GWEI)
    Attempt.objects.update(broadcast_at=clock.now() - timedelta(seconds=61))
    assert "cap" in drive(node).idle_because
    assert Attempt.objects.count() == 1


def test_a_transaction_that_would_revert_frees_its_nonce(node, chain, deal):
    node.answers = [(SendResult.REVERTED, "execution reverted")]
    drive(node)
    drive(node)
    _first, second = Attempt.objects.filter(nonce=0).order_by("pk")
    assert (second.to, bytes(second.calldata), second.gas) == (KEEPER.address, b"", 26_250)
    assert Intent.objects.get().attempt.nonce == 1
    mine(node, chain, blocks=4)
    drive(node)
    assert states() == ["done"]
    assert signer().final_nonce == 2


def test_nonce_too_low_waits_for_the_receipt(node, chain, deal):
    node.answers = [(SendResult.NONCE_LOW, "nonce too low")]
    drive(node)
    assert Attempt.objects.get().send_result == SendResult.NONCE_LOW
    drive(node)
    mine(node, chain)
    drive(node)
    assert states() == ["mined"]


def test_words_we_do_not_know_halt_the_signer(node, deal):
    node.answers = [(SendResult.UNKNOWN, "computer says no")]
    drive(node)
    assert "computer says no" in signer().halted
    assert drive(node).sent == 0
    signer_resume(signer_pk=signer().pk)
    assert drive(node).idle_because == ""


def test_short_of_gas_money(node, deal):
    node.answers = [(SendResult.FUNDS_LOW, "insufficient funds for gas * price + value")]
    assert "gas money" in drive(node).idle_because
    assert signer().halted == ""
