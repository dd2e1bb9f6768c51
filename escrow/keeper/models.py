"""What the keeper wants, what it sent, and who signs."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from escrow.domain import intents
from escrow.domain.duties import Duty
from otc.core.fields import AddressField, Hash32Field, Uint256Field
from otc.core.models import Chain

REASON_MAX = 300


class Signer(models.Model):
    """A key of ours on one chain. Its row is locked while a nonce is reserved.

    A chain counts the transactions of an account whatever they call: one row serves all escrows of the chain.
    """

    chain_id = models.PositiveBigIntegerField(help_text="The chain's own number (EIP-155).")
    address = AddressField()
    next_nonce = models.PositiveBigIntegerField(null=True, help_text="Null: ask the node before the first use.")
    final_nonce = models.PositiveBigIntegerField(default=0, help_text="Transactions below it are final.")
    halted = models.CharField(
        max_length=REASON_MAX, blank=True, help_text="Why it stopped for a person; empty: it works."
    )
    notice = models.CharField(
        max_length=REASON_MAX, blank=True, help_text="Why it sends nothing now; goes away by itself."
    )
    balance = Uint256Field(null=True, help_text="Wei, when the node was last asked.")
    balance_floor = Uint256Field(default=0, help_text="Wei; below it nothing is sent.")
    fee_cap = Uint256Field(default=500 * 10**9, help_text="Wei per gas that it never goes above.")
    hourly_budget = Uint256Field(default=0, help_text="Wei of gas an hour at the highest fee; 0: no limit.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain_id", "address"], name="signer_once"),
            models.CheckConstraint(
                condition=Q(next_nonce=None) | Q(final_nonce__lte=F("next_nonce")), name="signer_nonces_ordered"
            ),
        ]

    def __str__(self) -> str:
        return str(self.address)


class IntentState(models.TextChoices):
    """PLANNED → SENT → MINED → DONE; MINED falls back to SENT on a reorg, both to PLANNED when the transaction reverts.
    MOOT: the chain had nothing to do at `judged_block`; PLANNED again if the fold says otherwise from there on. DONE becomes PLANNED
    again when it was a delivery in part, after reverts of the whole; MOOT when a person has the chain read anew.
    FAILED: a person looks. All steps: `escrow.domain.intents`.
    """

    PLANNED = intents.PLANNED, "Planned"
    SENT = intents.SENT, "Sent"
    MINED = intents.MINED, "Mined"
    DONE = intents.DONE, "Done"
    MOOT = intents.MOOT, "Already done"
    FAILED = intents.FAILED, "Failed"


class Intent(models.Model):
    """One thing that must take effect once: `deal:<id>:slash:<tranche>`, `deal:<id>:refund` (escrow.keeper.planner.intent_key)."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="intents")
    key = models.CharField(max_length=120, unique=True)
    action = models.CharField(max_length=20, choices=[(duty.value, duty.name.capitalize()) for duty in Duty])
    deal_id = Hash32Field()
    tranche = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=IntentState, default=IntentState.PLANNED)
    attempt = models.ForeignKey("Attempt", on_delete=models.PROTECT, null=True, related_name="intents")
    reverts = models.PositiveSmallIntegerField(default=0, help_text="Transactions with it that reverted.")
    wait_until = models.PositiveBigIntegerField(
        null=True,
        help_text="Chain time before which it is not tried: the seller has nothing to deliver, or his token refuses.",
    )
    judged_block = models.PositiveBigIntegerField(null=True, help_text="At which block it was found moot.")
    detail = models.CharField(max_length=REASON_MAX, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "deal_id", "action", "tranche"], name="intent_once"),
            models.CheckConstraint(
                condition=Q(state__in=["planned", "moot", "failed"]) | Q(attempt__isnull=False),
                name="intent_sent_has_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["chain", "action", "id"], condition=Q(state="planned"), name="intent_planned"),
            models.Index(fields=["chain", "id"], condition=Q(state__in=["sent", "mined"]), name="intent_under_way"),
            models.Index(fields=["chain", "id"], condition=Q(state="failed"), name="intent_failed"),
        ]
        triggers = [pgtrigger.FSM(name="intent_steps", field="state", transitions=list(intents.TRANSITIONS))]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


class SendResult(models.TextChoices):
    """What a node says to a raw transaction: closed, so that nothing goes on after an answer we don't know."""

    ACCEPTED = "accepted", "Accepted"
    KNOWN = "known", "Already known"
    NONCE_LOW = "nonce_low", "Nonce used"
    UNDERPRICED = "underpriced", "Fee too low"
    FUNDS_LOW = "funds_low", "Signer short of gas money"
    REVERTED = "reverted", "Would revert"
    TRANSIENT = "transient", "Node did not take it now"
    UNKNOWN = "unknown", "Unknown answer"


class Attempt(models.Model):
    """A signed transaction, stored before it is broadcast. A replacement has the same nonce and a higher fee."""

    signer = models.ForeignKey(Signer, on_delete=models.PROTECT, related_name="attempts")
    nonce = models.PositiveBigIntegerField()
    tx_hash = Hash32Field(unique=True)
    raw = models.BinaryField()
    to = AddressField()
    calldata = models.BinaryField()
    gas = models.PositiveBigIntegerField()
    max_fee = Uint256Field(help_text="Wei per gas.")
    priority_fee = Uint256Field(help_text="Wei per gas.")
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    broadcast_at = models.DateTimeField(null=True, help_text="When a node first took it.")
    send_result = models.CharField(max_length=12, choices=SendResult, blank=True, help_text="Of the last broadcast.")
    block_number = models.PositiveBigIntegerField(null=True)
    block_hash = Hash32Field(null=True)
    succeeded = models.BooleanField(null=True)
    error = models.CharField(max_length=REASON_MAX, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["signer", "nonce"], name="attempt_by_nonce")]
