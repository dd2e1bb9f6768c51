"""Whole trades through the public API: delivered, defaulted, refunded. The stories that the product exists for."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from otc.rehearsal import abi, recount
from otc.rehearsal.wallets import ContractWallet, KeyWallet
from otc.rehearsal.world import Act
from tests.support.trade import Trade, refusal

pytestmark = pytest.mark.django_db(transaction=True)

USD = 10**6
UNITS = 900
PAYMENT, COLLATERAL = 1_800 * USD, 900 * USD
HRB = 10**18


@pytest.fixture
def trade(live_server, anvil):
    trade = Trade(live_server.url, anvil)
    trade.open_market()
    trade.fund(trade["seller"], trade["buyer"], trade["maker"], amount=10_000 * USD)
    yield trade
    trade.close()


def posted(trade: Trade, **changed) -> str:
    maker = changed.pop("by", None) or trade["seller"]
    return trade.post(maker, **{"side": "sell", "units": UNITS, "payment": PAYMENT, "collateral": COLLATERAL} | changed)


def books_agree(trade: Trade) -> None:
    """Contract balance = ledger = free + locked + fees = a recount of the raw logs."""
    row = trade.solvency()
    balance = abi.number(trade.node.read(trade.token, abi.call_data("balanceOf(address)", trade.world.escrow)))
    count = recount.count(recount.logs_of(trade.node, trade.world.escrow))
    ledger = sum(int(row[f"ledger_{part}"]) for part in ("free", "locked", "fees"))
    assert balance == ledger == int(row["contract_balance"])
    assert balance == count.free_sum(trade.token) + count.fees[trade.token] + count.locked(trade.token)
    assert not count.faults


class TestDelivered:
    def test_from_deposit_to_withdrawal(self, trade: Trade):
        seller, buyer = trade["seller"], trade["buyer"]
        offer = posted(trade, min_fill=str(UNITS // 10))
        assert trade.book() == ([], [offer])

        deal = trade.take(buyer, offer, UNITS // 3)
        assert (deal["buyer"].lower(), deal["seller"].lower()) == (buyer.address, seller.address)
        assert (int(deal["payment"]), int(deal["collateral"])) == (PAYMENT // 3, COLLATERAL // 3)
        assert trade.free(buyer) == 10_000 * USD - PAYMENT // 3
        assert trade.free(seller) == 10_000 * USD - COLLATERAL // 3
        books_agree(trade)

        start, _deadline = trade.propose()
        assert trade.refusal(seller, "deliver", deal_id=deal["deal_id"]) == "too_early"
        trade.pass_to(start)
        trade.give_tokens(seller, 300 * HRB)
        trade.act(seller, "deliver", deal_id=deal["deal_id"], amount=str(100 * HRB))
        assert trade.deal(deal["deal_id"])["outcome"] == "open"
        assert trade.held(buyer, trade.settlement_token) == 100 * HRB
        trade.act(seller, "deliver_batch", deliveries=[{"deal_id": deal["deal_id"]}])

        assert trade.deal(deal["deal_id"])["outcome"] == "delivered"
        assert trade.held(buyer, trade.settlement_token) == 300 * HRB
        assert trade.free(seller) == 10_000 * USD + PAYMENT // 3
        books_agree(trade)
        trade.withdraw(seller, buyer, trade["maker"])
        assert trade.held(seller) == 10_000 * USD + PAYMENT // 3
        assert trade.held(buyer) == 10_000 * USD - PAYMENT // 3
        trade.finality()
        books_agree(trade)
        assert trade.solvency()["contract_balance"] == "0"

    def test_a_buyers_offer_and_tokens_into_escrow(self, trade: Trade):
        seller, buyer = trade["seller"], trade["buyer"]
        offer = posted(trade, by=buyer, side="buy", min_fill=str(UNITS))
        assert trade.book() == ([offer], [])
        deal = trade.take(seller, offer, UNITS)
        start, _deadline = trade.propose()
        trade.pass_to(start)
        trade.give_tokens(seller, UNITS * HRB)
        trade.act(seller, "deliver", deal_id=deal["deal_id"], to_escrow=True)
        assert trade.free(buyer, trade.settlement_token) == UNITS * HRB
        trade.withdraw(buyer, token=trade.settlement_token)
        assert trade.held(buyer, trade.settlement_token) == UNITS * HRB

    def test_a_contract_wallet_makes_and_delivers(self, trade: Trade):
        owners = [KeyWallet.derived(0, f"owner {number}") for number in range(3)]
        trade.node.give_ether([owner.address for owner in owners], 10**20)
        (wallet,) = trade.world.deploy_wallets([("treasury", owners, 2)])
        trade.fund(wallet, amount=1_000 * USD)
        trade.venue.sign_in(wallet, trade.chain_id)
        assert trade.venue.get("me", token=wallet.token)["address"].lower() == wallet.address

        offer = posted(trade, by=wallet, min_fill=str(UNITS))
        deal = trade.take(trade["buyer"], offer, UNITS)
        start, _deadline = trade.propose()
        trade.pass_to(start)
        trade.give_tokens(wallet, UNITS * HRB)
        trade.act(wallet, "deliver", deal_id=deal["deal_id"])
        assert trade.deal(deal["deal_id"])["outcome"] == "delivered"

    def test_too_few_owners_sign_nothing(self, trade: Trade):
        owners = [KeyWallet.derived(0, f"owner {number}") for number in range(3)]
        trade.node.give_ether([owner.address for owner in owners], 10**20)
        (wallet,) = trade.world.deploy_wallets([("treasury", owners, 2)])
        trade.fund(wallet, amount=1_000 * USD)
        alone = ContractWallet("treasury", wallet.address, owners, 1)
        error = refusal(posted, trade, by=alone)
        assert (error.status, error.code) == (422, "signature_invalid")
        assert trade.book() == ([], [])


class TestDefault:
    def test_the_keeper_slashes_what_was_not_delivered(self, trade: Trade):
        seller, buyer = trade["seller"], trade["buyer"]
        offer = posted(trade, min_fill=str(UNITS // 10))
        nothing = trade.take(buyer, offer, UNITS // 3)
        a_part = trade.take(buyer, offer, UNITS // 3)
        start, deadline = trade.propose()
        trade.pass_to(start)
        trade.give_tokens(seller, 75 * HRB)
        trade.act(seller, "deliver", deal_id=a_part["deal_id"], amount=str(75 * HRB))

        trade.pass_to(deadline)
        assert trade.keeper() == 0  # the last second is the seller's
        trade.pass_to(deadline + 1)
        assert trade.refusal(seller, "deliver", deal_id=nothing["deal_id"]) == "deadline_passed"
        assert trade.keeper() == 1

        closed = {deal["deal_id"]: deal for deal in trade.deals()}
        assert {deal["outcome"] for deal in closed.values()} == {"slashed"}
        whole = (PAYMENT + COLLATERAL) // 3
        assert int(closed[nothing["deal_id"]]["paid_to_buyer"]) == whole
        assert int(closed[a_part["deal_id"]]["paid_to_buyer"]) == whole * 3 // 4
        assert int(closed[a_part["deal_id"]]["paid_to_seller"]) == whole // 4
        books_agree(trade)
        trade.withdraw(seller, buyer)
        assert trade.held(buyer) == 10_000 * USD - 2 * PAYMENT // 3 + whole + whole * 3 // 4
        assert trade.held(seller) == 10_000 * USD - 2 * COLLATERAL // 3 + whole // 4


class TestRefund:
    def test_a_market_that_never_settles_gives_everybody_his_own(self, live_server, anvil):
        trade = Trade(live_server.url, anvil)
        market = trade.open_market(long_stop_days=10)
        seller, buyer = trade["seller"], trade["buyer"]
        trade.fund(seller, buyer, amount=5_000 * USD)
        trade.take(buyer, posted(trade, min_fill=str(UNITS)), UNITS)

        trade.pass_to(int(market["long_stop"]))
        assert trade.keeper() == 0
        trade.pass_to(int(market["long_stop"]) + 1)
        assert trade.keeper() == 1
        assert [deal["outcome"] for deal in trade.deals()] == ["refunded"]
        trade.withdraw(seller, buyer)
        assert trade.held(seller) == trade.held(buyer) == 5_000 * USD
        trade.close()


class TestBook:
    def test_an_offer_without_cover_is_hidden_until_it_is_covered_again(self, trade: Trade):
        seller = trade["seller"]
        offer = posted(trade)
        trade.withdraw(seller)
        assert trade.book() == ([], [])
        assert trade.refusal(trade["buyer"], "fill", offer_hash=offer, units=str(UNITS))
        trade.fund(seller, amount=COLLATERAL)
        assert trade.book() == ([], [offer])

    def test_cancelled_invalidated_and_bumped_offers_are_dead(self, trade: Trade):
        seller = trade["seller"]
        cancelled, withdrawn, bumped = (posted(trade, min_fill=str(UNITS)) for _ in range(3))
        killed = posted(trade, min_fill=str(UNITS))
        trade.act(seller, "cancel", offer_hash=cancelled)
        trade.venue.sign_in(seller, trade.chain_id)
        trade.venue.post(f"offers/{withdrawn}/withdraw", {}, token=seller.token)
        salt = int(trade.venue.get(f"offers/{killed}")["offer"]["salt"])
        trade.act(
            seller, "invalidate_nonces", chain_id=trade.chain_id, word=str(salt >> 8), mask=str(1 << (salt & 255))
        )
        assert trade.book() == ([], [bumped])
        trade.act(seller, "bump_epoch", chain_id=trade.chain_id)
        assert trade.book() == ([], [])
        states = {trade.venue.get(f"offers/{offer}")["state"] for offer in (cancelled, withdrawn, killed, bumped)}
        assert states == {"cancelled"}

    def test_several_offers_are_taken_at_once_or_none(self, trade: Trade):
        offers = [posted(trade, units=90, payment=180 * USD, collateral=90 * USD, min_fill="90") for _ in range(3)]
        fills = [{"offer_hash": offer, "units": "90"} for offer in offers]
        trade.act(trade["buyer"], "fill_batch", fills=fills)
        assert len(trade.deals()) == 3
        fresh = posted(trade, units=90, payment=180 * USD, collateral=90 * USD, min_fill="90")
        assert trade.refusal(trade["maker"], "fill_batch", fills=[{"offer_hash": fresh, "units": "90"}, fills[0]])
        assert len(trade.deals()) == 3


class TestReceipt:
    def test_the_receipt_is_the_preimage_of_the_commitment(self, trade: Trade):
        deal = trade.take(trade["buyer"], posted(trade, min_fill=str(UNITS)), UNITS)
        receipt = trade.venue.get(f"deals/{deal['deal_id']}/receipt")
        fields = receipt["deal"]
        types = [
            "bytes32",
            "bytes32",
            "address",
            "address",
            "address",
            *["uint256"] * 4,
            "bytes32",
            "bytes32",
            "uint256",
        ]
        names = ["id", "market", "buyer", "seller", "pay_token", "units", "payment", "collateral", "fee_bps"]
        names += ["buyer_ref", "seller_ref", "opened_at"]
        values = [
            bytes.fromhex(fields[name][2:])
            if kind == "bytes32"
            else fields[name]
            if kind == "address"
            else int(fields[name])
            for name, kind in zip(names, types, strict=True)
        ]
        commitment = int.from_bytes(keccak(encode(types, values)), "big") & ~1
        stored = trade.node.read(
            trade.world.escrow, abi.call_data("deals(bytes32)", bytes.fromhex(deal["deal_id"][2:]))
        )
        assert int(stored, 16) == commitment


def test_sequences_of_one_wallet_need_no_waiting(trade: Trade):
    """Two fills of one wallet, prepared on the same block, both stand in the next."""
    offers = [posted(trade, units=90, payment=180 * USD, collateral=90 * USD, min_fill="90") for _ in range(2)]
    acts = [Act(trade["buyer"], "fill", {"offer_hash": offer, "units": "90"}) for offer in offers]
    trade.world.act("fill", acts)
    assert len(trade.deals()) == 2
