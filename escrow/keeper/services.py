"""Stopping and starting again what the keeper does, and what it may spend."""

from django.db import transaction

from escrow.keeper.models import REASON_MAX, Intent, IntentState, Signer
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import UINT256_MAX
from otc.core.locks import lock_row, lock_rows


def signer_halt(*, signer_pk: int, reason: str) -> None:
    """Stops the signer for a person."""
    Signer.objects.filter(pk=signer_pk).update(halted=reason[:REASON_MAX])


def signer_notice(*, signer_pk: int, reason: str) -> None:
    """Says why nothing is sent now; empty: all is well."""
    Signer.objects.filter(pk=signer_pk).exclude(notice=reason[:REASON_MAX]).update(notice=reason[:REASON_MAX])


def signer_balance_note(*, signer_pk: int, balance: int) -> None:
    """Writes down what the node says the signer has. Wei."""
    Signer.objects.filter(pk=signer_pk).exclude(balance=balance).update(balance=balance)


def signer_resume(*, signer_pk: int) -> None:
    """After a person has looked: the halt ends, and the next step takes the chain's count of transactions as it is."""
    Signer.objects.filter(pk=signer_pk).update(halted="", notice="", next_nonce=None)


@transaction.atomic
def signer_limits_set(*, signer_pk: int, balance_floor: int, fee_cap: int, hourly_budget: int) -> Signer:
    """What it may spend, in wei: the columns say of what each is. From its next transaction on. Locks the signer.

    Errors: NOT_FOUND, INVALID naming the field.
    """
    limits = {"balance_floor": balance_floor, "fee_cap": fee_cap, "hourly_budget": hourly_budget}
    for name, value in limits.items():
        if not 0 <= value <= UINT256_MAX:
            raise DomainError(ErrorCode.INVALID, f"{name}: 0 wei or more.", field=name)
    signer = lock_row(Signer.objects.filter(pk=signer_pk))
    if signer is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such signer.")
    signer.balance_floor, signer.fee_cap, signer.hourly_budget = balance_floor, fee_cap, hourly_budget
    signer.save(update_fields=list(limits))
    return signer


def intents_doubt(*, chain_id: int) -> None:
    """Of a chain that is read anew: what was done or moot there is so no longer but by what the fold will say. Locks the intents;
    needs a transaction.
    """
    settled = Intent.objects.filter(chain=chain_id, state__in=[IntentState.DONE, IntentState.MOOT])
    locked = [intent.pk for intent in lock_rows(settled.only("pk"))]
    Intent.objects.filter(pk__in=locked).update(state=IntentState.MOOT, judged_block=0, attempt=None)


@transaction.atomic
def intent_retry(*, intent_pk: int) -> Intent:
    """After a person has looked: FAILED → PLANNED, with its reverts forgotten. Locks the intent. Errors: NOT_FOUND, CONFLICT."""
    intent = lock_row(Intent.objects.filter(pk=intent_pk))
    if intent is None:
        raise DomainError(ErrorCode.NOT_FOUND, "There is no such intent.")
    if intent.state != IntentState.FAILED:
        raise DomainError(ErrorCode.CONFLICT, f"Only a failed intent is tried again; this one is {intent.state}.")
    intent.state, intent.attempt, intent.detail = IntentState.PLANNED, None, ""
    intent.reverts, intent.judged_block, intent.wait_until = 0, None, None
    intent.save()
    return intent
