"""Kernel tables: the chains we serve, kill switches, idempotency keys, the outbox."""

import uuid

import pghistory
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

from otc.core.fields import AddressField, Hash32Field

# Row keys of rights escrows: `RIGHTS_KEYS` + the chain's number. Above every chain number that wallets take (2^53 - 1), so that
# a key that is used as a chain's number, or a number as a key, finds nothing instead of the wrong escrow.
RIGHTS_KEYS = 10**16


class EscrowKind(models.TextChoices):
    """Which of the two contracts: what its deals deliver."""

    TOKENS = "tokens", "Tokens"
    RIGHTS = "rights", "Rights"


def escrow_key(chain_id: int, kind: str) -> int:
    """The row key of a chain's escrow of that kind. `chain_id`: the chain's own number."""
    return chain_id if kind == EscrowKind.TOKENS else RIGHTS_KEYS + chain_id


class Finality(models.TextChoices):
    """What makes a block final: so many blocks on top, the node's `finalized` tag, or both (the lower of the two)."""

    DEPTH = "depth", "By depth"
    TAG = "tag", "By tag"
    LOWER = "lower", "By tag and depth, the lower"


@pghistory.track(
    fields=[
        "name",
        "rpc_urls",
        "safe_depth",
        "final_depth",
        "finality",
        "final_quorum",
        "check_blooms",
        "active",
        "halted",
    ],
    obj_field=pghistory.ObjForeignKey(related_name="changes"),
    model_name="ChainChange",
)
class Chain(models.Model):
    """One escrow contract on one chain: what we watch, and its policy. Adding a chain is a row here, no code.

    `chain_id` is the chain's own number (EIP-155), shared by its escrows. On rows that refer here by `chain`, `chain_id` is the key of
    this row: write `row.chain.chain_id` wherever a wallet, a node or a client of the API reads it. Depths count blocks on top: 0 is the head itself. `head_*` is the newest canonical block the watcher has stored.
    """

    id = models.PositiveBigIntegerField(primary_key=True, help_text="Given by `escrow_key`.")
    chain_id = models.PositiveBigIntegerField(help_text="The chain's own number (EIP-155).")
    kind = models.CharField(max_length=6, choices=EscrowKind, default=EscrowKind.TOKENS)
    name = models.CharField(max_length=40)
    rpc_urls = models.JSONField(default=list, help_text="Endpoints, best first.")
    public_rpc_url = models.CharField(max_length=300, blank=True, help_text="What wallets are told to use.")
    explorer_url = models.CharField(max_length=300, blank=True, help_text="Prefix of /tx/ and /address/.")
    currency = models.CharField(max_length=12, default="ETH")
    escrow_address = AddressField()
    start_block = models.PositiveBigIntegerField(help_text="Block in which the escrow was deployed.")
    safe_depth = models.PositiveIntegerField(default=1)
    finality = models.CharField(max_length=8, choices=Finality, default=Finality.DEPTH)
    final_depth = models.PositiveIntegerField(default=3, help_text="Not used with finality by tag.")
    final_quorum = models.PositiveSmallIntegerField(
        default=1, help_text="So many endpoints must name the same block before it is final."
    )
    check_blooms = models.BooleanField(
        default=False, help_text="Doubt an empty list of logs where the header's bloom filter has the escrow."
    )
    active = models.BooleanField(default=True)
    fee_bps = models.PositiveIntegerField(default=0, editable=False, help_text="The contract's fee for new fills.")
    paused_until = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Unix seconds; entry is paused before it."
    )
    head_number = models.PositiveBigIntegerField(null=True, editable=False)
    head_time = models.PositiveBigIntegerField(null=True, editable=False, help_text="Unix seconds.")
    head_hash = Hash32Field(null=True, editable=False)
    safe_number = models.PositiveBigIntegerField(null=True, editable=False)
    final_number = models.PositiveBigIntegerField(null=True, editable=False)
    halted = models.CharField(
        max_length=300, blank=True, help_text="Why the watcher stopped for a person; empty: it runs."
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["chain_id", "kind"], name="chain_escrow_once"),
            models.CheckConstraint(
                condition=Q(kind="tokens", id=F("chain_id")) | Q(kind="rights", id=F("chain_id") + RIGHTS_KEYS),
                name="chain_key_of_its_escrow",
            ),
            models.CheckConstraint(condition=Q(final_quorum__gte=1), name="chain_quorum_of_one_or_more"),
            models.CheckConstraint(
                condition=Q(final_quorum=1) | Q(final_quorum__lte=Func(F("rpc_urls"), function="jsonb_array_length")),
                name="chain_quorum_within_rpc_urls",
                violation_error_message=(
                    "final_quorum: more endpoints than rpc_urls names can never agree. Add endpoints, or lower it."
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.chain_id}{', rights' if self.kind == EscrowKind.RIGHTS else ''})"


class FlagName(models.TextChoices):
    """Kill switches. None of them can stop an exit: withdrawing, delivering and claiming are the contract's."""

    PAUSE_POSTING = "pause_posting", "Refuse new offers"
    PAUSE_TAKING = "pause_taking", "Refuse to prepare fills"
    PAUSE_KEEPER = "pause_keeper", "Send no keeper transactions"


@pghistory.track(obj_field=pghistory.ObjForeignKey(related_name="changes"), model_name="FlagChange")
class Flag(models.Model):
    name = models.CharField(max_length=40, choices=FlagName.choices, primary_key=True)
    on = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.name}: {'on' if self.on else 'off'}"


class IdempotencyRecord(models.Model):
    """The answer given to a POST with an `Idempotency-Key`, stored in the transaction of its effect."""

    scope = models.CharField(max_length=80, help_text="Who asked: wallet, token or address of the client.")
    endpoint = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    request_hash = Hash32Field()
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "endpoint", "key"], name="idempotency_once")]


class OutboxEvent(models.Model):
    """A change that others hear of, written in the transaction that makes it.

    `aggregate` is what it is about (`deal:0x…`, `offer:0x…`, `market:0x…`), `sequence` counts within it, `depth` is how
    deep the fact lies (seen, safe, final; empty for facts that are ours alone).
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    type = models.CharField(max_length=60)
    aggregate = models.CharField(max_length=90)
    sequence = models.PositiveIntegerField()
    depth = models.CharField(max_length=8, blank=True)
    payload = models.JSONField(encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(db_default=Now())
    relayed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["aggregate", "sequence"], name="outbox_sequence_once")]
        indexes = [models.Index(fields=["id"], condition=Q(relayed_at=None), name="outbox_waiting")]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregate} #{self.sequence}"
