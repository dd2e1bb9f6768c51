"""REST: markets, offers, the book."""

import pytest

from otc.core.fields import to_checksum
from otc.core.models import EscrowKind
from points.api import serializers as shapes
from points.domain.markets import DAY
from points.models import Market, MarketStatus, Offer
from tests.support import rows
from tests.support.api_client import Client, fields_of, market_body
from tests.support.signed_offers import give_funds, post

# ---------------------------------------------------------------- markets


def test_a_market_from_terms_to_list(team, anyone, chain, program):
    rows.market(chain, listed=False)
    made = team.post("markets", market_body(chain))
    assert made.status_code == 201, made.content
    body = made.json()
    assert set(body) == set(shapes.MarketDetailAnswer().fields)
    assert set(body["terms"]) == set(shapes.TermsAnswer().fields)
    assert (body["status"], body["rules_text"]) == ("none", "One unit is one base unit of ENS.\n")
    assert body["terms"]["resolver"] == to_checksum(rows.RESOLVER)
    again = team.post("markets", market_body(chain))
    assert (again.status_code, again.json()["market_id"]) == (201, body["market_id"])
    assert Market.objects.count() == 2

    # Settlement adds what it knows to the same path.
    assert body.items() <= anyone.get(f"markets/{body['market_id']}").json().items()
    spelt = body["market_id"].upper().replace("X", "x")
    assert anyone.get(f"markets/{spelt}?chain_id=31337").json()["market_id"] == body["market_id"]
    listed = anyone.get("markets").json()["results"]
    assert [row["market_id"] for row in listed] == [body["market_id"]]
    assert set(listed[0]) == set(shapes.MarketAnswer().fields)
    for query, found in (("program=ens-airdrop", 1), ("project=ens", 1), ("status=none", 1), ("status=open", 0)):
        assert len(anyone.get(f"markets?{query}").json()["results"]) == found


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"program": "none"}, "program"),
        ({"chain_id": 5}, "chain_id"),
        ({"pay_token": "0x" + "99" * 20}, "pay_token"),
        ({"resolver": "0x" + "00" * 20}, "resolver"),
        ({"guardian": rows.RESOLVER}, "guardian"),
        ({"attestor": rows.RESOLVER}, "attestor"),
        ({"settlement": 2}, "settlement"),
        ({"settlement": 1}, "attestor"),
        ({"bond_bps": 1}, "bond_bps"),
        ({"objection": DAY - 1}, "objection"),
        ({"objection": 30 * DAY + 1}, "objection"),
        ({"min_window": DAY - 1}, "min_window"),
        ({"max_window": DAY - 1}, "max_window"),
        ({"long_stop": rows.START}, "long_stop"),
        ({"long_stop": rows.START + 3651 * DAY}, "long_stop"),
        ({"max_ratio_num": "1"}, "max_ratio_den"),
        ({"rules_text": " \n"}, "rules_text"),
        ({"rules_text": "x" * 20_001}, "rules_text"),
        ({"rules_text": "x\0"}, "rules_text"),
    ],
)
def test_terms_that_the_contract_would_refuse(team, chain, program, changes, field):
    rows.market(chain)
    refused = team.post("markets", market_body(chain, **changes))
    assert refused.status_code in {400, 404}
    assert fields_of(refused) == [field]
    assert Market.objects.count() == 1


def test_attested_terms_from_request_to_market(team, anyone, chain, program):
    rows.market(chain)
    proof = {
        "settlement": 1,
        "attestor": rows.SELLER,
        "arbitrator": rows.BUYER,
        "challenge": 86_400,
        "arbitration_window": 172_800,
        "bond_bps": 500,
    }
    made = team.post("markets", market_body(chain, **proof))
    assert made.status_code == 201, made.json()
    terms = anyone.get(f"markets/{made.json()['market_id']}").json()["terms"]
    assert {name: terms[name] for name in proof} == {
        **proof,
        "attestor": to_checksum(rows.SELLER),
        "arbitrator": to_checksum(rows.BUYER),
    }


def test_a_token_that_is_no_longer_taken_opens_no_market(team, chain, program):
    market = rows.market(chain)
    market.pay_token.allowed = False
    market.pay_token.save()
    refused = team.post("markets", market_body(chain))
    assert (refused.status_code, fields_of(refused)) == (400, ["pay_token"])


def test_pay_tokens(anyone, market):
    (token,) = anyone.get("pay-tokens").json()["results"]
    assert token == {
        "chain_id": 31337,
        "escrow": "tokens",
        "address": to_checksum(rows.TOKEN),
        "symbol": "USDT",
        "decimals": 6,
        "allowed": True,
    }
    assert set(token) == set(shapes.PayTokenAnswer().fields)


# ---------------------------------------------------------------- offers and the book


def test_an_offer_call_by_call(anyone, market, seller, funded, django_user_model):
    wanted = {
        "maker": to_checksum(seller.address),
        "side": "sell",
        "market": market.market_id,
        "units": "1000",
        "payment": "5000",
        "collateral": "2500",
    }
    prepared = anyone.post("offers/prepare", wanted)
    assert prepared.status_code == 200, prepared.content
    body = prepared.json()
    assert set(body) == set(shapes.PreparedAnswer().fields)
    assert set(body["outcome"]) == set(shapes.OutcomeAnswer().fields)
    assert set(body["offer"]) == set(shapes.TermsOfOffer().fields)
    assert body["outcome"]["seller"] == {
        "locks": "2500",
        "on_delivery": "4975",
        "on_default": "-2500",
        "on_refund": "0",
    }
    assert body["typed_data"]["message"]["salt"] == body["offer"]["salt"]

    signature = "0x" + seller.sign(body["offer_hash"]).hex()
    posted = anyone.post("offers", {"offer": body["offer"], "signature": signature}, key="p")
    assert posted.status_code == 201, posted.content
    assert set(posted.json()) == set(shapes.OfferDetailAnswer().fields)
    assert posted.json()["offer"] == body["offer"]
    replayed = anyone.post("offers", {"offer": body["offer"], "signature": signature}, key="p")
    assert (replayed.status_code, replayed.json()) == (201, posted.json())
    again = anyone.post("offers", {"offer": body["offer"], "signature": signature})
    assert (again.status_code, again.json()) == (200, posted.json())
    assert Offer.objects.count() == 1

    assert anyone.get(f"offers/{body['offer_hash']}").json() == posted.json()
    (listed,) = anyone.get(f"offers?maker={seller.address}&market={market.market_id}&state=open").json()["results"]
    assert set(listed) == set(shapes.OfferAnswer().fields)
    assert anyone.get("offers?state=filled").json()["results"] == []

    maker = Client(django_user_model.objects.for_wallet(seller.address))
    gone = maker.post(f"offers/{body['offer_hash']}/withdraw", {})
    assert (gone.status_code, gone.json()["state"], gone.json()["fillable_units"]) == (200, "cancelled", "0")
    assert anyone.get(f"markets/{market.market_id}/book").json()["asks"] == []


def test_withdrawing_is_the_makers(anyone, stranger, market, seller, funded):
    offer = post(market, seller)
    assert anyone.post(f"offers/{offer.offer_hash}/withdraw", {}).status_code == 401
    assert stranger.post(f"offers/{offer.offer_hash}/withdraw", {}).status_code == 403
    assert stranger.post(f"offers/0x{'00' * 32}/withdraw", {}).status_code == 404
    offer.refresh_from_db()
    assert offer.state == "open"


def test_the_book_is_ordered_and_hides_what_can_not_be_filled(anyone, market, seller, buyer, funded):
    give_funds(market, buyer.address, 10_000)
    asks = [
        post(market, seller, payment=6000),
        post(market, seller, payment=4000, collateral=1000),
        post(market, seller, payment=4000, collateral=2000),
        post(market, seller, payment=4000, collateral=2000),
    ]
    bids = [
        post(market, buyer, side=0, payment=1000),
        post(market, buyer, side=0, payment=3000),
    ]
    post(market, seller, payment=1, units=1, min_fill=1, collateral=2400, taker=rows.BUYER)
    hidden = post(market, seller, payment=2000)
    Offer.objects.filter(pk=hidden.pk).update(fillable_units=0)
    cheap = post(market, seller, payment=2000, max_fee_bps=60)
    market.chain.fee_bps = 61
    market.chain.save()

    answer = anyone.get(f"markets/{market.market_id}/book")
    body = answer.json()
    assert set(body) == set(shapes.BookAnswer().fields)
    assert set(body["asks"][0]) == set(shapes.BookEntryAnswer().fields)
    assert [row["offer_hash"] for row in body["asks"]] == [asks[i].offer_hash for i in (2, 3, 1, 0)]
    assert [row["offer_hash"] for row in body["bids"]] == [bids[i].offer_hash for i in (1, 0)]
    assert cheap.offer_hash not in {row["offer_hash"] for row in body["asks"]}
    assert (body["asks"][0]["fillable_units"], body["asks"][0]["fillable_payment"]) == ("1000", "4000")
    assert len(anyone.get(f"markets/{market.market_id}/book?limit=1").json()["asks"]) == 1

    listed = anyone.get("markets").json()["results"][0]
    assert (listed["best_bid_e18"], listed["best_ask_e18"]) == (str(3 * 10**18), str(4 * 10**18))
    assert listed["open_offers"] == 6


def test_an_offer_for_one_taker_is_shown_to_him(anyone, market, seller, funded, django_user_model):
    offer = post(market, seller, taker=rows.BUYER)
    path = f"markets/{market.market_id}/book"
    assert anyone.get(path).json()["asks"] == []
    named = Client(django_user_model.objects.for_wallet(rows.BUYER))
    assert [row["offer_hash"] for row in named.get(path).json()["asks"]] == [offer.offer_hash]


def test_the_etag_changes_with_the_offers_alone(anyone, market, seller, funded):
    post(market, seller)
    path = f"markets/{market.market_id}/book"
    first = anyone.get(path)
    market.chain.head_number += 1
    market.chain.save()
    unchanged = anyone.get(path, **{"If-None-Match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", first["ETag"])
    post(market, seller)
    changed = anyone.get(path, **{"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


@pytest.mark.parametrize(
    "changes",
    [
        {"status": MarketStatus.NONE},
        {"status": MarketStatus.PROPOSED},
        {"status": MarketStatus.CANCEL_PROPOSED},
        {"status": MarketStatus.CANCELLED},
        {"long_stop": rows.START - 1},
    ],
)
def test_a_market_that_takes_no_deals_has_no_book_and_no_quotes(anyone, market, seller, buyer, funded, changes):
    give_funds(market, buyer.address, 10_000)
    offers = post(market, seller), post(market, buyer, side=0)
    Market.objects.update(long_stop=rows.START)  # its last second: it still takes deals
    quoted = anyone.get("markets").json()["results"][0]
    assert (quoted["best_bid_e18"], quoted["best_ask_e18"]) == (str(5 * 10**18),) * 2
    assert quoted["open_offers"] == len(offers)

    Market.objects.update(**changes)
    book = anyone.get(f"markets/{market.market_id}/book").json()
    assert (book["bids"], book["asks"]) == ([], [])
    listed = anyone.get("markets").json()["results"][0]
    assert (listed["best_bid_e18"], listed["best_ask_e18"], listed["open_offers"]) == (None, None, 0)


def test_offers_are_narrowed_by_chain_and_escrow(anyone, market, seller, funded):
    elsewhere = [
        rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20),
        rows.chain(chain_id=10, escrow_address="0x" + "e7" * 20),
    ]
    # the same terms in three escrows
    markets = [market, *(rows.market(chain, market_id=market.market_id) for chain in elsewhere)]
    for twin in markets[1:]:
        give_funds(twin, seller.address, 2500)
    here, rights, optimism = (post(twin, seller).offer_hash for twin in markets)

    def found(query):
        return {row["offer_hash"] for row in anyone.get(f"offers?{query}").json()["results"]}

    for more in ("", f"&maker={seller.address}"):
        assert found("chain_id=31337" + more) == {here, rights}
        assert found("escrow=tokens" + more) == {here, optimism}
        assert found("chain_id=31337&escrow=rights" + more) == {rights}
        assert found("chain_id=8453" + more) == set()
    assert found(f"chain_id=10&market={market.market_id}") == {optimism}
    assert fields_of(anyone.get(f"offers?market={market.market_id}")) == ["chain_id"]
    assert len(found("")) == 3


def test_lists_go_on_by_cursor(anyone, market, seller, funded):
    posted = [post(market, seller).offer_hash for _ in range(5)]
    path, seen = "offers?limit=2", []
    for _ in range(3):
        page = anyone.get(path).json()
        seen += [row["offer_hash"] for row in page["results"]]
        path = f"offers?limit=2&cursor={page['next']}"
    assert seen == posted[::-1]
    assert page["next"] is None


def test_reading_costs_few_queries(anyone, market, seller, buyer, funded, django_assert_max_num_queries):
    for _ in range(10):
        post(market, seller)
    with django_assert_max_num_queries(3):
        anyone.get(f"markets/{market.market_id}/book")
    with django_assert_max_num_queries(1):
        anyone.get("offers?limit=50")
    with django_assert_max_num_queries(1):
        anyone.get("markets")
