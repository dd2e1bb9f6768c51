"""The offer form: nonsense is said beside its field and stores nothing; what is signed is what was shown."""

import json

import pytest

from otc.core.models import EscrowKind
from otc.web.links import market_path
from points.models import Offer
from tests.db.web.conftest import DAY, USD, browser, fund
from tests.support import rows, signed_offers

GOOD = {
    "side": "sell",
    "units": "1000",
    "price": "0.5",
    "price_of": "unit",
    "collateral": "150",
    "fill": "part",
    "min_fill": "",
    "expiry": "7d",
    "taker": "",
}


def payload_of(response):
    """The typed data that the page hands to the wallet."""
    import html
    import re

    found = re.search(r'data-payload="([^"]*)"', response.content.decode())
    return json.loads(html.unescape(found[1]))


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("units", "", "required"),
        ("units", "many", "is not a plain decimal number"),
        ("units", "1.5", "decimal places"),
        ("units", "0", "More than zero"),
        ("units", "-3", "is not a plain decimal number"),
        ("units", "1e99", "is not a plain decimal number"),
        ("units", "1,500", "is not a plain decimal number"),
        ("units", "9" * 50, "more than any token has"),
        ("units", "NaN", "is not a plain decimal number"),
        ("price", "", "required"),
        ("price", "free", "is not a plain decimal number"),
        ("price", "0.0000000000000000001", "decimal places"),
        ("price", "0.000000000001", "less than the token"),
        ("collateral", "-1", "greater than or equal to 0"),
        ("collateral", "1000000", "At most 100000 percent"),
        ("collateral", "all", "Enter a number"),
        ("min_fill", "5000", "Not more than the whole offer"),
        ("min_fill", "few", "is not a plain decimal number"),
        ("expiry", "never", "Select a valid choice"),
        ("side", "swap", "Select a valid choice"),
        ("fill", "some", "Select a valid choice"),
        ("price_of", "half", "Select a valid choice"),
        ("taker", "vitalik", "0x and 40 hex digits"),
        ("taker", "<script>alert(1)</script>", "0x and 40 hex digits"),
    ],
)
def test_nonsense_is_said_beside_its_field(market, seller, field, text, said):
    fund(market, seller, 10**12)
    response = browser(seller).post(market_path(market, "offer_new"), {**GOOD, field: text})
    assert response.status_code == 422
    page = response.content.decode()
    assert said in page
    assert "data-payload" not in page
    if text and field in {"units", "price", "collateral", "min_fill"}:
        assert f'value="{text}"' in page  # what was typed stays
        assert f'id="offer-{field}-error"' in page
        assert 'aria-invalid="true"' in page
    assert "<script>" not in page
    assert not Offer.objects.exists()


def test_a_form_of_rubbish_is_refused(market, seller):
    client = browser(seller)
    path = market_path(market, "offer_new")
    assert client.post(path, {}).status_code == 422
    assert client.post(path, dict.fromkeys(GOOD, "\x00\ufffe" * 500)).status_code == 422
    assert client.post(path, b"\xff\xfe", content_type="text/plain").status_code == 422
    assert not Offer.objects.exists()


def test_posting_needs_a_wallet(market):
    response = browser().post(market_path(market, "offer_new"), GOOD)
    assert response.status_code == 401
    assert b"Sign in with your wallet first" in response.content


def test_money_that_is_not_there(market, seller):
    fund(market, seller, 7 * USD)
    response = browser(seller).post(market_path(market, "offer_new"), GOOD)
    assert response.status_code == 422
    # 1,000 at 0.5 with 150% locks 750, a hundredth of it 7.5
    assert (
        "You have 7 USDT free in escrow; even the smallest part of this offer locks 7.5 USDT"
        in response.content.decode()
    )


def test_a_market_that_is_not_open(market, seller):
    fund(market, seller, 10**12)
    market.status = 4
    market.save()
    response = browser(seller).post(market_path(market, "offer_new"), GOOD)
    assert response.status_code == 422
    assert not Offer.objects.exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"side": 1, "units": "1000", "payment": "500000000", "collateral": "750000000", "minFill": "10"}),
        ({"side": "buy", "collateral": "0"}, {"side": 0, "payment": "500000000", "collateral": "0"}),
        ({"price_of": "all", "price": "500.000001"}, {"payment": "500000001", "collateral": "750000001"}),
        ({"price": "0.3333333333"}, {"payment": "333333333", "collateral": "499999999"}),
        ({"fill": "whole"}, {"minFill": "1000"}),
        ({"min_fill": "1000"}, {"minFill": "1000"}),
        ({"min_fill": "250"}, {"minFill": "250"}),
        ({"taker": "0x" + "AB" * 20}, {"taker": "0x" + "ab" * 20}),
    ],
)
def test_what_is_signed_is_what_was_typed(market, seller, changes, expected):
    fund(market, seller, 10**12)
    response = browser(seller).post(market_path(market, "offer_new"), {**GOOD, **changes})
    assert response.status_code == 200, response.content.decode()
    typed = payload_of(response)
    assert typed["primaryType"] == "Offer"
    assert typed["domain"]["verifyingContract"] == market.chain.escrow_address
    message = typed["message"]
    assert {name: message[name] for name in expected} == expected
    assert message["maker"] == seller.address
    assert message["maxFeeBps"] == "50"
    assert not Offer.objects.exists()


def test_an_offer_never_outlives_its_market(market, seller, now):
    fund(market, seller, 10**12)
    market.long_stop = now + DAY
    market.save()
    message = payload_of(browser(seller).post(market_path(market, "offer_new"), GOOD))["message"]
    assert int(message["expiry"]) == market.long_stop


def test_the_outcome_in_money_as_it_is_typed(market, seller):
    fund(market, seller, 100 * USD)
    path = market_path(market, "offer_outcome")
    selling = browser(seller).post(path, GOOD).content.decode()
    for text in (
        "750 USDT",
        "+497.5 USDT",
        "2.5 USDT fee (0.5%)",
        "\N{MINUS SIGN}750 USDT",
        "1.2475 USDT",
        "deposit 650 USDT more",
    ):
        assert text in selling
    buying = browser(seller).post(path, {**GOOD, "side": "buy"}).content.decode()
    for text in ("500 USDT", "\N{MINUS SIGN}500 USDT", "+750 USDT"):
        assert text in buying
    assert "see every outcome in money" in browser().post(path, {}).content.decode()
    assert "is not a plain decimal number" in browser().post(path, {**GOOD, "units": "x"}).content.decode()


class TestSigned:
    def hand_in(self, client, typed, signature):
        body = json.dumps({"typed_data": typed, "signature": signature})
        return client.post("/offers/signed", body, content_type="application/json")

    @pytest.fixture
    def prepared(self, market, seller):
        fund(market, seller, 10**12)
        client = browser(seller)
        return client, payload_of(client.post(market_path(market, "offer_new"), GOOD))

    def sign(self, market, who, typed):
        from otc.web.offers import terms_of_message

        return "0x" + who.sign(signed_offers.digest_of(market, terms_of_message(typed["message"]))).hex()

    def test_it_stands_in_the_book(self, market, seller, prepared):
        client, typed = prepared
        answer = self.hand_in(client, typed, self.sign(market, seller, typed))
        assert answer.status_code == 201
        assert answer.json()["said"] == "Your offer is in the book."
        (offer,) = Offer.objects.all()
        assert (offer.maker, offer.units, offer.payment, offer.collateral) == (
            seller.address,
            1000,
            500 * USD,
            750 * USD,
        )
        assert "yours" in client.get(market_path(market, "market_live")).content.decode()

    def test_of_equal_terms_it_stands_where_it_was_signed_for(self, market, seller, now, prepared):
        home = rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20, head_time=now, fee_bps=50)
        twin = rows.market(home, market_id=market.market_id, long_stop=market.long_stop)
        fund(twin, seller, 10**12)
        client, typed = prepared
        for one in (market, twin):
            typed = payload_of(client.post(market_path(one, "offer_new"), GOOD))
            answer = self.hand_in(client, typed, self.sign(one, seller, typed))
            assert answer.status_code == 201, answer.content
            assert Offer.objects.get(offer_hash=answer.json()["offer_hash"]).market == one
        assert Offer.objects.count() == 2

    @pytest.mark.parametrize(
        ("domain", "status", "field"),
        [
            (None, 400, "domain"),
            ([], 400, "domain"),
            ({"chainId": "many"}, 400, "chainId"),
            ({"chainId": None}, 400, "chainId"),
            ({"verifyingContract": "0x12"}, 400, "verifyingContract"),
            ({"chainId": 5}, 404, "market"),
            ({"chainId": 2**63 - 1}, 404, "market"),
            ({"chainId": 2**255}, 400, "chainId"),
            ({"verifyingContract": "0x" + "e6" * 20}, 404, "market"),
        ],
    )
    def test_a_domain_that_is_not_served(self, market, seller, prepared, domain, status, field):
        client, typed = prepared
        signature = self.sign(market, seller, typed)
        typed["domain"] = typed["domain"] | domain if isinstance(domain, dict) else domain
        answer = self.hand_in(client, typed, signature)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)
        assert not Offer.objects.exists()

    def test_a_chain_that_is_served_no_more(self, market, seller, prepared):
        client, typed = prepared
        market.chain.active = False
        market.chain.save()
        answer = self.hand_in(client, typed, self.sign(market, seller, typed))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "market")
        assert not Offer.objects.exists()

    def test_another_hand_signed(self, market, buyer, prepared):
        client, typed = prepared
        answer = self.hand_in(client, typed, self.sign(market, buyer, typed))
        assert answer.status_code == 503 or answer.json()["code"] == "signature_invalid"
        assert not Offer.objects.exists()

    def test_another_wallet_is_signed_in(self, market, seller, buyer, prepared):
        _client, typed = prepared
        answer = self.hand_in(browser(buyer), typed, self.sign(market, seller, typed))
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert not Offer.objects.exists()

    def test_nobody_is_signed_in(self, market, seller, prepared):
        _client, typed = prepared
        answer = self.hand_in(browser(), typed, self.sign(market, seller, typed))
        assert (answer.status_code, answer.json()["code"]) == (401, "sign_in_required")

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("units", "-1"),
            ("units", "many"),
            ("maker", "0x12"),
            ("market", None),
            ("expiry", str(2**300)),
            ("side", "900"),
        ],
    )
    def test_a_broken_message(self, prepared, member, value):
        client, typed = prepared
        typed["message"][member] = value
        answer = self.hand_in(client, typed, "0x" + "11" * 65)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == member
        assert not Offer.objects.exists()

    @pytest.mark.parametrize("body", ["", "[]", "{", '{"typed_data": 3}', '{"typed_data": {"message": []}}', "null"])
    def test_a_body_that_is_none(self, prepared, body):
        client, _typed = prepared
        assert client.post("/offers/signed", body, content_type="application/json").status_code == 400

    def test_a_signature_that_is_none(self, prepared):
        client, typed = prepared
        assert self.hand_in(client, typed, "0xzz").status_code == 422
        assert self.hand_in(client, typed, 17).status_code in {422, 503}
        assert not Offer.objects.exists()


def test_taking_an_offer_out_of_the_book(market, seller, buyer, now):
    fund(market, seller, 10**9)
    offer = signed_offers.post(market, seller, expiry=now + DAY)
    path = f"/offers/{offer.offer_hash}/withdraw"
    assert browser().post(path).status_code == 401
    assert browser(buyer).post(path).status_code == 403
    answer = browser(seller).post(path)
    assert "no longer in this book" in answer.content.decode()
    offer.refresh_from_db()
    assert offer.withdrawn
