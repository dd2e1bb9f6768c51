"""Makers without a plain key: Safes of one and of five owners, and an account that carries code (EIP-7702)."""

from dataclasses import asdict, replace
from itertools import count

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from escrow.contracts import bindings, hashing
from otc.stack import anvil as published
from tests.support.bare_escrow import BareEscrow, digest_of, fields_of
from tests.support.safe import SHIPPED, SafeFactory, address_of

DAY = 86_400
ZERO, ZERO_WORD = "0x" + "00" * 20, "0x" + "00" * 32
BUYER, KEEPER = published.address("buyer"), published.address("keeper")
OWNERS = [f"0x{number:064x}" for number in range(1_001, 1_006)]
STRANGER = f"0x{2_001:064x}"
SALTS = count(1)
BAD_SIGNATURE = keccak(text="BadSignature(address)")[:4]


@pytest.fixture
def venue(anvil):
    found = BareEscrow(anvil)
    found.fund(BUYER, 10**9)
    found.fund(KEEPER, 10**9)
    return found


@pytest.fixture
def factory(venue):
    return SafeFactory(venue)


@pytest.fixture
def market(venue):
    """The id of an open market with on-chain settlement."""
    terms = bindings.MarketTerms(
        resolver=published.address("resolver"),
        guardian=published.address("guardian"),
        attestor=ZERO,
        arbitrator=ZERO,
        pay_token=venue.token,
        kind=0,
        settlement=0,
        objection=DAY,
        min_window=DAY,
        max_window=DAY,
        challenge=0,
        arbitration_window=0,
        bond_bps=0,
        long_stop=venue.anvil.now() + 30 * DAY,
        max_ratio_num=0,
        max_ratio_den=0,
        rules_hash=ZERO_WORD,
    )
    venue.must(KEEPER, bindings.encode_create_market(terms))
    return hashing.market_id(terms)


def offer_of(venue, market, maker, *, side=1) -> bindings.Offer:
    return bindings.Offer(
        maker=maker,
        taker=ZERO,
        side=side,
        market=market,
        pay_token=venue.token,
        units=100,
        payment=1_000,
        collateral=500,
        min_fill=100,
        max_fee_bps=200,
        expiry=venue.anvil.now() + DAY,
        epoch=0,
        salt=next(SALTS),
        ref=ZERO_WORD,
    )


def digest(venue, kind, struct) -> bytes:
    """The hash by eth-account; the contract's own is compared in test_signatures_hashes."""
    names = [field["name"] for field in fields_of(kind)]
    return digest_of(venue.typed(kind, dict(zip(names, asdict(struct).values(), strict=True))))


def deal_in(receipt) -> bindings.Deal:
    for log in receipt["logs"]:
        event = bindings.decode_event(log["topics"], log["data"])
        if isinstance(event, bindings.Filled | bindings.Resold):
            return event.deal
    raise AssertionError("no deal in the logs")


def state(venue, *users) -> list[str]:
    """What a refused call could have changed."""
    calls = [bindings.encode_liabilities(venue.token)]
    for user in users:
        calls += [
            bindings.encode_balances(venue.token, user),
            bindings.encode_epochs(user),
            bindings.encode_nonces(user, 0),
        ]
    return venue.views(calls)


def refused(name, venue, sender, data, signer, deal=None) -> None:
    """BadSignature of exactly this signer; the transaction, sent anyway, changes nothing. `name` says what was tried."""
    watched = [bindings.encode_deals(deal.id)] if deal else []
    before = state(venue, signer, sender), venue.views(watched)
    assert venue.refusal(sender, data) == "0x" + (BAD_SIGNATURE + encode(["address"], [signer])).hex(), name
    assert venue.send(sender, data)["status"] == "0x0", name
    assert (state(venue, signer, sender), venue.views(watched)) == before, name


def wrong_signatures(safe, message: bytes, threshold: int):
    """By name: everything that is not `threshold` owners of this Safe in its order, for this message."""
    enough = safe.keys[:threshold]
    yield "none", b""
    yield "one too few", safe.sign(message, enough[:-1])
    yield "a stranger among them", safe.sign(message, [*enough[:-1], STRANGER])
    yield "another message", safe.sign(bytes(32), enough)
    by_owner = sorted(enough, key=address_of)
    plain = b"".join(bytes(Account.unsafe_sign_hash(message, key).signature) for key in by_owner)
    yield "the bare hash, not the Safe's message", plain
    yield "truncated", safe.sign(message, enough)[:-1]
    if threshold > 1:
        yield "unsorted", safe.sign(message, by_owner[::-1], ordered=False)
        yield "one owner twice", safe.sign(message, [*enough[:-1], enough[0]])


def closing(venue, deal, safe) -> tuple[bindings.Close, bytes]:
    close = bindings.Close(deal=hashing.deal_hash(deal), to_buyer=700, to_seller=800, deadline=venue.anvil.now() + DAY)
    assert deal.seller == safe.address
    return close, digest(venue, "Close", close)


@pytest.mark.parametrize(("owners", "threshold"), [(1, 1), (5, 3)])
def test_a_safe_fills_closes_and_takes_its_money_out(venue, factory, market, owners, threshold):
    safe = factory.make(OWNERS[:owners], threshold)
    keys = safe.keys[-threshold:]
    venue.fund(safe.address, 1_000)
    offer = offer_of(venue, market, safe.address)
    message = digest(venue, "Offer", offer)
    for name, signature in wrong_signatures(safe, message, threshold):
        refused(name, venue, BUYER, bindings.encode_fill(offer, signature, 100, ZERO_WORD), safe.address)
    deal = deal_in(venue.must(BUYER, bindings.encode_fill(offer, safe.sign(message, keys), 100, ZERO_WORD)))
    assert (deal.buyer, deal.seller, venue.free(safe.address)) == (BUYER, safe.address, 500)

    close, message = closing(venue, deal, safe)
    theirs = bytes(Account.unsafe_sign_hash(message, published.key("buyer")).signature)
    for name, signature in wrong_signatures(safe, message, threshold):
        refused(name, venue, KEEPER, bindings.encode_mutual_close(deal, close, theirs, signature), safe.address, deal)
    venue.must(KEEPER, bindings.encode_mutual_close(deal, close, theirs, safe.sign(message, keys)))
    assert venue.free(safe.address) == 1_300
    safe.act(venue.address, bindings.encode_withdraw(venue.token, 1_300, KEEPER), keys)
    assert venue.free(safe.address) == 0


@pytest.mark.parametrize(("owners", "threshold"), [(1, 1), (5, 3)])
def test_a_safe_sells_its_place(venue, factory, market, owners, threshold):
    safe = factory.make(OWNERS[:owners], threshold)
    keys = safe.keys[:threshold]
    venue.fund(safe.address, 1_000)
    offer = offer_of(venue, market, safe.address, side=0)
    signature = safe.sign(digest(venue, "Offer", offer), keys)
    deal = deal_in(venue.must(BUYER, bindings.encode_fill(offer, signature, 100, ZERO_WORD)))
    assert (deal.buyer, venue.free(safe.address)) == (safe.address, 0)
    resale = bindings.Resale(
        deal=hashing.deal_hash(deal),
        side=0,
        price=1_100,
        lister_pays=False,
        taker=ZERO,
        expiry=venue.anvil.now() + DAY,
        epoch=0,
        salt=next(SALTS),
    )
    message = digest(venue, "Resale", resale)
    for name, wrong in wrong_signatures(safe, message, threshold):
        refused(name, venue, KEEPER, bindings.encode_fill_resale(deal, resale, wrong, ZERO_WORD), safe.address, deal)
    right = safe.sign(message, keys)
    moved = deal_in(venue.must(KEEPER, bindings.encode_fill_resale(deal, resale, right, ZERO_WORD)))
    assert (moved.buyer, venue.free(safe.address)) == (KEEPER, 1_100)


def test_a_signature_of_one_safe_is_none_of_another_with_the_same_owners(venue, factory, market):
    one, other = factory.make(OWNERS, 3), factory.make(OWNERS, 3)
    venue.fund(one.address, 1_000)
    offer = offer_of(venue, market, one.address)
    message = digest(venue, "Offer", offer)
    data = bindings.encode_fill(offer, other.sign(message, OWNERS[:3]), 100, ZERO_WORD)
    refused("the other Safe", venue, BUYER, data, one.address)


def test_an_account_with_delegated_code_signs_with_its_key(venue, market):
    """EIP-7702, by a real set-code transaction; the code is a Safe's, which knows no owner here and answers nothing."""
    maker, key = published.address("maker"), published.key("maker")
    code = venue.deploy(SHIPPED / "Safe.sol" / "Safe.json")
    venue.fund(maker, 1_000)
    anvil = venue.anvil
    nonce = int(anvil.rpc("eth_getTransactionCount", maker, "latest"), 16)
    chain = {"chainId": anvil.chain_id}
    approval = Account.from_key(key).sign_authorization({**chain, "address": code, "nonce": nonce + 1})
    fees = {"maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9, "gas": 200_000, "value": 0, "data": "0x"}
    signed = Account.from_key(key).sign_transaction(
        {**chain, **fees, "type": 4, "to": to_checksum_address(KEEPER), "nonce": nonce, "authorizationList": [approval]}
    )
    sent = anvil.rpc("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    assert venue.receipt(sent)["status"] == "0x1"
    assert anvil.rpc("eth_getCode", maker, "latest") == "0xef0100" + code[2:]

    offer = offer_of(venue, market, maker)
    message = digest(venue, "Offer", offer)
    stranger = bytes(Account.unsafe_sign_hash(message, STRANGER).signature)
    refused("a stranger", venue, BUYER, bindings.encode_fill(offer, stranger, 100, ZERO_WORD), maker)
    other = replace(offer, payment=1)
    own = bytes(Account.unsafe_sign_hash(message, key).signature)
    refused("another offer", venue, BUYER, bindings.encode_fill(other, own, 100, ZERO_WORD), maker)
    venue.must(BUYER, bindings.encode_fill(offer, own, 100, ZERO_WORD))
    assert venue.free(maker) == 500
