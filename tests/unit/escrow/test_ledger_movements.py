"""The ledger's view of events: money moves between accounts and never comes or goes but through EXTERNAL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow.domain import ledger, payouts
from escrow.domain.ledger import EXTERNAL, AccountKey, Parties

TOKEN, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20
BUYER, SELLER, TAKER = ("0x" + f"{n:02x}" * 20 for n in (1, 2, 3))
PARTIES = Parties(deal="0x" + "dd" * 32, token=TOKEN, buyer=BUYER, seller=SELLER)
LOCKED = ledger.locked(PARTIES)
amounts = st.integers(0, 2**128 - 1)


def balances(movements) -> dict[AccountKey, int]:
    return {key: value for key, value in ledger.deltas(movements).items() if value}


def balanced(movements) -> bool:
    """EXTERNAL = ΣFREE + ΣLOCKED + FEES, per token."""
    found = ledger.deltas(movements)
    return all(
        found.get(AccountKey(token, EXTERNAL), 0)
        == sum(value for key, value in found.items() if key.token == token and key.kind != EXTERNAL)
        for token in {key.token for key in found}
    )


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
    assert balances(movements) == {
        ledger.free(TOKEN, SELLER): 1_000,
        AccountKey(TOKEN, EXTERNAL): 1_000,
        ledger.free(OTHER, BUYER): 77,
        AccountKey(OTHER, EXTERNAL): 77,
    }


def test_nothing_moves_nothing():
    assert [move.leg for move in ledger.filled(PARTIES, payment=1, collateral=0)] == [0]
    assert ledger.settled(PARTIES, to_buyer=0, to_seller=0, fee=0) == ()
    assert ledger.disputed(PARTIES, by=BUYER, bond=0) == ()
    sale = {"lister": BUYER, "taker": TAKER, "side": 0, "price": 0, "lister_pays": False}
    assert ledger.resold(PARTIES, collateral=500, **sale) == ()


@pytest.mark.parametrize(
    ("side", "lister_pays", "expected"),
    [
        (0, False, {BUYER: 70, TAKER: -70}),
        (0, True, {BUYER: -70, TAKER: 70}),
        (1, False, {SELLER: 570, TAKER: -570}),
        (1, True, {SELLER: 430, TAKER: -430}),
    ],
)
def test_a_resale_moves_the_price_and_the_sellers_collateral(side, lister_pays, expected):
    lister = (BUYER, SELLER)[side]
    moves = ledger.resold(
        PARTIES, lister=lister, taker=TAKER, side=side, price=70, lister_pays=lister_pays, collateral=500
    )
    assert balances(moves) == {ledger.free(TOKEN, who): change for who, change in expected.items()}
    assert [move.kind for move in moves] == (["lock", "release", "price"] if side else ["price"])


def test_a_dispute_locks_the_bond_of_who_disputes():
    assert balances(ledger.disputed(PARTIES, by=SELLER, bond=30)) == {ledger.free(TOKEN, SELLER): -30, LOCKED: 30}


@given(
    payment=st.integers(1, 2**128 - 1),
    collateral=amounts,
    price=amounts,
    side=st.integers(0, 1),
    lister_pays=st.booleans(),
    bond_bps=st.integers(0, 10_000),
    fee_bps=st.integers(0, 200),
    units=st.integers(1, 2**64),
    data=st.data(),
)
def test_however_an_attested_deal_goes_all_of_it_is_paid_out(
    payment, collateral, price, side, lister_pays, bond_bps, fee_bps, units, data
):
    lister = (BUYER, SELLER)[side]
    after = Parties(PARTIES.deal, TOKEN, *((TAKER, SELLER) if side == 0 else (BUYER, TAKER)))
    bond = payouts.bond_for(payment, bond_bps)
    needs = payouts.resale_needs(side=side, collateral=collateral, price=price, lister_pays=lister_pays)
    by = data.draw(st.integers(0, 1))
    end = data.draw(st.sampled_from(["finalize", "rule", "timeout"]))
    if end == "finalize":
        bond = 0
        paid = payouts.finalize_payout(
            payment=payment,
            collateral=collateral,
            fee_bps=fee_bps,
            attested=data.draw(st.integers(1, units)),
            units=units,
        )
    elif end == "rule":
        pot = payment + collateral + bond
        paid = payouts.ruling_payout(
            payment=payment, collateral=collateral, bond=bond, to_seller=data.draw(st.integers(0, pot))
        )
    else:
        paid = payouts.timeout_payout(payment=payment, collateral=collateral, bond=bond, disputed_by=by)
    disputer = (after.buyer, after.seller)[by]
    moves = [
        *ledger.deposited(token=TOKEN, user=BUYER, amount=payment),
        *ledger.deposited(token=TOKEN, user=SELLER, amount=collateral),
        *ledger.filled(PARTIES, payment=payment, collateral=collateral),
        *ledger.deposited(token=TOKEN, user=lister, amount=needs[0]),
        *ledger.deposited(token=TOKEN, user=TAKER, amount=needs[1]),
        *ledger.resold(
            PARTIES,
            lister=lister,
            taker=TAKER,
            side=side,
            price=price,
            lister_pays=lister_pays,
            collateral=collateral,
        ),
        *ledger.deposited(token=TOKEN, user=disputer, amount=bond),
        *ledger.disputed(after, by=disputer, bond=bond),
        *ledger.settled(after, to_buyer=paid.to_buyer, to_seller=paid.to_seller, fee=paid.fee),
    ]
    for place in range(len(moves) + 1):
        assert balanced(moves[:place])
    assert all(value >= 0 for value in ledger.deltas(moves).values())
    assert ledger.deltas(moves).get(LOCKED, 0) == 0
    assert paid.fee <= payment * fee_bps // 10_000
