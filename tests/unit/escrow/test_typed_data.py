"""What wallets sign: our hashes, our typed data and eth-account's own encoding of it are one and the same."""

from dataclasses import fields, replace

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from escrow.contracts import hashing
from escrow.contracts.bindings import Attestation, Close, Offer, Resale
from points.domain.offers import OfferTerms
from points.domain.offers import typed_data as offer_typed_data

CHAIN, ESCROW = 31_337, "0x" + "e5" * 20
DEAL = "0x" + "d1" * 32
MAX = 2**256 - 1

OFFER = Offer(
    maker="0x" + "01" * 20,
    taker="0x" + "00" * 20,
    side=1,
    market="0x" + "aa" * 32,
    pay_token="0x" + "02" * 20,
    units=10,
    payment=20,
    collateral=30,
    min_fill=1,
    max_fee_bps=50,
    expiry=1_800_000_000,
    epoch=0,
    salt=MAX,
    ref="0x" + "00" * 32,
)
RESALE = Resale(
    deal=DEAL,
    side=1,
    price=2**64,
    lister_pays=True,
    taker="0x" + "03" * 20,
    expiry=1_800_000_000,
    epoch=7,
    salt=MAX,
)
CLOSE = Close(deal=DEAL, to_buyer=0, to_seller=2**128, deadline=1_800_000_000)
ATTESTATION = Attestation(deal=DEAL, units=100, evidence="0x" + "ee" * 32, valid_until=1_800_000_000)

CASES = [
    pytest.param(OFFER, hashing.offer_hash, id="offer"),
    pytest.param(RESALE, hashing.resale_hash, id="resale"),
    pytest.param(replace(RESALE, side=0, price=0, lister_pays=False), hashing.resale_hash, id="resale of nothing"),
    pytest.param(CLOSE, hashing.close_hash, id="close"),
    pytest.param(ATTESTATION, hashing.attestation_hash, id="attestation"),
]


def by_eth_account(struct) -> str:
    data = hashing.typed_data(struct, chain_id=CHAIN, contract=ESCROW)
    return "0x" + bytes(_hash_eip191_message(encode_typed_data(full_message=data))).hex()


@pytest.mark.parametrize(("struct", "digest_of"), CASES)
def test_the_hash_is_what_a_wallet_signs(struct, digest_of):
    assert digest_of(struct, chain_id=CHAIN, contract=ESCROW) == by_eth_account(struct)


@pytest.mark.parametrize(("struct", "digest_of"), CASES)
def test_every_field_chain_and_contract_is_bound(struct, digest_of):
    was = digest_of(struct, chain_id=CHAIN, contract=ESCROW)
    digests = {
        was,
        digest_of(struct, chain_id=CHAIN + 1, contract=ESCROW),
        digest_of(struct, chain_id=CHAIN, contract="0x" + "e6" * 20),
    }
    for field in fields(struct):
        value = getattr(struct, field.name)
        if isinstance(value, str):
            other = value[:-1] + ("1" if value[-1] != "1" else "2")
        else:
            other = not value if isinstance(value, bool) else value ^ 1
        changed = replace(struct, **{field.name: other})
        digests.add(digest_of(changed, chain_id=CHAIN, contract=ESCROW))
        assert digest_of(changed, chain_id=CHAIN, contract=ESCROW) == by_eth_account(changed), field.name
    assert len(digests) == 3 + len(fields(struct))


def test_a_members_order_is_the_structs():
    """The contract hashes the struct's words as they lie: names must stand in the order of its fields."""
    for kind, text in hashing.TYPES.items():
        _, members = hashing._members(text)
        snake = ["".join(f"_{c.lower()}" if c.isupper() else c for c in member["name"]) for member in members]
        assert snake == [field.name for field in fields(kind)]


def test_the_offer_of_the_book_is_signed_alike():
    terms = OfferTerms(**{field.name: getattr(OFFER, field.name) for field in fields(OFFER)})
    assert offer_typed_data(terms, chain_id=CHAIN, escrow_address=ESCROW) == hashing.typed_data(
        OFFER, chain_id=CHAIN, contract=ESCROW
    )
