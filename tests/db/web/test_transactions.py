"""What the wallet sends: forms refuse nonsense, a missing approval comes first and is exact, a refusal is a sentence."""

import html
import json
import re

import pytest

from escrow.models import Deal, DealTranche
from otc.core.errors import DomainError, ErrorCode
from tests.db.web.conftest import DAY, USD, browser, fund
from tests.support import rows, signed_offers


def payload_of(response):
    found = re.search(r'data-payload="([^"]*)"', response.content.decode())
    return json.loads(html.unescape(found[1]) or "null")


class TestDeposit:
    def path(self, market):
        return f"/portfolio/deposit/{market.pay_token_id}"

    def test_it_is_tried_out_and_shown(self, market, buyer, node):
        response = browser(buyer).post(self.path(market), {"deposit-amount": "1250.5"})
        text = response.content.decode()
        assert node.asked == [
            (
                "deposit",
                buyer.address,
                {"token": rows.TOKEN, "amount": 1250_500_000, "chain_id": 31337, "escrow": "tokens"},
            )
        ]
        assert "First sentence." in text
        assert "Second sentence." in text
        assert "Tried out on block 1,234: it works." in text
        payload = payload_of(response)
        assert payload.pop("to").lower() == rows.ESCROW
        assert payload == {"data": "0x1234", "value": "0x0", "gas": "0x15f90"}

    def test_a_missing_approval_comes_first_and_is_exact(self, market, buyer, node):
        node.issues = [{"kind": "allowance", "token": rows.TOKEN, "has": 0, "needs": 5 * USD, "spender": rows.ESCROW}]
        text = browser(buyer).post(self.path(market), {"deposit-amount": "5", "form": "#action-form"}).content.decode()
        assert node.asked[-1] == (
            "approve",
            buyer.address,
            {"token": rows.TOKEN, "amount": 5 * USD, "chain_id": 31337, "escrow": "tokens"},
        )
        assert "Step 1 of 2: allow the escrow to pull exactly 5 USDT" in text
        assert 'data-continue="#action-form"' in text

    def test_a_wallet_without_the_money_gets_a_sentence(self, market, buyer, node):
        node.issues = [
            {"kind": "allowance", "token": rows.TOKEN, "has": 0, "needs": 5 * USD, "spender": rows.ESCROW},
            {"kind": "balance", "token": rows.TOKEN, "has": USD, "needs": 5 * USD, "spender": None},
        ]
        response = browser(buyer).post(self.path(market), {"deposit-amount": "5"})
        assert "Your wallet holds 1 USDT; this needs 5 USDT." in response.content.decode()
        assert payload_of(response) is None
        assert len(node.asked) == 1

    def test_no_node_answers(self, market, buyer, node):
        node.error = DomainError(ErrorCode.CHAIN_UNAVAILABLE, "No endpoint answers. Try again in a minute.")
        text = browser(buyer).post(self.path(market), {"deposit-amount": "5"}).content.decode()
        assert "No endpoint answers" in text
        assert "data-flow-start" not in text

    @pytest.mark.parametrize(
        ("typed", "said"),
        [("", "required"), ("0", "More than zero"), ("x", "is not"), ("1.0000001", "decimal places"), ("-1", "is not")],
    )
    def test_nonsense(self, market, buyer, node, typed, said):
        response = browser(buyer).post(self.path(market), {"deposit-amount": typed})
        assert response.status_code == 422
        assert said in response.content.decode()
        assert node.asked == []

    @pytest.mark.parametrize(
        ("form", "replaces"),
        [
            ("#deposit-form", "#deposit-form"),
            ("#action-form", "closest [data-dialog-content]"),
            ("body", "closest [data-dialog-content]"),
        ],
    )
    def test_the_form_comes_back_to_where_it_stood(self, market, buyer, node, form, replaces):
        response = browser(buyer).post(self.path(market), {"deposit-amount": "x", "form": form})
        assert response["HX-Retarget"] == replaces
        assert 'value="x"' in response.content.decode()

    def test_nobody_deposits(self, market, node):
        assert browser().get(self.path(market)).status_code == 401
        assert browser().post(self.path(market), {"deposit-amount": "5"}).status_code == 401
        assert node.asked == []

    def test_a_token_that_is_not_there(self, market, buyer):
        assert browser(buyer).get("/portfolio/deposit/999999").status_code == 404


class TestWithdraw:
    def path(self, market):
        return f"/portfolio/withdraw/{market.chain_id}/{rows.TOKEN}"

    def test_all_of_it(self, market, buyer, node):
        fund(market, buyer, 12_345_678)
        client = browser(buyer)
        assert "All of it: 12.345678 USDT" in client.get(self.path(market)).content.decode()
        client.post(self.path(market), {"withdraw-amount": "12.345678"})
        assert node.asked[0][2]["amount"] == 12_345_678

    def test_more_than_there_is(self, market, buyer, node):
        fund(market, buyer, USD)
        response = browser(buyer).post(self.path(market), {"withdraw-amount": "1.000001"})
        assert response.status_code == 422
        assert "More than your free balance" in response.content.decode()
        assert node.asked == []

    def test_no_token(self, market, buyer):
        assert browser(buyer).get(f"/portfolio/withdraw/{market.chain_id}/0x12").status_code == 404


class TestTake:
    @pytest.fixture
    def offer(self, market, seller, now):
        fund(market, seller, 10**9)
        return signed_offers.post(market, seller, min_fill=100, expiry=now + DAY)

    def test_the_fill_is_prepared(self, offer, buyer, node):
        response = browser(buyer).post(f"/offers/{offer.offer_hash}", {"units": "250"})
        assert response.status_code == 200
        assert node.asked == [("fill", buyer.address, {"offer_hash": offer.offer_hash, "units": 250})]

    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ("", "required"),
            ("99", "smallest part"),
            ("1001", "More than what is available"),
            ("2.5", "places"),
            ("x", "is not"),
        ],
    )
    def test_nonsense(self, offer, buyer, node, typed, said):
        response = browser(buyer).post(f"/offers/{offer.offer_hash}", {"units": typed})
        assert response.status_code == 422
        assert said in response.content.decode()
        assert node.asked == []

    def test_ones_own_offer(self, offer, seller, node):
        response = browser(seller).post(f"/offers/{offer.offer_hash}", {"units": "250"})
        assert response.status_code == 422
        assert "This is your own offer" in response.content.decode()
        assert node.asked == []

    def test_an_offer_for_somebody_else(self, market, seller, buyer, node, now):
        fund(market, seller, 10**9)
        offer = signed_offers.post(market, seller, taker="0x" + "77" * 20, expiry=now + DAY)
        text = browser(buyer).post(f"/offers/{offer.offer_hash}", {"units": "250"}).content.decode()
        assert "for another wallet alone" in text
        assert node.asked == []

    def test_an_offer_that_is_gone(self, offer, buyer, node):
        offer.state, offer.withdrawn = "cancelled", True
        offer.save()
        text = browser(buyer).post(f"/offers/{offer.offer_hash}", {"units": "250"}).content.decode()
        assert "This offer is cancelled" in text
        assert node.asked == []

    def test_outcomes_of_a_part(self, offer, buyer):
        text = browser(buyer).post(f"/offers/{offer.offer_hash}/outcome", {"units": "200"}).content.decode()
        assert "0.001 USDT" in text  # a fifth of 5000 base units
        assert "deposit 0.001 USDT more" in text

    def test_nobody_takes(self, offer, node):
        assert browser().post(f"/offers/{offer.offer_hash}", {"units": "250"}).status_code == 401
        assert "Sign in to take it" in browser().get(f"/offers/{offer.offer_hash}").content.decode()


class TestSettle:
    @pytest.fixture
    def deal(self, market, seller, buyer, now):
        rows.terms(market, start=now - 100, final_at=now - 200)
        return rows.deal(market, seller=seller.address, buyer=buyer.address)

    def test_deliver_whole_and_in_part(self, deal, seller, node):
        client = browser(seller)
        path = f"/deals/{deal.deal_id}/deliver"
        assert "100 NEW" in client.get(path).content.decode()
        client.post(path, {})
        client.post(path, {"amount": "25.5", "to_escrow": "on"})
        whole, part = (params for _, _, params in node.asked)
        assert whole == {"deal_id": deal.deal_id, "tranche": 0, "amount": 100 * 10**18, "to_escrow": False}
        assert (part["amount"], part["to_escrow"]) == (255 * 10**17, True)

    def test_more_than_is_due(self, deal, seller, node):
        response = browser(seller).post(f"/deals/{deal.deal_id}/deliver", {"amount": "100.1"})
        assert response.status_code == 422
        assert "More than is due" in response.content.decode()
        assert node.asked == []

    def test_the_buyer_has_nothing_to_deliver(self, deal, buyer, node):
        assert browser(buyer).get(f"/deals/{deal.deal_id}/deliver").status_code == 422
        assert node.asked == []

    def test_a_batch_is_everything_due_in_one_token(self, deal, market, seller, node):
        other = rows.deal(market, seller=seller.address)
        path = f"/portfolio/deliver/{market.chain_id}/{'0x' + '77' * 20}"
        client = browser(seller)
        assert "together <strong>200 NEW</strong>" in client.get(path).content.decode()
        client.post(path)
        ((action, _, params),) = node.asked
        assert action == "deliver_batch"
        assert {one["deal_id"] for one in params["deliveries"]} == {deal.deal_id, other.deal_id}
        assert client.get(f"/portfolio/deliver/{market.chain_id}/{'0x' + '78' * 20}").status_code == 422

    def test_everything_due_goes_in_batches_the_soonest_deadline_first(self, market, seller, node, now):
        rows.terms(market, start=now - 100, final_at=now - 300)
        sooner = rows.market(market.chain, long_stop=now + 90 * DAY)
        rows.terms(sooner, start=now - 200, final_at=now - 300)
        due = [
            rows.deal(of, seller=seller.address).deal_id for of, n in ((sooner, 10), (market, 250)) for _ in range(n)
        ]
        path = f"/portfolio/deliver/{market.chain_id}/{'0x' + '77' * 20}"
        client, sent = browser(seller), []
        for following in (5, 4, 3, 2, 1, 0):
            words = {0: "", 1: "1 more batch follows"}.get(following, f"{following} more batches follow")
            deals = 50 if following else 10
            pages = [client.get(where).content.decode() for where in ("/portfolio", path)]
            assert all(words in page for page in pages)
            assert any("more batch" in page for page in pages) == bool(following)
            assert f"Deliver {'the first' if following else 'all'} {deals}<" in pages[0]
            assert f"{deals} deals, together" in pages[1]
            client.post(path)
            action, _, params = node.asked[-1]
            batch = [one["deal_id"] for one in params["deliveries"]]
            assert (action, len(batch)) == ("deliver_batch", deals)
            sent += batch
            for deal in Deal.objects.filter(deal_id__in=batch):
                DealTranche.objects.create(deal=deal, number=0, delivered=100 * 10**18, outcome=1)
        assert set(sent[:10]) == set(due[:10])
        assert sorted(sent) == sorted(due)
        assert client.post(path).status_code == 422
        assert len(node.asked) == 6

    def test_slash_when_due_and_not_before(self, deal, market, buyer, node, now):
        client = browser(buyer)
        path = f"/deals/{deal.deal_id}/slash"
        assert client.post(path).status_code == 422
        market.settlement_terms.start = now - 2 * DAY
        market.settlement_terms.save()
        assert client.get(path).status_code == 200
        client.post(path)
        assert node.asked == [("slash", buyer.address, {"deal_id": deal.deal_id, "tranche": 0})]

    def test_refund_when_due_and_not_before(self, market, seller, node, now):
        deal = rows.deal(market, seller=seller.address)
        client = browser(seller)
        path = f"/deals/{deal.deal_id}/refund"
        assert client.post(path).status_code == 422
        market.long_stop = now - 1
        market.save()
        client.post(path)
        assert node.asked == [("refund", seller.address, {"deal_id": deal.deal_id})]

    def test_cancel_and_bump(self, market, seller, buyer, node, now):
        fund(market, seller, 10**9)
        offer = signed_offers.post(market, seller, expiry=now + DAY)
        assert browser(buyer).post(f"/offers/{offer.offer_hash}/cancel").status_code == 403
        client = browser(seller)
        client.post(f"/offers/{offer.offer_hash}/cancel")
        client.post(f"/portfolio/bump/{market.chain_id}")
        assert [asked[0] for asked in node.asked] == ["cancel", "bump_epoch"]


class TestStatus:
    def stage(self, chain, tx_hash, **query):
        return browser().get(f"/transactions/{chain.chain_id}/{tx_hash}", query).json()["stage"]

    @pytest.mark.parametrize(("block", "stage"), [(95, "safe"), (100, "seen"), (5, "final")])
    def test_by_the_escrows_event(self, chain, block, stage):
        event = rows.event(chain, block_number=block)
        assert self.stage(chain, event.tx_hash) == stage

    @pytest.mark.parametrize(
        ("block", "stage"),
        [("101", "sent"), ("100", "seen"), ("90", "final"), ("x", "sent"), ("", "sent"), ("9" * 40, "sent")],
    )
    def test_an_approval_by_its_block(self, chain, block, stage):
        assert self.stage(chain, "0x" + "aa" * 32, block=block) == stage

    def test_an_undone_event_does_not_count(self, chain):
        event = rows.event(chain, block_number=5)
        event.canonical = False
        event.save()
        assert self.stage(chain, event.tx_hash) == "sent"

    def test_no_hash(self, chain):
        assert browser().get(f"/transactions/{chain.chain_id}/0x12").status_code == 404
        assert browser().get(f"/transactions/5/{'0x' + 'aa' * 32}").status_code == 404
