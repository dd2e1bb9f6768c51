"""What the rights escrow keeps for users, as projected from events: pieces by token, right and user. Pieces are not money: no ledger.

One writer per escrow (the holder of its cursor row).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import Q

from escrow.chain.events import FoldEvent
from escrow.contracts import rights_bindings
from escrow.domain.deals import FoldError
from escrow.models import KeptRight, RightMovement
from escrow.services.ledger import PartiesOf
from otc.core.models import Chain


class RightKey(NamedTuple):
    """What is kept, and for whom."""

    token: str
    right: int
    user: str


def change_of(item: FoldEvent, parties_of: PartiesOf) -> tuple[RightKey, int] | None:
    """By how many pieces an event changes what is kept of a right; below zero: they went out. None: by nothing."""
    event = item.event
    match event:
        case rights_bindings.RightsDelivered(to_escrow=True) if event.amount:
            return RightKey(event.token, event.right, parties_of(item).buyer), event.amount
        case rights_bindings.RightWithdrawn():
            return RightKey(event.token, event.right, event.user), -event.amount
    return None


def rights_write(*, chain: Chain, events: Sequence[FoldEvent], parties_of: PartiesOf) -> dict[RightKey, int]:
    """Books what new events bring in and take out; returns what is kept now of each touched right. Errors: FoldError when more goes
    out than was kept.
    """
    changes = [(item, change) for item in events if (change := change_of(item, parties_of)) is not None]
    if not changes:
        return {}
    held = _load(chain, {key for _, (key, _) in changes})
    for item, (key, amount) in changes:
        row = held.setdefault(key, KeptRight(chain=chain, **key._asdict()))
        if row.amount + amount < 0:
            raise FoldError(f"{-amount} of right {key.right} of {key.token} left {key.user}, who had {row.amount}")
        row.amount += amount
        if row.pk is None:
            row.save()
        RightMovement(kept=row, event_id=item.pk, amount=abs(amount), incoming=amount > 0).save(force_insert=True)
    return _store(held.values())


def rights_take_back(*, event_ids: Sequence[int]) -> dict[RightKey, int]:
    """Undoes what these events did; returns what is kept now of each touched right."""
    rows = list(RightMovement.objects.filter(event__in=event_ids).select_related("kept"))
    held: dict[int, KeptRight] = {}
    for movement in rows:
        row = held.setdefault(movement.kept_id, movement.kept)
        row.amount += -movement.amount if movement.incoming else movement.amount
    RightMovement.objects.filter(pk__in=[movement.pk for movement in rows]).delete()
    return _store(held.values())


def _load(chain: Chain, keys: Iterable[RightKey]) -> dict[RightKey, KeptRight]:
    wanted = Q()
    for key in keys:
        wanted |= Q(**key._asdict())
    rows = KeptRight.objects.filter(wanted, chain=chain)
    return {RightKey(row.token, row.right, row.user): row for row in rows}


def _store(rows: Iterable[KeptRight]) -> dict[RightKey, int]:
    rows = list(rows)
    KeptRight.objects.bulk_update(rows, ["amount"])
    return {RightKey(row.token, row.right, row.user): row.amount for row in rows}
