"""A deal as the fold of its events: what may follow what, and that nothing else does."""

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.domain import deals, payouts
from escrow.domain.attestations import ATTESTED, BY_BUYER, BY_SELLER, NONE
from escrow.domain.deals import DealProgress, Fixed, FoldError, Places
from escrow.domain.outcomes import DELIVERED, MUTUAL, OPEN, REFUNDED, RULED, SLASHED, TIMED_OUT

BUYER, SELLER, OTHER = ("0x" + f"{n:02x}" * 20 for n in (1, 2, 3))
REF, NEW_REF, EVIDENCE, GROUNDS = ("0x" + f"{n:02x}" * 32 for n in (4, 5, 6, 7))
FIXED = Fixed(market="0x" + "11" * 32, pay_token="0x" + "22" * 20, units=10, payment=1_000, collateral=500, fee_bps=100)
PLACES = Places(buyer=BUYER, seller=SELLER, buyer_ref=REF, seller_ref=REF, opened_at=1_000)


def opened() -> DealProgress:
    return DealProgress(FIXED, PLACES)


def attested(units: int = 10) -> DealProgress:
    deal = opened()
    deals.apply_attested(deal, units=units, evidence=EVIDENCE, until=5_000)
    return deal


def disputed(by: str = BUYER, units: int = 4) -> DealProgress:
    deal = attested(units) if units else opened()
    deals.apply_disputed(deal, by=by, bond=30, evidence=GROUNDS, until=7_000)
    return deal


def settle(deal: DealProgress, outcome: int, *, tranche=0, closed=True, to_buyer=0, to_seller=0, fee=0) -> None:
    deals.apply_settled(
        deal, tranche=tranche, outcome=outcome, closed=closed, to_buyer=to_buyer, to_seller=to_seller, fee=fee
    )


def refused(deal: DealProgress, apply, **values) -> None:
    """The event contradicts what happened before, and leaves everything as it was."""
    before = deepcopy(deal)
    with pytest.raises(FoldError):
        apply(deal, **values)
    assert deal == before


class TestTranches:
    def test_part_delivery_keeps_the_deal_open(self):
        deal = opened()
        deals.apply_delivered(deal, tranche=0, delivered=4)
        settle(deal, OPEN, closed=False, to_seller=500, fee=1)
        assert (deal.outcome, deal.tranches[0].delivered, deal.tranches[0].outcome) == (OPEN, 4, OPEN)
        deals.apply_delivered(deal, tranche=0, delivered=8)
        settle(deal, DELIVERED, to_seller=999)
        assert (deal.outcome, deal.paid_to_seller, deal.fee_paid, deal.locked) == (DELIVERED, 1_499, 1, 0)

    def test_one_slashed_tranche_makes_the_whole_deal_slashed(self):
        deal = opened()
        settle(deal, SLASHED, closed=False, to_buyer=700)
        settle(deal, DELIVERED, tranche=1, to_seller=800)
        assert deal.outcome == SLASHED
        assert [deal.tranches[i].outcome for i in range(2)] == [SLASHED, DELIVERED]

    @pytest.mark.parametrize("closed", [True, False])
    def test_nothing_follows_the_end_of_a_tranche(self, closed):
        deal = opened()
        settle(deal, DELIVERED, closed=closed, to_seller=1_500 if closed else 1)
        refused(deal, settle, outcome=SLASHED, to_buyer=1)
        refused(deal, deals.apply_delivered, tranche=0, delivered=1)

    def test_running_totals_only_grow(self):
        deal = opened()
        deals.apply_delivered(deal, tranche=0, delivered=4)
        refused(deal, deals.apply_delivered, tranche=0, delivered=3)
        assert deal.tranches[0].delivered == 4


class TestSettlement:
    def test_closing_needs_an_outcome(self):
        refused(opened(), settle, outcome=OPEN)

    @pytest.mark.parametrize("paid", [1_499, 1_501])
    def test_a_deal_closes_with_all_that_was_locked_and_no_more(self, paid):
        with pytest.raises(FoldError, match="would be left"):
            settle(opened(), DELIVERED, to_seller=paid)

    @pytest.mark.parametrize("outcome", [REFUNDED, MUTUAL, RULED, TIMED_OUT])
    def test_an_end_of_the_whole_closes(self, outcome):
        deal = disputed() if outcome in {RULED, TIMED_OUT} else opened()
        refused(deal, settle, outcome=outcome, closed=False)

    def test_both_may_close_a_deal_of_which_tranches_were_resolved(self):
        deal = opened()
        settle(deal, SLASHED, closed=False, to_buyer=300)
        settle(deal, MUTUAL, to_buyer=200, to_seller=1_000)
        assert (deal.outcome, deal.locked) == (MUTUAL, 0)
        assert {number: row.outcome for number, row in deal.tranches.items()} == {0: SLASHED}
        refused(deal, settle, outcome=SLASHED, tranche=1)

    def test_what_was_delivered_into_is_not_refunded(self):
        deal = opened()
        deals.apply_delivered(deal, tranche=0, delivered=4)
        refused(deal, settle, outcome=REFUNDED, to_buyer=1_000, to_seller=500)


class TestChangesOfHands:
    @staticmethod
    def move(deal, *, side=0, holder=BUYER, to=OTHER, fixed=FIXED, **changes):
        places = deal.places.moved(side, to=to, ref=NEW_REF, opened_at=1_001)
        deals.apply_moved(
            deal, side=side, holder=holder, to=to, fixed=fixed, places=replace(places, **changes), sold=True
        )

    @pytest.mark.parametrize(("side", "holder"), [(0, BUYER), (1, SELLER)])
    def test_the_new_holder_stands_in_the_place_of_the_old(self, side, holder):
        deal = opened()
        self.move(deal, side=side, holder=holder)
        expected = (OTHER, SELLER, NEW_REF, REF) if side == 0 else (BUYER, OTHER, REF, NEW_REF)
        assert deal.places == Places(*expected, 1_001)
        assert deal.locked == 1_500

    @pytest.mark.parametrize(
        "changes",
        [
            {"holder": SELLER},
            {"side": 2},
            {"side": 1},
            {"to": SELLER},
            {"to": BUYER},
            {"opened_at": 1_000},
            {"seller_ref": NEW_REF},
            {"seller": OTHER},
            {"buyer": BUYER},
            {"fixed": replace(FIXED, units=11)},
            {"fixed": replace(FIXED, market="0x" + "12" * 32)},
        ],
    )
    def test_a_change_of_anything_else_is_refused(self, changes):
        refused(opened(), self.move, **changes)

    def test_a_deal_that_is_being_settled_does_not_change_hands(self):
        part = opened()
        deals.apply_delivered(part, tranche=0, delivered=1)
        closed = opened()
        settle(closed, MUTUAL, to_buyer=1_500)
        for deal in (part, closed, attested(), disputed()):
            refused(deal, self.move)

    def test_a_deal_is_matched_once(self):
        deal = opened()
        deals.apply_matched(deal, buy_hash=EVIDENCE)
        assert deal.matched == EVIDENCE
        refused(deal, deals.apply_matched, buy_hash=EVIDENCE)


class TestAttestations:
    def test_from_the_attestation_to_the_end(self):
        deal = attested(4)
        assert (deal.attestation.phase, deal.attestation.until, deal.attestation.units) == (ATTESTED, 5_000, 4)
        paid = payouts.finalize_payout(payment=1_000, collateral=500, fee_bps=100, attested=4, units=10)
        settle(deal, SLASHED, to_buyer=paid.to_buyer, to_seller=paid.to_seller, fee=paid.fee)
        assert (deal.outcome, deal.tranches[0].outcome, deal.attestation.phase) == (SLASHED, SLASHED, ATTESTED)

    @pytest.mark.parametrize(
        ("by", "units", "phase"),
        [(BUYER, 4, BY_BUYER), (BUYER, 10, BY_BUYER), (SELLER, 4, BY_SELLER), (SELLER, 0, BY_SELLER)],
    )
    def test_a_dispute_locks_a_bond_and_keeps_the_attestation(self, by, units, phase):
        deal = disputed(by, units)
        found = deal.attestation
        assert (found.phase, found.until, found.by, found.dispute_evidence, found.bond) == (
            phase,
            7_000,
            by,
            GROUNDS,
            30,
        )
        assert (found.units, found.evidence) == (units, EVIDENCE if units else None)
        assert deal.locked == 1_530
        settle(deal, RULED, to_buyer=1_000, to_seller=530)
        assert (deal.outcome, deal.locked) == (RULED, 0)

    def test_three_appeals_at_most_each_later(self):
        deal = disputed()
        refused(deal, deals.apply_appealed, until=7_000)
        for n in range(3):
            deals.apply_appealed(deal, until=8_000 + n)
        assert (deal.attestation.appeals, deal.attestation.until) == (3, 8_002)
        refused(deal, deals.apply_appealed, until=9_000)

    @pytest.mark.parametrize("units", [0, 11])
    def test_units_attested_are_some_of_the_deal(self, units):
        refused(opened(), deals.apply_attested, units=units, evidence=EVIDENCE, until=5_000)

    def test_what_the_table_does_not_know_is_refused(self):
        refused(attested(), deals.apply_attested, units=1, evidence=EVIDENCE, until=5_000)
        dispute = {"bond": 30, "evidence": GROUNDS, "until": 7_000}
        refused(opened(), deals.apply_disputed, by=BUYER, **dispute)
        refused(attested(), deals.apply_disputed, by=SELLER, **dispute)
        refused(attested(), deals.apply_disputed, by=OTHER, **dispute)
        refused(disputed(), deals.apply_disputed, by=BUYER, **dispute)
        refused(attested(), deals.apply_appealed, until=9_000)
        refused(attested(), deals.apply_delivered, tranche=0, delivered=1)
        part = opened()
        deals.apply_delivered(part, tranche=0, delivered=1)
        refused(part, deals.apply_attested, units=1, evidence=EVIDENCE, until=5_000)

    @pytest.mark.parametrize(
        ("deal", "outcomes"),
        [
            (opened, {DELIVERED, SLASHED, REFUNDED, MUTUAL}),
            (attested, {DELIVERED, SLASHED, MUTUAL}),
            (disputed, {MUTUAL, RULED, TIMED_OUT}),
        ],
    )
    def test_each_phase_has_its_own_ends(self, deal, outcomes):
        for outcome in range(1, 7):
            found = deal()
            if outcome in outcomes:
                settle(found, outcome, to_buyer=found.locked)
                assert found.outcome == outcome
            else:
                refused(found, settle, outcome=outcome, to_buyer=found.locked)


class TestAnyLife:
    """Whatever is folded, in whatever order: what went in is what was paid and what is locked, and an end is an end."""

    @given(st.data())
    def test_what_is_locked_is_what_was_put_in_less_what_was_paid(self, data):
        deal = opened()
        for _ in range(data.draw(st.integers(0, 12))):
            before = deepcopy(deal)
            try:
                self.step(deal, data)
            except FoldError:
                assert deal == before
                continue
            assert before.outcome == OPEN
            put_in = 1_500 + deal.attestation.bond
            assert deal.locked == put_in - deal.paid_to_buyer - deal.paid_to_seller - deal.fee_paid >= 0
            assert deal.outcome == OPEN or deal.locked == 0
            assert deal.attestation.phase >= before.attestation.phase
            assert deal.attestation.phase == NONE or not any(row.delivered for row in deal.tranches.values())

    @staticmethod
    def step(deal, data):
        number = st.integers(0, 600)
        what = data.draw(st.integers(0, 5))
        if what == 0:
            settle(
                deal,
                data.draw(st.integers(0, 6)),
                tranche=data.draw(st.integers(0, 3)),
                closed=data.draw(st.booleans()),
                to_buyer=data.draw(st.one_of(number, st.just(deal.locked))),
            )
        elif what == 1:
            deals.apply_delivered(deal, tranche=data.draw(st.integers(0, 3)), delivered=data.draw(number))
        elif what == 2:
            deals.apply_attested(deal, units=data.draw(st.integers(0, 11)), evidence=EVIDENCE, until=5)
        elif what == 3:
            by = data.draw(st.sampled_from([BUYER, SELLER, OTHER]))
            deals.apply_disputed(deal, by=by, bond=data.draw(number), evidence=GROUNDS, until=9)
        elif what == 4:
            deals.apply_appealed(deal, until=data.draw(number))
        else:
            side, to = data.draw(st.integers(0, 1)), data.draw(st.sampled_from([BUYER, SELLER, OTHER]))
            places = deal.places.moved(side, to=to, ref=NEW_REF, opened_at=deal.places.opened_at + 1)
            deals.apply_moved(
                deal, side=side, holder=deal.places.holder(side), to=to, fixed=FIXED, places=places, sold=True
            )
