from django.db import transaction

from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from points.models import PayToken
from points.services.validation import refuse_invalid

DECIMALS_MAX = 36  # as the table's constraint


@transaction.atomic
def pay_token_register(*, chain: Chain, address: str, symbol: str, decimals: int, allowed: bool = True) -> PayToken:
    """Makes a payment token known, with what its contract says of itself; again: brings symbol and `allowed` up to date.

    Errors: INVALID; CONFLICT when it is known with other decimals (amounts shown so far would change their meaning).
    """
    token = PayToken(chain=chain, address=address, symbol=symbol, decimals=decimals, allowed=allowed)
    refuse_invalid(token, fields=("address", "symbol", "decimals"))
    if decimals > DECIMALS_MAX:
        raise DomainError(ErrorCode.INVALID, f"A payment token has 0 to {DECIMALS_MAX} decimals.", field="decimals")
    known, created = PayToken.objects.get_or_create(
        chain=chain, address=address, defaults={"symbol": symbol, "decimals": decimals, "allowed": allowed}
    )
    if not created:
        if known.decimals != decimals:
            raise DomainError(
                ErrorCode.CONFLICT, f"{symbol} is known with {known.decimals} decimals.", field="decimals"
            )
        known.symbol, known.allowed = symbol, allowed
        known.save(update_fields=["symbol", "allowed"])
    return known
