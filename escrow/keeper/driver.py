"""One step of the keeper on one chain: plan, confirm, send again, replace, send new. Steppable by hand; it never waits."""

import logging
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from escrow.contracts import bindings, words
from escrow.keeper import planner
from escrow.keeper.batching import next_batch
from escrow.keeper.calls import DIRECT, WITHIN
from escrow.keeper.confirming import Slot, confirm
from escrow.keeper.kms import ForeignSignatureError, KeyServiceError
from escrow.keeper.models import Attempt, Intent, IntentState, SendResult, Signer
from escrow.keeper.node import Node, NodeUnavailableError, Pulse
from escrow.keeper.policy import DEFAULT, Policy
from escrow.keeper.rpc import RpcNode
from escrow.keeper.sending import TAKEN, attempt_send, batch_store, gap_store, replacement_store
from escrow.keeper.services import signer_balance_note, signer_halt, signer_notice
from escrow.keeper.signer import Allowed, GuardedSigner, TransactionSigner, from_settings
from escrow.keeper.step import HaltError, PausedError, Step, ready_at
from otc.core import clock, flags
from otc.core.locks import advisory_lock, lock_row
from otc.core.models import Chain, FlagName

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What a step did. `idle_because` says why it sent nothing, when something kept it from sending."""

    planned: int = 0
    sent: int = 0
    waiting: int = 0
    idle_because: str = ""


def drive_once(
    *, chain_id: int, node: Node | None = None, signer: TransactionSigner | None = None, policy: Policy = DEFAULT
) -> Report:
    """Plans, then drives this process's signer one step on the chain. Two drivers of a signer at once: one does nothing.

    Asks the node, and a key service, outside of transactions only.
    """
    planned = planner.plan(chain_id=chain_id)
    chain = Chain.objects.filter(pk=chain_id, active=True).first()
    if chain is None or chain.head_number is None:
        return Report(planned, idle_because="The chain has not been read yet.")
    if chain.halted:
        return Report(planned, idle_because="The chain's reader has halted.")
    try:
        signer = signer or from_settings()
    except KeyServiceError as error:
        return Report(planned, idle_because=f"The key service does not answer: {error}")
    if signer is None:
        return Report(planned, idle_because="No keeper key is set.")
    with advisory_lock(f"keeper:{chain.chain_id}:{signer.address}") as got:
        if not got:
            return Report(planned, idle_because="Another driver is at work.")
        return _drive_locked(chain, node or RpcNode(chain), signer, policy, planned)


def allowed_calls(chain: Chain) -> Allowed:
    """What the keeper's key may sign: these calls of the escrows of this chain."""
    escrows = Chain.objects.filter(chain_id=chain.chain_id).values_list("escrow_address", flat=True)

    def calls(starts: tuple[str, ...]) -> frozenset[tuple[str, bytes]]:
        selectors = [
            words.raw(value) for signature, value in bindings.SELECTORS.items() if signature.startswith(starts)
        ]
        return frozenset((escrow, selector) for escrow in escrows for selector in selectors)

    return Allowed(direct=calls(DIRECT), within=calls(WITHIN))


def _nothing_to_do(chain: Chain, row: Signer) -> bool:
    """No intent can go on and every nonce is final: the node need not be asked."""
    wanted = Q(state=IntentState.PLANNED) & ready_at(chain.head_time)
    if Intent.objects.filter(wanted | Q(state__in=[IntentState.SENT, IntentState.MINED]), chain=chain).exists():
        return False
    return row.next_nonce is None or row.next_nonce == row.final_nonce


def _drive_locked(chain: Chain, node: Node, signer: TransactionSigner, policy: Policy, planned: int) -> Report:
    row, _ = Signer.objects.get_or_create(chain_id=chain.chain_id, address=signer.address)
    if row.halted:
        return Report(planned, idle_because=row.halted)
    if _nothing_to_do(chain, row):
        signer_notice(signer_pk=row.pk, reason="")
        return Report(planned)
    sent: list[int] = []
    waiting: list[Slot] = []
    reason = ""
    try:
        pulse = node.pulse(row.address, safe_number=chain.safe_number or 0)
        signer_balance_note(signer_pk=row.pk, balance=pulse.balance)
        _check_nonces(chain, row, pulse)
        guarded = GuardedSigner(signer, allowed=allowed_calls(chain))
        step = Step(chain=chain, signer_pk=row.pk, node=node, signer=guarded, policy=policy, pulse=pulse)
        waiting = confirm(step)
        _fill_gaps(step, sent)
        _send_again(step, waiting, sent)
        _send_new(step, len(waiting), sent)
    except (HaltError, ForeignSignatureError) as error:
        reason = str(error)
        logger.critical("keeper %s on %s halts: %s", row.address, chain, reason)
        signer_halt(signer_pk=row.pk, reason=reason)
    except PausedError as error:
        reason = str(error)
    except NodeUnavailableError as error:
        reason = f"No endpoint answers: {error}"
    except KeyServiceError as error:
        reason = f"The key service does not answer: {error}"
    signer_notice(signer_pk=row.pk, reason=reason)
    return Report(planned, sent=len(sent), waiting=len(waiting), idle_because=reason)


def _check_nonces(chain: Chain, row: Signer, pulse: Pulse) -> None:
    """Compares the node's counts with ours. The first time, and after a halt, goes on from the node's count; and again when a reorg
    took back what was counted then, for what a person found to be settled was not final yet.
    """
    if row.next_nonce is None:
        _take_over_count(row, pulse)
        return
    counted = max(pulse.nonce_latest, pulse.nonce_pending)
    if counted > row.next_nonce:
        raise HaltError(
            f"The node counts {counted} transactions of this key, the keeper made {row.next_nonce}: somebody else signs with it."
        )
    if pulse.nonce_latest < row.final_nonce:
        if pulse.number < (chain.head_number or 0):
            raise PausedError("The node is behind what was already final: it lags.")
        _take_over_count(row, pulse)


def _take_over_count(row: Signer, pulse: Pulse) -> None:
    """What is below the node's count is settled, whoever sent it: its intents are judged anew. What we have stored above it
    goes on. Raises PausedError while transactions wait that we know nothing of.
    """
    ours = Attempt.objects.filter(signer=row, nonce__gte=pulse.nonce_latest).order_by("-nonce").first()
    next_nonce = ours.nonce + 1 if ours is not None else pulse.nonce_latest
    if pulse.nonce_pending > next_nonce:
        raise PausedError("Transactions of this key that the keeper does not know wait to be mined.")
    with transaction.atomic():
        lock_row(Signer.objects.filter(pk=row.pk))
        row.next_nonce, row.final_nonce = next_nonce, pulse.nonce_latest
        row.save(update_fields=["next_nonce", "final_nonce"])
        Intent.objects.filter(
            attempt__signer=row,
            attempt__nonce__lt=pulse.nonce_latest,
            state__in=[IntentState.SENT, IntentState.MINED],
        ).update(state=IntentState.PLANNED, attempt=None)


def _require_not_paused() -> None:
    if flags.is_on(FlagName.PAUSE_KEEPER):
        raise PausedError("Paused by the operators.")


def _fill_gaps(step: Step, sent: list[int]) -> None:
    """Fills nonces that the chain waits for and nothing of ours stands at: a stranger's transaction stood there, a person let the
    signer go on above it, and a reorg took it back.
    """
    row = Signer.objects.get(pk=step.signer_pk)
    awaited = range(step.pulse.nonce_latest, row.next_nonce or 0)
    held = set(Attempt.objects.filter(signer=row, nonce__in=awaited).values_list("nonce", flat=True))
    for nonce in awaited:
        if nonce not in held:
            _require_not_paused()
            attempt_send(step, gap_store(step, nonce))
            sent.append(nonce)


def _send_again(step: Step, waiting: list[Slot], sent: list[int]) -> None:
    """Sends stored bytes that the node does not have, in order of nonce; replaces the first nonce when it is stuck."""
    if not waiting:
        return
    known = step.node.known([slot.attempts[-1].tx_hash for slot in waiting])
    for index, (slot, is_known) in enumerate(zip(waiting, known, strict=True)):
        _require_not_paused()
        last = slot.attempts[-1]
        if last.send_result == SendResult.UNDERPRICED or (last.send_result == SendResult.REVERTED and not is_known):
            attempt_send(step, replacement_store(step, slot.attempts))
            sent.append(slot.nonce)
        elif not is_known or last.broadcast_at is None:
            attempt_send(step, last)
            sent.append(slot.nonce)
        elif index == 0 and last.broadcast_at < clock.now() - step.policy.stuck_after:
            attempt_send(step, replacement_store(step, slot.attempts))
            sent.append(slot.nonce)


def _send_new(step: Step, in_flight: int, sent: list[int]) -> None:
    for _ in range(step.policy.max_in_flight - in_flight):
        _require_not_paused()
        batch = next_batch(step)
        attempt = batch_store(step, batch) if batch is not None else None
        if attempt is None:
            return
        sent.append(attempt.nonce)
        if attempt_send(step, attempt) not in TAKEN:
            return
