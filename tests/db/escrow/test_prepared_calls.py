"""Calls of positions, matching, standing approvals, closes and attestations before any node is asked: what they say in money, what
they need, and every refusal with its field. All of it only reads.
"""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from escrow.contracts import bindings, hashing, structs
from escrow.models import Account, AccountKind, AutoDelivery, DealOutcome, DealPhase, DealTranche
from escrow.selectors.allowed import allowed, deal_detail
from escrow.selectors.balances import balances
from escrow.selectors.deals import deal_get, deal_view
from escrow.services import signing, transactions
from escrow.services.transactions import Action
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import Chain
from points.models import MakerEpoch, MakerNonces, Market, MarketStatus
from tests.support import rows, signed_offers

pytestmark = pytest.mark.django_db
USD = 10**6
DAY = 86_400
STRANGER = "0x" + "57" * 20
ATTESTOR, ARBITRATOR = "0x" + "a7" * 20, "0x" + "ab" * 20
EVIDENCE = "0x" + "ee" * 32
NOW = rows.START
UNTIL = NOW + DAY


@pytest.fixture
def chain():
    return rows.chain()


@pytest.fixture
def market(chain):
    return rows.market(chain)


@pytest.fixture
def attested(chain):
    return rows.market(
        chain,
        settlement=1,
        attestor=ATTESTOR,
        arbitrator=ARBITRATOR,
        challenge=3 * DAY,
        arbitration_window=7 * DAY,
        bond_bps=1_000,
    )


def reading(call, /, **given):
    """`call(**given)`, which must not write."""
    with CaptureQueriesContext(connection) as queries:
        try:
            return call(**given)
        finally:
            assert all(query["sql"].lstrip("( ").upper().startswith("SELECT") for query in queries), list(queries)


def built(action, account, **given):
    spec = transactions.ACTIONS[action]
    return reading(lambda: spec.build(account, spec.params(**given)))


def refused(call, *args, **given) -> tuple[ErrorCode, str]:
    with pytest.raises(DomainError) as caught:
        call(*args, **given)
    assert caught.value.detail.endswith((".", "?"))
    return caught.value.code, caught.value.field


def hash_of(deal) -> str:
    return hashing.deal_hash(structs.deal_preimage(deal))


def says(call, *parts):
    text = "\n".join(call.explanation)
    for part in parts:
        assert part in text, (part, text)


# ---------------------------------------------------------------- positions


def test_giving_a_place_away_says_what_goes_with_it(market):
    deal = rows.deal(market)
    call = built(Action.TRANSFER_POSITION, rows.BUYER, deal_id=deal.deal_id, to=STRANGER)
    says(
        call,
        "as buyer of 100 points",
        "250 USDT locked",
        "You get nothing",
        "gets 375 USDT without asking",
        "250 USDT back",
    )
    assert call.data == bindings.encode_transfer_position(structs.deal_preimage(deal), 0, STRANGER, "0x" + "00" * 32)
    assert call.needs == ()


def test_refused_transfers(market):
    deal = rows.deal(market)
    asked = {"deal_id": deal.deal_id, "to": STRANGER}
    for account in (STRANGER, rows.SELLER):
        assert refused(built, Action.TRANSFER_POSITION, account, **asked) == (ErrorCode.FORBIDDEN, "account")
    for to in (ZERO_ADDRESS, rows.ESCROW, rows.BUYER, rows.SELLER):
        assert refused(built, Action.TRANSFER_POSITION, rows.BUYER, **{**asked, "to": to}) == (ErrorCode.INVALID, "to")
    closed = rows.deal(market, outcome=DealOutcome.SLASHED)
    assert refused(built, Action.TRANSFER_POSITION, rows.BUYER, deal_id=closed.deal_id, to=STRANGER) == (
        ErrorCode.DEAL_NOT_OPEN,
        "deal_id",
    )
    Chain.objects.update(head_time=rows.LONG_STOP + 1)
    assert refused(built, Action.TRANSFER_POSITION, rows.BUYER, **asked) == (ErrorCode.MARKET_NOT_OPEN, "deal_id")
    Chain.objects.update(head_time=NOW)
    rows.terms(market)
    assert refused(built, Action.TRANSFER_POSITION, rows.BUYER, **asked) == (ErrorCode.MARKET_NOT_OPEN, "deal_id")


def listing(deal, account=rows.BUYER, **given):
    return reading(signing.resale_prepare, deal_id=deal.deal_id, account=account, **({"price": 40 * USD} | given))


def test_a_listing_is_typed_data_of_the_deal_as_it_is(market):
    deal = rows.deal(market)
    MakerEpoch.objects.create(chain=market.chain, maker=rows.BUYER, epoch=3)
    found = listing(deal)
    resale = found.struct
    assert (resale.deal, resale.side, resale.epoch, resale.taker) == (hash_of(deal), 0, 3, ZERO_ADDRESS)
    assert resale.expiry == NOW + 7 * DAY
    assert found.digest == hashing.resale_hash(resale, chain_id=31337, contract=rows.ESCROW)
    assert found.typed_data["message"]["price"] == str(40 * USD)
    assert found.signers == {"buyer": rows.BUYER}
    says(
        found, "Anyone who has this signature", "you get 40 USDT", "The 250 USDT locked as payment goes with the place"
    )
    says(found, f"word {resale.salt >> 8} and mask {1 << (resale.salt & 255)}")
    selling = listing(deal, rows.SELLER, lister_pays=True, taker=STRANGER)
    says(selling, to_checksum(STRANGER), "you pay 40 USDT", "125 USDT, comes back")
    assert listing(deal).struct.salt != resale.salt


def test_refused_listings(market):
    deal = rows.deal(market)
    assert refused(listing, deal, STRANGER) == (ErrorCode.FORBIDDEN, "account")
    assert refused(listing, deal, expiry=NOW - 1) == (ErrorCode.OFFER_EXPIRED, "expiry")
    assert refused(listing, deal, taker=rows.SELLER) == (ErrorCode.INVALID, "taker")
    assert refused(listing, deal, price=2**128) == (ErrorCode.AMOUNT_INVALID, "price")
    assert listing(deal, expiry=NOW).struct.expiry == NOW
    rows.terms(market)
    assert refused(listing, deal) == (ErrorCode.MARKET_NOT_OPEN, "deal_id")


def take(deal, resale, account=STRANGER):
    return built(Action.FILL_RESALE, account, deal_id=deal.deal_id, resale=resale, signature=b"\1" * 65)


def test_taking_a_place_says_what_is_paid_locked_and_risked(market):
    deal = rows.deal(market)
    call = take(deal, listing(deal).struct)
    says(call, "You become the buyer of 100 points", "You pay", "40 USDT", "you lock nothing more", "you get")
    assert [(need.kind, need.amount) for need in call.needs] == [("escrow_balance", 40 * USD)]
    sold = take(deal, listing(deal, rows.SELLER).struct)
    says(sold, "You lock 125 USDT as collateral", "you must deliver within the delivery window")
    assert [need.amount for need in sold.needs] == [165 * USD]
    paid = take(deal, listing(deal, rows.SELLER, lister_pays=True).struct)
    says(paid, "pays you 40 USDT")
    assert [need.amount for need in paid.needs] == [125 * USD]


def test_refused_takings(market):
    deal = rows.deal(market)
    resale = listing(deal, taker=STRANGER).struct
    other = "0x" + "07" * 20
    assert refused(take, deal, resale, other) == (ErrorCode.OFFER_NOT_FOR_YOU, "account")
    assert refused(take, deal, replace(resale, taker=ZERO_ADDRESS), rows.SELLER) == (ErrorCode.INVALID, "account")
    assert refused(take, deal, replace(resale, deal=EVIDENCE)) == (ErrorCode.CONFLICT, "resale.deal")
    assert refused(take, deal, replace(resale, epoch=1)) == (ErrorCode.OFFER_STALE_EPOCH, "resale.epoch")
    assert refused(take, deal, replace(resale, expiry=NOW - 1)) == (ErrorCode.OFFER_EXPIRED, "resale.expiry")
    assert refused(take, deal, replace(resale, price=2**128)) == (ErrorCode.AMOUNT_INVALID, "resale.price")
    used = MakerNonces.objects.create(
        chain=market.chain, maker=rows.BUYER, word=resale.salt >> 8, mask=1 << (resale.salt & 255)
    )
    assert refused(take, deal, resale) == (ErrorCode.OFFER_CONSUMED, "resale.salt")
    used.delete()
    deal.buyer = other  # it changed hands
    deal.save()
    assert refused(take, deal, resale) == (ErrorCode.CONFLICT, "resale.deal")
    Chain.objects.update(paused_until=NOW + 1)
    assert refused(take, deal, resale)[0] is ErrorCode.PAUSED


# ---------------------------------------------------------------- matching


@pytest.fixture
def makers(market):
    buyer, seller = signed_offers.wallet(501), signed_offers.wallet(502)
    for one in (buyer, seller):
        signed_offers.give_funds(market, one.address, 10**12)
    return buyer, seller


def pair(market, makers, **buys):
    buyer, seller = makers
    buy = signed_offers.post(market, buyer, side=0, **({"payment": 6_001, "collateral": 2_000} | buys))
    return buy, signed_offers.post(market, seller)


def match(buy, sell, **given):
    return built(Action.MATCH_OFFERS, STRANGER, buy=buy.offer_hash, sell=sell.offer_hash, **given)


def test_two_offers_meet_half_way(market, makers):
    buy, sell = pair(market, makers)
    call = match(buy, sell)
    # (5000 + 6001) // 2 and (2000 + 2500) // 2 base units
    says(call, "1,000 points", "for 0.0055 USDT", "0.005 USDT asked and 0.006001 USDT offered", "locks 0.00225 USDT")
    says(call, "pays gas, risks nothing else and gets nothing")
    assert call.needs == ()
    assert match(buy, sell, units=10).data != call.data


def test_refused_matches(market, makers):
    buy, sell = pair(market, makers)
    assert refused(match, sell, buy) == (ErrorCode.INVALID, "buy")
    assert refused(match, buy, buy) == (ErrorCode.INVALID, "sell")
    for units in (0, 9, 1_001):
        assert refused(match, buy, sell, units=units) == (ErrorCode.FILL_INVALID, "units")
    assert refused(built, Action.MATCH_OFFERS, STRANGER, buy=EVIDENCE, sell=sell.offer_hash) == (
        ErrorCode.NOT_FOUND,
        "buy",
    )
    cheap, _ = pair(market, makers, payment=4_999)
    assert refused(match, cheap, sell) == (ErrorCode.FILL_INVALID, "sell")
    safe, _ = pair(market, makers, collateral=2_501)
    assert refused(match, safe, sell) == (ErrorCode.FILL_INVALID, "sell")
    mine = signed_offers.post(market, makers[1], side=0, payment=6_000)
    assert refused(match, mine, sell) == (ErrorCode.OFFER_NOT_FOR_YOU, "sell")
    for_another = signed_offers.post(market, makers[0], side=0, payment=6_000, taker=STRANGER)
    assert refused(match, for_another, sell) == (ErrorCode.OFFER_NOT_FOR_YOU, "buy")
    elsewhere = rows.market(market.chain)
    signed_offers.give_funds(elsewhere, makers[0].address, 10**12)
    there = signed_offers.post(elsewhere, makers[0], side=0, payment=6_000)
    assert refused(match, there, sell) == (ErrorCode.INVALID, "sell")
    Market.objects.filter(pk=market.pk).update(status=MarketStatus.PROPOSED)
    assert refused(match, buy, sell) == (ErrorCode.MARKET_NOT_OPEN, "buy")


# ---------------------------------------------------------------- standing approvals


TOKEN = "0x" + "77" * 20
NEW = 10**18


def test_a_standing_approval_says_what_may_be_taken(market):
    given = {"market_id": market.market_id, "amount": 100 * NEW}
    assert refused(built, Action.SET_AUTO_DELIVER, rows.SELLER, **given) == (ErrorCode.INVALID, "token")
    assert refused(built, Action.SET_AUTO_DELIVER, rows.SELLER, **given, token=ZERO_ADDRESS) == (
        ErrorCode.INVALID,
        "token",
    )
    early = built(Action.SET_AUTO_DELIVER, rows.SELLER, **given, token=TOKEN)
    says(early, "base units of", "No terms are proposed yet")
    rows.terms(market)
    call = built(Action.SET_AUTO_DELIVER, rows.SELLER, **given)
    says(
        call,
        "up to 100 NEW from your wallet into your own deals",
        "Deliveries are possible from 2027-01-15 08:00:00 UTC",
    )
    assert [(need.kind, need.token, need.amount) for need in call.needs] == [("allowance", TOKEN, 100 * NEW)]
    other = built(Action.SET_AUTO_DELIVER, rows.SELLER, **given, token="0x" + "78" * 20)
    says(other, "name another token")
    ended = built(Action.SET_AUTO_DELIVER, rows.SELLER, **{**given, "amount": 0})
    says(ended, "Nobody may deliver NEW for you")
    assert ended.needs == ()


def test_an_attested_market_delivers_no_token(attested):
    given = {"market_id": attested.market_id, "amount": 1, "token": TOKEN}
    assert refused(built, Action.SET_AUTO_DELIVER, rows.SELLER, **given) == (ErrorCode.INVALID, "market_id")
    rows.terms(attested, token=ZERO_ADDRESS, token_symbol="", token_decimals=None)
    deal = rows.deal(attested)
    for action, account in ((Action.DELIVER, rows.SELLER), (Action.DELIVER_FOR, STRANGER)):
        assert refused(built, action, account, deal_id=deal.deal_id) == (ErrorCode.INVALID, "deal_id")


def test_anyone_delivers_what_is_due_and_allowed(market):
    rows.terms(market)
    deal = rows.deal(market)

    def deliver(**given):
        return built(Action.DELIVER_FOR, STRANGER, deal_id=deal.deal_id, **given)

    assert refused(deliver) == (ErrorCode.CONFLICT, "deal_id")
    standing = AutoDelivery.objects.create(
        chain=market.chain, seller=rows.SELLER, market_id=market.market_id, token=TOKEN, amount=40 * NEW
    )
    part = deliver()
    says(
        part,
        "40 NEW move from the seller's wallet",
        "The seller gets 149.5 USDT",
        "0 NEW are left then",
        "60 NEW are still due",
    )
    assert refused(deliver, amount=40 * NEW + 1) == (ErrorCode.AMOUNT_INVALID, "amount")
    standing.amount = 500 * NEW
    standing.save()
    DealTranche.objects.create(deal=deal, number=0, delivered=30 * NEW)
    says(deliver(), "70 NEW move", "430 NEW are left then")
    assert refused(deliver, amount=70 * NEW + 1) == (ErrorCode.AMOUNT_INVALID, "amount")
    Chain.objects.update(head_time=NOW + rows.WINDOW + 1)
    assert refused(deliver) == (ErrorCode.DEADLINE_PASSED, "deal_id")


# ---------------------------------------------------------------- mutual close


def closing(deal, to_buyer, **given):
    return reading(signing.close_prepare, deal_id=deal.deal_id, to_buyer=to_buyer, **given)


def close(deal, struct, account=STRANGER, **given):
    return built(Action.MUTUAL_CLOSE, account, deal_id=deal.deal_id, close=struct, **given)


def test_both_split_what_is_locked(market):
    deal = rows.deal(market)
    found = closing(deal, 300 * USD)
    assert (found.struct.to_seller, found.struct.deadline) == (75 * USD, NOW + 7 * DAY)
    assert found.signers == {"buyer": rows.BUYER, "seller": rows.SELLER}
    says(found, "300 USDT to the buyer, 75 USDT to the seller")
    both = {"buyer_signature": b"\1" * 65, "seller_signature": b"\2" * 65}
    says(close(deal, found.struct, **both), "300 USDT to the buyer", "without a fee and for good")
    assert close(deal, found.struct, rows.BUYER, seller_signature=b"\2" * 65).needs == ()
    assert refused(close, deal, found.struct, rows.BUYER) == (ErrorCode.INVALID, "seller_signature")
    assert refused(close, deal, found.struct, seller_signature=b"\2") == (ErrorCode.INVALID, "buyer_signature")
    assert refused(close, deal, replace(found.struct, deal=EVIDENCE), **both) == (ErrorCode.CONFLICT, "close.deal")
    for to_buyer in (300 * USD - 1, 300 * USD + 1):
        assert refused(close, deal, replace(found.struct, to_buyer=to_buyer), **both) == (
            ErrorCode.AMOUNT_INVALID,
            "close.to_buyer",
        )
    assert refused(close, deal, replace(found.struct, deadline=NOW - 1), **both) == (
        ErrorCode.DEADLINE_PASSED,
        "close.deadline",
    )
    assert refused(closing, deal, 375 * USD + 1) == (ErrorCode.AMOUNT_INVALID, "to_buyer")
    assert refused(closing, deal, 1, deadline=NOW - 1) == (ErrorCode.DEADLINE_PASSED, "deadline")
    closed = rows.deal(market, outcome=DealOutcome.MUTUAL)
    assert refused(closing, closed, 1) == (ErrorCode.DEAL_NOT_OPEN, "deal_id")


def test_a_close_splits_the_rest_after_a_delivery_and_the_bond_of_a_dispute(market, attested):
    rows.terms(market)
    part = rows.deal(market)
    DealTranche.objects.create(deal=part, number=0, delivered=40 * NEW)
    assert closing(part, 0).struct.to_seller == 225 * USD
    assert closing(disputed(attested), 0).struct.to_seller == 400 * USD


# ---------------------------------------------------------------- attestations


def in_window(market):
    return rows.terms(market, token=ZERO_ADDRESS, token_symbol="", token_decimals=None)


def proved(market, units=100, **given):
    values = {
        "phase": DealPhase.ATTESTED,
        "phase_until": UNTIL,
        "attested_units": units,
        "attestation_evidence": EVIDENCE,
    }
    return rows.deal(market, **(values | given))


def disputed(market, *, by=rows.BUYER, **given):
    phase = DealPhase.DISPUTED_BY_BUYER if by == rows.BUYER else DealPhase.DISPUTED_BY_SELLER
    values = {"phase": phase, "disputed_by": by, "dispute_evidence": EVIDENCE, "bond": 25 * USD}
    units = 100 if by == rows.BUYER else 60
    return proved(market, units, **(values | given))


def attesting(deal, **given):
    return reading(signing.attestation_prepare, deal_id=deal.deal_id, evidence=EVIDENCE, **given)


def attest(deal, struct, account=ATTESTOR, **given):
    return built(Action.ATTEST, account, deal_id=deal.deal_id, attestation=struct, **given)


def of(action, deal, account=STRANGER, **given):
    return built(action, account, deal_id=deal.deal_id, **given)


def test_an_attestation_of_all_and_of_a_part(attested):
    in_window(attested)
    deal = rows.deal(attested)
    found = attesting(deal)
    assert (found.struct.units, found.struct.valid_until) == (100, NOW + rows.WINDOW)
    assert found.signers == {"attestor": ATTESTOR}
    says(
        found,
        "100 points of 100 points",
        "No money moves yet",
        "3 days",
        "The seller gets 373.75 USDT",
        "fee of 1.25 USDT",
    )
    says(attest(deal, found.struct), "The seller gets 373.75 USDT")
    says(attest(deal, found.struct, STRANGER, signature=b"\1" * 65), "finalize")
    part = attesting(deal, units=40)
    says(part, "The seller gets 149.5 USDT", "The buyer gets 225 USDT for what was not delivered")


def test_refused_attestations(market, attested):
    deal = rows.deal(attested)
    assert refused(attesting, deal) == (ErrorCode.TOO_EARLY, "deal_id")
    in_window(attested)
    struct = attesting(deal).struct
    assert refused(attesting, rows.deal(market)) == (ErrorCode.INVALID, "deal_id")
    for units in (0, 101):
        assert refused(attesting, deal, units=units) == (ErrorCode.AMOUNT_INVALID, "units")
        assert refused(attest, deal, replace(struct, units=units)) == (ErrorCode.AMOUNT_INVALID, "attestation.units")
    assert refused(attesting, deal, valid_until=NOW - 1) == (ErrorCode.DEADLINE_PASSED, "valid_until")
    assert refused(attest, deal, struct, STRANGER) == (ErrorCode.INVALID, "signature")
    assert refused(attest, deal, replace(struct, deal=EVIDENCE)) == (ErrorCode.CONFLICT, "attestation.deal")
    assert refused(attesting, proved(attested)) == (ErrorCode.CONFLICT, "deal_id")
    late = replace(struct, valid_until=NOW + 10 * DAY)
    for moment, code in ((NOW - 1, ErrorCode.TOO_EARLY), (NOW + rows.WINDOW + 1, ErrorCode.DEADLINE_PASSED)):
        Chain.objects.update(head_time=moment)
        assert refused(attest, deal, late) == (code, "deal_id")


def test_a_dispute_says_what_it_locks_and_risks(attested):
    in_window(attested)
    call = of(Action.DISPUTE, proved(attested), rows.BUYER, evidence=EVIDENCE)
    says(
        call,
        "bond of 25 USDT",
        "7 days to split all of 400 USDT",
        "250 USDT to the buyer, 125 USDT to the seller, and the bond back to you",
    )
    for deal in (rows.deal(attested), proved(attested, units=60)):
        says(of(Action.DISPUTE, deal, rows.SELLER, evidence=EVIDENCE), "bond of 25 USDT")


@pytest.mark.parametrize(
    ("free", "sources", "needs"),
    [
        (30, "25 USDT of your free escrow balance.", [("escrow_balance", 25)]),
        (
            10,
            "10 USDT of your free escrow balance and 15 USDT out of your wallet.",
            [("escrow_balance", 10), ("allowance", 15), ("balance", 15)],
        ),
        (
            0,
            "0 USDT of your free escrow balance and 25 USDT out of your wallet.",
            [("allowance", 25), ("balance", 25)],
        ),
    ],
)
def test_a_bond_comes_from_the_free_balance_and_then_from_the_wallet(attested, free, sources, needs):
    in_window(attested)
    Chain.objects.update(paused_until=NOW + DAY)  # which stops deposits, and no dispute
    chain = attested.chain
    Account.objects.create(chain=chain, token=rows.TOKEN, kind=AccountKind.FREE, owner=rows.BUYER, balance=free * USD)
    call = of(Action.DISPUTE, proved(attested), rows.BUYER, evidence=EVIDENCE)
    says(call, f"bond of 25 USDT: {sources}")
    assert [(need.kind, need.amount) for need in call.needs] == [(kind, amount * USD) for kind, amount in needs]
    assert {need.token for need in call.needs} == {rows.TOKEN}


def test_refused_disputes(market, attested):
    in_window(attested)
    silent = rows.deal(attested)

    def dispute(deal, account=rows.BUYER):
        return of(Action.DISPUTE, deal, account, evidence=EVIDENCE)

    assert refused(dispute, rows.deal(market)) == (ErrorCode.INVALID, "deal_id")
    assert refused(dispute, silent, STRANGER) == (ErrorCode.FORBIDDEN, "account")
    assert refused(dispute, silent) == (ErrorCode.CONFLICT, "deal_id")  # the buyer of a silent attestor
    assert refused(dispute, proved(attested), rows.SELLER) == (ErrorCode.CONFLICT, "deal_id")  # all is attested
    assert refused(dispute, disputed(attested)) == (ErrorCode.CONFLICT, "deal_id")
    whole = proved(attested)
    Chain.objects.update(head_time=UNTIL + 1)
    assert refused(dispute, whole) == (ErrorCode.DEADLINE_PASSED, "deal_id")
    assert refused(dispute, silent, rows.SELLER) == (ErrorCode.DEADLINE_PASSED, "deal_id")


def test_finalizing_pays_as_attested(attested):
    whole, part = proved(attested), proved(attested, units=40)
    assert refused(of, Action.FINALIZE, whole) == (ErrorCode.TOO_EARLY, "deal_id")
    Chain.objects.update(head_time=UNTIL)
    assert refused(of, Action.FINALIZE, whole) == (ErrorCode.TOO_EARLY, "deal_id")
    Chain.objects.update(head_time=UNTIL + 1)
    says(of(Action.FINALIZE, whole), "The seller gets 373.75 USDT")
    says(of(Action.FINALIZE, part), "The seller gets 149.5 USDT", "The buyer gets 225 USDT")
    for other in (rows.deal(attested), disputed(attested)):
        assert refused(of, Action.FINALIZE, other) == (ErrorCode.CONFLICT, "deal_id")


def test_a_ruling_splits_the_pot(attested):
    deal = disputed(attested)
    says(
        of(Action.RULE, deal, ARBITRATOR, to_seller=100 * USD),
        "Of 400 USDT",
        "100 USDT go to the seller and 300 USDT to the buyer",
    )
    assert refused(of, Action.RULE, deal, ARBITRATOR, to_seller=400 * USD + 1) == (
        ErrorCode.AMOUNT_INVALID,
        "to_seller",
    )
    assert refused(of, Action.RULE, deal, rows.BUYER, to_seller=0) == (ErrorCode.FORBIDDEN, "account")
    assert refused(of, Action.RULE, proved(attested), ARBITRATOR, to_seller=0) == (ErrorCode.CONFLICT, "deal_id")
    says(of(Action.APPEAL, deal, ARBITRATOR), "by 7 days", "appeal 1 of 3")
    assert refused(of, Action.APPEAL, disputed(attested, appeals=3), ARBITRATOR) == (ErrorCode.CONFLICT, "deal_id")
    assert refused(of, Action.RULE_TIMEOUT, deal) == (ErrorCode.TOO_EARLY, "deal_id")
    assert refused(of, Action.RULE_TIMEOUT, proved(attested)) == (ErrorCode.CONFLICT, "deal_id")
    Chain.objects.update(head_time=UNTIL + 1)
    for action, given in ((Action.RULE, {"to_seller": 0}), (Action.APPEAL, {})):
        assert refused(of, action, deal, ARBITRATOR, **given) == (ErrorCode.DEADLINE_PASSED, "deal_id")
    says(of(Action.RULE_TIMEOUT, deal), "275 USDT to the buyer, 125 USDT to the seller")
    by_seller = disputed(attested, by=rows.SELLER)
    says(of(Action.RULE_TIMEOUT, by_seller), "250 USDT to the buyer, 150 USDT to the seller")


def test_what_is_attested_is_not_slashed(attested):
    in_window(attested)
    silent, whole = rows.deal(attested), proved(attested)
    Chain.objects.update(head_time=NOW + rows.WINDOW + 1)
    says(of(Action.SLASH, silent), "375 USDT go to the buyer")
    assert refused(of, Action.SLASH, whole) == (ErrorCode.CONFLICT, "deal_id")


def test_an_attested_market_is_settled_without_a_token(attested):
    attested.status = MarketStatus.OPEN
    attested.save()
    terms = {"market_id": attested.market_id, "ratio_num": 1, "ratio_den": 1, "start": NOW + 2 * DAY, "window": DAY}
    says(built(Action.PROPOSE, rows.RESOLVER, **terms), f"outside the escrow, attested by {to_checksum(ATTESTOR)}")
    for wrong, field in (({"token": TOKEN}, "token"), ({"tranches": 2, "tge_bps": 5_000, "period": 1}, "tranches")):
        assert refused(built, Action.PROPOSE, rows.RESOLVER, **terms, **wrong) == (ErrorCode.INVALID, field)
    plain = rows.market(attested.chain)
    assert refused(built, Action.PROPOSE, rows.RESOLVER, **{**terms, "market_id": plain.market_id}) == (
        ErrorCode.INVALID,
        "token",
    )


# ---------------------------------------------------------------- what a deal allows


def can(deal, now) -> set[tuple[str, str]]:
    Chain.objects.update(head_time=now)
    found = deal_detail(deal_get(deal.deal_id)).allowed
    return {(one.action, one.by) for one in found if one.action != "mutual_close"}


def test_what_is_allowed_now_follows_phase_and_time(market, attested):
    open_deal = rows.deal(market)
    moving = {("transfer_position", "buyer"), ("fill_resale", "anyone")}
    assert can(open_deal, NOW) == moving
    assert can(open_deal, rows.LONG_STOP) == moving
    Chain.objects.update(paused_until=NOW + 5)
    assert can(open_deal, NOW + 4) == moving - {("fill_resale", "anyone")}
    assert can(open_deal, NOW + 5) == moving
    assert can(open_deal, rows.LONG_STOP + 1) == {("refund", "anyone")}
    rows.terms(market)
    end = NOW + rows.WINDOW
    assert can(open_deal, NOW - 1) == set()
    assert can(open_deal, NOW) == can(open_deal, end) == {("deliver", "seller")}
    assert can(open_deal, end + 1) == {("slash", "anyone")}
    AutoDelivery.objects.create(
        chain=market.chain, seller=rows.SELLER, market_id=market.market_id, token=TOKEN, amount=1
    )
    assert can(open_deal, end) == {("deliver", "seller"), ("deliver_for", "anyone")}
    in_window(attested)
    silent, whole, part, fought = (
        rows.deal(attested),
        proved(attested),
        proved(attested, units=40),
        disputed(attested),
    )
    assert can(silent, end) == {("attest", "attestor"), ("dispute", "seller")}
    assert can(silent, end + 1) == {("slash", "anyone")}
    assert can(whole, UNTIL) == {("dispute", "buyer")}
    assert can(part, UNTIL) == {("dispute", "buyer"), ("dispute", "seller")}
    assert can(whole, UNTIL + 1) == {("finalize", "anyone")}
    assert can(fought, UNTIL) == {("rule", "arbitrator"), ("appeal", "arbitrator")}
    assert can(fought, UNTIL + 1) == {("rule_timeout", "anyone")}
    assert can(disputed(attested, appeals=3), UNTIL) == {("rule", "arbitrator")}
    closed = rows.deal(market, outcome=DealOutcome.SLASHED)
    assert allowed(deal_view(deal_get(closed.deal_id)), now=NOW) == []


def test_a_bond_is_locked_money_of_who_disputed(attested):
    deal = disputed(attested)
    (row,) = balances(rows.BUYER, chain=attested.chain)
    assert (row.locked.payment, row.locked.bond, row.locked.total) == (250 * USD, 25 * USD, 275 * USD)
    (row,) = balances(rows.SELLER, chain=attested.chain)
    assert (row.locked.collateral, row.locked.bond) == (125 * USD, 0)
    view = deal_view(deal_get(deal.deal_id))
    assert (view.bond_locked, view.deadline) == (25 * USD, UNTIL)
