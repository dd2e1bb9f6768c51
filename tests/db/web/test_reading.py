"""Each page for a stranger and for a signed-in wallet: it renders, in few queries, and its policy holds."""

import re
from pathlib import Path

import pytest

from escrow.models import DealPhase, DealTranche, DealTransfer
from otc.core import clock
from otc.core.fields import to_checksum
from otc.core.models import EscrowKind
from otc.web import holdings
from otc.web.links import market_path
from points.models import MarketStatus
from tests.db.web.conftest import DAY, USD, browser, fund
from tests.support import rows, signed_offers
from tests.support.api_client import Client

PROJECT = Path(__file__).resolve().parents[3]
QUERIES = 8  # the bar of a page
# What a strict policy would silently drop: inline handlers, styles and scripts.
FORBIDDEN = re.compile(
    r"""\s(on[a-z]+|style|hx-on[:\w-]*)=|javascript:|hx-vals=["']js:|<style|hx-trigger="[^"]*\[""", re.IGNORECASE
)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)")


@pytest.fixture
def busy(market, seller, buyer, now):
    """A market with both sides of the book, deals, and one settling beside it."""
    fund(market, seller, 10**12)
    fund(market, buyer, 10**12)
    for step in range(6):
        signed_offers.post(market, seller, payment=5000 + step, expiry=now + DAY)
        signed_offers.post(market, buyer, side=0, payment=4000 - step, expiry=now + DAY)
    for _ in range(4):
        rows.deal(market, buyer=buyer.address, seller=seller.address)
    settling = rows.market(market.chain, long_stop=now + 90 * DAY)
    rows.terms(settling, start=now - 100, final_at=now - 200)
    for index in range(3):
        deal = rows.deal(settling, buyer=buyer.address, seller=seller.address)
        if index == 0:
            DealTranche.objects.create(deal=deal, number=0, delivered=10**18)
    rows.deal(settling, buyer=buyer.address, seller=seller.address, outcome=1)
    return market


def paths(market):
    deal = market.deals.first()
    return {
        "markets": "/",
        "table": "/markets/table",
        "market": market_path(market),
        "live": market_path(market, "market_live"),
        "funds": market_path(market, "market_funds"),
        "offer": f"/offers/{market.offers.first().offer_hash}",
        "portfolio": "/portfolio",
        "portfolio live": "/portfolio/live",
        "deal": f"/deals/{deal.deal_id}",
    }


@pytest.mark.parametrize("who", ["nobody", "seller", "buyer"])
def test_every_page_renders_within_the_bar(busy, who, request, django_assert_max_num_queries):
    client = browser(None if who == "nobody" else request.getfixturevalue(who))
    for name, path in paths(busy).items():
        with django_assert_max_num_queries(QUERIES):
            response = client.get(path)
        expected = 204 if who == "nobody" and name in {"funds", "portfolio live"} else 200
        assert response.status_code == expected, name
        text = response.content.decode()
        assert not FORBIDDEN.search(text), (name, FORBIDDEN.search(text))
        assert not INLINE_SCRIPT.search(text), name


def test_the_policy_is_strict(busy):
    policy = browser().get("/")["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_no_template_has_inline_code():
    for template in (PROJECT / "templates").rglob("*.html"):
        text = template.read_text(encoding="utf-8")
        assert not FORBIDDEN.search(text), template
        assert not INLINE_SCRIPT.search(text), template


def test_an_unchanged_part_answers_304(busy, now, monkeypatch):
    monkeypatch.setattr(clock, "unix_now", lambda: now)  # two requests of one second, however slow the machine
    client = browser()
    path = market_path(busy, "market_live")
    first = client.get(path)
    assert client.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 304
    rows.deal(busy)
    assert client.get(path, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_the_list_is_searched_and_filtered(busy):
    client = browser()
    name = busy.program.name
    assert name in client.get("/", {"q": name.lower()}).content.decode()
    assert "No market matches" in client.get("/", {"q": "nothing of that name"}).content.decode()
    assert name in client.get("/markets/table", {"kind": "points"}).content.decode()
    assert "No market matches" in client.get("/markets/table", {"kind": "right"}).content.decode()
    assert client.get("/", {"kind": "'; --", "q": "\0%_"}).status_code == 200


@pytest.fixture(params=["another chain", "rights"])
def twins(market, now, request):
    """The same terms in two escrows, that of tokens and that of rights or of another chain: two programs' markets."""
    elsewhere = {"kind": EscrowKind.RIGHTS} if request.param == "rights" else {"chain_id": 10}
    home = rows.chain(**elsewhere, name="Elsewhere", escrow_address="0x" + "e6" * 20, head_time=now, fee_bps=50)
    return market, rows.market(home, market_id=market.market_id, long_stop=market.long_stop)


def test_equal_terms_in_two_escrows_are_two_pages(twins, seller, now):
    client = browser(seller)
    listed = client.get("/").content.decode()
    for market, other in (twins, twins[::-1]):
        fund(market, seller, 12_345 * USD)
        offer = signed_offers.post(market, seller, expiry=now + DAY)
        link = f'href="{market_path(market)}"'
        assert link in listed
        text = client.get(market_path(market)).content.decode()
        assert market.program.name in text
        assert other.program.name not in text
        for page in ("market_live", "market_funds", "offer_new", "offer_outcome"):
            assert market_path(market, page) in text
            assert market_path(other, page) not in text
        assert market.program.name in client.get(f"/offers/{offer.offer_hash}").content.decode()
        for path in (f"/offers/{offer.offer_hash}", f"/deals/{rows.deal(market).deal_id}", "/portfolio"):
            assert link in client.get(path).content.decode(), path
        assert ">yours<" in client.get(market_path(market, "market_live")).content.decode()
        assert "12,345 USDT" in client.get(market_path(market, "market_funds")).content.decode()
    assert market_path(twins[0]) != market_path(twins[1])
    assert client.get(f"/markets/{twins[0].market_id}").status_code == 404


def test_a_market_of_a_chain_that_is_not_served_has_no_page(twins, seller, now):
    served, retired = twins
    fund(retired, seller, 10**9)
    offer = signed_offers.post(retired, seller, expiry=now + DAY)
    deal = rows.deal(retired, seller=seller.address)
    retired.chain.active = False
    retired.chain.save()
    client = browser(seller)
    for page in ("market", "market_live", "market_funds", "offer_new"):
        assert client.get(market_path(retired, page)).status_code == 404
    assert client.post(market_path(retired, "offer_outcome"), {}).status_code == 404
    assert served.program.name in client.get(market_path(served)).content.decode()
    # what is still the wallet's own names the market, and leads nowhere
    for path in (f"/offers/{offer.offer_hash}", f"/deals/{deal.deal_id}", "/portfolio"):
        text = client.get(path).content.decode()
        assert retired.program.name in text
        assert market_path(retired) not in text


def test_an_empty_venue_says_what_will_be_here(chain):
    assert "No market is listed yet" in browser().get("/").content.decode()


@pytest.mark.parametrize(
    "path", ["/markets/31337/{}", "/offers/{}", "/deals/{}", "/markets/31337/{}/live", "/offers/{}/outcome"]
)
@pytest.mark.parametrize("identity", ["0x12", "x", "0x" + "ab" * 32, "0x" + "zz" * 32, "%F0%9F%98%80"])
def test_unknown_ids_are_not_found(chain, path, identity):
    response = browser().get(path.format(identity))
    assert response.status_code in {404, 405}


@pytest.mark.parametrize("escrow", ["5", "31338", "x", "-31337", "0", "9" * 19, "9" * 30, "9" * 5000])
def test_no_market_in_an_escrow_that_is_not_there(market, escrow):
    assert browser().get(market_path(market)).status_code == 200
    for page in ("market", "market_live", "offer_new"):
        path = market_path(market, page).replace("/31337/", f"/{escrow}/")
        assert browser().get(path).status_code == 404


@pytest.mark.parametrize(
    ("status", "final_in", "start_in", "label"),
    [
        (MarketStatus.OPEN, None, None, "Open"),
        (MarketStatus.PROPOSED, 100, 200, "Terms proposed"),
        (MarketStatus.PROPOSED, -100, 200, "Terms final"),
        (MarketStatus.PROPOSED, -300, -200, "Delivery window"),
        (MarketStatus.PROPOSED, -3 * DAY, -2 * DAY, "Settled"),
        (MarketStatus.CANCEL_PROPOSED, None, None, "Cancellation proposed"),
        (MarketStatus.CANCELLED, None, None, "Cancelled"),
    ],
)
def test_the_status_in_words(market, now, status, final_in, start_in, label):
    if final_in is not None:
        rows.terms(market, start=now + start_in, final_at=now + final_in)
    market.status = status
    market.save()
    assert f">{label}</span>" in browser().get(market_path(market)).content.decode()


def test_a_market_that_never_launched(chain, now):
    market = rows.market(chain, long_stop=now - 1)
    text = browser().get(market_path(market)).content.decode()
    assert "Never launched" in text
    assert "No new offers now" in text


def test_an_offer_for_one_wallet_shows_to_that_wallet_alone(market, seller, buyer, now):
    fund(market, seller, 10**9)
    signed_offers.post(market, seller, taker=buyer.address, expiry=now + DAY)
    path = market_path(market, "market_live")
    assert "Nobody sells right now" in browser().get(path).content.decode()
    assert "Nobody sells right now" not in browser(buyer).get(path).content.decode()


def test_the_portfolio_says_what_is_at_stake(busy, seller):
    text = browser(seller).get("/portfolio").content.decode()
    assert "Deliver all 3" in text
    # three deals of 250 + 125 USDT, less the hundredth of one of them that has arrived
    assert "1,121.25 USDT" in text


def test_what_needs_a_hand_stands_first(market, seller, buyer, now):
    settling = rows.market(market.chain, long_stop=now + 90 * DAY)
    rows.terms(settling, start=now - 100, final_at=now - 200)
    due = rows.deal(settling, buyer=buyer.address, seller=seller.address)
    rows.deal(market, buyer=buyer.address, seller=seller.address)  # newer, and waits
    text = browser(seller).get("/portfolio").content.decode()
    assert re.findall(r'href="/deals/(0x[0-9a-f]{64})"', text)[0] == due.deal_id


@pytest.fixture
def many(chain, seller, buyer, now):
    """260 deals that their seller can deliver; the ten oldest, in a market of their own, are due first."""
    soon, later = (rows.market(chain, long_stop=now + 90 * DAY) for _ in range(2))
    rows.terms(soon, start=now - 200, final_at=now - 300)
    rows.terms(later, start=now - 100, final_at=now - 200)
    parties = {"buyer": buyer.address, "seller": seller.address}
    return [rows.deal(market, **parties) for market, count in ((soon, 10), (later, 250)) for _ in range(count)]


def deals_listed(text):
    return re.findall(r'<a class="font-semibold hover:underline" href="/deals/(0x[0-9a-f]{64})"', text)


def test_every_open_deal_counts_and_is_listed_what_is_due_next_first(
    many, seller, buyer, django_assert_max_num_queries
):
    client = browser(seller)
    with django_assert_max_num_queries(QUERIES):
        text = client.get("/portfolio").content.decode()
    assert "260 open deals" in text
    assert ">32,500</td>" in text  # 260 times 125 USDT of collateral
    (row,) = Client().get(f"balances/{seller.address}").json()["balances"]
    assert row["locked"] == str(32_500 * USD)
    assert set(deals_listed(text)[:10]) == {deal.deal_id for deal in many[:10]}
    listed = deals_listed(text)
    while further := re.search(r'href="(\?selling=\d+)#selling-title">Next<', text):
        text = client.get(f"/portfolio{further[1]}").content.decode()
        assert f'hx-get="/portfolio/live{further[1]}"' in text  # what is polled is what is shown
        assert deals_listed(client.get(f"/portfolio/live{further[1]}").content.decode()) == deals_listed(text)
        listed += deals_listed(text)
    assert len(listed) == 260
    assert set(listed) == {deal.deal_id for deal in many}
    assert "65,000</td>" in browser(buyer).get("/portfolio").content.decode()


def test_one_list_is_turned_and_the_other_stays(many, seller, now):
    market = many[0].market
    for _ in range(51):
        rows.deal(market, buyer=seller.address)
    text = browser(seller).get("/portfolio?selling=3&buying=2&more=%22").content.decode()
    for link in (
        "?selling=4&amp;buying=2&amp;more=%22#selling-title",
        "?selling=2&amp;buying=2&amp;more=%22#selling-title",
        "?selling=3&amp;buying=1&amp;more=%22#buying-title",
    ):
        assert f'href="{link}"' in text
    assert "101 to 150 of 260" in text
    assert "51 to 51 of 51" in text


def test_a_page_that_is_not_there_is_the_nearest(many, seller):
    client = browser(seller)
    for number in ("", "x", "0", "-1", "7", "1.5", "9" * 30, "9" * 5000, "%00", "\N{SUPERSCRIPT TWO}"):
        text = client.get(f"/portfolio/live?selling={number}&buying={number}").content.decode()
        assert re.search("1 to 50 of 260|251 to 260 of 260", text), number


def test_the_page_has_locked_what_the_api_has(busy, seller, buyer, now):
    rights = rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20, head_time=now)
    keys = rows.market(rights, long_stop=now + 90 * DAY)
    rows.deal(keys, buyer=seller.address)
    rows.deal(keys, seller=seller.address, collateral=3 * USD)
    disputed(busy, buyer, seller, now)
    by_seller = {"phase": DealPhase.DISPUTED_BY_SELLER, "disputed_by": seller.address, "bond": 11 * USD}
    disputed(busy, buyer, seller, now, **by_seller)
    rows.deal(busy, buyer=seller.address, seller=buyer.address)
    part = rows.deal(busy, buyer=buyer.address, seller=seller.address)
    rows.terms(busy, start=now - 100, final_at=now - 200, tge_bps=2_500, tranches=3, period=DAY)
    DealTranche.objects.create(deal=part, number=0, delivered=25 * 10**18, outcome=1)
    DealTranche.objects.create(deal=part, number=1, delivered=10**18)
    for who in (seller, buyer):
        told = {
            (one["escrow"], one["token"]): (one["locked"], one["locked_bond"])
            for one in Client().get(f"balances/{who.address}").json()["balances"]
        }
        shown = holdings.funds_of(who.address, holdings.cards_of(who.address))
        assert {(one.chain.kind, to_checksum(one.token)): str(one.locked) for one in shown if one.locked} == {
            key: locked for key, (locked, _bond) in told.items() if locked != "0"
        }
        bond = (25 if who is buyer else 11) * USD
        assert told["tokens", to_checksum(rows.TOKEN)][1] == str(bond)


def test_a_market_that_takes_no_deals_has_no_quotes(busy):
    busy.status = MarketStatus.CANCEL_PROPOSED
    busy.save()
    client = browser()
    assert client.get(market_path(busy)).content.decode().count("Offers to sell") == 0
    assert '<td data-label="Open offers">12</td>' not in client.get("/").content.decode()


def test_a_token_delivered_into_escrow_can_be_withdrawn(busy, buyer):
    from escrow.models import Account, AccountKind

    token = "0x" + "77" * 20
    Account.objects.create(
        chain=busy.chain, token=token, kind=AccountKind.FREE, owner=buyer.address, balance=5 * 10**18
    )
    client = browser(buyer)
    assert f"/portfolio/withdraw/{busy.chain_id}/{token}" in client.get("/portfolio").content.decode()
    assert "All of it: 5 NEW" in client.get(f"/portfolio/withdraw/{busy.chain_id}/{token}").content.decode()


def test_balances_show_free_and_locked(market, buyer):
    fund(market, buyer, 1234 * USD)
    rows.deal(market, buyer=buyer.address)
    text = browser(buyer).get("/portfolio").content.decode()
    assert ">1,234</td>" in text
    assert ">250</td>" in text


def test_a_bug_shows_a_page_that_needs_nothing(settings, market, monkeypatch):
    from otc.web.views import markets

    settings.DEBUG_PROPAGATE_EXCEPTIONS = False
    monkeypatch.setattr(markets.selectors, "markets_listed", lambda **_: 1 / 0)
    client = browser(raise_request_exception=False)
    client.raise_request_exception = False
    response = client.get("/")
    assert response.status_code == 500
    assert b"Something failed on our side" in response.content


def test_a_lost_page_and_a_stale_form_say_so(chain):
    assert b"Nothing is at this address" in browser().get("/no/such/page").content
    strict = browser(enforce_csrf_checks=True)
    response = strict.post("/sign-out")
    assert response.status_code == 403
    assert b"This page was open too long" in response.content


# ---------------------------------------------------------------- deals outside the escrow, and changes of hands


def disputed(market, buyer, seller, now, **values):
    market = rows.market(
        market.chain,
        settlement=1,
        attestor=rows.RESOLVER,
        arbitrator=rows.GUARDIAN,
        challenge=3 * DAY,
        arbitration_window=7 * DAY,
        bond_bps=1_000,
        long_stop=now + 90 * DAY,
    )
    rows.terms(
        market, start=now - 100, final_at=now - 200, token="0x" + "00" * 20, token_symbol="", token_decimals=None
    )
    values = {
        "phase": DealPhase.DISPUTED_BY_BUYER,
        "phase_until": now + DAY,
        "attested_units": 60,
        "attestation_evidence": rows.word(77),
        "disputed_by": buyer.address,
        "dispute_evidence": rows.word(78),
        "bond": 25 * USD,
    } | values
    return rows.deal(market, buyer=buyer.address, seller=seller.address, **values)


def say(deal, name, **args):
    event = rows.event(deal.chain, name=name)
    event.deal_id, event.args = deal.deal_id, args
    event.save()
    return event


def test_a_deals_page_tells_its_attestation_dispute_and_changes_of_hands(
    market, buyer, seller, now, django_assert_max_num_queries
):
    deal = disputed(market, buyer, seller, now)
    event = say(
        deal, "Resold", from_=rows.BUYER, to=buyer.address, side="0", price=str(7 * USD), lister_pays=False, salt="1"
    )
    DealTransfer.objects.create(
        deal=deal,
        event=event,
        side=0,
        from_address=rows.BUYER,
        to_address=buyer.address,
        ref=rows.word(0),
        opened_at=deal.opened_at,
        price=7 * USD,
    )
    say(deal, "Attested", units="60", evidence=rows.word(77), until=str(now + DAY))
    say(deal, "Disputed", by=buyer.address, bond=str(25 * USD), evidence=rows.word(78), until=str(now + DAY))
    reader = browser(buyer)
    with django_assert_max_num_queries(QUERIES):
        text = reader.get(f"/deals/{deal.deal_id}").content.decode()
    for words in (
        "Delivery outside the escrow",
        "The arbitrator splits what is locked",
        "Ruling until",
        "60 of 100",
        "with a bond of 25 USDT",
        "0 of 3",
        "Changes of hands",
        "7 USDT",
        "Place sold",
        "Delivery attested",
        "The buyer locked a bond of 25 USDT",
        rows.word(78),
    ):
        assert words in text, words
    assert f"/deals/{deal.deal_id}/deliver" not in text


@pytest.mark.parametrize(
    ("phase", "passed", "words"),
    [
        (0, False, "The attestor confirms the delivery"),
        (1, False, "May be disputed until"),
        (1, True, "anyone may have it paid out now"),
        (2, True, "each side gets its own back"),
    ],
)
def test_every_state_of_an_attested_deal_says_what_comes_next(market, buyer, seller, now, phase, passed, words):
    nothing = {"disputed_by": None, "dispute_evidence": None, "bond": 0}
    values = {"phase": phase, "phase_until": now - 1 if passed else now + DAY} | (nothing if phase < 2 else {})
    if phase == 0:
        values |= {"phase_until": None, "attested_units": 0, "attestation_evidence": None}
    deal = disputed(market, buyer, seller, now, **values)
    text = browser(seller).get(f"/deals/{deal.deal_id}").content.decode()
    assert words in text
    closed = browser(seller).get("/portfolio").content.decode()
    assert f"/deals/{deal.deal_id}/deliver" not in closed
