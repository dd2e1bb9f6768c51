"""Every call beyond fill and deliver, as the server prepares it: sent to the real contract, read back, and told in money."""

from dataclasses import replace

import pytest
from eth_account import Account

from escrow.contracts import bindings, hashing, structs
from escrow.models import AutoDelivery, Deal, DealOutcome, DealPhase
from escrow.selectors.allowed import deal_detail
from escrow.selectors.balances import free_balance
from escrow.selectors.deals import deal_get, deal_timeline
from escrow.services import signing
from otc.core.errors import DomainError, ErrorCode
from otc.stack import anvil as published
from points.models import Market
from points.services.markets import market_register
from tests.support.onchain import DAY, USD, OnChain

pytestmark = pytest.mark.django_db
HRB = 10**18
EVIDENCE = "0x" + "ee" * 32


@pytest.fixture
def venue(anvil):
    made = OnChain(anvil)
    for role in ("seller", "buyer", "taker"):
        made.fund(role, 1_000 * USD)
    return made


@pytest.fixture
def deal(venue):
    return venue.take("buyer", venue.post("seller"), 100)


@pytest.fixture
def attested(venue):
    """The venue's market is one whose deliveries are attested; a deal in it, of 250 USD against 125, its window open."""
    market = market_register(
        user=venue.resolver,
        program=venue.program,
        chain=venue.chain,
        pay_token_address=venue.token.address,
        rules_text="One unit is one HRB, delivered on another chain.",
        resolver=published.address("resolver"),
        guardian=published.address("guardian"),
        objection=DAY,
        min_window=DAY,
        max_window=7 * DAY,
        long_stop=venue.anvil.now() + 90 * DAY,
        settlement=1,
        attestor=published.address("attestor"),
        arbitrator=published.address("arbitrator"),
        challenge=DAY,
        arbitration_window=2 * DAY,
        bond_bps=1_000,
    )
    venue.act("resolver", "create_market", market_id=market.market_id)
    venue.market = Market.objects.get(pk=market.pk)
    made = venue.take("buyer", venue.post("seller"), 100)
    start = venue.anvil.now() + DAY + 600
    venue.act("resolver", "propose", market_id=market.market_id, ratio_num=1, ratio_den=1, start=start, window=2 * DAY)
    venue.pass_to(start)
    return made


def refused(call, *args, **params) -> tuple[ErrorCode, str]:
    with pytest.raises(DomainError) as caught:
        call(*args, **params)
    return caught.value.code, caught.value.field


def sign(role, prepared) -> bytes:
    """As a wallet does: the typed data, nothing else."""
    return bytes(Account.sign_typed_data(published.key(role), full_message=dict(prepared.typed_data)).signature)


def now(deal) -> Deal:
    found = deal_get(deal.deal_id)
    assert found is not None
    return found


def committed(venue, deal) -> bool:
    """The contract holds the hash of what our row says; its lowest bit apart."""
    held = venue.anvil.rpc("eth_call", {"to": venue.escrow, "data": bindings.encode_deals(deal.deal_id)}, "latest")
    return int(held, 16) & ~1 == int(hashing.deal_hash(structs.deal_preimage(deal)), 16)


def free(venue, role) -> int:
    """By our ledger, which must be what the contract says."""
    ours = free_balance(published.address(role), chain=venue.chain, token=venue.token.address)
    data = bindings.encode_balances(venue.token.address, published.address(role))
    assert ours == int(venue.anvil.rpc("eth_call", {"to": venue.escrow, "data": data}, "latest"), 16), role
    return ours


def names(deal) -> list[str]:
    return [fact.name for fact in deal_timeline(now(deal))]


def test_the_contracts_own_hashes_are_ours(venue, deal):
    at = {"chain_id": venue.chain_id, "contract": venue.escrow}
    resale = signing.resale_prepare(deal_id=deal.deal_id, account=published.address("buyer"), price=1).struct
    close = bindings.Close(deal=resale.deal, to_buyer=1, to_seller=2, deadline=3)
    attestation = bindings.Attestation(deal=resale.deal, units=1, evidence=EVIDENCE, valid_until=4)
    for data, ours in (
        (bindings.encode_resale_hash(resale), hashing.resale_hash(resale, **at)),
        (bindings.encode_close_hash(close), hashing.close_hash(close, **at)),
        (bindings.encode_attestation_hash(attestation), hashing.attestation_hash(attestation, **at)),
    ):
        assert venue.anvil.rpc("eth_call", {"to": venue.escrow, "data": data}, "latest") == ours


def test_two_makers_are_matched_by_anyone(venue):
    sell = venue.post("seller")
    buy = venue.post("buyer", side=0, payment=270 * USD, collateral=100 * USD)
    prepared = venue.act("keeper", "match_offers", buy=buy.offer_hash, sell=sell.offer_hash)
    assert "for 260 fUSDC" in prepared.explanation
    made = Deal.objects.get()
    assert (made.payment, made.collateral) == (260 * USD, 112_500_000)
    assert (made.buyer, made.seller) == (published.address("buyer"), published.address("seller"))
    assert (made.offer_hash, made.matched_offer_hash) == (sell.offer_hash, buy.offer_hash)
    assert committed(venue, made)
    assert (free(venue, "buyer"), free(venue, "seller")) == (740 * USD, 1_000 * USD - 112_500_000)
    assert refused(venue.prepare, "keeper", "match_offers", buy=buy.offer_hash, sell=sell.offer_hash) == (
        ErrorCode.OFFER_NOT_OPEN,
        "buy",
    )


def test_anyone_delivers_on_the_sellers_standing_approval(venue, deal):
    start, _ = venue.propose()
    venue.pass_to(start)
    assert refused(venue.prepare, "taker", "deliver_for", deal_id=deal.deal_id) == (ErrorCode.CONFLICT, "deal_id")
    market_id = venue.market.market_id
    approval = venue.act("seller", "set_auto_deliver", market_id=market_id, amount=60 * HRB)
    assert [issue["kind"] for issue in approval.issues] == ["allowance"]
    early = venue.prepare("taker", "deliver_for", deal_id=deal.deal_id)
    assert (early.simulation.ok, early.simulation.name) == (False, "ERC20InsufficientAllowance")
    venue.mint("seller", venue.settlement_token, 100 * HRB)
    venue.act("seller", "approve", token=venue.settlement_token, amount=100 * HRB)
    part = venue.act("taker", "deliver_for", deal_id=deal.deal_id)
    assert "60 HRB move from the seller's wallet" in part.explanation
    assert AutoDelivery.objects.get().amount == 0
    assert refused(venue.prepare, "taker", "deliver_for", deal_id=deal.deal_id) == (ErrorCode.CONFLICT, "deal_id")
    venue.act("seller", "set_auto_deliver", market_id=market_id, amount=1_000 * HRB)
    assert deal_detail(now(deal)).auto_delivery == 1_000 * HRB
    venue.act("taker", "deliver_for", deal_id=deal.deal_id, to_escrow=True)
    assert now(deal).outcome == DealOutcome.DELIVERED
    assert AutoDelivery.objects.get().amount == 960 * HRB
    assert free(venue, "seller") == 1_000 * USD + 250 * USD * (10_000 - deal.fee_bps) // 10_000


def test_a_buyers_place_is_given_away(venue, deal):
    to = published.address("maker")
    assert refused(venue.prepare, "seller", "transfer_position", deal_id=deal.deal_id, to=to) == (
        ErrorCode.FORBIDDEN,
        "account",
    )
    venue.act("buyer", "transfer_position", deal_id=deal.deal_id, to=to, ref="0x" + "07" * 32)
    moved = now(deal)
    assert (moved.buyer, moved.seller, moved.buyer_ref) == (to, deal.seller, "0x" + "07" * 32)
    assert committed(venue, moved)
    (row,) = deal_detail(moved).transfers
    assert (row.side, row.from_address, row.to_address, row.price) == (0, deal.buyer, to, None)
    assert refused(venue.prepare, "buyer", "transfer_position", deal_id=deal.deal_id, to=deal.buyer) == (
        ErrorCode.FORBIDDEN,
        "account",
    )
    assert names(deal) == ["Filled", "Transferred"]
    _, deadline = venue.propose()
    venue.pass_to(deadline + 1)
    venue.act("taker", "slash", deal_id=deal.deal_id)
    assert free(venue, "maker") == 375 * USD


def test_places_are_sold_by_listings_that_pass_from_hand_to_hand(venue, deal):
    listing = signing.resale_prepare(deal_id=deal.deal_id, account=deal.buyer, price=30 * USD)
    forged = venue.prepare("taker", "fill_resale", deal_id=deal.deal_id, resale=listing.struct, signature=b"\1" * 65)
    assert (forged.simulation.ok, forged.simulation.name) == (False, "BadSignature")
    cheaper = replace(listing.struct, price=1)
    signature = sign("buyer", listing)
    forged = venue.prepare("taker", "fill_resale", deal_id=deal.deal_id, resale=cheaper, signature=signature)
    assert forged.simulation.name == "BadSignature"
    taking = {"deal_id": deal.deal_id, "resale": listing.struct, "signature": signature}
    venue.act("taker", "fill_resale", **taking)
    moved = now(deal)
    assert (moved.buyer, moved.payment) == (published.address("taker"), 250 * USD)
    assert committed(venue, moved)
    assert (free(venue, "buyer"), free(venue, "taker")) == (780 * USD, 970 * USD)
    assert refused(venue.prepare, "maker", "fill_resale", **taking) == (ErrorCode.CONFLICT, "resale.deal")

    leaving = signing.resale_prepare(deal_id=deal.deal_id, account=deal.seller, price=10 * USD, lister_pays=True)
    venue.act("buyer", "fill_resale", deal_id=deal.deal_id, resale=leaving.struct, signature=sign("seller", leaving))
    moved = now(deal)
    assert (moved.buyer, moved.seller) == (published.address("taker"), published.address("buyer"))
    assert committed(venue, moved)
    # the new seller locked 125 anew and was paid 10; the old one has his 125 back, less the 10
    assert (free(venue, "buyer"), free(venue, "seller")) == (665 * USD, 990 * USD)
    assert names(deal) == ["Filled", "Resold", "Resold"]
    assert [row.price for row in deal_detail(moved).transfers] == [30 * USD, 10 * USD]


def test_a_listing_is_taken_back(venue, deal):
    listing = signing.resale_prepare(deal_id=deal.deal_id, account=deal.buyer, price=30 * USD)
    word, bit = listing.struct.salt >> 8, listing.struct.salt & 0xFF
    assert f"word {word} and mask {1 << bit}" in "\n".join(listing.explanation)
    venue.act("buyer", "invalidate_nonces", word=word, mask=1 << bit)
    taking = {"deal_id": deal.deal_id, "resale": listing.struct, "signature": sign("buyer", listing)}
    assert refused(venue.prepare, "taker", "fill_resale", **taking) == (ErrorCode.OFFER_CONSUMED, "resale.salt")
    assert now(deal).buyer == deal.buyer


def test_both_close_a_deal_as_they_agree(venue, deal):
    agreed = signing.close_prepare(deal_id=deal.deal_id, to_buyer=300 * USD)
    both = {"buyer_signature": sign("buyer", agreed), "seller_signature": sign("seller", agreed)}
    swapped = {"buyer_signature": both["seller_signature"], "seller_signature": both["buyer_signature"]}
    wrong = venue.prepare("taker", "mutual_close", deal_id=deal.deal_id, close=agreed.struct, **swapped)
    assert (wrong.simulation.ok, wrong.simulation.name) == (False, "BadSignature")
    assert now(deal).outcome == DealOutcome.OPEN
    venue.act("taker", "mutual_close", deal_id=deal.deal_id, close=agreed.struct, **both)
    assert now(deal).outcome == DealOutcome.MUTUAL
    assert (free(venue, "buyer"), free(venue, "seller")) == (1_050 * USD, 950 * USD)
    assert refused(venue.prepare, "taker", "mutual_close", deal_id=deal.deal_id, close=agreed.struct, **both) == (
        ErrorCode.DEAL_NOT_OPEN,
        "deal_id",
    )


def test_a_party_closes_with_the_others_signature(venue, deal):
    agreed = signing.close_prepare(deal_id=deal.deal_id, to_buyer=250 * USD)
    venue.act(
        "buyer",
        "mutual_close",
        deal_id=deal.deal_id,
        close=agreed.struct,
        seller_signature=sign("seller", agreed),
    )
    assert (free(venue, "buyer"), free(venue, "seller")) == (1_000 * USD, 1_000 * USD)


# ---------------------------------------------------------------- deliveries outside the escrow


def prove(venue, deal, **given) -> None:
    """By anyone, on the attestor's signature."""
    said = signing.attestation_prepare(deal_id=deal.deal_id, evidence=EVIDENCE, **given)
    forged = venue.prepare(
        "taker", "attest", deal_id=deal.deal_id, attestation=said.struct, signature=sign("seller", said)
    )
    assert forged.simulation.name == "BadSignature"
    venue.act("taker", "attest", deal_id=deal.deal_id, attestation=said.struct, signature=sign("attestor", said))


def test_attested_in_part_and_finalized(venue, attested):
    prove(venue, attested, units=40)
    proved = now(attested)
    assert (proved.phase, proved.attested_units, proved.attestation_evidence) == (DealPhase.ATTESTED, 40, EVIDENCE)
    assert refused(venue.prepare, "taker", "finalize", deal_id=attested.deal_id) == (ErrorCode.TOO_EARLY, "deal_id")
    venue.pass_to(proved.phase_until + 1)
    prepared = venue.act("taker", "finalize", deal_id=attested.deal_id)
    fee = 100 * USD * attested.fee_bps // 10_000
    assert "The buyer gets 225 fUSDC for what was not delivered" in prepared.explanation
    assert now(attested).outcome == DealOutcome.SLASHED
    assert (free(venue, "buyer"), free(venue, "seller")) == (975 * USD, 1_025 * USD - fee)
    assert names(attested) == ["Filled", "Attested", "Settled"]


def test_attested_disputed_appealed_and_ruled(venue, attested):
    said = signing.attestation_prepare(deal_id=attested.deal_id, evidence=EVIDENCE)
    venue.act("attestor", "attest", deal_id=attested.deal_id, attestation=said.struct)
    assert refused(venue.prepare, "seller", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE) == (
        ErrorCode.CONFLICT,
        "deal_id",
    )
    venue.act("buyer", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    fought = now(attested)
    assert (fought.phase, fought.disputed_by, fought.bond) == (
        DealPhase.DISPUTED_BY_BUYER,
        attested.buyer,
        25 * USD,
    )
    assert free(venue, "buyer") == 725 * USD
    venue.act("arbitrator", "appeal", deal_id=attested.deal_id)
    longer = now(attested)
    assert (longer.appeals, longer.phase_until) == (1, fought.phase_until + 2 * DAY)
    refusal = refused(venue.prepare, "buyer", "rule", deal_id=attested.deal_id, to_seller=0)
    assert refusal == (ErrorCode.FORBIDDEN, "account")
    prepared = venue.act("arbitrator", "rule", deal_id=attested.deal_id, to_seller=150 * USD)
    assert "150 fUSDC go to the seller and 250 fUSDC to the buyer" in prepared.explanation
    assert now(attested).outcome == DealOutcome.RULED
    assert (free(venue, "buyer"), free(venue, "seller")) == (975 * USD, 1_025 * USD)
    assert names(attested) == ["Filled", "Attested", "Disputed", "Appealed", "Settled"]


def test_a_bond_comes_from_the_wallet_while_entry_is_paused(venue, attested):
    prove(venue, attested, units=40)
    token, bond = venue.token.address, 25 * USD
    venue.act("seller", "withdraw", token=token, amount=free(venue, "seller") - 5 * USD)
    venue.send("owner", venue.escrow, bindings.encode_pause_entry(venue.anvil.now() + DAY))
    venue.mine()
    prepared = venue.prepare("seller", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    assert [(issue["kind"], issue["needs"], issue["spender"]) for issue in prepared.issues] == [
        ("allowance", 20 * USD, venue.escrow)
    ]
    assert not prepared.simulation.ok
    assert refused(venue.prepare, "seller", "deposit", token=token, amount=1)[0] == ErrorCode.PAUSED
    venue.act("seller", "approve", token=token, amount=20 * USD)
    venue.act("seller", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    assert (now(attested).phase, now(attested).bond) == (DealPhase.DISPUTED_BY_SELLER, bond)
    assert free(venue, "seller") == 0
    venue.pass_to(now(attested).phase_until + 1)
    venue.act("taker", "rule_timeout", deal_id=attested.deal_id)
    assert free(venue, "seller") == 125 * USD + bond


def test_a_silent_attestor_is_disputed_and_nobody_rules(venue, attested):
    assert refused(venue.prepare, "buyer", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE) == (
        ErrorCode.CONFLICT,
        "deal_id",
    )
    venue.act("seller", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    fought = now(attested)
    assert (fought.phase, fought.disputed_by) == (DealPhase.DISPUTED_BY_SELLER, attested.seller)
    refusal = refused(venue.prepare, "taker", "rule_timeout", deal_id=attested.deal_id)
    assert refusal == (ErrorCode.TOO_EARLY, "deal_id")
    venue.pass_to(fought.phase_until + 1)
    assert refused(venue.prepare, "arbitrator", "rule", deal_id=attested.deal_id, to_seller=0) == (
        ErrorCode.DEADLINE_PASSED,
        "deal_id",
    )
    venue.act("taker", "rule_timeout", deal_id=attested.deal_id)
    assert now(attested).outcome == DealOutcome.TIMED_OUT
    assert (free(venue, "buyer"), free(venue, "seller")) == (1_000 * USD, 1_000 * USD)


def test_a_disputed_deal_is_still_closed_by_both(venue, attested):
    venue.act("seller", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    agreed = signing.close_prepare(deal_id=attested.deal_id, to_buyer=0)
    assert agreed.struct.to_seller == 400 * USD
    venue.act(
        "seller",
        "mutual_close",
        deal_id=attested.deal_id,
        close=agreed.struct,
        buyer_signature=sign("buyer", agreed),
    )
    assert (free(venue, "buyer"), free(venue, "seller")) == (750 * USD, 1_250 * USD)
