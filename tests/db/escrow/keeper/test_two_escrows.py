"""One key serves both escrows of a chain: its nonces are of both, and what is final is said by the reader of the escrow that was called."""

import pytest

from escrow.keeper.driver import drive_once
from escrow.keeper.models import Intent
from otc.core.models import EscrowKind
from tests.support import rows
from tests.support.keeper_steps import KEEPER, signer, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def rights(chain):
    return rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20, head_time=chain.head_time)


def drive(node, chain):
    return drive_once(chain_id=chain.pk, node=node, signer=KEEPER)


def test_the_other_escrows_reader_does_not_say_what_is_final(node, chain, rights):
    market = rows.market(rights)
    rows.terms(market)
    rows.deal(market)
    drive(node, rights)
    assert states() == ["sent"]
    for _ in range(5):
        node.mine()
    node.fold(chain)
    drive(node, chain)
    assert states() == ["mined"]
    assert signer().final_nonce == 0
    node.fold(rights)
    drive(node, chain)
    assert states() == ["done"]
    assert signer().final_nonce == 1


def test_deals_of_both_are_slashed_by_transactions_that_follow_each_other(node, chain, deal, rights):
    market = rows.market(rights)
    rows.terms(market)
    rows.deal(market)
    for each in (chain, rights):
        drive(node, each)
    attempts = [intent.attempt for intent in Intent.objects.order_by("pk")]
    assert [(attempt.nonce, attempt.to) for attempt in attempts] == [
        (0, chain.escrow_address),
        (1, rights.escrow_address),
    ]
