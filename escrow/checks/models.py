"""What the checks found, each time they ran."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from otc.core.models import Chain


class Check(models.TextChoices):
    """reconcile: contract against database. verify: the database's invariants. replay: the state against a rebuild."""

    RECONCILE = "reconcile", "Contract against database"
    VERIFY = "verify", "Invariants"
    REPLAY = "replay", "State against rebuild"


class CheckRun(models.Model):
    """One run of a check that came to an end. The newest of its check and chain is what metrics and alarms show."""

    check_name = models.CharField(max_length=10, choices=Check)
    chain = models.ForeignKey(
        Chain, on_delete=models.PROTECT, null=True, related_name="+", help_text="Null: what belongs to no chain."
    )
    block_number = models.PositiveBigIntegerField(null=True, help_text="The newest block that was folded then.")
    checked = models.PositiveIntegerField(help_text="Facts compared, invariants asked for, or events folded.")
    differing = models.PositiveIntegerField()
    differences = models.JSONField(encoder=DjangoJSONEncoder, help_text="Some of them.")
    seconds = models.FloatField()
    ended_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(check_name__in=["reconcile", "replay"], chain__isnull=False) | Q(check_name="verify"),
                name="check_run_of_a_chain",
            ),
        ]
        indexes = [models.Index(fields=["check_name", "chain", "-id"], name="check_run_newest")]

    def __str__(self) -> str:
        return f"{self.check_name} {self.pk}"
