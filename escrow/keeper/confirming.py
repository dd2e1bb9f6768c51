"""Follows every nonce from the first one that is not final: mined or not, on the canonical chain or not, final or not.

A receipt counts only when its block is canonical: in our table of blocks, or, where the table has no block of that height, on
the node at that height. Cases of one nonce:
- mined, and final by the reader of the escrow that was called: its intents are DONE, and the nonce is never looked at again;
- mined, not final: MINED;
- was mined, no longer (reorg): back to SENT; the stored bytes go out again;
- mined but reverted: its intents are planned anew, FAILED after the third time, deliveries after the fifth; the nonce is followed to
  the end all the same;
- not mined, and the account's count at the safe block is already past it: somebody else used our key → halt.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from escrow.domain.duties import DELIVERIES
from escrow.keeper.models import Attempt, Intent, IntentState, Signer
from escrow.keeper.node import Receipt
from escrow.keeper.step import HaltError, Step
from escrow.models import Block
from otc.core.failpoints import reach
from otc.core.locks import lock_row, lock_rows
from otc.core.models import Chain


@dataclass(slots=True)
class Slot:
    """All attempts at one nonce, oldest first, and which of them the canonical chain holds."""

    nonce: int
    attempts: list[Attempt]
    mined: Attempt | None = None
    receipt: Receipt | None = None
    final: bool = False
    seen_anywhere: bool = False


def confirm(step: Step) -> list[Slot]:
    """Asks for the receipts of all nonces that are not final, writes down what follows, and returns those not mined.

    Raises HaltError when a stranger used one of our nonces.
    """
    row = Signer.objects.get(pk=step.signer_pk)
    slots = _open_slots(row)
    _look_up(step, slots)
    unseen = [slot for slot in slots if not slot.seen_anywhere and slot.nonce < step.pulse.nonce_safe]
    for slot in _used_by_others(step, unseen) if unseen else ():
        raise HaltError(f"Nonce {slot.nonce} was used by a transaction that the keeper did not send.")
    reach("keeper.looked")
    if slots:
        _write(step, slots)
        reach("keeper.confirmed")
    return [slot for slot in slots if slot.mined is None]


def _open_slots(row: Signer) -> list[Slot]:
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in Attempt.objects.filter(signer=row, nonce__gte=row.final_nonce).order_by("nonce", "pk"):
        attempts[attempt.nonce].append(attempt)
    return [Slot(nonce, group) for nonce, group in attempts.items()]


def _look_up(step: Step, slots: Sequence[Slot]) -> None:
    """Fills in mined, receipt, final and seen_anywhere."""
    hashes = _hashes(slots)
    if hashes:
        _take_in(step, slots, step.node.receipts(hashes))


def _used_by_others(step: Step, slots: Sequence[Slot]) -> list[Slot]:
    """Which of them are counted and hold nothing of ours, by one endpoint: the answers so far may have come from one that had the
    count and one that lagged.
    """
    safe_number = step.chain.safe_number or 0
    counted, found = step.node.counted(step.signer.address, _hashes(slots), safe_number=safe_number)
    _take_in(step, slots, found)
    return [slot for slot in slots if not slot.seen_anywhere and slot.nonce < counted]


def _hashes(slots: Sequence[Slot]) -> list[str]:
    return [attempt.tx_hash for slot in slots for attempt in slot.attempts]


def _take_in(step: Step, slots: Sequence[Slot], found: Sequence[Receipt | None]) -> None:
    """`found`: a receipt, or none, for each attempt of the slots in order."""
    pairs = [(slot, attempt) for slot in slots for attempt in slot.attempts]
    receipts = {attempt.pk: receipt for (_, attempt), receipt in zip(pairs, found, strict=True) if receipt is not None}
    canonical = _canonical(step, list(receipts.values()))
    finals = _finals(step) if receipts else {}
    for slot, attempt in pairs:
        receipt = receipts.get(attempt.pk)
        if receipt is None:
            continue
        slot.seen_anywhere = True
        if receipt.block_hash in canonical:
            slot.mined, slot.receipt = attempt, receipt
            final_number = finals.get(attempt.to, step.chain.final_number)
            slot.final = final_number is not None and receipt.block_number <= final_number


def _finals(step: Step) -> dict[str, int | None]:
    """Up to where the chain is final, by escrow: each has a policy and a reader of its own, and the keeper's nonces are of both."""
    rows = Chain.objects.filter(chain_id=step.chain.chain_id)
    return dict(rows.values_list("escrow_address", "final_number"))


def _canonical(step: Step, receipts: Sequence[Receipt]) -> set[str]:
    """Which of the receipts' blocks are canonical."""
    numbers = {receipt.block_number for receipt in receipts}
    ours = dict(
        Block.objects.filter(chain=step.chain, number__in=numbers, canonical=True).values_list("number", "hash")
    )
    missing = sorted(numbers - set(ours))
    theirs = dict(zip(missing, step.node.block_hashes(missing) if missing else [], strict=True))
    return {
        receipt.block_hash
        for receipt in receipts
        if receipt.block_hash == ours.get(receipt.block_number, theirs.get(receipt.block_number))
    }


@transaction.atomic
def _write(step: Step, slots: Sequence[Slot]) -> None:
    row = lock_row(Signer.objects.filter(pk=step.signer_pk))
    assert row is not None  # noqa: S101 - signers are never deleted while their driver runs
    attempts = [attempt.pk for slot in slots for attempt in slot.attempts]
    lock_rows(Intent.objects.filter(attempt__in=attempts, state__in=[IntentState.SENT, IntentState.MINED]).only("pk"))
    for slot in slots:
        _write_attempts(slot)
        _write_intents(step, slot)
    final = {slot.nonce for slot in slots if slot.final}
    nonce = row.final_nonce
    while nonce in final:
        nonce += 1
    if nonce != row.final_nonce:
        row.final_nonce = nonce
        row.save(update_fields=["final_nonce"])
    reach("keeper.confirming")


def _write_attempts(slot: Slot) -> None:
    """Sets the place of the mined attempt and clears that of the others."""
    for attempt in slot.attempts:
        receipt = slot.receipt if attempt is slot.mined else None
        place = (receipt.block_number, receipt.block_hash, receipt.succeeded) if receipt else (None, None, None)
        if (attempt.block_number, attempt.block_hash, attempt.succeeded) != place:
            attempt.block_number, attempt.block_hash, attempt.succeeded = place
            attempt.save(update_fields=["block_number", "block_hash", "succeeded"])


def _write_intents(step: Step, slot: Slot) -> None:
    intents = Intent.objects.filter(attempt__in=slot.attempts, state__in=[IntentState.SENT, IntentState.MINED])
    if slot.mined is None or slot.receipt is None:
        intents.filter(state=IntentState.MINED).update(state=IntentState.SENT)
    elif slot.receipt.succeeded:
        intents.update(state=IntentState.DONE if slot.final else IntentState.MINED, attempt=slot.mined)
    else:
        _write_reverted(intents.filter(action__in=DELIVERIES), slot.mined, most=step.policy.max_delivery_reverts)
        _write_reverted(intents.exclude(action__in=DELIVERIES), slot.mined, most=step.policy.max_reverts)


def _write_reverted(intents: QuerySet[Intent], attempt: Attempt, *, most: int) -> None:
    last = Q(reverts__gte=most - 1)
    intents.update(
        state=Case(When(last, then=Value(IntentState.FAILED)), default=Value(IntentState.PLANNED)),
        reverts=F("reverts") + 1,
        attempt=Case(When(last, then=Value(attempt.pk)), default=Value(None)),
        detail=f"reverted in {attempt.tx_hash}",
    )
