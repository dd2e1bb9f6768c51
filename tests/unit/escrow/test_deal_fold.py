"""A deal as the fold of its events, and the ledger's view of the same events."""

import pytest

from escrow.domain import ledger
from escrow.domain.deals import DELIVERED, OPEN, SLASHED, DealProgress, FoldError, apply_delivered, apply_settled
from escrow.domain.ledger import AccountKey, Parties

TOKEN, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20
BUYER, SELLER = "0x" + "01" * 20, "0x" + "02" * 20
PARTIES = Parties(deal="0x" + "dd" * 32, token=TOKEN, buyer=BUYER, seller=SELLER)


def test_part_delivery_keeps_the_deal_open():
    deal = DealProgress()
    apply_delivered(deal, tranche=0, delivered=4)
    apply_settled(deal, tranche=0, outcome=OPEN, closed=False, to_buyer=0, to_seller=10, fee=1)
    assert (deal.outcome, deal.tranches[0].delivered, deal.tranches[0].outcome) == (OPEN, 4, OPEN)
    apply_delivered(deal, tranche=0, delivered=8)
    apply_settled(deal, tranche=0, outcome=DELIVERED, closed=True, to_buyer=0, to_seller=9, fee=0)
    assert (deal.outcome, deal.paid_to_seller, deal.fee_paid) == (DELIVERED, 19, 1)


def test_one_slashed_tranche_makes_the_whole_deal_slashed():
    deal = DealProgress()
    apply_settled(deal, tranche=0, outcome=SLASHED, closed=False, to_buyer=5, to_seller=0, fee=0)
    apply_settled(deal, tranche=1, outcome=DELIVERED, closed=True, to_buyer=0, to_seller=5, fee=0)
    assert deal.outcome == SLASHED
    assert [deal.tranches[i].outcome for i in range(2)] == [SLASHED, DELIVERED]


@pytest.mark.parametrize("closed", [True, False])
def test_nothing_follows_the_end_of_a_tranche(closed):
    deal = DealProgress()
    apply_settled(deal, tranche=0, outcome=DELIVERED, closed=closed, to_buyer=0, to_seller=1, fee=0)
    with pytest.raises(FoldError):
        apply_settled(deal, tranche=0, outcome=SLASHED, closed=True, to_buyer=1, to_seller=0, fee=0)
    with pytest.raises(FoldError):
        apply_delivered(deal, tranche=0, delivered=1)


def test_running_totals_only_grow():
    deal = DealProgress()
    apply_delivered(deal, tranche=0, delivered=4)
    with pytest.raises(FoldError):
        apply_delivered(deal, tranche=0, delivered=3)


def test_closing_needs_an_outcome():
    with pytest.raises(FoldError):
        apply_settled(DealProgress(), tranche=0, outcome=OPEN, closed=True, to_buyer=0, to_seller=0, fee=0)


def test_a_whole_trade_leaves_nothing_locked_and_external_equals_what_is_inside():
    movements = [
        *ledger.deposited(token=TOKEN, user=BUYER, amount=1_000),
        *ledger.deposited(token=TOKEN, user=SELLER, amount=500),
        *ledger.filled(PARTIES, payment=1_000, collateral=500),
        *ledger.settled(PARTIES, to_buyer=0, to_seller=1_490, fee=10),
        *ledger.delivered_into_escrow(token=OTHER, buyer=BUYER, received=77),
        *ledger.withdrawn(token=TOKEN, user=SELLER, amount=490),
        *ledger.fees_collected(token=TOKEN, amount=10),
    ]
    assert {key: value for key, value in ledger.deltas(movements).items() if value} == {
        ledger.free(TOKEN, SELLER): 1_000,
        AccountKey(TOKEN, "external"): 1_000,
        ledger.free(OTHER, BUYER): 77,
        AccountKey(OTHER, "external"): 77,
    }


def test_nothing_moves_nothing():
    assert ledger.filled(PARTIES, payment=1, collateral=0)[0].leg == 0
    assert len(ledger.filled(PARTIES, payment=1, collateral=0)) == 1
    assert ledger.settled(PARTIES, to_buyer=0, to_seller=0, fee=0) == ()
