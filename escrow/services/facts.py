"""Facts that are not of a deal or market: offers, makers, payment tokens, the chain's fee and pause.

Each is computed anew from canonical events, so forward and after a rewind are one path.
"""

from collections.abc import Iterable, Sequence

from django.db import connection
from django.db.models.fields.json import KeyTextTransform

from escrow.chain.events import FoldEvent, fold_events
from escrow.chain.models import ChainEvent
from escrow.contracts import bindings
from escrow.contracts.events import Event
from escrow.domain.deals import FoldError
from escrow.domain.ledger import FREE, AccountKey
from otc.core.models import Chain
from points.services.chain_facts import ChainFacts, OfferFact
from points.services.offer_states import WORD_BITS


def facts_collect(
    *, chain: Chain, events: Sequence[FoldEvent], balances: dict[AccountKey, int], rewound: bool
) -> ChainFacts:
    """What `events`, new or taken back, change for points: values as they are now. Market status is not among them."""
    facts = ChainFacts()
    facts.funds = {(key.token, key.owner): balance for key, balance in balances.items() if key.kind == FREE}
    facts.offers = _offers(chain, events, rewound=rewound)
    _makers(chain, events, facts)
    tokens = {item.event.token for item in events if isinstance(item.event, bindings.PayTokenSet)}
    if tokens:
        facts.pay_tokens = dict.fromkeys(tokens, False)
        for event in _rare(chain, "PayTokenSet"):
            if isinstance(event, bindings.PayTokenSet) and event.token in tokens:
                facts.pay_tokens[event.token] = event.allowed
    return facts


def _offers(chain: Chain, events: Sequence[FoldEvent], *, rewound: bool) -> dict[str, OfferFact]:
    """Fills alone say all about an offer (nothing is filled after a cancel); a cancel or a rewind needs its history."""
    facts: dict[str, OfferFact] = {}
    makers: dict[str, str] = {}
    look_up: set[str] = set()
    matching = _matching_buyers(chain, events)
    for item in events:
        event = item.event
        if isinstance(event, bindings.Matched):
            makers[event.buy_hash] = matching[event.id]
            facts[event.buy_hash] = OfferFact(maker=matching[event.id], filled_units=event.buy_filled, cancelled=False)
        elif isinstance(event, bindings.Filled):
            makers[event.offer_hash] = event.buyer if event.maker_side == 0 else event.seller
            facts[event.offer_hash] = OfferFact(
                maker=makers[event.offer_hash], filled_units=event.filled, cancelled=False
            )
        elif isinstance(event, bindings.OfferCancelled):
            makers[event.offer_hash] = event.maker
            look_up.add(event.offer_hash)
    if rewound:
        look_up = set(makers)
    if look_up:
        facts |= _offer_histories(chain, {offer_hash: makers[offer_hash] for offer_hash in look_up})
    return facts


def _matching_buyers(chain: Chain, events: Sequence[FoldEvent]) -> dict[str, str]:
    """Who made the buy offers of matched deals, by deal id. The fill stands beside the match, or was read a step before.
    Errors: FoldError.
    """
    wanted = {item.event.id for item in events if isinstance(item.event, bindings.Matched)}
    if not wanted:
        return {}
    rows = ChainEvent.objects.filter(chain=chain, deal_id__in=list(wanted), name="Filled", canonical=True)
    found = {
        item.event.deal.id: item.event.deal.buyer
        for item in [*fold_events(rows), *events]
        if isinstance(item.event, bindings.Filled) and item.event.deal.id in wanted
    }
    if wanted - set(found):
        raise FoldError(f"a match of deals that were never opened: {sorted(wanted - set(found))}")
    return found


def _offer_histories(chain: Chain, makers: dict[str, str]) -> dict[str, OfferFact]:
    facts = {key: OfferFact(maker=maker, filled_units=0, cancelled=False) for key, maker in makers.items()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT offer_hash, coalesce(max((args->>(CASE name WHEN 'Filled' THEN 'filled' ELSE 'buy_filled' END))"
            "::numeric), 0), bool_or(name = 'OfferCancelled') FROM escrow_chainevent"
            " WHERE chain_id = %s AND canonical AND offer_hash = ANY(%s) GROUP BY offer_hash",
            [chain.pk, [bytes.fromhex(key[2:]) for key in makers]],
        )
        for raw, filled, cancelled in cursor.fetchall():
            key = "0x" + bytes(raw).hex()
            facts[key] = OfferFact(maker=makers[key], filled_units=int(filled), cancelled=cancelled)
    return facts


def _makers(chain: Chain, events: Sequence[FoldEvent], facts: ChainFacts) -> None:
    bumped = {item.event.maker for item in events if isinstance(item.event, bindings.EpochBumped)}
    if bumped:
        facts.epochs = dict.fromkeys(bumped, 0)
        for event in _rare(chain, "EpochBumped", args__maker__in=sorted(bumped)):
            if isinstance(event, bindings.EpochBumped):
                facts.epochs[event.maker] = event.epoch
    _nonces(chain, events, facts)


def _nonces(chain: Chain, events: Sequence[FoldEvent], facts: ChainFacts) -> None:
    """The bits that invalidations and resales set; those of fills and cancels follow from the offers."""
    words = {bits[0] for item in events if (bits := _used(item.event)) is not None}
    if not words:
        return
    facts.nonces = dict.fromkeys(words, 0)
    makers = sorted({maker for maker, _ in words})
    rows = ChainEvent.objects.filter(chain=chain, canonical=True)
    invalidated = rows.filter(name="NoncesInvalidated", args__maker__in=makers)
    resold = rows.filter(name="Resold").alias(lister=KeyTextTransform("from_", "args")).filter(lister__in=makers)
    for item in fold_events([*invalidated, *resold]):
        bits = _used(item.event)
        if bits is not None and bits[0] in words:
            facts.nonces[bits[0]] |= bits[1]


def _used(event: Event) -> tuple[tuple[str, int], int] | None:
    """((maker, word), mask) of the nonces that an event used up."""
    if isinstance(event, bindings.NoncesInvalidated):
        return (event.maker, event.word), event.mask
    if isinstance(event, bindings.Resold):
        word, bit = divmod(event.salt, WORD_BITS)
        return (event.from_, word), 1 << bit
    return None


def chain_config(chain: Chain, events: Iterable[FoldEvent]) -> dict[str, int]:
    """Columns of Chain that `events`, new or taken back, set: fee and pause as they are now."""
    kinds = {type(item.event) for item in events}
    config: dict[str, int] = {}
    if bindings.FeeSet in kinds:
        config["fee_bps"] = 0
        for event in _rare(chain, "FeeSet"):
            if isinstance(event, bindings.FeeSet):
                config["fee_bps"] = event.fee_bps
    if bindings.EntryPaused in kinds:
        config["paused_until"] = 0
        for event in _rare(chain, "EntryPaused"):
            if isinstance(event, bindings.EntryPaused):
                config["paused_until"] = event.until
    return config


def _rare(chain: Chain, name: str, **conditions: object) -> list[Event]:
    """Canonical events of a rare kind, oldest first."""
    rows = ChainEvent.objects.filter(chain=chain, name=name, canonical=True, **conditions)
    return [item.event for item in fold_events(rows.order_by("block_number", "log_index"))]
