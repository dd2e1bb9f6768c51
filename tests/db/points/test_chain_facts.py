import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otc.core.models import Chain, OutboxEvent
from points.domain import offers as rules
from points.models import Market, MarketStatus, Offer, PayToken, UnknownMarket, UnknownOffer
from points.selectors.markets import markets_with_quotes
from points.selectors.offers import book
from points.services import chain_facts, offer_states
from points.services.chain_facts import ChainFacts, OfferFact
from points.services.offer_states import offer_terms, offers_recompute
from points.services.offers import offer_withdraw
from tests.support import rows
from tests.support.signed_offers import digest_of, give_funds, post, terms_of, wallet
from tests.support.threads import run_together

CHAIN = 31337


def fresh(offer: Offer) -> tuple[str, int, int]:
    offer.refresh_from_db()
    return offer.state, offer.filled_units, offer.fillable_units


def changes_told(offer: Offer) -> list[str]:
    events = OutboxEvent.objects.filter(aggregate=f"offer:{offer.offer_hash}", type="offer.changed")
    return [event.payload["state"] for event in events.order_by("sequence")]


def fact(offer: Offer, filled: int, cancelled: bool = False) -> None:
    chain_facts.offer_facts_set(
        chain_id=CHAIN, offer_hash=offer.offer_hash, maker=offer.maker, filled_units=filled, cancelled=cancelled
    )


def funds(market: Market, maker: str, free: int) -> None:
    chain_facts.maker_funds_set(chain_id=CHAIN, token=market.pay_token.address, maker=maker, free=free)


def test_funds_hide_and_show_offers(market, seller, funded):
    offer = post(market, seller)
    for free, fillable in [(24, 0), (25, 10), (10**30, 1000), (0, 0), (2500, 1000)]:
        funds(market, seller.address, free)
        assert fresh(offer) == ("open", 0, fillable)
    assert changes_told(offer) == []


def test_funds_of_other_makers_tokens_and_unknown_ones_change_nothing(market, seller, buyer, funded):
    offer = post(market, seller)
    funds(market, buyer.address, 5)
    other = PayToken.objects.create(chain=market.chain, address="0x" + "71" * 20, symbol="DAI", decimals=18)
    chain_facts.maker_funds_set(chain_id=CHAIN, token=other.address, maker=seller.address, free=0)
    chain_facts.maker_funds_set(chain_id=CHAIN, token="0x" + "72" * 20, maker=seller.address, free=0)
    assert fresh(offer) == ("open", 0, 1000)


def test_fills_count_and_a_rewind_takes_them_back(market, seller, funded):
    offer = post(market, seller)
    fact(offer, 400)
    assert fresh(offer) == ("open", 400, 600)
    fact(offer, 1000)
    assert fresh(offer) == ("filled", 1000, 0)
    fact(offer, 1000)
    fact(offer, 0)
    assert fresh(offer) == ("open", 0, 1000)
    assert changes_told(offer) == ["filled", "open"]


def test_cancel_and_its_rewind(market, seller, funded):
    offer = post(market, seller)
    fact(offer, 300, cancelled=True)
    assert fresh(offer) == ("cancelled", 300, 0)
    fact(offer, 300)
    assert fresh(offer) == ("open", 300, 700)


def test_epochs_end_offers_and_a_rewind_revives_them(market, seller, funded):
    offer = post(market, seller)
    for epoch, state in [(1, "cancelled"), (2, "cancelled"), (0, "open"), (0, "open")]:
        chain_facts.maker_epoch_set(chain_id=CHAIN, maker=seller.address, epoch=epoch)
        assert fresh(offer)[0] == state
    assert changes_told(offer) == ["cancelled", "open"]


def test_nonces_end_all_or_none_offers_of_their_bits_only(market, seller, funded):
    hit = post(market, seller, salt=256 + 3, min_fill=1000)
    spared = post(market, seller, salt=256 + 4, min_fill=1000)
    partial = post(market, seller, salt=256 + 3)
    for mask, state in [(1 << 3, "cancelled"), (1 << 3 | 1 << 9, "cancelled"), (0, "open")]:
        chain_facts.maker_nonces_set(chain_id=CHAIN, maker=seller.address, word=1, mask=mask)
        assert fresh(hit)[0] == state
        assert fresh(spared)[0] == fresh(partial)[0] == "open"


def test_one_of_two_offers_on_one_salt_ends_the_other(market, seller, funded):
    first = post(market, seller, salt=9, min_fill=1000)
    second = post(market, seller, salt=9, min_fill=1000, payment=6000)
    partial = post(market, seller, salt=9, payment=7000)
    fact(first, 1000)
    assert [fresh(offer)[0] for offer in (first, second, partial)] == ["filled", "cancelled", "open"]
    fact(first, 0)
    assert [fresh(offer)[0] for offer in (first, second, partial)] == ["open", "open", "open"]
    fact(second, 0, cancelled=True)
    assert [fresh(offer)[0] for offer in (first, second, partial)] == ["cancelled", "cancelled", "open"]


def test_offers_end_with_chain_time_and_a_rewind_reopens_them(market, chain, seller, funded):
    offer = post(market, seller)
    for head_time, state in [(offer.expiry, "open"), (offer.expiry + 1, "expired"), (offer.expiry, "open")]:
        Chain.objects.update(head_time=head_time)
        chain_facts.offers_expire(chain_id=CHAIN)
        assert fresh(offer)[0] == state
    assert fresh(offer)[2] == 1000
    Chain.objects.update(head_time=offer.expiry + 1)
    assert chain_facts.offers_expire(chain_id=CHAIN) == 1
    assert chain_facts.offers_expire(chain_id=CHAIN) == 0


def test_a_step_ends_so_many_offers_at_most_and_none_that_ran_out_is_shown_as_open(
    market, seller, funded, monkeypatch, anyone
):
    monkeypatch.setattr(chain_facts, "EXPIRED_AT_ONCE", 2)
    expiry = market.chain.head_time + 1000
    many(market, seller, 5)
    last = post(market, seller, expiry=expiry + 1)
    market.chain.head_time = expiry + 1
    market.chain.save()
    for left in (3, 1, 0, 0):
        before = Offer.objects.filter(state="open").count()
        ended = chain_facts.offers_expire(chain_id=CHAIN)
        assert Offer.objects.filter(state="open").count() == before - ended == left + 1
        assert [offer.pk for offer in book(market=market).asks] == [last.pk]
        assert markets_with_quotes().get().open_offers == 1
        for state, count in (("open", 1), ("expired", 5)):
            listed = anyone.get(f"offers?state={state}").json()["results"]
            assert [row["state"] for row in listed] == [state] * count
    market.chain.head_time = expiry
    market.chain.save()
    assert [chain_facts.offers_expire(chain_id=CHAIN) for _ in range(4)] == [2, 2, 1, 0]
    assert Offer.objects.filter(state="open", fillable_units=1000).count() == 6


def test_what_ends_many_offers_at_once_touches_open_ones_alone(market, seller, funded, monkeypatch, django_user_model):
    touched = []

    def spied(**given):
        touched.append(set(given["offer_ids"]))
        return offers_recompute(**given)

    monkeypatch.setattr(chain_facts, "offers_recompute", spied)
    run_out, withdrawn, standing = (post(market, seller, salt=7, min_fill=1000, payment=5000 + i) for i in range(3))
    offer_withdraw(user=django_user_model.objects.for_wallet(seller.address), offer_hash=withdrawn.offer_hash)
    Offer.objects.filter(pk=run_out.pk).update(state="expired", expiry=market.chain.head_time - 1, fillable_units=0)
    for change in (
        lambda on: chain_facts.maker_epoch_set(chain_id=CHAIN, maker=seller.address, epoch=int(on)),
        lambda on: chain_facts.maker_nonces_set(chain_id=CHAIN, maker=seller.address, word=0, mask=int(on) << 7),
    ):
        for on, state in ((True, "cancelled"), (False, "open")):
            touched.clear()
            change(on)
            assert touched == [{standing.pk}]
            assert [fresh(offer)[0] for offer in (run_out, withdrawn, standing)] == ["expired", "cancelled", state]
    rival = post(market, seller, salt=7, min_fill=1000, payment=6000)
    for cancelled, state in ((True, "cancelled"), (False, "open")):
        touched.clear()
        fact(rival, 0, cancelled=cancelled)
        assert touched == [{rival.pk, standing.pk}]
        assert [fresh(offer)[0] for offer in (run_out, withdrawn, standing)] == ["expired", "cancelled", state]


def test_an_offer_that_an_epoch_ended_expires_with_time(market, seller, funded):
    offer = post(market, seller)
    chain_facts.maker_epoch_set(chain_id=CHAIN, maker=seller.address, epoch=1)
    for head_time, state in [(offer.expiry + 1, "expired"), (offer.expiry, "cancelled")]:
        Chain.objects.update(head_time=head_time)
        assert chain_facts.offers_expire(chain_id=CHAIN) == 1
        assert fresh(offer) == (state, 0, 0)


def test_many_offers_are_derived_in_portions_as_if_they_were_one(market, seller, funded, monkeypatch):
    monkeypatch.setattr(offer_states, "OFFERS_AT_ONCE", 2)
    offers = [post(market, seller, salt=salt, min_fill=1000, payment=5000 + salt) for salt in (1, 2, 3, 4)]
    # The last portion says that the salt of the first offer is used.
    twin = post(market, seller, salt=1, min_fill=1000)
    facts = ChainFacts(
        offers={
            offer.offer_hash: OfferFact(maker=seller.address, filled_units=1000, cancelled=False)
            for offer in (offers[2], twin)
        },
        funds={(market.pay_token.address, seller.address): 0},
    )
    with CaptureQueriesContext(connection) as queries:
        chain_facts.facts_apply(chain_id=CHAIN, facts=facts)
    assert [fresh(offer)[0] for offer in (*offers, twin)] == ["cancelled", "open", "filled", "open", "filled"]
    assert not Offer.objects.filter(fillable_units__gt=0).exists()
    locking = [one["sql"] for one in queries if "FOR NO KEY UPDATE" in one["sql"] and '"points_offer"' in one["sql"]]
    assert len(locking) == 3
    assert chain_facts.facts_derive(chain=market.chain) == 0


def test_a_withdrawn_offer_stays_withdrawn_whatever_the_chain_says(market, seller, funded, django_user_model):
    offer = post(market, seller)
    offer_withdraw(user=django_user_model.objects.for_wallet(seller.address), offer_hash=offer.offer_hash)
    funds(market, seller.address, 10**9)
    fact(offer, 10)
    assert fresh(offer) == ("cancelled", 10, 0)
    fact(offer, 1000)
    assert fresh(offer) == ("filled", 1000, 0)


def test_market_status_is_kept_for_markets_that_come_later(market, chain):
    unknown = "0x" + "0a" * 32
    for status in (1, 2, 1):
        chain_facts.market_status_set(chain_id=CHAIN, market_id=unknown, status=status)
    assert UnknownMarket.objects.get().status == 1
    chain_facts.market_status_set(chain_id=CHAIN, market_id=market.market_id, status=2)
    market.refresh_from_db()
    assert market.status == MarketStatus.PROPOSED
    assert UnknownMarket.objects.count() == 1


def test_facts_of_offers_that_come_later_are_kept(chain, seller):
    fact = {"offer_hash": "0x" + "0b" * 32, "maker": seller.address}
    chain_facts.offer_facts_set(chain_id=CHAIN, **fact, filled_units=5, cancelled=False)
    chain_facts.offer_facts_set(chain_id=CHAIN, **fact, filled_units=0, cancelled=True)
    known = UnknownOffer.objects.get()
    assert (known.filled_units, known.cancelled) == (0, True)


def test_pay_token_and_trades(market):
    chain_facts.pay_token_allowed_set(chain_id=CHAIN, token=market.pay_token.address, allowed=False)
    chain_facts.market_trades_set(chain_id=CHAIN, market_id=market.market_id, deal_count=3, last_price_e18=7)
    market = Market.objects.select_related("pay_token").get()
    assert (market.pay_token.allowed, market.deal_count, market.last_price_e18) == (False, 3, 7)


def test_other_chains_are_untouched(market, seller, funded):
    offer = post(market, seller)
    rows.chain(chain_id=10)
    chain_facts.maker_epoch_set(chain_id=10, maker=seller.address, epoch=1)
    chain_facts.offer_facts_set(
        chain_id=10, offer_hash=offer.offer_hash, maker=seller.address, filled_units=1, cancelled=False
    )
    assert fresh(offer) == ("open", 0, 1000)


def many(market, maker, count: int) -> None:
    """Offers as if posted, without signing each."""
    made = []
    for _ in range(count):
        terms = terms_of(market, maker.address)
        made.append(
            Offer(
                market=market,
                offer_hash=digest_of(market, terms),
                signature=b"",
                price_e18=5 * 10**18,
                collateral_bps=5000,
                fillable_units=1000,
                **{
                    name: getattr(terms, name)
                    for name in ("maker", "taker", "side", "units", "payment", "collateral", "min_fill", "max_fee_bps")
                },
                **{name: getattr(terms, name) for name in ("expiry", "epoch", "salt", "ref")},
            )
        )
    Offer.objects.bulk_create(made)


def test_hundreds_of_offers_cost_as_many_queries_as_one(market, seller, buyer, funded):
    costs = []
    for maker, count in ((buyer, 1), (seller, 400)):
        give_funds(market, maker.address, 2500)
        many(market, maker, count)
        with CaptureQueriesContext(connection) as queries:
            funds(market, maker.address, 1250)
        costs.append(len(queries))
        assert Offer.objects.filter(maker=maker.address, fillable_units=500).count() == count
        with CaptureQueriesContext(connection) as queries:
            chain_facts.maker_epoch_set(chain_id=CHAIN, maker=maker.address, epoch=1)
        costs.append(len(queries))
        assert Offer.objects.filter(maker=maker.address, state="cancelled").count() == count
    assert costs[:2] == costs[2:]
    assert max(costs) <= 15


def test_a_step_of_many_makers_is_one_batch(market, seller, buyer):
    makers = [wallet(1000 + i) for i in range(30)]
    for maker in makers:
        give_funds(market, maker.address, 2500)
        many(market, maker, 3)
    offers = {offer.offer_hash: offer for offer in Offer.objects.all()}
    facts = ChainFacts(
        offers={key: OfferFact(maker=o.maker, filled_units=1000, cancelled=False) for key, o in offers.items()},
        funds={(market.pay_token.address, maker.address): 7 for maker in makers},
        epochs={makers[0].address: 1},
        nonces={(makers[1].address, 0): 1},
    )
    with CaptureQueriesContext(connection) as queries:
        chain_facts.facts_apply(chain_id=CHAIN, facts=facts)
    assert len(queries) <= 24
    assert Offer.objects.filter(state="filled").count() == 90
    assert OutboxEvent.objects.filter(type="offer.changed").count() == 90


@pytest.mark.django_db(transaction=True)
def test_posting_and_facts_at_once_never_miss_each_other(market, seller, funded):
    def posting():
        return post(market, seller).state

    def facts():
        funds(market, seller.address, 30)
        chain_facts.maker_epoch_set(chain_id=CHAIN, maker=seller.address, epoch=1)

    run_together([posting, posting, facts, posting])
    for offer in Offer.objects.all():
        assert (offer.state, offer.fillable_units) == ("cancelled", 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("funds"), st.integers(0, 3000)),
        st.tuples(st.just("fact"), st.integers(0, 3), st.sampled_from([0, 10, 999, 1000]), st.booleans()),
        st.tuples(st.just("epoch"), st.integers(0, 2)),
        st.tuples(st.just("nonces"), st.integers(0, 7)),
        st.tuples(st.just("time"), st.integers(-1, 1)),
    ),
    max_size=8,
)


@given(steps)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_after_any_facts_the_rows_are_what_a_rebuild_gives(market, seller, funded, steps):
    with transaction.atomic():
        offers = [
            post(market, seller, salt=0),
            post(market, seller, salt=1, min_fill=1000),
            post(market, seller, salt=1, min_fill=1000, side=rules.BUY, payment=2000),
            post(market, seller, salt=2, min_fill=1000),
        ]
        for kind, *values in steps:
            if kind == "funds":
                funds(market, seller.address, values[0])
            elif kind == "fact":
                offer = offers[values[0]]
                filled = values[1] if not offer.all_or_none or values[1] == 1000 else 0
                fact(offer, filled, values[2])
            elif kind == "epoch":
                chain_facts.maker_epoch_set(chain_id=CHAIN, maker=seller.address, epoch=values[0])
            elif kind == "nonces":
                chain_facts.maker_nonces_set(chain_id=CHAIN, maker=seller.address, word=0, mask=values[0])
            else:
                Chain.objects.update(head_time=offers[0].expiry + values[0])
                chain_facts.offers_expire(chain_id=CHAIN)
        before = {offer.pk: fresh(offer) for offer in offers}
        offers_recompute(chain=Chain.objects.get(), offer_ids=list(before))
        assert {offer.pk: fresh(offer) for offer in offers} == before
        for offer in offers:
            assert digest_of(market, offer_terms(offer)) == offer.offer_hash
        transaction.set_rollback(True)
