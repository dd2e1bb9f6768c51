"""The state and cover of stored offers, derived anew from the facts: one place for posting, withdrawing and the projector."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db import connection

from otc.core import locks
from otc.core.chains import escrow_ref
from otc.core.models import Chain
from otc.core.outbox import NewEvent, outbox_add_locked
from points.domain.offers import OfferFacts, OfferTerms, fillable_units, offer_state
from points.models import USED_SALT, MakerEpoch, MakerFunds, MakerNonces, Market, Offer

OFFERS_AT_ONCE = 5_000  # rows in one statement: a second or so, while the database gives it thirty
# Of all-or-none offers: they tell others whether a salt is used. Of the rest UPDATE_OFFERS does it in one writing.
SET_OWN_FACTS = """
UPDATE points_offer AS o
   SET filled_units = v.filled, cancelled_on_chain = v.cancelled
  FROM unnest(%s::bigint[], %s::numeric[], %s::boolean[]) AS v(id, filled, cancelled)
 WHERE o.id = v.id AND o.min_fill = o.units AND (o.filled_units, o.cancelled_on_chain) <> (v.filled, v.cancelled)
"""
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
        used = Offer.objects.filter(USED_SALT, market__chain=chain, maker__in=makers, salt__in=salts).order_by()
        for maker, salt, pk in used.values_list("maker", "salt", "pk"):
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
    """Sets `own_facts` and derives state and cover of these offers anew; returns how many of them changed by it.

    Locks the offers (the caller has locked their makers' funds rows where it changes funds). Writes changed rows, OFFERS_AT_ONCE in a
    statement, and with `tell` an outbox row `offer.changed` for each new state. Needs a transaction.
    """
    own_facts = own_facts or {}
    # Whether a salt is used is asked of the table: all that says so must be there first.
    for ids in _portions(own_facts):
        _set_own_facts({pk: own_facts[pk] for pk in ids})
    return sum(_recompute(chain, ids, own_facts, tell=tell) for ids in _portions(offer_ids))


def _portions(ids: Iterable[int]) -> Iterator[list[int]]:
    """In the order of ids. Others who hold a row meanwhile hold that one alone, and wait for none."""
    ordered = sorted(ids)
    for start in range(0, len(ordered), OFFERS_AT_ONCE):
        yield ordered[start : start + OFFERS_AT_ONCE]


def _set_own_facts(own_facts: Mapping[int, FilledAndCancelled]) -> None:
    columns = zip(*((pk, str(own.filled_units), own.cancelled) for pk, own in own_facts.items()), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(SET_OWN_FACTS, [list(column) for column in columns])


def _recompute(chain: Chain, ids: Sequence[int], own_facts: Mapping[int, FilledAndCancelled], *, tell: bool) -> int:
    rows = locks.lock_rows(Offer.objects.filter(pk__in=ids).defer("signature"))
    markets = Market.objects.select_related("pay_token").defer("rules_text").in_bulk({row.market_id for row in rows})
    for row in rows:
        row.market = markets[row.market_id]
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
