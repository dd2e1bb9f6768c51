import dataclasses
import itertools
from random import Random

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from points.domain import offers
from points.domain.offers import BUY, SELL, OfferFacts, OfferTerms

ESCROW = "0x" + "e5" * 20


def random_terms(random: Random) -> OfferTerms:
    def word() -> int:
        return random.getrandbits(random.choice((8, 64, 128, 256)))

    def hexed(size: int) -> str:
        return "0x" + random.randbytes(size).hex()

    return OfferTerms(
        maker=hexed(20),
        taker=random.choice((hexed(20), "0x" + "00" * 20)),
        side=random.choice((BUY, SELL)),
        market=hexed(32),
        pay_token=hexed(20),
        units=word(),
        payment=word(),
        collateral=word(),
        min_fill=word(),
        max_fee_bps=word(),
        expiry=word(),
        epoch=word(),
        salt=word(),
        ref=hexed(32),
    )


def terms(**changes) -> OfferTerms:
    base = {
        "maker": "0x" + "aa" * 20,
        "taker": "0x" + "00" * 20,
        "side": SELL,
        "market": "0x" + "11" * 32,
        "pay_token": "0x" + "bb" * 20,
        "units": 1000,
        "payment": 5000,
        "collateral": 2500,
        "min_fill": 10,
        "max_fee_bps": 100,
        "expiry": 2_000_000_000,
        "epoch": 0,
        "salt": 7,
        "ref": "0x" + "00" * 32,
    }
    return OfferTerms(**{**base, **changes})


def test_hash_is_what_a_wallet_computes_from_the_typed_data():
    random = Random(20)  # noqa: S311 - test data
    for _ in range(1000):
        offer, chain_id = random_terms(random), random.randrange(1, 2**40)
        data = offers.typed_data(offer, chain_id=chain_id, escrow_address=ESCROW)
        message = {
            **data["message"],
            **{name: int(data["message"][name]) for name, kind in offers.OFFER_FIELDS if kind == "uint256"},
        }
        wallet = encode_typed_data(full_message={**data, "message": message})
        assert offers.offer_hash(offer, chain_id=chain_id, escrow_address=ESCROW) == (
            "0x" + bytes(_hash_eip191_message(wallet)).hex()
        )


def test_type_string_is_the_contracts():
    fields = ",".join(f"{kind} {name}" for name, kind in offers.OFFER_FIELDS)
    assert fields == (
        "address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
        "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref"
    )


def test_every_signed_field_changes_the_hash():
    base = terms()
    hashes = {offers.offer_hash(base, chain_id=1, escrow_address=ESCROW)}
    for field in dataclasses.fields(OfferTerms):
        value = getattr(base, field.name)
        other = value + 1 if isinstance(value, int) else value[:-1] + ("1" if value[-1] != "1" else "2")
        changed = dataclasses.replace(base, **{field.name: other})
        hashes.add(offers.offer_hash(changed, chain_id=1, escrow_address=ESCROW))
    hashes.add(offers.offer_hash(base, chain_id=2, escrow_address=ESCROW))
    hashes.add(offers.offer_hash(base, chain_id=1, escrow_address="0x" + "e6" * 20))
    assert len(hashes) == 1 + 14 + 2


def test_state_over_the_full_product_of_facts():
    names = [field.name for field in dataclasses.fields(OfferFacts)]
    seen = set()
    for values in itertools.product((False, True), repeat=len(names)):
        facts = OfferFacts(**dict(zip(names, values, strict=True)))
        state = offers.offer_state(facts)
        seen.add(state)
        undone = facts.cancelled_on_chain or facts.withdrawn
        swept = not facts.epoch_is_current or (facts.nonce_used and facts.all_or_none)
        over = undone or facts.past_expiry or swept
        assert (state == "filled") == facts.all_filled
        assert (state == "cancelled") == (not facts.all_filled and (undone or (swept and not facts.past_expiry)))
        assert (state == "expired") == (not facts.all_filled and not undone and facts.past_expiry)
        assert (state == "open") == (not facts.all_filled and not over)
    assert seen == {"filled", "cancelled", "expired", "open"}


amounts = st.integers(1, 2**128 - 1)
small = st.integers(1, 60)


@st.composite
def an_offer(draw, sizes=amounts):
    units = draw(sizes)
    return terms(
        side=draw(st.sampled_from((BUY, SELL))),
        units=units,
        payment=draw(sizes),
        collateral=draw(st.one_of(st.just(0), sizes)),
        min_fill=draw(st.integers(1, units)),
    )


@given(an_offer(), st.data())
def test_fills_sum_to_the_signed_totals(offer, data):
    filled = paid = locked = 0
    while filled < offer.units:
        units = data.draw(st.integers(1, offer.units - filled))
        payment, collateral = offers.fill_amounts(offer, filled_before=filled, units=units)
        assert payment >= 0
        assert collateral >= 0
        filled, paid, locked = filled + units, paid + payment, locked + collateral
        if data.draw(st.integers(0, 3)) == 0:
            units = offer.units - filled
            payment, collateral = offers.fill_amounts(offer, filled_before=filled, units=units)
            filled, paid, locked = filled + units, paid + payment, locked + collateral
    assert (paid, locked) == (offer.payment, offer.collateral)


@given(an_offer(small), st.data())
@settings(max_examples=300)
def test_fillable_is_the_largest_fill_that_the_contract_would_take(offer, data):
    filled = data.draw(st.integers(0, offer.units)) if not offer.all_or_none else 0
    free = data.draw(st.integers(0, 80))

    def taken(units: int) -> bool:
        payment, collateral = offers.fill_amounts(offer, filled_before=filled, units=units)
        left = offer.units - filled
        need = payment if offer.side == BUY else collateral
        return min(offer.min_fill, left) <= units <= left and payment > 0 and need <= free

    largest = max((units for units in range(1, offer.units - filled + 1) if taken(units)), default=0)
    assert offers.fillable_units(offer, filled=filled, free=free) == largest


@given(an_offer(), st.integers(0, 2**130))
def test_fillable_at_full_size_is_covered_and_one_more_is_not(offer, free):
    most = offers.fillable_units(offer, filled=0, free=free)
    leg = 0 if offer.side == BUY else 1
    if most:
        assert offers.fill_amounts(offer, filled_before=0, units=most)[leg] <= free
        assert most >= offer.min_fill
    if 0 < most < offer.units:
        assert offers.fill_amounts(offer, filled_before=0, units=most + 1)[leg] > free


@pytest.mark.parametrize(
    ("changes", "filled", "free", "expected"),
    [
        ({}, 0, 2500, 1000),
        ({}, 0, 2499, 999),
        ({}, 0, 25, 10),
        ({}, 0, 24, 0),  # below the minimum
        ({}, 995, 13, 5),  # the rest may be smaller than the minimum
        ({}, 995, 12, 0),  # but not a part of the rest
        ({"collateral": 0}, 0, 0, 1000),
        ({"side": BUY}, 0, 4999, 999),
        ({"min_fill": 1000}, 0, 2500, 1000),
        ({"min_fill": 1000}, 0, 2499, 0),
        ({}, 1000, 10**9, 0),
        ({"payment": 1, "collateral": 0}, 0, 0, 1000),
        ({"payment": 1, "collateral": 0, "side": BUY}, 0, 0, 0),  # 999 units would cost nothing: refused on chain
    ],
)
def test_fillable_examples(changes, filled, free, expected):
    assert offers.fillable_units(terms(**changes), filled=filled, free=free) == expected


@given(amounts, amounts)
def test_default_minimum_makes_few_deals_that_all_cost_something(units, payment):
    minimum = offers.default_min_fill(units=units, payment=payment)
    assert 1 <= minimum <= units
    assert minimum * offers.DEFAULT_PARTS >= units
    assert payment * minimum // units >= 1


@given(an_offer(), st.integers(0, offers.MAX_FEE_BPS), st.data())
def test_money_of_every_end_comes_from_what_was_locked(offer, fee_bps, data):
    units = data.draw(st.integers(1, offer.units))
    result = offers.outcomes(offer, units=units, fee_bps=fee_bps)
    buyer, seller = result.buyer, result.seller
    assert buyer.on_delivery + seller.on_delivery + result.fee == 0
    assert buyer.on_default + seller.on_default == 0
    assert (buyer.on_refund, seller.on_refund) == (0, 0)
    for party in (buyer, seller):
        for end in (party.on_delivery, party.on_default, party.on_refund):
            assert party.locks + end >= 0


@given(an_offer(), st.integers(0, offers.MAX_FEE_BPS))
def test_break_even_separates_delivery_from_default(offer, fee_bps):
    result = offers.outcomes(offer, units=offer.units, fee_bps=fee_bps)
    gain_of_default = result.seller.on_default - result.seller.on_delivery  # before the tokens he keeps
    at = result.break_even_e18 * offer.units
    assert at + gain_of_default * offers.E18 <= 0
    assert at + offer.units + gain_of_default * offers.E18 > 0


def test_outcome_example():
    result = offers.outcomes(terms(), units=100, fee_bps=100)
    assert (result.payment, result.collateral, result.fee) == (500, 250, 5)
    assert (result.buyer.locks, result.buyer.on_delivery, result.buyer.on_default) == (500, -500, 250)
    assert (result.seller.locks, result.seller.on_delivery, result.seller.on_default) == (250, 495, -250)
    assert result.break_even_e18 == 745 * offers.E18 // 100


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"side": 2}, "side"),
        ({"units": 0}, "units"),
        ({"units": 2**128}, "units"),
        ({"payment": 0}, "payment"),
        ({"payment": 2**128}, "payment"),
        ({"collateral": 2**128}, "collateral"),
        ({"min_fill": 0}, "min_fill"),
        ({"min_fill": 1001}, "min_fill"),
        ({"max_fee_bps": 10_001}, "max_fee_bps"),
        ({"taker": "0x" + "aa" * 20}, "taker"),
        ({"maker": "0x" + "00" * 20, "taker": "0x" + "01" * 20}, "maker"),
    ],
)
def test_shape_names_the_field(changes, field):
    assert list(offers.shape_errors(terms(**changes))) == [field]


def test_shape_of_a_good_offer():
    assert offers.shape_errors(terms()) == {}
    assert offers.shape_errors(terms(min_fill=1000, collateral=0)) == {}
