"""What parties sign and hand to each other: listings of a place, closes, attestations. Typed data out; nothing is stored.

The database is only read. Who sends what was signed asks `escrow.services.transactions` for it.
"""

import secrets

from escrow.contracts import bindings, hashing, structs
from escrow.models import Deal
from escrow.services.tx import attested, closes, positions
from escrow.services.tx.call import Signable
from escrow.services.tx.lookup import now_of, open_deal_of
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS

LIFE = 7 * 86_400
SALT_BITS = 256


def resale_prepare(
    *,
    deal_id: str,
    account: str,
    price: int,
    lister_pays: bool = False,
    taker: str = ZERO_ADDRESS,
    expiry: int | None = None,
) -> Signable:
    """The listing of `account`'s place for `price` base units, which `lister_pays` or gets. Salt and epoch are filled in.

    Default `expiry`: in a week of chain time, or at the long-stop. Errors: NOT_FOUND, DEAL_NOT_OPEN, MARKET_NOT_OPEN, FORBIDDEN,
    AMOUNT_INVALID, INVALID, OFFER_EXPIRED.
    """
    deal = positions.tradable(deal_id)
    resale = bindings.Resale(
        deal=_hash(deal),
        side=positions.side_of(deal, account),
        price=price,
        lister_pays=lister_pays,
        taker=taker,
        expiry=min(now_of(deal.chain) + LIFE, deal.market.long_stop) if expiry is None else expiry,
        epoch=positions.epoch_of(deal, account),
        salt=secrets.randbits(SALT_BITS),
    )
    return positions.resale_to_sign(account, deal, resale)


def close_prepare(*, deal_id: str, to_buyer: int, deadline: int | None = None) -> Signable:
    """The end of a deal by both: the seller gets what `to_buyer` leaves of all that is locked. Default `deadline`: in a week.

    Errors: NOT_FOUND, DEAL_NOT_OPEN, AMOUNT_INVALID, DEADLINE_PASSED.
    """
    deal = open_deal_of(deal_id)
    locked = closes.locked_in(deal)
    if to_buyer > locked:
        raise DomainError(
            ErrorCode.AMOUNT_INVALID, f"From 0 to {locked} base units, all that the deal holds now.", field="to_buyer"
        )
    close = bindings.Close(
        deal=_hash(deal),
        to_buyer=to_buyer,
        to_seller=locked - to_buyer,
        deadline=now_of(deal.chain) + LIFE if deadline is None else deadline,
    )
    return closes.close_to_sign(deal, close)


def attestation_prepare(
    *, deal_id: str, evidence: str, units: int | None = None, valid_until: int | None = None
) -> Signable:
    """For the market's attestor. Default: all units, valid until the delivery window ends.

    Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, CONFLICT, TOO_EARLY, DEADLINE_PASSED, AMOUNT_INVALID.
    """
    deal = attested.attested_deal(deal_id)
    attestation = bindings.Attestation(
        deal=_hash(deal),
        units=deal.units if units is None else units,
        evidence=evidence,
        valid_until=attested.window_of(deal)[1] if valid_until is None else valid_until,
    )
    return attested.attestation_to_sign(deal, attestation)


def _hash(deal: Deal) -> str:
    return hashing.deal_hash(structs.deal_preimage(deal))
