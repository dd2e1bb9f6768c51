"""Standing approvals of sellers as projected from events. Each event gives what is left: the last canonical one counts."""

from collections.abc import Sequence
from typing import NamedTuple

from escrow.chain.events import FoldEvent, fold_events
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings
from escrow.models import AutoDelivery
from otc.core.models import Chain


class ApprovalKey(NamedTuple):
    """Whose approval, for which market, of which token."""

    seller: str
    market_id: str
    token: str


def auto_deliveries_write(*, chain: Chain, events: Sequence[FoldEvent], rewound: bool) -> dict[ApprovalKey, int]:
    """Stores what `events`, new or taken back, leave of each approval; returns that, base units of the token."""
    left: dict[ApprovalKey, int] = {}
    for item in events:
        if isinstance(item.event, bindings.AutoDeliverSet):
            left[_key(item.event)] = item.event.amount
    if rewound:
        left = {key: _last(chain, key) for key in left}
    AutoDelivery.objects.bulk_create(
        [AutoDelivery(chain=chain, **key._asdict(), amount=amount) for key, amount in sorted(left.items())],
        update_conflicts=True,
        unique_fields=["market_id", "seller", "token", "chain"],
        update_fields=["amount"],
    )
    return left


def _last(chain: Chain, key: ApprovalKey) -> int:
    """By its last canonical event; 0 without any."""
    rows = ChainEvent.objects.filter(
        chain=chain,
        name="AutoDeliverSet",
        canonical=True,
        args__seller=key.seller,
        args__market=key.market_id,
        args__token=key.token,
    )
    for item in fold_events(rows.order_by("-block_number", "-log_index")[:1]):
        if isinstance(item.event, bindings.AutoDeliverSet):
            return item.event.amount
    return 0


def _key(event: bindings.AutoDeliverSet) -> ApprovalKey:
    return ApprovalKey(event.seller, event.market, event.token)
