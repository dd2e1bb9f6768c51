"""What was read from the chain, as it was: headers and logs. A reorg clears `canonical`; nothing is deleted.

A block that comes back after a reorg is read again, as new rows: so what hangs on a row (ledger transfers) is never revived.
"""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from otc.core.fields import AddressField, Hash32Field
from otc.core.models import Chain

# Events that set a value which is not tied to a deal, market or offer: after a reorg the last canonical ones count.
RARE_EVENTS = [
    "AutoDeliverSet",
    "EntryPaused",
    "EpochBumped",
    "FeeSet",
    "NoncesInvalidated",
    "PayTokenSet",
    "Resold",
]


class WrittenTogether(models.ForeignKey):  # type: ignore[type-arg]  # not generic at run time
    """A reference between rows that the chain's one writer makes in one transaction, with ids that it took beforehand.

    No foreign key in the database: checking a million references one by one was a third of the time of catching up
    (docs/decisions/references.md). `verify` asks for dangling ones instead. No index of its own: the tables have those they need.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "db_constraint": False, "db_index": False})


class Depth(models.TextChoices):
    """How deep a fact lies: seen (may move the screen), safe (may unlock what can be undone), final (obligations)."""

    SEEN = "seen", "Seen"
    SAFE = "safe", "Safe"
    FINAL = "final", "Final"


class Block(models.Model):
    chain = WrittenTogether(Chain, on_delete=models.PROTECT, related_name="blocks")
    number = models.PositiveBigIntegerField()
    hash = Hash32Field()
    parent_hash = Hash32Field()
    timestamp = models.PositiveBigIntegerField(help_text="Unix seconds.")
    canonical = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["chain", "hash"], condition=Q(canonical=True), name="block_canonical_hash_once"
            ),
            models.UniqueConstraint(
                fields=["chain", "number"], condition=Q(canonical=True), name="block_canonical_number_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:10]}"


class ChainEvent(models.Model):
    """One log of the escrow contract, raw and decoded."""

    chain = WrittenTogether(Chain, on_delete=models.PROTECT, related_name="events")
    block = WrittenTogether(Block, on_delete=models.PROTECT, related_name="events")
    block_number = models.PositiveBigIntegerField()
    log_index = models.PositiveIntegerField()
    tx_hash = Hash32Field()
    address = AddressField()
    topics = models.JSONField(help_text="Hex words.")
    data = models.BinaryField()
    name = models.CharField(max_length=40, help_text="Event of the escrow; empty: unknown to this version.")
    args = models.JSONField(help_text="Decoded; integers as decimal strings.")
    # What it is about, for timelines and for rebuilding one aggregate.
    deal_id = Hash32Field(null=True, help_text="Filled, and what happens to a deal.")
    market_id = Hash32Field(null=True, help_text="Filled, and what happens to a market.")
    offer_hash = Hash32Field(null=True, help_text="Filled, OfferCancelled; Matched: the buy offer.")
    canonical = models.BooleanField(default=True)

    class Meta:
        ordering = ["block_number", "log_index"]
        constraints = [models.UniqueConstraint(fields=["block", "log_index"], name="chain_event_once")]
        indexes = [
            models.Index(
                fields=["chain", "block_number", "log_index"], condition=Q(canonical=True), name="chain_event_order"
            ),
            models.Index(fields=["tx_hash"], name="chain_event_tx"),
            models.Index(fields=["deal_id"], condition=Q(deal_id__isnull=False), name="chain_event_deal"),
            models.Index(fields=["market_id"], condition=Q(market_id__isnull=False), name="chain_event_market"),
            models.Index(fields=["offer_hash"], condition=Q(offer_hash__isnull=False), name="chain_event_offer"),
            models.Index(
                fields=["chain", "name", "block_number"],
                condition=Q(name__in=RARE_EVENTS),
                name="chain_event_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} @{self.block_number}/{self.log_index}"


class StagedBlock(models.Model):
    """A header of history that was read ahead of the fold (escrow.chain.staging). Of no chain is a block staged up to its tip."""

    pk = models.CompositePrimaryKey("chain", "number")
    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    number = models.PositiveBigIntegerField()
    hash = Hash32Field()
    parent_hash = Hash32Field()
    timestamp = models.PositiveBigIntegerField(help_text="Unix seconds.")

    def __str__(self) -> str:
        return f"{self.number} {self.hash[:10]}"


class StagedLog(models.Model):
    """A log of a staged block. What stands here was checked: it decodes, or is of an event that this version doesn't know."""

    pk = models.CompositePrimaryKey("chain", "block_number", "log_index")
    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    block_number = models.PositiveBigIntegerField()
    log_index = models.PositiveIntegerField()
    tx_hash = Hash32Field()
    address = AddressField()
    topics = models.BinaryField(help_text="Words of 32 bytes.")
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.block_number}/{self.log_index}"


class Reorg(models.Model):
    """One time that the reader took blocks back."""

    chain = models.ForeignKey(Chain, on_delete=models.PROTECT, related_name="reorgs")
    from_number = models.PositiveBigIntegerField(help_text="The tip before.")
    to_number = models.PositiveBigIntegerField(help_text="The newest block that stayed.")
    events = models.PositiveIntegerField(help_text="How many events went.")
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(from_number__gt=F("to_number")), name="reorg_goes_back")]

    def __str__(self) -> str:
        return f"{self.from_number} → {self.to_number}"


class ChainCursor(models.Model):
    """Up to where a chain has been folded. `tip_*` is compared and swapped by each step."""

    chain = models.OneToOneField(Chain, on_delete=models.PROTECT, primary_key=True, related_name="cursor")
    tip_number = models.PositiveBigIntegerField()
    tip_hash = Hash32Field()
    final_number = models.BigIntegerField(
        default=-1,
        help_text="Never goes down. Up to here transfers are posted and `final` is announced; -1: nothing yet.",
    )
    announce_from = models.PositiveBigIntegerField(
        help_text="Older events were history when this chain was first read: they make no outbox rows."
    )
    linked_offer = models.BigIntegerField(
        default=0,
        help_text="Offers with ids up to here (less a margin) have been linked to deals opened before they were posted.",
    )
    updated_at = models.DateTimeField(auto_now=True)


class EndpointHealth(models.Model):
    """How an endpoint of a chain did, as far as any process knows. Written by `escrow.chain.health` alone."""

    SAID = [
        "name",
        "failures",
        "fault",
        "retry_at",
        "width",
        "refused_width",
        "head_number",
        "latency_ms",
        "seen_at",
    ]

    chain = models.ForeignKey(Chain, on_delete=models.CASCADE, related_name="endpoints")
    digest = Hash32Field(help_text="SHA-256 of the URL, which may hold a key.")
    name = models.CharField(max_length=255, help_text="Host and port.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row, up to now.")
    fault = models.CharField(max_length=20, blank=True, help_text="The last failure; empty: it works.")
    retry_at = models.DateTimeField(null=True, help_text="Not asked before.")
    width = models.PositiveIntegerField(default=1_000, help_text="Blocks of logs asked for at once.")
    refused_width = models.PositiveIntegerField(null=True, help_text="The fewest blocks that were too many.")
    head_number = models.PositiveBigIntegerField(null=True)
    latency_ms = models.PositiveIntegerField(null=True, help_text="Of its last look.")
    seen_at = models.DateTimeField(null=True, help_text="When it last worked.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["chain", "digest"], name="endpoint_once")]

    def __str__(self) -> str:
        return self.name
