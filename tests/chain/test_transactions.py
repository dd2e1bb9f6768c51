"""Every action prepared by the server goes through on the real contract, or says by name and in words why not."""

import pytest

from escrow.contracts import bindings
from escrow.models import AutoDelivery, Deal, DealOutcome
from escrow.services.transactions import ACTIONS, Action
from escrow.services.tx.refusals import SENTENCES
from otc.core import flags
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain, FlagName
from otc.stack import anvil as published
from points.models import MakerNonces, Market, MarketStatus, OfferState
from tests.support.onchain import DAY, USD, OnChain

pytestmark = pytest.mark.django_db
HRB = 10**18


@pytest.fixture
def venue(anvil):
    return OnChain(anvil)


@pytest.fixture
def funded(venue):
    for role in ("seller", "buyer"):
        venue.fund(role, 10_000 * USD)
    return venue


def refused(call, *args, **params) -> DomainError:
    with pytest.raises(DomainError) as caught:
        call(*args, **params)
    return caught.value


def market_now(venue):
    return Market.objects.get(pk=venue.market.pk)


def final(venue, **terms):
    start, deadline = venue.propose(**terms)
    venue.pass_to(start)
    return start, deadline


def give(venue, role, amount):
    venue.mint(role, venue.settlement_token, amount)
    venue.act(role, "approve", token=venue.settlement_token, amount=amount)


# ---------------------------------------------------------------- money


def test_a_deposit_says_what_is_missing_first(venue):
    prepared = venue.prepare("buyer", "deposit", token=venue.token.address, amount=5 * USD)
    assert [(issue["kind"], issue["has"], issue["needs"], issue["spender"]) for issue in prepared.issues] == [
        ("allowance", 0, 5 * USD, venue.escrow),
        ("balance", 0, 5 * USD, None),
    ]
    assert not prepared.simulation.ok
    assert prepared.transaction["gas"] is None
    assert prepared.simulation.name == "ERC20InsufficientAllowance"
    assert "approve first" in prepared.simulation.error
    assert prepared.explanation.splitlines()[0] == "5 fUSDC moves from your wallet into your free escrow balance."


def test_money_goes_in_and_out(venue):
    venue.fund("buyer", 5 * USD)
    prepared = venue.prepare("buyer", "withdraw", token=venue.token.address, amount=6 * USD)
    assert [(issue["kind"], issue["has"]) for issue in prepared.issues] == [("escrow_balance", 5 * USD)]
    assert prepared.simulation.name == "InsufficientBalance"
    prepared = venue.act("buyer", "withdraw", token=venue.token.address, amount=5 * USD, to=published.address("maker"))
    assert prepared.issues == []
    assert prepared.block_number == venue.anvil.block_number() - 1
    assert prepared.transaction["value"] == "0"


def test_money_is_refused_by_field(venue):
    cases = [
        ("deposit", {"amount": 0}, "amount"),
        ("withdraw", {"amount": 0}, "amount"),
        ("withdraw", {"amount": 1, "to": "0x" + "00" * 20}, "to"),
        ("approve", {"token": "0x" + "99" * 20, "amount": 1}, "token"),
        ("deposit", {"token": "0x" + "99" * 20, "amount": 1}, "token"),
        ("deposit", {"amount": 1, "chain_id": 5}, "chain_id"),
    ]
    for action, params, field in cases:
        error = refused(venue.prepare, "buyer", action, **{"token": venue.token.address, **params})
        assert (field, params) == (error.field, params)


def test_entry_pause_stops_deposits_and_fills_not_exits(funded):
    offer = funded.post("seller")
    until = funded.anvil.now() + DAY
    funded.send("owner", funded.escrow, bindings.encode_pause_entry(until))
    funded.mine()
    assert funded.chain.paused_until == until
    assert refused(funded.prepare, "buyer", "deposit", token=funded.token.address, amount=1).code is ErrorCode.PAUSED
    assert refused(funded.prepare, "buyer", "fill", offer_hash=offer.offer_hash, units=100).code is ErrorCode.PAUSED
    funded.act("buyer", "withdraw", token=funded.token.address, amount=1)


# ---------------------------------------------------------------- taking


def test_a_fill_says_what_one_gets_pays_and_risks(funded):
    offer = funded.post("seller")
    prepared = funded.act("buyer", "fill", offer_hash=offer.offer_hash, units=100)
    lines = prepared.explanation.splitlines()
    assert lines[0].startswith("You buy 100 HRB of Harbor airdrop for 250 fUSDC")
    assert "the seller locks 125 fUSDC" in lines[0]
    assert "you get 375 fUSDC without asking" in lines[2]
    assert Deal.objects.get().buyer == published.address("buyer")


def test_a_buyers_offer_is_sold_into(funded):
    offer = funded.post("buyer", side=0, min_fill=10)
    prepared = funded.act("seller", "fill", offer_hash=offer.offer_hash, units=40)
    lines = prepared.explanation.splitlines()
    assert lines[0].startswith("You sell 40 HRB of Harbor airdrop for 100 fUSDC and lock 50 fUSDC")
    assert Deal.objects.get().seller == published.address("seller")


def test_fills_are_checked_against_the_facts(funded):
    offer = funded.post("seller", min_fill=30)
    h = offer.offer_hash
    assert refused(funded.prepare, "seller", "fill", offer_hash=h, units=100).code is ErrorCode.OFFER_NOT_FOR_YOU
    for units in (0, 29, 101):
        error = refused(funded.prepare, "buyer", "fill", offer_hash=h, units=units)
        assert (error.code, error.field) == (ErrorCode.FILL_INVALID, "units")
    funded.take("buyer", offer, 80)
    assert refused(funded.prepare, "buyer", "fill", offer_hash=h, units=19).code is ErrorCode.FILL_INVALID
    funded.act("buyer", "fill", offer_hash=h, units=20)
    error = refused(funded.prepare, "buyer", "fill", offer_hash=h, units=1)
    assert (error.code, error.field) == (ErrorCode.OFFER_NOT_OPEN, "offer_hash")
    assert refused(funded.prepare, "buyer", "fill", offer_hash="0x" + "ab" * 32, units=1).code is ErrorCode.NOT_FOUND


def test_an_offer_for_one_taker(funded):
    offer = funded.post("seller", taker=published.address("taker"))
    error = refused(funded.prepare, "buyer", "fill", offer_hash=offer.offer_hash, units=100)
    assert error.code is ErrorCode.OFFER_NOT_FOR_YOU


def test_an_offer_that_the_maker_no_longer_covers(funded):
    offer = funded.post("seller", min_fill=1)
    funded.act("seller", "withdraw", token=funded.token.address, amount=9_900 * USD)
    error = refused(funded.prepare, "buyer", "fill", offer_hash=offer.offer_hash, units=81)
    assert (error.code, error.field) == (ErrorCode.FUNDS_INSUFFICIENT, "units")
    funded.act("buyer", "fill", offer_hash=offer.offer_hash, units=80)


def test_a_taker_without_money_is_told(venue):
    venue.fund("seller", 1_000 * USD)
    offer = venue.post("seller")
    prepared = venue.prepare("buyer", "fill", offer_hash=offer.offer_hash, units=100)
    assert [(issue["kind"], issue["needs"]) for issue in prepared.issues] == [("escrow_balance", 250 * USD)]
    assert prepared.simulation.name == "InsufficientBalance"


def test_several_fills_at_once_all_or_none(funded):
    first, second = funded.post("seller", min_fill=10), funded.post("seller")
    fills = [
        {"offer_hash": first.offer_hash, "units": 40},
        {"offer_hash": second.offer_hash, "units": 100},
        {"offer_hash": first.offer_hash, "units": 60},
    ]
    error = refused(funded.prepare, "buyer", "fill_batch", fills=[*fills, {"offer_hash": first.offer_hash, "units": 1}])
    assert (error.code, error.field) == (ErrorCode.OFFER_CONSUMED, "fills[3].units")
    funded.act("buyer", "fill_batch", fills=fills)
    assert Deal.objects.count() == 3


def test_the_switch_stops_preparing_fills(funded):
    offer = funded.post("seller")
    flags.flag_set(name=FlagName.PAUSE_TAKING, on=True, reason="drill")
    assert refused(funded.prepare, "buyer", "fill", offer_hash=offer.offer_hash, units=100).code is ErrorCode.PAUSED


def test_killing_offers(funded):
    plain, partial, salted = (funded.post("seller", min_fill=least) for least in (100, 1, 100))
    assert refused(funded.prepare, "buyer", "cancel", offer_hash=plain.offer_hash).field == "account"
    funded.act("seller", "cancel", offer_hash=plain.offer_hash)
    assert refused(funded.prepare, "seller", "cancel", offer_hash=plain.offer_hash).code is ErrorCode.OFFER_CONSUMED
    funded.act("seller", "cancel", offer_hash=partial.offer_hash)
    funded.act("seller", "invalidate_nonces", word=salted.salt >> 8, mask=1 << (salted.salt & 0xFF))
    assert MakerNonces.objects.filter(word=salted.salt >> 8).exists()
    salted.refresh_from_db()
    assert salted.state == OfferState.CANCELLED
    assert refused(funded.prepare, "seller", "invalidate_nonces", word=0, mask=0).field == "mask"
    last = funded.post("seller")
    funded.act("seller", "bump_epoch")
    last.refresh_from_db()
    assert last.state == OfferState.CANCELLED


# ---------------------------------------------------------------- markets


def test_terms_are_proposed_vetoed_and_proposed_again(venue):
    market_id = venue.market.market_id
    assert refused(venue.prepare, "resolver", "create_market", market_id=market_id).code is ErrorCode.CONFLICT
    assert refused(venue.prepare, "guardian", "veto", market_id=market_id).code is ErrorCode.CONFLICT
    start, _ = venue.propose()
    assert refused(venue.prepare, "resolver", "veto", market_id=market_id).field == "account"
    venue.act("guardian", "veto", market_id=market_id)
    assert market_now(venue).status == MarketStatus.OPEN
    start, _ = venue.propose()
    venue.pass_to(start)
    assert refused(venue.prepare, "guardian", "veto", market_id=market_id).code is ErrorCode.DEADLINE_PASSED


def test_settlement_terms_are_refused_by_field(venue):
    params = {"ratio_num": 1, "ratio_den": 1, "start": venue.anvil.now() + 2 * DAY, "window": DAY}
    cases = [
        ({"ratio_num": 0}, "ratio_num"),
        ({"ratio_den": 0}, "ratio_den"),
        ({"ratio_den": 2**128}, "ratio_den"),
        ({"start": 0}, "start"),
        ({"start": 2**40 - 1}, "start"),
        ({"window": DAY - 1}, "window"),
        ({"window": 7 * DAY + 1}, "window"),
        ({"tranches": 0}, "tranches"),
        ({"tranches": 65}, "tranches"),
        ({"tge_bps": 9_999}, "tge_bps"),
        ({"tranches": 2, "period": DAY}, "tge_bps"),
        ({"tranches": 2, "tge_bps": 5_000}, "period"),
        ({"period": 1}, "period"),
    ]
    for values, field in cases:
        wanted = {"market_id": venue.market.market_id, "token": venue.token.address} | params | values
        error = refused(venue.prepare, "resolver", "propose", **wanted)
        assert (error.code, error.field, values) == (ErrorCode.INVALID, field, values)


def test_only_the_resolver_proposes_and_a_token_has_code(venue):
    start = venue.anvil.now() + DAY + 600
    params = {
        "market_id": venue.market.market_id,
        "token": "0x" + "99" * 20,
        "ratio_num": 1,
        "ratio_den": 1,
        "start": start,
        "window": DAY,
    }
    assert refused(venue.prepare, "buyer", "propose", **params).code is ErrorCode.FORBIDDEN
    prepared = venue.prepare("resolver", "propose", **params)
    assert (prepared.simulation.ok, prepared.simulation.name) == (False, "TokenHasNoCode")
    assert "check the address" in prepared.simulation.error


def test_the_window_is_extended_once(venue):
    start, deadline = venue.propose()
    for extra in (0, 48 * 3_600 + 1):
        assert (
            refused(venue.prepare, "resolver", "extend", market_id=venue.market.market_id, extra=extra).field == "extra"
        )
    venue.pass_to(deadline - 600)  # the node's clock runs on: the exact second is the contract tests' business
    prepared = venue.act("resolver", "extend", market_id=venue.market.market_id, extra=3_600)
    assert "1 hour more" in prepared.explanation
    assert market_now(venue).settlement_terms.window == deadline - start + 3_600
    error = refused(venue.prepare, "resolver", "extend", market_id=venue.market.market_id, extra=1)
    assert error.code is ErrorCode.CONFLICT


def test_a_market_is_cancelled_by_two_keys(funded):
    deal = funded.take("buyer", funded.post("seller"), 100)
    market_id = funded.market.market_id
    funded.act("resolver", "propose_cancel", market_id=market_id)
    funded.act("resolver", "withdraw_cancel", market_id=market_id)
    funded.act("resolver", "propose_cancel", market_id=market_id)
    early = funded.prepare("guardian", "confirm_cancel", market_id=market_id)
    assert early.simulation.name == "TooEarly"
    assert refused(funded.prepare, "buyer", "refund", deal_id=deal.deal_id).code is ErrorCode.TOO_EARLY
    funded.pass_to(funded.anvil.now() + 3 * DAY)
    funded.act("guardian", "confirm_cancel", market_id=market_id)
    prepared = funded.act("buyer", "refund", deal_id=deal.deal_id)
    assert prepared.explanation.startswith(
        "Each side gets its own back: 250 fUSDC to the buyer, 125 fUSDC to the seller."
    )
    assert Deal.objects.get().outcome == DealOutcome.REFUNDED


# ---------------------------------------------------------------- deals


def test_a_delivery_in_parts_and_its_words(funded):
    deal = funded.take("buyer", funded.post("seller"), 100)
    assert refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id).code is ErrorCode.TOO_EARLY
    start, _ = funded.propose()
    assert refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id).code is ErrorCode.TOO_EARLY
    funded.pass_to(start)
    assert refused(funded.prepare, "buyer", "deliver", deal_id=deal.deal_id).field == "account"
    needs = funded.prepare("seller", "deliver", deal_id=deal.deal_id)
    assert {issue["kind"] for issue in needs.issues} == {"allowance", "balance"}
    give(funded, "seller", 100 * HRB)
    for amount in (0, 100 * HRB + 1):
        error = refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id, amount=amount)
        assert (error.code, error.field) == (ErrorCode.AMOUNT_INVALID, "amount")
    part = funded.act("seller", "deliver", deal_id=deal.deal_id, amount=40 * HRB)
    lines = part.explanation.splitlines()
    assert "40 HRB move" in lines[0]
    assert "You get 150 fUSDC" in lines[0]
    assert "60 HRB are still due" in lines[1]
    assert refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id, amount=61 * HRB).field == "amount"
    funded.act("seller", "deliver", deal_id=deal.deal_id, to_escrow=True)
    assert Deal.objects.get().outcome == DealOutcome.DELIVERED
    assert refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id).code is ErrorCode.DEAL_NOT_OPEN
    funded.act("buyer", "withdraw", token=funded.settlement_token, amount=60 * HRB)


def test_a_batch_of_deliveries_needs_the_sum(funded):
    offer = funded.post("seller", min_fill=10)
    deals = [funded.take("buyer", offer, 10) for _ in range(3)]
    final(funded)
    deliveries = [{"deal_id": deal.deal_id} for deal in deals]
    prepared = funded.prepare("seller", "deliver_batch", deliveries=deliveries)
    assert {issue["needs"] for issue in prepared.issues} == {30 * HRB}
    twice = [*deliveries, {"deal_id": deals[0].deal_id, "amount": 1}]
    assert refused(funded.prepare, "seller", "deliver_batch", deliveries=twice).field == "deliveries[3].amount"
    give(funded, "seller", 30 * HRB)
    funded.act("seller", "deliver_batch", deliveries=deliveries)
    assert {deal.outcome for deal in Deal.objects.all()} == {DealOutcome.DELIVERED}


def test_what_others_deliver_meanwhile_is_not_delivered_twice(funded):
    """The seller asks for his delivery, somebody delivers on his standing approval, then his own arrives."""
    offer = funded.post("seller", min_fill=10)
    deal, other, third = (funded.take("buyer", offer, 10) for _ in range(3))
    final(funded)
    give(funded, "seller", 60 * HRB)
    approved = {"market_id": funded.market.market_id, "amount": 15 * HRB}
    funded.act("seller", "set_auto_deliver", **approved)
    one = funded.prepare("seller", "deliver", deal_id=deal.deal_id)
    both = funded.prepare("seller", "deliver_batch", deliveries=[{"deal_id": deal.deal_id}, {"deal_id": other.deal_id}])
    assert "Of your standing approval 5 HRB are left after it." in one.explanation
    assert "nothing of this moves" in both.explanation
    funded.act("taker", "deliver_for", deal_id=deal.deal_id, amount=1)
    had = funded.wallet("buyer")
    for prepared in (one, both):
        sent = funded.send("seller", prepared.transaction["to"], prepared.transaction["data"])
        funded.mine()
        assert funded.anvil.rpc("eth_getTransactionReceipt", sent)["status"] == "0x0"
    assert funded.wallet("buyer") == had
    assert AutoDelivery.objects.get().amount == 15 * HRB - 1

    funded.act("seller", "deliver", deal_id=deal.deal_id)
    assert AutoDelivery.objects.get().amount == 5 * HRB
    funded.act("seller", "deliver_batch", deliveries=[{"deal_id": other.deal_id}, {"deal_id": third.deal_id}])
    assert AutoDelivery.objects.get().amount == 0
    assert {deal.outcome for deal in Deal.objects.all()} == {DealOutcome.DELIVERED}
    assert funded.wallet("buyer") == 30 * HRB


def test_after_the_deadline_it_is_the_buyers(funded):
    deal = funded.take("buyer", funded.post("seller"), 100)
    _, deadline = funded.propose()
    funded.pass_to(deadline)
    assert refused(funded.prepare, "taker", "slash", deal_id=deal.deal_id).code is ErrorCode.TOO_EARLY
    funded.pass_to(deadline + 1)
    assert refused(funded.prepare, "seller", "deliver", deal_id=deal.deal_id).code is ErrorCode.DEADLINE_PASSED
    assert refused(funded.prepare, "taker", "slash", deal_id=deal.deal_id, tranche=1).field == "tranche"
    prepared = funded.act("taker", "slash", deal_id=deal.deal_id)
    assert "375 fUSDC go to the buyer" in prepared.explanation
    assert refused(funded.prepare, "taker", "slash", deal_id=deal.deal_id).code is ErrorCode.DEAL_NOT_OPEN


# ---------------------------------------------------------------- the node


def test_without_a_node_it_says_so(funded):
    Chain.objects.update(rpc_urls=["http://127.0.0.1:9"])
    error = refused(funded.prepare, "buyer", "bump_epoch")
    assert (error.code, error.status) == (ErrorCode.CHAIN_UNAVAILABLE, 503)


def test_the_next_endpoint_answers_when_the_first_is_down(funded):
    Chain.objects.update(rpc_urls=["http://127.0.0.1:9", funded.anvil.url])
    assert funded.prepare("buyer", "bump_epoch").simulation.ok


def test_the_contract_decides_what_the_database_has_not_seen(funded):
    offer = funded.post("seller")
    funded.send(
        "buyer",
        funded.escrow,
        funded.prepare("buyer", "fill", offer_hash=offer.offer_hash, units=100).transaction["data"],
    )
    funded.anvil.mine()  # not read
    prepared = funded.prepare("buyer", "fill", offer_hash=offer.offer_hash, units=100)
    assert prepared.simulation.name == "OfferConsumed"
    assert "take another" in prepared.simulation.error


def test_every_action_is_built_and_every_error_of_the_contract_has_a_sentence():
    assert set(ACTIONS) == set(Action)
    assert {name for name, _ in bindings.ERRORS.values()} <= set(SENTENCES)
