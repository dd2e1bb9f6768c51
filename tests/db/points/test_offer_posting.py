from dataclasses import replace
from functools import partial

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from otc.core import signatures
from otc.core.errors import DomainError, ErrorCode
from otc.core.flags import flag_set
from otc.core.models import FlagName, OutboxEvent
from points.domain import offers as rules
from points.models import MakerEpoch, MakerNonces, MarketStatus, Offer, PayToken, UnknownOffer
from points.services import offers
from tests.support import rows
from tests.support.signed_offers import digest_of, give_funds, post, terms_of, wallet
from tests.support.threads import run_together


def test_a_good_offer_is_stored_with_its_sort_keys_and_told(market, seller, funded):
    offer = post(market, seller)
    offer.refresh_from_db()
    assert (offer.state, offer.filled_units, offer.fillable_units) == ("open", 0, 1000)
    assert (offer.price_e18, offer.collateral_bps) == (5 * 10**18, 5000)
    event = OutboxEvent.objects.get()
    assert (event.type, event.aggregate, event.sequence) == ("offer.posted", f"offer:{offer.offer_hash}", 1)


def test_the_same_offer_again_is_the_same_row(market, seller, funded):
    terms = terms_of(market, seller.address)
    signature = seller.sign(digest_of(market, terms))
    first = offers.offer_post(market=market, terms=terms, signature=signature)
    again = offers.offer_post(market=market, terms=terms, signature=signature)
    assert again == first
    assert OutboxEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"side": 2}, ErrorCode.INVALID, "side"),
        ({"units": 0}, ErrorCode.INVALID, "units"),
        ({"pay_token": "0x" + "99" * 20}, ErrorCode.INVALID, "pay_token"),
        ({"expiry": 1_800_000_000}, ErrorCode.OFFER_EXPIRED, "expiry"),
        ({"expiry": 1_810_000_001}, ErrorCode.INVALID, "expiry"),
        ({"epoch": 1}, ErrorCode.OFFER_STALE_EPOCH, "epoch"),
        ({"units": 10**6, "min_fill": 199}, ErrorCode.OFFER_TOO_SMALL, "min_fill"),
        ({"max_fee_bps": 49}, ErrorCode.INVALID, "max_fee_bps"),
        ({"collateral": 250_100}, ErrorCode.FUNDS_INSUFFICIENT, "collateral"),
        ({"side": 0, "payment": 250_200}, ErrorCode.FUNDS_INSUFFICIENT, "payment"),
    ],
)
def test_each_rule_refuses_by_name_and_stores_nothing(market, seller, funded, changes, code, field):
    with pytest.raises(DomainError) as refused:
        post(market, seller, **changes)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert not Offer.objects.exists()
    assert not OutboxEvent.objects.exists()


def test_one_second_before_the_expiry_is_good(market, seller, funded):
    assert post(market, seller, expiry=market.chain.head_time + 1).state == "open"
    assert post(market, seller, expiry=market.long_stop).state == "open"


@pytest.mark.parametrize("status", [s for s in MarketStatus if s != MarketStatus.OPEN])
def test_market_must_be_open(market, seller, funded, status):
    market.status = status
    with pytest.raises(DomainError) as refused:
        post(market, seller)
    assert refused.value.code == ErrorCode.MARKET_NOT_OPEN


def test_market_past_its_long_stop(market, seller, funded):
    market.chain.head_time = market.long_stop + 1
    with pytest.raises(DomainError) as refused:
        post(market, seller, expiry=market.long_stop + 10)
    assert refused.value.code == ErrorCode.MARKET_NOT_OPEN


def test_used_salts_kill_all_or_none_offers_only(market, chain, seller, funded):
    MakerNonces.objects.create(chain=chain, maker=seller.address, word=3, mask=1 << 5)
    with pytest.raises(DomainError) as refused:
        post(market, seller, salt=3 * 256 + 5, min_fill=1000)
    assert (refused.value.code, refused.value.field) == (ErrorCode.OFFER_CONSUMED, "salt")
    assert post(market, seller, salt=3 * 256 + 5).state == "open"
    assert post(market, seller, salt=3 * 256 + 6, min_fill=1000).state == "open"


def test_what_happened_on_chain_before_it_came_counts(market, chain, seller, funded):
    terms = terms_of(market, seller.address)
    digest = digest_of(market, terms)
    fact = UnknownOffer.objects.create(chain=chain, offer_hash=digest, filled_units=400)
    offer = offers.offer_post(market=market, terms=terms, signature=seller.sign(digest))
    assert (offer.filled_units, offer.fillable_units) == (400, 600)

    gone = terms_of(market, seller.address)
    UnknownOffer.objects.create(chain=chain, offer_hash=digest_of(market, gone), cancelled=True)
    with pytest.raises(DomainError) as refused:
        offers.offer_post(market=market, terms=gone, signature=seller.sign(digest_of(market, gone)))
    assert refused.value.code == ErrorCode.OFFER_CONSUMED
    assert fact.pk


def test_signature_of_another_key(market, seller, funded, monkeypatch):
    monkeypatch.setattr(signatures, "contract_accepts", lambda **_: False)
    terms = terms_of(market, seller.address)
    with pytest.raises(DomainError) as refused:
        offers.offer_post(market=market, terms=terms, signature=wallet(99).sign(digest_of(market, terms)))
    assert (refused.value.code, refused.value.field) == (ErrorCode.SIGNATURE_INVALID, "signature")
    assert not Offer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_node_is_never_asked_inside_a_transaction(market, seller, funded, monkeypatch):
    def accepts(**_):
        assert not connection.in_atomic_block
        return True

    monkeypatch.setattr(signatures, "contract_accepts", accepts)
    terms = terms_of(market, seller.address)
    assert offers.offer_post(market=market, terms=terms, signature=b"\x01").state == "open"


def test_the_switch_stops_posting(market, seller, funded):
    flag_set(name=FlagName.PAUSE_POSTING, on=True, reason="Drill")
    with pytest.raises(DomainError) as refused:
        post(market, seller)
    assert refused.value.code == ErrorCode.PAUSED


def test_facts_that_move_between_check_and_store_are_seen(market, chain, seller, funded):
    terms = terms_of(market, seller.address)
    checked = offers.offer_check(market=market, terms=terms, signature=seller.sign(digest_of(market, terms)))
    MakerEpoch.objects.create(chain=chain, maker=seller.address, epoch=1)
    with pytest.raises(DomainError) as refused:
        offers.offer_store(checked)
    assert refused.value.code == ErrorCode.OFFER_STALE_EPOCH


@pytest.mark.django_db(transaction=True)
def test_two_posts_of_one_offer_at_once_make_one_row(market, seller, funded):
    terms = terms_of(market, seller.address)
    signature = seller.sign(digest_of(market, terms))

    def job():
        return offers.offer_post(market=market, terms=terms, signature=signature).pk

    results = run_together([job] * 4)
    assert results == [Offer.objects.get().pk] * 4
    assert OutboxEvent.objects.count() == 1


def test_posting_costs_few_queries(market, seller, funded, django_assert_max_num_queries):
    with django_assert_max_num_queries(18):
        post(market, seller)


def test_a_wallet_has_so_many_open_offers_in_an_escrow_and_no_more(
    market, seller, buyer, funded, monkeypatch, django_user_model
):
    monkeypatch.setattr(offers, "OPEN_OFFERS_MAX", 2)
    first, _ = post(market, seller), post(market, seller)
    told = OutboxEvent.objects.count()
    with pytest.raises(DomainError, match="at most 2 open offers in an escrow: withdraw one, or wait") as refused:
        post(market, seller)
    assert (refused.value.code, refused.value.field) == (ErrorCode.OFFERS_TOO_MANY, "maker")
    assert (Offer.objects.count(), OutboxEvent.objects.count()) == (2, told)
    give_funds(market, buyer.address, 2500)
    post(market, buyer)
    elsewhere = rows.market(rows.chain(chain_id=10, fee_bps=50), market_id=rows.word(0x3E))
    give_funds(elsewhere, seller.address, 2500)
    post(elsewhere, seller)
    offers.offer_withdraw(user=django_user_model.objects.for_wallet(seller.address), offer_hash=first.offer_hash)
    assert post(market, seller).state == "open"


@pytest.mark.django_db(transaction=True)
def test_offers_at_once_do_not_pass_the_limit_together_not_even_in_two_tokens(
    market, chain, seller, funded, monkeypatch
):
    monkeypatch.setattr(offers, "OPEN_OFFERS_MAX", 3)
    other = rows.market(chain, market_id=rows.word(0x3F))
    other.pay_token = PayToken.objects.create(chain=chain, address="0x" + "71" * 20, symbol="DAI", decimals=18)
    other.save()
    give_funds(other, seller.address, 2500)
    made = [(place, terms_of(place, seller.address)) for place in (market, other) * 3]
    checked = [
        offers.offer_check(market=place, terms=terms, signature=seller.sign(digest_of(place, terms)))
        for place, terms in made
    ]

    def storing(one):
        try:
            offers.offer_store(one)
        except DomainError as refused:
            return refused.code
        return None

    said = run_together([partial(storing, one) for one in checked])
    assert sorted(said, key=str) == [None] * 3 + [ErrorCode.OFFERS_TOO_MANY] * 3
    assert Offer.objects.count() == 3


# ---------------------------------------------------------------- preparing


def test_prepared_offers_are_complete_and_can_be_posted(market, chain, seller, funded):
    MakerEpoch.objects.create(chain=chain, maker=seller.address, epoch=4)
    prepared = offers.offer_prepare(
        market=market, maker=seller.address, side=1, units=1000, payment=5000, collateral=2500
    )
    terms = prepared.terms
    assert (terms.epoch, terms.min_fill, terms.max_fee_bps) == (4, 10, 50)
    assert terms.expiry == chain.head_time + offers.DEFAULT_LIFE
    assert prepared.offer_hash == digest_of(market, terms)
    assert prepared.outcomes.fee == 25
    assert offers.offer_post(market=market, terms=terms, signature=seller.sign(prepared.offer_hash)).state == "open"
    assert not Offer.objects.exclude(epoch=4).exists()


def test_prepared_salts_differ(market, seller):
    salts = {
        offers.offer_prepare(market=market, maker=seller.address, side=1, units=1, payment=1, collateral=0).terms.salt
        for _ in range(20)
    }
    assert len(salts) == 20


def test_prepare_ends_at_the_long_stop(market, seller):
    market.long_stop = market.chain.head_time + 60
    prepared = offers.offer_prepare(market=market, maker=seller.address, side=0, units=7, payment=3, collateral=0)
    assert prepared.terms.expiry == market.long_stop
    assert prepared.terms.min_fill == 3


def test_prepare_stores_nothing_and_refuses_as_posting_would(market, seller):
    with CaptureQueriesContext(connection) as queries:
        offers.offer_prepare(market=market, maker=seller.address, side=1, units=10, payment=10, collateral=0)
    assert all(query["sql"].startswith("SELECT") for query in queries)
    for changes, field in [({"units": 0}, "units"), ({"expiry": 1}, "expiry"), ({"max_fee_bps": 1}, "max_fee_bps")]:
        wanted = {"side": 1, "units": 10, "payment": 10, "collateral": 0, **changes}
        with pytest.raises(DomainError) as refused:
            offers.offer_prepare(market=market, maker=seller.address, **wanted)
        assert refused.value.field == field


# ---------------------------------------------------------------- withdrawing


def test_the_maker_takes_an_offer_out_of_the_book(market, seller, funded, django_user_model):
    offer = post(market, seller)
    user = django_user_model.objects.for_wallet(seller.address)
    gone = offers.offer_withdraw(user=user, offer_hash=offer.offer_hash)
    assert (gone.state, gone.fillable_units, gone.withdrawn) == ("cancelled", 0, True)
    assert OutboxEvent.objects.filter(type="offer.changed").count() == 1
    assert offers.offer_withdraw(user=user, offer_hash=offer.offer_hash) == gone
    assert OutboxEvent.objects.filter(type="offer.changed").count() == 1


def test_only_the_maker_may_withdraw(market, seller, buyer, funded, django_user_model):
    offer = post(market, seller)
    for user in (django_user_model.objects.for_wallet(buyer.address), django_user_model(username="staff")):
        with pytest.raises(DomainError) as refused:
            offers.offer_withdraw(user=user, offer_hash=offer.offer_hash)
        assert refused.value.code == ErrorCode.FORBIDDEN
    with pytest.raises(DomainError) as refused:
        offers.offer_withdraw(user=user, offer_hash="0x" + "77" * 32)
    assert refused.value.code == ErrorCode.NOT_FOUND


def test_a_wallet_contract_withdraws_on_its_own_chain_alone(market, seller, funded, django_user_model):
    offer = post(market, seller)
    user = django_user_model.objects.for_wallet(seller.address)
    user.contract_chain_id = 10
    with pytest.raises(DomainError) as refused:
        offers.offer_withdraw(user=user, offer_hash=offer.offer_hash)
    assert (refused.value.code, "on chain 10" in refused.value.detail) == (ErrorCode.FORBIDDEN, True)
    offer.refresh_from_db()
    assert (offer.state, offer.withdrawn) == ("open", False)
    assert not OutboxEvent.objects.filter(type="offer.changed").exists()
    user.contract_chain_id = market.chain.chain_id
    assert offers.offer_withdraw(user=user, offer_hash=offer.offer_hash).withdrawn


def test_an_ended_offer_has_nothing_to_withdraw(market, seller, funded, django_user_model):
    offer = post(market, seller)
    Offer.objects.update(state="filled", filled_units=1000, fillable_units=0)
    with pytest.raises(DomainError) as refused:
        offers.offer_withdraw(user=django_user_model.objects.for_wallet(seller.address), offer_hash=offer.offer_hash)
    assert refused.value.code == ErrorCode.OFFER_NOT_OPEN


def test_stored_terms_are_the_signed_ones(market, seller, funded):
    from points.services.offer_states import offer_terms

    offer = post(market, seller, min_fill=1000, salt=2**256 - 1, ref="0x" + "ab" * 32)
    stored = offer_terms(Offer.objects.get())
    assert digest_of(market, stored) == offer.offer_hash
    assert stored.all_or_none
    assert replace(stored, salt=1) != stored
    assert rules.shape_errors(stored) == {}
    with transaction.atomic():
        assert Offer.objects.get().signature
