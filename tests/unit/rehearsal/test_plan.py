"""The plan of a rehearsal: for any seed it asks nothing that the contract refuses, and everything that the rehearsal must show."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otc.rehearsal import allocations
from otc.rehearsal import plan as plans
from otc.rehearsal.plan import CONTRACT_WALLETS, WALLETS, Conduct, Fate

AMOUNTS = [amount for _, amount in allocations.make(1, rows=2_000, total=363_000 * 10**18)]
seeds = st.integers(0, 2**32)


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_every_fill_is_one_that_the_contract_takes(seed):
    plan = plans.make(seed, AMOUNTS)
    for offer in plan.offers:
        before = 0
        for fill in offer.fills:
            assert fill.taker != offer.maker
            assert min(offer.min_fill, offer.units - before) <= fill.units <= offer.units - before
            upto = before + fill.units
            assert offer.payment * upto // offer.units > offer.payment * before // offer.units
            before = upto


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_deposits_cover_all_that_is_locked(seed):
    plan = plans.make(seed, AMOUNTS)
    needs = plan.needs()
    locked: Counter[tuple[int, str]] = Counter()
    for offer in plan.offers:
        before = 0
        for fill in offer.fills:
            upto = before + fill.units
            maker_leg, taker_leg = (
                (whole * upto // offer.units - whole * before // offer.units)
                for whole in (
                    (offer.payment, offer.collateral) if offer.side == plans.BUY else (offer.collateral, offer.payment)
                )
            )
            locked[offer.maker, offer.market] += maker_leg
            locked[fill.taker, offer.market] += taker_leg
            before = upto
        if not offer.fills:
            locked[offer.maker, offer.market] += offer.locked
    assert all(needs[key] >= amount for key, amount in locked.items())


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_it_shows_all_that_it_must(seed):
    plan = plans.make(seed, AMOUNTS)
    fates = Counter(offer.fate for offer in plan.offers)
    deals = sum(len(offer.fills) for offer in plan.offers)
    assert deals >= 500
    assert all(fates[fate] for fate in Fate)
    assert {offer.maker for offer in plan.offers} == set(range(WALLETS))
    assert all(
        any(offer.maker == wallet and offer.fills for offer in plan.offers)
        for wallet in range(WALLETS - CONTRACT_WALLETS, WALLETS)
    )
    whole = [offer for offer in plan.offers if offer.min_fill == offer.units]
    assert whole
    assert len(whole) < len(plan.offers)
    assert set(plan.conduct) == set(Conduct)
    assert (
        sum(conduct in {Conduct.FULL, Conduct.FULL_ESCROW, Conduct.TWO_STEPS} for conduct in plan.conduct)
        > WALLETS // 2
    )


def test_the_same_seed_gives_the_same_plan():
    assert plans.make(7, AMOUNTS) == plans.make(7, AMOUNTS)
    assert plans.make(7, AMOUNTS) != plans.make(8, AMOUNTS)


class TestAllocations:
    def test_the_made_list_has_the_size_and_the_sum_of_a_real_one(self):
        rows = allocations.make(3)
        assert len(rows) == len({address for address, _ in rows}) == 137_689
        assert sum(amount for _, amount in rows) == 25_000_000 * 10**18
        amounts = sorted(amount for _, amount in rows)
        assert amounts[0] > 0
        median = amounts[len(amounts) // 2] / 10**18
        assert 120 < median < 180

    def test_the_same_seed_writes_the_same_bytes_and_reads_back(self, tmp_path):
        rows = allocations.make(5, rows=100, total=10**21)
        first, second = tmp_path / "a.csv.gz", tmp_path / "b.csv.gz"
        allocations.write(first, rows)
        allocations.write(second, allocations.make(5, rows=100, total=10**21))
        assert first.read_bytes() == second.read_bytes()
        assert list(allocations.read(first)) == rows

    def test_a_bad_line_is_named(self, tmp_path):
        path = tmp_path / "bad.csv"
        path.write_text("address,amount\n0x01,5\n0x02,five\n")
        with pytest.raises(allocations.ListError, match="after line 2"):
            list(allocations.read(path))

    @pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"no gzip at all"])
    def test_a_broken_gzip_is_told(self, tmp_path, content):
        path = tmp_path / "bad.csv.gz"
        path.write_bytes(content)
        with pytest.raises(allocations.ListError, match=r"bad\.csv\.gz"):
            list(allocations.read(path))
