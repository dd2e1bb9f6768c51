"""What was read from the chain, as it was: headers and logs. A reorg clears `canonical`; nothing is deleted."""

from django.db import models
from django.db.models import Q

from otc.core.fields import AddressField, Hash32Field
from otc.core.models import Chain


class Depth(models.TextChoices):
    """How deep a fact lies: seen (may move the screen), safe (may unlock what can be undone), final (obligations)."""

    SEEN = "seen", "Seen"
    SAFE = "safe", "Safe"
    FINAL = "final", "Final"


class Block(models.Model):
    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="blocks")
    number = models.PositiveBigIntegerField()
    hash = Hash32Field()
    parent_hash = Hash32Field()
    timestamp = models.PositiveBigIntegerField(help_text="Unix seconds.")
    canonical = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["chain", "hash"], name="block_hash_once"),
            models.UniqueConstraint(
                fields=["chain", "number"], condition=Q(canonical=True), name="block_canonical_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:10]}"


class ChainEvent(models.Model):
    """One log of the escrow contract, raw and decoded."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="events")
    block = models.ForeignKey(Block, on_delete=models.PROTECT, related_name="events")
    block_number = models.PositiveBigIntegerField()
    log_index = models.PositiveIntegerField()
    tx_hash = Hash32Field()
    address = AddressField()
    topics = models.JSONField(help_text="Hex words.")
    data = models.BinaryField()
    name = models.CharField(max_length=40, help_text="Event of the escrow; empty: unknown to this version.")
    args = models.JSONField(help_text="Decoded; integers as decimal strings.")
    canonical = models.BooleanField(default=True)

    class Meta:
        ordering = ["block_number", "log_index"]
        constraints = [models.UniqueConstraint(fields=["block", "log_index"], name="chain_event_once")]
        indexes = [
            models.Index(
                fields=["chain", "block_number", "log_index"], condition=Q(canonical=True), name="chain_event_order"
            ),
            models.Index(fields=["tx_hash"], name="chain_event_tx"),
        ]

    def __str__(self) -> str:
        return f"{self.name} @{self.block_number}/{self.log_index}"


class ChainCursor(models.Model):
    """Up to where a chain has been folded. `tip_*` is compared and swapped by each step."""

    chain = models.OneToOneField(Chain, on_delete=models.PROTECT, primary_key=True, related_name="cursor")
    tip_number = models.PositiveBigIntegerField()
    tip_hash = Hash32Field()
    posted_number = models.PositiveBigIntegerField(default=0, help_text="Ledger transfers up to this block are posted.")
    updated_at = models.DateTimeField(auto_now=True)
