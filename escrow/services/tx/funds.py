"""Money in, money out."""

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import bindings
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind, delivery_needs
from escrow.services.tx.lookup import require_entry_open, token_words
from escrow.services.tx.wording import pay_token_words
from otc.core.chains import chain_of
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import ZERO_ADDRESS, to_checksum
from points.models import PayToken

APPROVE = "0x" + keccak(text="approve(address,uint256)").hex()[:8]


def approve(account: str, given: params.TokenAmount) -> Call:  # noqa: ARG001 - all builders are called alike
    """Lets the escrow pull up to `amount`; 0 takes an approval back."""
    chain = chain_of(given.chain_id, given.escrow)
    token = token_words(chain, given.token)
    data = APPROVE + encode(["address", "uint256"], [chain.escrow_address, given.amount]).hex()
    escrow = to_checksum(chain.escrow_address)
    if given.amount == 0:
        said = f"The escrow {escrow} may no longer take {token.symbol or 'this token'} out of your wallet."
    else:
        said = f"The escrow {escrow} may take up to {token.amount(given.amount)} out of your wallet, when you deposit or deliver."
    return Call(chain, given.token, data, (said, "Nothing moves yet."))


def deposit(account: str, given: params.TokenAmount) -> Call:
    """Errors: NOT_FOUND, INVALID, AMOUNT_INVALID, PAUSED."""
    chain = chain_of(given.chain_id, given.escrow)
    row = PayToken.objects.filter(chain=chain, address=given.token).first()
    if row is None or not row.allowed:
        raise DomainError(
            ErrorCode.NOT_FOUND if row is None else ErrorCode.INVALID,
            "The escrow takes no deposits of this token: see GET pay-tokens for those it takes.",
            field="token",
        )
    require_positive(given.amount)
    require_entry_open(chain)
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_deposit(given.token, given.amount, account),
        (
            f"{pay_token_words(row).amount(given.amount)} moves from your wallet into your free escrow balance.",
            "You can withdraw it at any time, as long as no deal of yours has locked it. Nobody else can.",
        ),
        delivery_needs(given.token, given.amount),
    )


def withdraw(account: str, given: params.Withdraw) -> Call:
    """Errors: NOT_FOUND, INVALID, AMOUNT_INVALID."""
    chain = chain_of(given.chain_id, given.escrow)
    token = token_words(chain, given.token)
    require_positive(given.amount)
    to = given.to or account
    if to in {ZERO_ADDRESS, chain.escrow_address}:
        raise DomainError(ErrorCode.INVALID, "Money sent there would be lost: name a wallet.", field="to")
    where = "your wallet" if to == account else to_checksum(to)
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_withdraw(given.token, given.amount, to),
        (f"{token.amount(given.amount)} moves from your free escrow balance to {where}.",),
        (Need(NeedKind.ESCROW_BALANCE, given.token, given.amount),),
    )


def require_positive(amount: int, *, field: str = "amount") -> None:
    if amount <= 0:
        raise DomainError(ErrorCode.AMOUNT_INVALID, "More than 0 base units.", field=field)
