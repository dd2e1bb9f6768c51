"""Pages of deals in rights: pieces where others show amounts, delivered by their ids and taken out again."""

import pytest

from escrow.models import DealTranche, DeliveredRight, KeptRight
from escrow.services.tx.call import NeedKind
from otc.core.models import EscrowKind
from points.models import Market
from tests.db.web.conftest import browser
from tests.support import rows
from tests.support.rows import word

pytestmark = pytest.mark.django_db
KEYS = "0x" + "77" * 20


@pytest.fixture
def deal(seller, buyer, chain):
    """Half of a deal of 100 pieces delivered: one piece, of which the escrow keeps it."""
    home = rows.chain(kind=EscrowKind.RIGHTS, escrow_address="0x" + "e6" * 20, head_time=rows.START + 5)
    market = rows.market(home)
    rows.terms(market, token_symbol="KEY", token_decimals=None, ratio_num=1, semi_fungible=False, ids_root=word(7))
    market = Market.objects.get(pk=market.pk)
    found = rows.deal(market, buyer=buyer.address, seller=seller.address)
    DealTranche.objects.create(deal=found, number=0, delivered=1)
    came = rows.event(home, name="RightsDelivered")
    DeliveredRight.objects.create(deal=found, event=came, tranche=0, token=KEYS, right=41, amount=1, to_escrow=True)
    KeptRight.objects.create(chain=home, token=KEYS, right=41, user=buyer.address, amount=1)
    return found


def test_the_deal_page_counts_pieces_and_lists_them(buyer, deal):
    text = browser(buyer).get(f"/deals/{deal.deal_id}").content.decode()
    assert "100 pieces of KEY" in text
    assert "1 piece of KEY" in text
    assert "Pieces delivered" in text
    assert "base units" not in text
    assert ">41<" in text


def test_pieces_are_delivered_by_their_ids(seller, deal, node):
    client = browser(seller)
    path = f"/deals/{deal.deal_id}/deliver"
    assert "Ids of the pieces" in client.get(path, headers={"HX-Request": "true"}).content.decode()
    for ids, said in (
        ("x", "Whole numbers"),
        ("5 5", "Each id once"),
        (" ".join(map(str, range(200))), "More than is due"),
    ):
        assert said in client.post(path, {"ids": ids}).content.decode()
    client.post(path, {"ids": "5, 6", "allowed": "5 6 7"})
    action, account, params = node.asked[-1]
    assert (action, account) == ("deliver_rights", seller.address)
    assert (params["ids"], params["amounts"], params["allowed_ids"]) == ([5, 6], [], [5, 6, 7])


def test_a_tranche_that_comes_to_no_piece_is_settled_with_none(seller, deal, node):
    """A deal of one piece in two tranches: the first has none of it."""
    DealTranche.objects.all().delete()
    deal.market.settlement_terms.delete()
    rows.terms(
        deal.market, token_symbol="KEY", token_decimals=None, ratio_num=1, ratio_den=100, semi_fungible=False,
        tranches=2, tge_bps=5_000, period=rows.WINDOW,
    )  # fmt: skip
    client, path = browser(seller), f"/deals/{deal.deal_id}/deliver"
    text = client.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "Nothing is due in this tranche" in text
    assert "Ids of the pieces" not in text
    client.post(path, {})
    action, _, params = node.asked[-1]
    assert (action, params["ids"], params["tranche"]) == ("deliver_rights", [], 0)
    asked = len(node.asked)
    assert client.post(path, {"ids": "5"}).status_code == 422
    assert len(node.asked) == asked


def test_a_missing_approval_comes_first(seller, deal, node):
    node.issues = [
        {"kind": NeedKind.RIGHTS_APPROVAL, "token": KEYS, "has": 0, "needs": 1, "spender": rows.ESCROW, "right": None}
    ]
    text = browser(seller).post(f"/deals/{deal.deal_id}/deliver", {"ids": "5"}).content.decode()
    assert node.asked[-1][0] == "approve_rights"
    assert "Step 1 of 2: allow the escrow to take pieces" in text


def test_what_is_kept_can_be_taken_out_by_whom_it_is_kept_for(buyer, seller, deal, node):
    kept = KeptRight.objects.get()
    assert "/portfolio/rights" in browser(buyer).get("/portfolio").content.decode()
    assert "Rights kept for you" in browser(buyer).get("/portfolio/rights").content.decode()
    assert "Rights kept for you" not in browser(seller).get("/portfolio/rights").content.decode()
    assert browser().get("/portfolio/rights").status_code == 204
    assert browser(seller).post(f"/portfolio/rights/{kept.pk}").status_code == 404
    browser(buyer).post(f"/portfolio/rights/{kept.pk}")
    action, account, params = node.asked[-1]
    assert (action, account, params["right"], params["chain_id"]) == ("withdraw_right", buyer.address, 41, 31337)
