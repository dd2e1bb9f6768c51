"""The pages in a real Chromium: a whole trade by hand, and how they look and read in both themes and at phone width."""

import threading
from collections.abc import Iterator

import pytest
from django.db import connections

from escrow.chain.watcher import watch
from otc.stack import assets
from otc.web.links import market_path
from points.models import Market
from tests.support import browser
from tests.support.browser import PROJECT, Browser, Page
from tests.support.trade import Trade

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(browser.missing()), reason=browser.missing()),
]

USD = 10**6
HRB = 10**18
PHONE = {"width": 390, "height": 844}
READER_SECONDS = 0.2


class Reader(threading.Thread):
    """Reads the chain in the background, as the worker does: what is done in the browser must show without a reload."""

    def __init__(self, chain_id: int) -> None:
        super().__init__(name="reader", daemon=True)
        self._chain_id, self._end = chain_id, threading.Event()

    def run(self) -> None:
        while not self._end.wait(READER_SECONDS):
            watch(self._chain_id)
        connections.close_all()

    def finish(self) -> None:
        self._end.set()
        self.join()


@pytest.fixture(scope="session")
def styles() -> None:
    assets.build(PROJECT)


@pytest.fixture
def trade(styles, live_server, anvil) -> Iterator[Trade]:
    trade = Trade(live_server.url, anvil)
    trade.open_market()
    reader = Reader(trade.chain_id)
    reader.start()
    yield trade
    reader.finish()
    trade.close()


@pytest.fixture
def chromium(live_server, anvil) -> Iterator[Browser]:
    with Browser(live_server.url, anvil.url) as running:
        yield running


def page_of(trade: Trade) -> str:
    return market_path(Market.objects.get(market_id=trade.market))


def signed_in(chromium: Browser, trade: Trade, role: str, path: str) -> Page:
    page = chromium.page(role, account=trade[role].address)
    page.goto(path)
    page.click("button", "Sign in", exact=False, nth=0)
    page.see(text="Signed in as", exact=False)
    return page


def confirm(page: Page, *, approved: bool = False) -> None:
    """Confirms a reviewed transaction in the wallet, after the approval it may need, and sees it in a block."""
    if not approved:
        page.click("button", "Approve in wallet")
    page.click("button", "Confirm in wallet")
    page.see(text="Seen in a block", exact=False)


def deposit(page: Page, amount: str) -> None:
    page.fill("Amount", amount)
    page.click("button", "Review deposit")
    confirm(page)


class TestTrade:
    def test_sign_in_deposit_post_take_deliver_withdraw(self, trade: Trade, chromium: Browser):
        path = page_of(trade)
        trade.world.mint("mint", [(trade[role], trade.token, 5_000 * USD) for role in ("seller", "buyer")])

        seller = signed_in(chromium, trade, "seller", path)
        deposit(seller, "1000")
        seller.choose("Sell", exact=True)
        seller.fill("How many", "300", exact=True)
        seller.fill("Price", "2", exact=True)
        seller.fill("Collateral in percent of the price", "100")
        seller.click("button", "Sign offer")
        seller.click("button", "Sign in wallet")
        seller.see(text="yours")

        buyer = signed_in(chromium, trade, "buyer", path)
        deposit(buyer, "700")
        buyer.click("link", "Buy 300", exact=False)
        buyer.see("heading", "Buy from this offer")
        buyer.fill("How many you buy", "120")
        buyer.click("button", "Review purchase")
        confirm(buyer, approved=True)
        seller.see("row", "120", within={"role": "region", "name": "Recent deals"})  # without a reload

        start, _deadline = trade.propose()
        trade.pass_to(start)
        trade.sent_elsewhere()
        trade.world.mint("mint", [(trade["seller"], trade.settlement_token, 120 * HRB)])
        seller.goto("/portfolio")
        seller.click("button", "Deliver", exact=True)
        seller.click("button", "Review delivery")
        confirm(seller)
        (deal,) = trade.deals()
        assert deal["outcome"] == "delivered"
        assert trade.held(trade["buyer"], trade.settlement_token) == 120 * HRB

        for page, role in ((seller, "seller"), (buyer, "buyer")):
            page.goto("/portfolio")
            page.click("button", "Withdraw fUSDC")
            page.click("button", "All of it", exact=False)
            page.click("button", "Review withdrawal")
            confirm(page, approved=True)
            assert trade.free(trade[role]) == 0
        assert trade.held(trade["seller"]) == 5_240 * USD
        assert trade.held(trade["buyer"]) == 4_760 * USD
        for page in (seller, buyer):
            assert page.do("complaints") == []

    def test_a_refused_signature_is_said_and_nothing_is_posted(self, trade: Trade, chromium: Browser):
        trade.fund(trade["seller"], amount=1_000 * USD)
        page = signed_in(chromium, trade, "seller", page_of(trade))
        page.choose("Sell", exact=True)
        page.fill("How many", "300", exact=True)
        page.fill("Price", "2", exact=True)
        page.click("button", "Sign offer")
        page.do("refuse", methods=["eth_signTypedData_v4"])
        page.click("button", "Sign in wallet")
        page.see("button", "Try again")
        assert trade.book() == ([], [])
        page.do("refuse", methods=[])
        page.click("button", "Try again")
        page.see(text="yours")


class TestReading:
    @pytest.fixture
    def filled(self, trade: Trade) -> Trade:
        """A market with offers on both sides, deals, and one that can be delivered."""
        roles = ("seller", "buyer", "maker", "taker")
        trade.fund(*(trade[role] for role in roles), amount=20_000 * USD)
        first = trade.post(trade["seller"], side="sell", units=900, payment=1_800 * USD, collateral=900 * USD)
        for step in range(1, 4):
            price = 100 + 5 * step
            trade.post(trade["maker"], side="sell", units=500, payment=5 * price * USD, collateral=step * 200 * USD)
            trade.post(trade["taker"], side="buy", units=400, payment=4 * (100 - 4 * step) * USD, collateral=300 * USD)
        trade.take(trade["buyer"], first, 300)
        trade.take(trade["taker"], first, 200)
        return trade

    @pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
    def test_pages_are_readable_by_everybody(self, filled: Trade, chromium: Browser, size):
        page = chromium.page("seller", account=filled["seller"].address, **size)
        problems = {}

        def look(name: str) -> None:
            for theme in ("dark", "light"):
                page.do("theme", theme=theme)
                problems[f"{name}, {theme}"] = page.axe()

        page.goto("/")
        page.see("heading", "Markets", exact=False)
        look("markets")
        page.goto(page_of(filled))
        page.see("link", "Buy", exact=False)
        look("market, signed out")
        page.click("button", "Sign in", nth=0)
        page.see(text="Your escrow balance")
        look("market")
        wide = {"market": page.do("overflow")}
        page.click("link", "Sell", exact=False, nth=0)
        page.see("heading", "Sell to this offer")
        look("dialog")
        page.goto("/portfolio")
        page.see("heading", "Portfolio")
        look("portfolio")
        start, _deadline = filled.propose()
        filled.pass_to(start)
        page.see("button", "Deliver all", exact=False)
        look("portfolio, deliverable")
        wide["portfolio"] = page.do("overflow")
        assert {name: found for name, found in problems.items() if found} == {}
        assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}
        assert page.do("complaints") == []

    def test_reading_needs_no_wallet(self, filled: Trade, chromium: Browser):
        page = chromium.page("visitor")
        page.goto(page_of(filled))
        page.see("link", "Buy", exact=False)
        page.click("button", "Sign in", exact=False, nth=0)
        page.see(text="No wallet was found in this browser")
        assert page.do("complaints") == []
