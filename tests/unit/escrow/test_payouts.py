"""Pay-out arithmetic: everything sums, nothing is lost, and known figures come out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.domain import payouts
from escrow.domain.payouts import Payout, Terms

amounts = st.integers(0, 2**128 - 1)
positive = st.integers(1, 2**128 - 1)


@st.composite
def terms(draw):
    tranches = draw(st.integers(1, 64))
    return Terms(
        ratio_num=draw(positive),
        ratio_den=draw(positive),
        start=1_000,
        window=draw(st.integers(86_400, 10**7)),
        tge_bps=10_000 if tranches == 1 else draw(st.integers(1, 9_999)),
        tranches=tranches,
        period=0 if tranches == 1 else draw(st.integers(1, 10**6)),
    )


@given(total=amounts, terms=terms())
def test_tranche_shares_sum_to_the_total(total, terms):
    shares = [payouts.share_of_tranche(total, terms, i) for i in range(terms.tranches)]
    assert sum(shares) == total
    assert min(shares) >= 0


@given(units=positive, terms=terms())
def test_due_is_the_ceiling_and_never_zero(units, terms):
    due = payouts.due_for(units, terms)
    assert due >= 1
    assert (due - 1) * terms.ratio_den < units * terms.ratio_num <= due * terms.ratio_den


@given(
    payment=amounts,
    collateral=amounts,
    fee_bps=st.integers(0, 200),
    whole=positive,
    cuts=st.lists(st.integers(0, 2**128 - 1), max_size=5),
)
def test_parts_pay_in_sum_what_one_delivery_would_and_a_slash_pays_the_rest(payment, collateral, fee_bps, whole, cuts):
    marks = [0, *sorted({cut % whole for cut in cuts} - {0})]
    to_seller = fee = 0
    for before, after in itertools.pairwise(marks):
        paid = payouts.delivery_payout(
            payment=payment, collateral=collateral, fee_bps=fee_bps, before=before, after=after, whole=whole
        )
        assert paid.to_seller >= 0
        assert paid.fee >= 0
        to_seller, fee = to_seller + paid.to_seller, fee + paid.fee
    delivered = marks[-1]
    still = payouts.open_shares(payment, collateral, delivered=delivered, whole=whole)
    slashed = payouts.slash_payout(payment=payment, collateral=collateral, delivered=delivered, whole=whole)
    assert slashed.to_buyer == sum(still)
    assert to_seller + fee + slashed.to_buyer == payment + collateral
    rest = payouts.delivery_payout(
        payment=payment, collateral=collateral, fee_bps=fee_bps, before=delivered, after=whole, whole=whole
    )
    assert to_seller + rest.to_seller == payment + collateral - payment * fee_bps // 10_000
    assert fee + rest.fee == payment * fee_bps // 10_000


@given(more=amounts, terms=terms(), data=st.data())
def test_of_so_many_units_something_is_due_in_the_tranche(more, terms, data):
    tranche = data.draw(st.integers(0, terms.tranches - 1))
    least = payouts.units_of_something_due(terms, tranche)
    assert payouts.due_in_tranche(max(1, least) + more, terms, tranche) > 0


def test_of_few_units_nothing_may_be_due_in_a_tranche():
    one_piece = Terms(ratio_num=1, ratio_den=1, start=1, window=86_400, tge_bps=5_000, tranches=2, period=1)
    assert [payouts.due_in_tranche(1, one_piece, tranche) for tranche in (0, 1)] == [0, 1]
    assert [payouts.units_of_something_due(one_piece, tranche) for tranche in (0, 1)] == [2, 2]


def test_known_figures():
    once = Terms(ratio_num=3, ratio_den=2, start=1_000, window=100, tge_bps=10_000, tranches=1, period=0)
    assert payouts.due_for(5, once) == 8  # 7.5, rounded up
    assert (payouts.opens_at(once, 0), payouts.deadline(once, 0)) == (1_000, 1_100)
    vested = Terms(ratio_num=1, ratio_den=1, start=1_000, window=100, tge_bps=2_500, tranches=4, period=50)
    assert [payouts.share_of_tranche(100, vested, i) for i in range(4)] == [25, 25, 25, 25]
    assert [payouts.share_of_tranche(10, vested, i) for i in range(4)] == [2, 3, 2, 3]
    assert payouts.deadline(vested, 3) == 1_250
    assert payouts.delivery_payout(payment=1_000, collateral=500, fee_bps=100, before=0, after=4, whole=8) == Payout(
        to_buyer=0, to_seller=745, fee=5
    )
    assert payouts.refund_payout(payment=7, collateral=0) == Payout(to_buyer=7, to_seller=0, fee=0)


@given(
    units=positive,
    payment=amounts,
    collateral=amounts,
    fee_bps=st.integers(0, 200),
    terms=terms(),
    data=st.data(),
)
def test_what_is_locked_now_is_what_no_delivery_or_slash_has_paid(units, payment, collateral, fee_bps, terms, data):
    done, paid = {}, 0
    for number in data.draw(st.sets(st.integers(0, terms.tranches - 1), max_size=4)):
        whole = payouts.due_in_tranche(units, terms, number)
        shares = {
            "payment": payouts.share_of_tranche(payment, terms, number),
            "collateral": payouts.share_of_tranche(collateral, terms, number),
        }
        came = data.draw(st.integers(0, whole))
        slashed = came < whole and data.draw(st.booleans())
        if came or whole == 0:
            part = payouts.delivery_payout(**shares, fee_bps=fee_bps, before=0, after=came, whole=whole)
            paid += part.to_seller + part.fee
        if slashed:
            paid += payouts.slash_payout(**shares, delivered=came, whole=whole).to_buyer
        done[number] = (came, slashed or came == whole)
    locked = payouts.locked_now(units=units, payment=payment, collateral=collateral, terms=terms, done=done)
    assert locked == payment + collateral - paid


@given(payment=amounts, collateral=amounts, fee_bps=st.integers(0, 200), units=positive, more=positive, data=st.data())
def test_an_attestation_pays_all_of_it_and_more_for_more(payment, collateral, fee_bps, units, more, data):
    def paid(attested):
        return payouts.finalize_payout(
            payment=payment, collateral=collateral, fee_bps=fee_bps, attested=attested, units=units
        )

    attested = data.draw(st.integers(1, units))
    found, fuller = paid(attested), paid(min(units, attested + more))
    assert found.to_buyer + found.to_seller + found.fee == payment + collateral
    assert min(found.to_buyer, found.to_seller, found.fee) >= 0
    assert (fuller.to_buyer <= found.to_buyer, fuller.fee >= found.fee) == (True, True)
    assert paid(units).to_buyer == 0


def test_known_figures_of_attested_deals():
    assert payouts.bond_for(999, 500) == 49
    assert payouts.finalize_payout(payment=1_000, collateral=500, fee_bps=100, attested=1, units=3) == Payout(
        to_buyer=1_001, to_seller=496, fee=3
    )
    pot = {"payment": 1_000, "collateral": 500, "bond": 50}
    assert payouts.ruling_payout(**pot, to_seller=1_550) == Payout(to_buyer=0, to_seller=1_550, fee=0)
    assert payouts.timeout_payout(**pot, disputed_by=0) == Payout(to_buyer=1_050, to_seller=500, fee=0)
    assert payouts.timeout_payout(**pot, disputed_by=1) == Payout(to_buyer=1_000, to_seller=550, fee=0)
    for outside in (-1, 1_551):
        with pytest.raises(ValueError, match="pot"):
            payouts.ruling_payout(**pot, to_seller=outside)


@pytest.mark.parametrize(
    ("side", "lister_pays", "expected"),
    [(0, False, (0, 70)), (0, True, (70, 0)), (1, False, (0, 570)), (1, True, (0, 500))],
)
def test_what_a_resale_needs(side, lister_pays, expected):
    assert payouts.resale_needs(side=side, collateral=500, price=70, lister_pays=lister_pays) == expected


def test_a_lister_pays_from_the_collateral_he_gets_back():
    assert payouts.resale_needs(side=1, collateral=50, price=70, lister_pays=True) == (20, 50)
