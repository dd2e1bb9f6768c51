"""Pay-out arithmetic: everything sums, nothing is lost, and known figures come out."""

import itertools

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
