"""Wallets with keys, and offers they sign."""

from dataclasses import dataclass, replace
from itertools import count

from eth_account import Account

from otc.core import signatures
from points.domain.offers import SELL, OfferTerms, offer_hash
from points.models import MakerFunds, Market, Offer
from points.services import offers


@dataclass(frozen=True)
class Wallet:
    """A key of the tests' own."""

    key: str
    address: str

    def sign(self, digest: str) -> bytes:
        return signatures.sign_digest(bytes.fromhex(digest[2:]), self.key)


def wallet(number: int) -> Wallet:
    key = f"0x{number:064x}"
    return Wallet(key, Account.from_key(key).address.lower())


_salts = count(1)


def terms_of(market: Market, maker: str, **changes) -> OfferTerms:
    """A sell offer of 1000 units for 5000, with 2500 of collateral."""
    base = OfferTerms(
        maker=maker,
        taker="0x" + "00" * 20,
        side=SELL,
        market=market.market_id,
        pay_token=market.pay_token.address,
        units=1000,
        payment=5000,
        collateral=2500,
        min_fill=10,
        max_fee_bps=100,
        expiry=market.chain.head_time + 1000,
        epoch=0,
        salt=next(_salts),
        ref="0x" + "00" * 32,
    )
    return replace(base, **changes)


def digest_of(market: Market, terms: OfferTerms) -> str:
    return offer_hash(terms, chain_id=market.chain.chain_id, escrow_address=market.chain.escrow_address)


def give_funds(market: Market, maker: str, free: int) -> None:
    MakerFunds.objects.update_or_create(pay_token=market.pay_token, maker=maker, defaults={"free": free})


def post(market: Market, maker: Wallet, **changes) -> Offer:
    """Signs and posts an offer of `terms_of`."""
    terms = terms_of(market, maker.address, **changes)
    return offers.offer_post(market=market, terms=terms, signature=maker.sign(digest_of(market, terms)))
