"""Both parties end a deal as they agree, at any time."""

from escrow.contracts import bindings, hashing, structs
from escrow.models import Deal
from escrow.selectors.deals import deal_view
from escrow.services.tx import params
from escrow.services.tx.call import Call, Signable, signable
from escrow.services.tx.lookup import now_of, open_deal_of
from escrow.services.tx.wording import moment, pay_token_words, position_words
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum


def mutual_close(account: str, given: params.MutualClose) -> Call:
    """By anyone with both signatures; a party that sends it needs none of its own. Whether they are theirs is the simulation's
    to say. Errors: NOT_FOUND, DEAL_NOT_OPEN, CONFLICT, DEADLINE_PASSED, AMOUNT_INVALID, INVALID.
    """
    deal = open_deal_of(given.deal_id)
    close = given.close
    if close.deal != hashing.deal_hash(structs.deal_preimage(deal)):
        raise DomainError(
            ErrorCode.CONFLICT,
            "The deal has changed hands since this was signed: both sign anew.",
            field="close.deal",
        )
    check_close(deal, close, prefix="close.")
    for role, party, signature in (
        ("buyer", deal.buyer, given.buyer_signature),
        ("seller", deal.seller, given.seller_signature),
    ):
        if account != party and not signature:
            raise DomainError(
                ErrorCode.INVALID,
                f"The {role}, {to_checksum(party)}, must sign the same close: POST closes/prepare gives it.",
                field=f"{role}_signature",
            )
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_mutual_close(structs.deal_preimage(deal), close, given.buyer_signature, given.seller_signature),
        (_split_explained(deal, close), "The deal ends with that, without a fee and for good."),
    )


def close_to_sign(deal: Deal, close: bindings.Close) -> Signable:
    """Errors: DEADLINE_PASSED, AMOUNT_INVALID."""
    check_close(deal, close, prefix="")
    return signable(
        deal.chain,
        close,
        deal_id=deal.deal_id,
        signers={"buyer": deal.buyer, "seller": deal.seller},
        explanation=(
            _split_explained(deal, close),
            f"Both sign the same; whoever has both signatures may send it until {moment(close.deadline)}. Until then you can't take yours back.",
            (
                "It fails, and nothing moves, when what is locked changes meanwhile (a delivery, a slash, a dispute with a bond) or a place "
                "changes hands. An attestation does not end it."
            ),
        ),
    )


def locked_in(deal: Deal) -> int:
    """Payment, collateral and bond that an open deal still holds."""
    view = deal_view(deal)
    return view.payment_locked + view.collateral_locked + view.bond_locked


def check_close(deal: Deal, close: bindings.Close, *, prefix: str) -> None:
    """Errors: DEADLINE_PASSED, AMOUNT_INVALID."""
    if now_of(deal.chain) > close.deadline:
        raise DomainError(
            ErrorCode.DEADLINE_PASSED,
            f"It was good until {moment(close.deadline)}: sign a later one.",
            field=f"{prefix}deadline",
        )
    locked = locked_in(deal)
    if close.to_buyer + close.to_seller != locked:
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            f"The deal holds {locked} base units now, {pay_token_words(deal.pay_token).amount(locked)}: the two parts must sum to that.",
            field=f"{prefix}to_buyer",
        )


def _split_explained(deal: Deal, close: bindings.Close) -> str:
    money = pay_token_words(deal.pay_token).amount
    return (
        f"Ends the deal over {position_words(deal)}: {money(close.to_buyer)} to the buyer, {money(close.to_seller)} to the seller, "
        f"all that is locked in it."
    )
