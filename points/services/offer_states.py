"""The state and cover of stored offers, derived anew from the facts: one place for posting, withdrawing and the projector."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection
from django.db.models import F

from otc.core import locks
from otc.core.chains import escrow_ref
from otc.core.models import Chain
from otc.core.outbox import NewEvent, outbox_add_locked
from points.domain.offers import OfferFacts, OfferTerms, fillable_units, offer_state
from points.models import MakerEpoch, MakerFunds, MakerNonces, Market, Offer

UPDATE_OFFERS = """
UPDATE points_offer AS o
   SET filled_units = v.filled, cancelled_on_chain = v.cancelled, state = v.state, fillable_units = v.fillable
  FROM unnest(%s::bigint[], %s::numeric[], %s::boolean[], %s::text[], %s::numeric[])
       AS v(id, filled, cancelled, state, fillable)
 WHERE o.id = v.id
"""
# 256 bits a word, as the contract's bitmap.
WORD_BITS = 256


def offer_terms(offer: Offer) -> OfferTerms:
    """The signed fields of a stored offer. Reads `offer.market.pay_token`."""
    return OfferTerms(
        maker=offer.maker,
        taker=offer.taker,
        side=offer.side,
        market=offer.market.market_id,
        pay_token=offer.market.pay_token.address,
        units=offer.units,
        payment=offer.payment,
        collateral=offer.collateral,
        min_fill=offer.min_fill,
        max_fee_bps=offer.max_fee_bps,
        expiry=offer.expiry,
        epoch=offer.epoch,
        salt=offer.salt,
        ref=offer.ref,
    )


@dataclass(slots=True)
class MakerFacts:
    """What the chain says of the makers of some offers, read in four queries at most."""

    head_time: int
    epochs: dict[str, int] = field(default_factory=dict)
    nonces: dict[tuple[str, int], int] = field(default_factory=dict)
    free: dict[tuple[int, str], int] = field(default_factory=dict)
    # (maker, salt) of all-or-none offers here that are filled or cancelled on chain, with their ids: each has used its
    # salt, and the contract's logs of fills and cancels don't name salts.
    used_salts: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def nonce_used(self, terms: OfferTerms, *, pk: int | None) -> bool:
        """Whether another offer or an invalidation has used the salt of an all-or-none offer."""
        word, bit = divmod(terms.salt, WORD_BITS)
        if self.nonces.get((terms.maker, word), 0) >> bit & 1:
            return True
        return bool(self.used_salts.get((terms.maker, terms.salt), set()) - {pk})

    def state(
        self,
        terms: OfferTerms,
        *,
        filled: int,
        cancelled: bool,
        withdrawn: bool = False,
        pk: int | None = None,
    ) -> str:
        """The state (a value of OfferState) of an offer with these facts; `pk` None: not stored yet."""
        return offer_state(
            OfferFacts(
                all_filled=filled >= terms.units,
                cancelled_on_chain=cancelled,
                withdrawn=withdrawn,
                epoch_is_current=terms.epoch == self.epochs.get(terms.maker, 0),
                nonce_used=terms.all_or_none and self.nonce_used(terms, pk=pk),
                all_or_none=terms.all_or_none,
                past_expiry=terms.expiry < self.head_time,
            )
        )


def maker_facts(*, chain: Chain, offers: Iterable[OfferTerms], pay_token_ids: Collection[int]) -> MakerFacts:
    """The facts about the makers of `offers`. Four queries at most, however many offers."""
    offers = list(offers)
    makers = {terms.maker for terms in offers}
    facts = MakerFacts(head_time=chain.head_time or 0)
    facts.epochs = dict(MakerEpoch.objects.filter(chain=chain, maker__in=makers).values_list("maker", "epoch"))
    funds = MakerFunds.objects.filter(pay_token__in=pay_token_ids, maker__in=makers)
    facts.free = {(token, maker): free for token, maker, free in funds.values_list("pay_token_id", "maker", "free")}
    salts = {terms.salt for terms in offers if terms.all_or_none}
    if salts:
        words = MakerNonces.objects.filter(
            chain=chain, maker__in=makers, word__in={salt // WORD_BITS for salt in salts}
        )
        facts.nonces = {(maker, word): mask for maker, word, mask in words.values_list("maker", "word", "mask")}
        same_salt = Offer.objects.filter(
            market__chain=chain, maker__in=makers, salt__in=salts, min_fill=F("units")
        ).values_list("maker", "salt", "pk", "units", "filled_units", "cancelled_on_chain")
        for maker, salt, pk, units, filled, cancelled in same_salt:
            if cancelled or filled >= units:
                facts.used_salts.setdefault((maker, salt), set()).add(pk)
    return facts


@dataclass(frozen=True, slots=True)
class FilledAndCancelled:
    """An offer's own facts of the chain, absolute. `filled_units` without the contract's marker for a cancel."""

    filled_units: int
    cancelled: bool


def offers_recompute(
    *,
    chain: Chain,
    offer_ids: Collection[int],
    own_facts: dict[int, FilledAndCancelled] | None = None,
    tell: bool = True,
) -> int:
    """Sets `own_facts` and derives state and cover of these offers anew; returns how many rows changed.

    Locks the offers by id (the caller has locked their makers' funds rows where it changes funds). Writes changed rows in one
    statement, and with `tell` an outbox row `offer.changed` for each new state. Needs a transaction.
    """
    if not offer_ids:
        return 0
    own_facts = own_facts or {}
    rows = locks.lock_rows(Offer.objects.filter(pk__in=offer_ids).defer("signature"))
    markets = Market.objects.select_related("pay_token").defer("rules_text").in_bulk({row.market_id for row in rows})
    for row in rows:
        row.market = markets[row.market_id]
    # Whether a salt is used is asked of the table: what says so must be there first. Of other offers one writing does.
    _write([_own(row, own_facts[row.pk]) for row in rows if row.pk in own_facts and row.min_fill == row.units])
    terms = {row.pk: offer_terms(row) for row in rows}
    facts = maker_facts(chain=chain, offers=terms.values(), pay_token_ids={row.market.pay_token_id for row in rows})
    derived, moved = [], []
    for row in rows:
        own = own_facts.get(row.pk) or FilledAndCancelled(row.filled_units, row.cancelled_on_chain)
        state = facts.state(
            terms[row.pk], filled=own.filled_units, cancelled=own.cancelled, withdrawn=row.withdrawn, pk=row.pk
        )
        free = facts.free.get((row.market.pay_token_id, row.maker), 0)
        fillable = fillable_units(terms[row.pk], filled=own.filled_units, free=free) if state == "open" else 0
        if state != row.state:
            moved.append(row)
        derived.append(_Wanted(row, own.filled_units, own.cancelled, state, fillable))
    changed = _write(derived)
    if tell:
        outbox_add_locked([offer_event(row, chain, kind="offer.changed", state=row.state) for row in moved])
    return changed


def _own(row: Offer, facts: FilledAndCancelled) -> "_Wanted":
    return _Wanted(row, facts.filled_units, facts.cancelled, row.state, row.fillable_units)


def offer_event(offer: Offer, chain: Chain, *, kind: str, state: str) -> NewEvent:
    """The outbox event of an offer in a market of `chain`."""
    return NewEvent(
        type=kind,
        aggregate=f"offer:{offer.offer_hash}",
        payload={
            "offer_hash": offer.offer_hash,
            "market_id": offer.market.market_id,
            **escrow_ref(chain),
            "maker": offer.maker,
            "side": offer.side,
            "state": state,
            "filled_units": str(offer.filled_units),
        },
    )


class _Wanted(NamedTuple):
    row: Offer
    filled_units: int
    cancelled: bool
    state: str
    fillable_units: int

    @property
    def changes(self) -> bool:
        row = self.row
        return self[1:] != (row.filled_units, row.cancelled_on_chain, row.state, row.fillable_units)


def _write(wanted: Sequence[_Wanted]) -> int:
    """Stores the values, in rows and table, where they differ; one statement."""
    changes = [item for item in wanted if item.changes]
    if not changes:
        return 0
    for item in changes:
        item.row.filled_units, item.row.cancelled_on_chain = item.filled_units, item.cancelled
        item.row.state, item.row.fillable_units = item.state, item.fillable_units
    columns = zip(
        *((i.row.pk, str(i.filled_units), i.cancelled, i.state, str(i.fillable_units)) for i in changes), strict=True
    )
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_OFFERS, [list(column) for column in columns])
    return len(changes)
