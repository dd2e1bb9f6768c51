"""The Python hashes and the contract's are the same: both sides are held to vectors.json (the other one in Vectors.t.sol)."""

import json
from pathlib import Path

from eth_utils.crypto import keccak

from escrow.contracts import hashing
from escrow.contracts.bindings import Deal, MarketTerms, Offer

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())


def account(number: int) -> str:
    return "0x" + f"{number:02x}" * 20


def digest(text: str) -> str:
    return "0x" + keccak(text=text).hex()


TERMS = MarketTerms(
    resolver=account(1),
    guardian=account(2),
    attestor=account(3),
    arbitrator=account(4),
    pay_token=account(5),
    kind=1,
    settlement=1,
    objection=86_401,
    min_window=86_402,
    max_window=86_403,
    challenge=86_404,
    arbitration_window=86_405,
    bond_bps=77,
    long_stop=1_900_000_000,
    max_ratio_num=12,
    max_ratio_den=13,
    rules_hash=digest("rules"),
)
OFFER = Offer(
    maker=account(6),
    taker=account(7),
    side=1,
    market=digest("market"),
    pay_token=account(8),
    units=101,
    payment=102,
    collateral=103,
    min_fill=104,
    max_fee_bps=105,
    expiry=106,
    epoch=107,
    salt=108,
    ref=digest("ref"),
)


def test_market_id():
    assert hashing.market_id(TERMS) == VECTORS["marketId"]


def test_offer_hash():
    assert hashing.offer_hash(OFFER, chain_id=424_242, contract=account(9)) == VECTORS["offerHash"]


def test_deal_id_and_hash():
    deal_id = hashing.deal_id(VECTORS["offerHash"], 55)
    assert deal_id == VECTORS["dealId"]
    deal = Deal(
        id=deal_id,
        market=digest("market"),
        buyer=account(10),
        seller=account(11),
        pay_token=account(12),
        units=201,
        payment=202,
        collateral=203,
        fee_bps=204,
        buyer_ref=digest("buyer's"),
        seller_ref=digest("seller's"),
        opened_at=205,
    )
    assert hashing.deal_hash(deal) == VECTORS["dealHash"]
