"""Reserves a nonce, signs and stores; commits; then sends what is stored. A process may die between any two lines of this.

- before the commit: nothing was sent, nothing is known, the intents are still planned;
- after it: the bytes are in the table, and every later step sends those same bytes until one of its nonce is mined.
The same nonce can be mined once only, and the contract skips what is done: so nothing takes effect twice.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet

from escrow.keeper.batching import Batch
from escrow.keeper.envelope import Unsigned
from escrow.keeper.fees import Fees, bumped_fees, first_fees
from escrow.keeper.models import REASON_MAX, Attempt, Intent, IntentState, SendResult, Signer
from escrow.keeper.step import HaltError, PausedError, Step
from otc.core import clock
from otc.core.failpoints import reach
from otc.core.locks import lock_row, lock_rows

logger = logging.getLogger(__name__)
TAKEN = (SendResult.ACCEPTED, SendResult.KNOWN)


def batch_store(step: Step, batch: Batch) -> Attempt | None:
    """Signs `batch` at the signer's next nonce and stores it; its intents become SENT. One transaction, signed before it.

    None when another driver was quicker. Raises PausedError when fees, budget or balance forbid it.
    """
    row = Signer.objects.get(pk=step.signer_pk)
    if row.next_nonce is None:
        return None
    attempt = _signed(
        step,
        row,
        nonce=row.next_nonce,
        to=step.chain.escrow_address,
        calldata=batch.calldata,
        gas=_with_margin(step, batch.gas),
        fees=_first_fees(step, row),
    )
    reach("keeper.signed")
    with transaction.atomic():
        locked = lock_row(Signer.objects.filter(pk=step.signer_pk, next_nonce=row.next_nonce, halted=""))
        intents = lock_rows(Intent.objects.filter(pk__in=batch.intent_pks, state=IntentState.PLANNED))
        if locked is None or len(intents) != len(batch.intent_pks):
            return None
        attempt.save()
        locked.next_nonce = row.next_nonce + 1
        locked.save(update_fields=["next_nonce"])
        Intent.objects.filter(pk__in=batch.intent_pks).update(
            state=IntentState.SENT, attempt=attempt, judged_block=None, wait_until=None, detail=""
        )
        reach("keeper.stored")
    reach("keeper.committed")
    return attempt


def replacement_store(step: Step, slot: Sequence[Attempt]) -> Attempt:
    """Stores a dearer transaction at the nonce of `slot` (its attempts, oldest first), which is stuck.

    The same call again; or, when the node says that it would revert, an empty call to ourselves, and the intents are planned anew.
    Raises PausedError when the fee cap, the budget or the balance forbids it.
    """
    last = slot[-1]
    row = Signer.objects.get(pk=step.signer_pk)
    fees = bumped_fees(
        Fees(last.max_fee, last.priority_fee),
        base_fee=step.pulse.base_fee or 0,
        tip=step.pulse.tip,
        cap=row.fee_cap,
    )
    if fees is None:
        raise PausedError(
            f"Nonce {last.nonce} is stuck, and a replacement would cost more than the cap of {row.fee_cap} wei per gas."
        )
    cancels = last.send_result == SendResult.REVERTED
    attempt = _signed(
        step,
        row,
        nonce=last.nonce,
        to=step.signer.address if cancels else last.to,
        calldata=b"" if cancels else bytes(last.calldata),
        gas=_empty_call_gas(step) if cancels else last.gas,
        fees=fees,
    )
    attempt.replaces = last
    with transaction.atomic():
        lock_row(Signer.objects.filter(pk=step.signer_pk))
        intents = lock_rows(Intent.objects.filter(attempt__in=[one.pk for one in slot], state=IntentState.SENT))
        attempt.save()
        rows = Intent.objects.filter(pk__in=[intent.pk for intent in intents])
        if cancels:
            rows.update(state=IntentState.PLANNED, attempt=None)
        else:
            rows.update(attempt=attempt)
    reach("keeper.replaced")
    return attempt


def gap_store(step: Step, nonce: int) -> Attempt:
    """Stores an empty call to ourselves at a nonce below others of ours that nothing stands at: without it they are never mined.

    Raises PausedError when fees, budget or balance forbid it.
    """
    row = Signer.objects.get(pk=step.signer_pk)
    attempt = _signed(
        step,
        row,
        nonce=nonce,
        to=step.signer.address,
        calldata=b"",
        gas=_empty_call_gas(step),
        fees=_first_fees(step, row),
    )
    attempt.save()
    return attempt


def attempt_send(step: Step, attempt: Attempt) -> SendResult:
    """Sends the stored bytes and writes down the answer. Raises HaltError on an answer we don't know, PausedError when the
    signer is short of gas money or the node takes nothing now.
    """
    result, message = step.node.send(bytes(attempt.raw))
    reach("keeper.sent")
    attempt.send_result = result
    attempt.error = "" if result in TAKEN else message[:REASON_MAX]
    if result in TAKEN and attempt.broadcast_at is None:
        attempt.broadcast_at = clock.now()
    attempt.save(update_fields=["send_result", "error", "broadcast_at"])
    reach("keeper.recorded")
    logger.info("nonce %s, %s: %s %s", attempt.nonce, attempt.tx_hash, result, attempt.error)
    if result == SendResult.UNKNOWN:
        raise HaltError(f"The node answered nonce {attempt.nonce} with words we don't know: {message}")
    if result == SendResult.FUNDS_LOW:
        raise PausedError(f"{step.signer.address} is short of gas money: send it some {step.chain.currency}.")
    if result == SendResult.TRANSIENT:
        raise PausedError(f"The node takes no transactions now: {message}")
    return result


def _with_margin(step: Step, gas: int) -> int:
    return gas * step.policy.gas_margin_bps // 10_000


def _empty_call_gas(step: Step) -> int:
    """Of an empty call to ourselves: not the same on every chain."""
    found = step.node.estimate(sender=step.signer.address, to=step.signer.address, data="0x")
    if found.gas is None:
        raise PausedError(f"The node does not say what an empty call costs: {found.message}")
    return _with_margin(step, found.gas)


def _first_fees(step: Step, row: Signer) -> Fees:
    fees = first_fees(base_fee=step.pulse.base_fee or 0, tip=step.pulse.tip, cap=row.fee_cap)
    if fees is None:
        raise PausedError(f"Gas costs more than the cap of {row.fee_cap} wei.")
    return fees


def _signed(step: Step, row: Signer, *, nonce: int, to: str, calldata: bytes, gas: int, fees: Fees) -> Attempt:
    _require_money(step, row, nonce=nonce, cost=gas * fees.max_fee)
    signed = step.signer.sign(
        Unsigned(
            chain_id=step.chain.chain_id,
            nonce=nonce,
            to=to,
            calldata=calldata,
            gas=gas,
            fees=fees,
            legacy=step.pulse.base_fee is None,
        )
    )
    return Attempt(
        signer_id=step.signer_pk,
        nonce=nonce,
        tx_hash=signed.tx_hash,
        raw=signed.raw,
        to=to,
        calldata=calldata,
        gas=gas,
        max_fee=fees.max_fee,
        priority_fee=fees.priority_fee,
    )


def _require_money(step: Step, row: Signer, *, nonce: int, cost: int) -> None:
    """Counts everything at its highest fee: what waits to be mined, what was sent in the last hour, and `cost` at `nonce`. Wei. Of
    the attempts at one nonce one alone can be mined: the dearest counts.
    """
    waiting = Attempt.objects.filter(signer=row, nonce__gte=step.pulse.nonce_latest)
    needed = row.balance_floor + _highest_costs(waiting, {nonce: cost})
    if step.pulse.balance < needed:
        raise PausedError(
            f"{row.address} has {step.pulse.balance} wei; the next transaction, those on their way and the floor need {needed}."
        )
    if row.hourly_budget:
        recent = Attempt.objects.filter(signer=row, created_at__gt=clock.now() - timedelta(hours=1))
        if _highest_costs(recent, {nonce: cost}) > row.hourly_budget:
            raise PausedError(f"The gas budget of {row.hourly_budget} wei an hour is used up.")


def _highest_costs(attempts: QuerySet[Attempt], costs: dict[int, int]) -> int:
    """The sum over all nonces of the dearest attempt; `costs` are more of them. Wei."""
    highest = defaultdict(int, costs)
    for nonce, gas, max_fee in attempts.values_list("nonce", "gas", "max_fee"):
        highest[nonce] = max(highest[nonce], gas * max_fee)
    return sum(highest.values())
