"""What the keeper wants, what it sent, and who signs."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from otc.core.fields import AddressField, Hash32Field, Uint256Field
from otc.core.models import Chain


class Signer(models.Model):
    """A key of ours on one chain. Its row is locked while a nonce is reserved."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="signers")
    address = AddressField()
    next_nonce = models.PositiveBigIntegerField(null=True, help_text="Null: ask the node before the first use.")
    halted = models.CharField(max_length=300, blank=True, help_text="Why it stopped for a person; empty: it works.")
    balance_floor = Uint256Field(default=0, help_text="Wei; below it nothing is sent.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "address"], name="signer_once")]

    def __str__(self) -> str:
        return self.address


class IntentState(models.TextChoices):
    """PLANNED → SENT → MINED → DONE; MINED falls back to SENT on a reorg. MOOT: the chain was already there. FAILED: a person looks."""

    PLANNED = "planned", "Planned"
    SENT = "sent", "Sent"
    MINED = "mined", "Mined"
    DONE = "done", "Done"
    MOOT = "moot", "Already done"
    FAILED = "failed", "Failed"


class Intent(models.Model):
    """One thing that must take effect once: `deal:<id>:slash:<tranche>`, `deal:<id>:refund`."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="intents")
    key = models.CharField(max_length=120, unique=True)
    action = models.CharField(max_length=20, choices=[("slash", "Slash"), ("refund", "Refund")])
    deal_id = Hash32Field()
    tranche = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=IntentState, default=IntentState.PLANNED)
    attempt = models.ForeignKey("Attempt", on_delete=models.PROTECT, null=True, related_name="intents")
    detail = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["chain", "action", "id"], condition=Q(state="planned"), name="intent_planned"),
            models.Index(fields=["chain", "id"], condition=Q(state__in=["sent", "mined"]), name="intent_under_way"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


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
    broadcast_at = models.DateTimeField(null=True)
    block_number = models.PositiveBigIntegerField(null=True)
    block_hash = Hash32Field(null=True)
    succeeded = models.BooleanField(null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["signer", "nonce"], name="attempt_by_nonce")]
