"""Facts of the chain, pushed here by the projector as absolute values: the same fact twice, or after a rewind, is harmless.

`facts_apply` takes everything that one step of the chain changed, in a fixed number of queries; the other functions are
single facts of it. Each call is one transaction, or part of the caller's. Locks, in the order of `otc.core.locks`: Market, MakerFunds
(all rows of every maker named), Offer.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from otc.core import locks
from otc.core.models import Chain
from points.models import (
    STANDING,
    MakerEpoch,
    MakerFunds,
    MakerNonces,
    Market,
    MarketStatus,
    Offer,
    OfferState,
    PayToken,
    UnknownMarket,
    UnknownOffer,
)
from points.services.fact_locks import makers_lock, market_facts_lock
from points.services.offer_states import WORD_BITS, FilledAndCancelled, offers_recompute

EXPIRED_AT_ONCE = (
    2_000  # offers that one step of the reader ends because their time is over; the rest waits for the next
)

# Open offers whose cover may have moved. One that was and is covered in whole is none of them.
COVER_MOVED = """
SELECT o.id FROM unnest(%s::bigint[], %s::bytea[], %s::numeric[]) AS k(token, maker, low)
  JOIN points_offer o ON o.maker = k.maker AND o.state = 'open' AND NOT o.withdrawn AND NOT o.cancelled_on_chain
  JOIN points_market m ON m.id = o.market_id AND m.pay_token_id = k.token
 WHERE CASE o.side WHEN 0 THEN o.payment ELSE o.collateral END > k.low
"""
# What a fact about a maker ends are open offers, what it revives are cancelled ones.
ENDING, REVIVING = Q(state=OfferState.OPEN), Q(state=OfferState.CANCELLED)
ALL_OR_NONE = Q(min_fill=F("units"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFact:
    """`filled_units` is what fills took (never the contract's marker for a cancel); `cancelled` by its own `cancel`."""

    maker: str
    filled_units: int
    cancelled: bool


@dataclass(slots=True, kw_only=True)
class ChainFacts:
    """What a step changed, by the contract's keys (lower-case hex), as values after the step."""

    market_status: dict[str, int] = field(default_factory=dict)  # market id
    offers: dict[str, OfferFact] = field(default_factory=dict)  # offer hash
    funds: dict[tuple[str, str], int] = field(default_factory=dict)  # (token, maker): free base units
    epochs: dict[str, int] = field(default_factory=dict)  # maker
    nonces: dict[tuple[str, int], int] = field(default_factory=dict)  # (maker, word): mask of invalidations and resales
    pay_tokens: dict[str, bool] = field(default_factory=dict)  # token: allowed


@transaction.atomic
def facts_apply(*, chain_id: int, facts: ChainFacts, tell: bool = True) -> None:
    """Stores the facts, derives state and cover of every touched offer, and with `tell` the outbox which offers changed state.

    Funds of unregistered tokens are left out; markets and offers unknown here are remembered for when they come.
    """
    chain = Chain.objects.get(pk=chain_id)
    _set_market_status(chain, facts.market_status)
    for token, allowed in facts.pay_tokens.items():
        PayToken.objects.filter(chain=chain, address=token).update(allowed=allowed)
    makers = {maker for _, maker in [*facts.funds, *((0, maker) for maker, _ in facts.nonces)]}
    makers |= {fact.maker for fact in facts.offers.values()} | set(facts.epochs)
    if not makers:
        return
    makers_lock(chain=chain, makers=makers)
    touched = _set_funds(chain, facts.funds)
    touched |= _set_epochs(chain, facts.epochs)
    touched |= _set_nonces(chain, facts.nonces)
    own_facts, siblings = _set_offers(chain, facts.offers)
    offers_recompute(chain=chain, offer_ids=touched | siblings | set(own_facts), own_facts=own_facts, tell=tell)


@transaction.atomic
def facts_forget(*, chain: Chain) -> None:
    """Sets all facts of a chain to what they are before its first event; states of offers stay until `facts_derive`. Locks the
    chain's rows of Market, MakerFunds and Offer.
    """
    Market.objects.filter(chain=chain).update(status=MarketStatus.NONE, deal_count=0, last_price_e18=None)
    PayToken.objects.filter(chain=chain).update(allowed=False)
    # These rows stay: whoever posts for a maker locks them.
    MakerFunds.objects.filter(pay_token__chain=chain).update(free=0)
    Offer.objects.filter(market__chain=chain).update(filled_units=0, cancelled_on_chain=False)
    for model in (MakerEpoch, MakerNonces, UnknownMarket, UnknownOffer):
        model._default_manager.filter(chain=chain).delete()  # noqa: SLF001 - Django's documented model API


@transaction.atomic
def facts_derive(*, chain: Chain) -> int:
    """Derives state and cover of all offers of a chain anew, telling nobody; returns how many changed. Locks them."""
    ids = Offer.objects.filter(market__chain=chain).order_by().values_list("pk", flat=True)
    return offers_recompute(chain=chain, offer_ids=list(ids), tell=False)


def market_status_set(*, chain_id: int, market_id: str, status: int) -> None:
    """The contract's status code of a market (see MarketStatus)."""
    facts_apply(chain_id=chain_id, facts=ChainFacts(market_status={market_id: status}))


def offer_facts_set(*, chain_id: int, offer_hash: str, maker: str, filled_units: int, cancelled: bool) -> None:
    """Filled units and cancellation of an offer."""
    fact = OfferFact(maker=maker, filled_units=filled_units, cancelled=cancelled)
    facts_apply(chain_id=chain_id, facts=ChainFacts(offers={offer_hash: fact}))


def maker_funds_set(*, chain_id: int, token: str, maker: str, free: int) -> None:
    """A wallet's free escrow balance."""
    facts_apply(chain_id=chain_id, facts=ChainFacts(funds={(token, maker): free}))


def maker_epoch_set(*, chain_id: int, maker: str, epoch: int) -> None:
    """epochs[maker]."""
    facts_apply(chain_id=chain_id, facts=ChainFacts(epochs={maker: epoch}))


def maker_nonces_set(*, chain_id: int, maker: str, word: int, mask: int) -> None:
    """The bits of nonces[maker][word] that invalidations and resales set. Those of fills and cancels follow from the offers."""
    facts_apply(chain_id=chain_id, facts=ChainFacts(nonces={(maker, word): mask}))


def pay_token_allowed_set(*, chain_id: int, token: str, allowed: bool) -> None:
    """Whether the escrow takes a token for deposits and new markets."""
    facts_apply(chain_id=chain_id, facts=ChainFacts(pay_tokens={token: allowed}))


@transaction.atomic
def market_trades_set(*, chain_id: int, market_id: str, deal_count: int, last_price_e18: int | None) -> None:
    """Deals of a market so far, and the price of the newest (None without deals)."""
    Market.objects.filter(chain=chain_id, market_id=market_id).update(
        deal_count=deal_count, last_price_e18=last_price_e18
    )


@transaction.atomic
def offers_expire(*, chain_id: int) -> int:
    """Ends offers whose expiry lies before the chain's time, and reopens those that a reorg made valid again: EXPIRED_AT_ONCE of each
    at most, so that no number of offers holds a step up.

    Called after each step that moved `Chain.head_time`; it may be late, because whoever shows or takes open offers looks at their expiry
    too. Returns how many offers changed. Locks those offers.
    """
    chain = Chain.objects.get(pk=chain_id)
    ids = [pk for rows in offers_timed_wrongly(chain) for pk in rows.values_list("pk", flat=True)[:EXPIRED_AT_ONCE]]
    return offers_recompute(chain=chain, offer_ids=ids)


def offers_timed_wrongly(chain: Chain) -> tuple[QuerySet[Offer], QuerySet[Offer]]:
    """(past their expiry but not ended by it, ended by it but not past it), those first that lie back the longest."""
    rows = Offer.objects.filter(market__chain=chain).order_by("expiry")
    now = chain.head_time or 0
    return rows.filter(STANDING, expiry__lt=now), rows.filter(state=OfferState.EXPIRED, expiry__gte=now)


# ---------------------------------------------------------------- the parts of facts_apply; each returns touched offers


def _set_market_status(chain: Chain, status: Mapping[str, int]) -> None:
    if not status:
        return
    market_facts_lock(status)
    rows = locks.lock_rows(Market.objects.filter(chain=chain, market_id__in=list(status)))
    for row in rows:
        if row.status != status[row.market_id]:
            row.status = MarketStatus(status[row.market_id])
            row.save(update_fields=["status"])
    unknown = set(status) - {row.market_id for row in rows}
    UnknownMarket.objects.bulk_create(
        [UnknownMarket(chain=chain, market_id=market_id, status=status[market_id]) for market_id in unknown],
        update_conflicts=True,
        unique_fields=["market_id", "chain"],
        update_fields=["status"],
    )


def _set_funds(chain: Chain, funds: Mapping[tuple[str, str], int]) -> set[int]:
    if not funds:
        return set()
    tokens = PayToken.objects.filter(chain=chain, address__in={token for token, _ in funds})
    token_ids = dict(tokens.values_list("address", "pk"))
    wanted = {(token_ids[token], maker): free for (token, maker), free in funds.items() if token in token_ids}
    makers = {maker for _, maker in wanted}
    known = {
        (token, maker): free
        for token, maker, free in MakerFunds.objects.filter(
            pay_token__in=token_ids.values(), maker__in=makers
        ).values_list("pay_token_id", "maker", "free")
    }
    changed = {key: free for key, free in wanted.items() if known.get(key, 0) != free}
    MakerFunds.objects.bulk_create(
        [MakerFunds(pay_token_id=token, maker=maker, free=free) for (token, maker), free in sorted(changed.items())],
        update_conflicts=True,
        unique_fields=["pay_token", "maker"],
        update_fields=["free"],
        batch_size=2000,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            COVER_MOVED, [list(column) for column in zip(*_lows(changed, known), strict=True)] or [[], [], []]
        )
        return {pk for (pk,) in cursor.fetchall()}


def _lows(
    changed: Mapping[tuple[int, str], int], known: Mapping[tuple[int, str], int]
) -> Iterator[tuple[int, bytes, int]]:
    """(payment token, maker, the lower of free funds before and after)."""
    for (token, maker), free in changed.items():
        yield token, bytes.fromhex(maker[2:]), min(free, known.get((token, maker), 0))


def _set_epochs(chain: Chain, epochs: Mapping[str, int]) -> set[int]:
    if not epochs:
        return set()
    known = dict(MakerEpoch.objects.filter(chain=chain, maker__in=list(epochs)).values_list("maker", "epoch"))
    changed = {maker: epoch for maker, epoch in epochs.items() if known.get(maker, 0) != epoch}
    MakerEpoch.objects.bulk_create(
        [MakerEpoch(chain=chain, maker=maker, epoch=epoch) for maker, epoch in sorted(changed.items())],
        update_conflicts=True,
        unique_fields=["chain", "maker"],
        update_fields=["epoch"],
    )
    # Only offers signed for the epoch that ended or the one that began change their state.
    touched = Q(pk__in=[])
    for maker, epoch in changed.items():
        touched |= ENDING & Q(maker=maker, epoch=known.get(maker, 0)) | REVIVING & Q(maker=maker, epoch=epoch)
    return _standing(chain, touched)


def _set_nonces(chain: Chain, nonces: Mapping[tuple[str, int], int]) -> set[int]:
    if not nonces:
        return set()
    words = MakerNonces.objects.filter(
        chain=chain, maker__in={maker for maker, _ in nonces}, word__in={word for _, word in nonces}
    )
    known = {(maker, word): mask for maker, word, mask in words.values_list("maker", "word", "mask")}
    changed = {key: mask for key, mask in nonces.items() if known.get(key, 0) != mask}
    MakerNonces.objects.bulk_create(
        [
            MakerNonces(chain=chain, maker=maker, word=word, mask=mask)
            for (maker, word), mask in sorted(changed.items())
        ],
        update_conflicts=True,
        unique_fields=["chain", "maker", "word"],
        update_fields=["mask"],
    )
    touched = Q(pk__in=[])
    for (maker, word), mask in changed.items():
        before = known.get((maker, word), 0)
        touched |= ENDING & Q(maker=maker, salt__in=_salts(word, mask & ~before))
        touched |= REVIVING & Q(maker=maker, salt__in=_salts(word, before & ~mask))
    return _standing(chain, touched & ALL_OR_NONE)


def _salts(word: int, mask: int) -> list[int]:
    return [word * WORD_BITS + bit for bit in range(WORD_BITS) if mask >> bit & 1]


def _set_offers(chain: Chain, offers: Mapping[str, OfferFact]) -> tuple[dict[int, FilledAndCancelled], set[int]]:
    """Facts by offer id, and the ids of all-or-none offers that share a salt with one of them."""
    if not offers:
        return {}, set()
    own_facts: dict[int, FilledAndCancelled] = {}
    sharing = Q(pk__in=[])
    known = Offer.objects.filter(market__chain=chain, offer_hash__in=list(offers)).order_by()
    unknown = set(offers)
    for pk, offer_hash, maker, salt, units, min_fill in known.values_list(
        "pk", "offer_hash", "maker", "salt", "units", "min_fill"
    ):
        fact = offers[offer_hash]
        own_facts[pk] = FilledAndCancelled(fact.filled_units, fact.cancelled)
        unknown.discard(offer_hash)
        if units == min_fill:
            uses = fact.cancelled or fact.filled_units >= units
            sharing |= (ENDING if uses else REVIVING) & Q(maker=maker, salt=salt)
    UnknownOffer.objects.bulk_create(
        [
            UnknownOffer(
                chain=chain, offer_hash=key, filled_units=offers[key].filled_units, cancelled=offers[key].cancelled
            )
            for key in sorted(unknown)
        ],
        update_conflicts=True,
        unique_fields=["chain", "offer_hash"],
        update_fields=["filled_units", "cancelled"],
    )
    if len(sharing) == 1:
        return own_facts, set()
    return own_facts, _standing(chain, sharing & ALL_OR_NONE)


def _standing(chain: Chain, touched: Q) -> set[int]:
    """Ids of those that did not end by themselves."""
    return set(Offer.objects.filter(STANDING, touched, market__chain=chain).order_by().values_list("pk", flat=True))
