"""The facts of the escrow folded from events by the project's own rules, kept in memory: what PostgreSQL would say, without PostgreSQL.

Forward, new events are applied on top of what stands; backward, transfers are voided and each touched subject is folded anew from what is left
of its events. A rebuild is a new projection that takes all events at once.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from escrow.chain.events import DealEvent, FoldEvent, MarketEvent, PlacingEvent, deal_id_of
from escrow.contracts import bindings
from escrow.domain import ledger
from escrow.domain.deals import DealProgress, FoldError
from escrow.domain.ledger import Movement, Parties
from escrow.services import deals as deal_service
from escrow.services.deal_rows import fixed_of, places_of
from escrow.services.facts import _used
from escrow.services.ledger import movements_of
from escrow.services.markets import market_history
from tests.sim.facts import DealFacts, Facts, Key, MarketFacts

ACCOUNT_KEYS = {ledger.FREE: "free", ledger.FEES: "fees", ledger.EXTERNAL: "external", ledger.LOCKED: "locked"}


class Projection:
    """`facts` after the events that were applied and not taken back."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._histories: dict[Key, list[FoldEvent]] = {}  # by subject, in chain order
        self._moves: dict[int, tuple[Movement, ...]] = {}  # by event
        self._entries: dict[str, deal_service._Entry] = {}
        self._parties: dict[str, Parties] = {}

    def apply(self, items: Sequence[FoldEvent]) -> None:
        """Folds events that follow all before. Errors: FoldError; then nothing has changed."""
        done: list[FoldEvent] = []
        try:
            for item in items:
                done.append(item)
                self._apply(item)
        except FoldError:
            self.take_back(done)
            raise
        finally:
            self.facts.close()

    def take_back(self, items: Iterable[FoldEvent]) -> None:
        """Undoes the last events that were applied."""
        touched: set[Key] = set()
        for item in reversed(list(items)):
            self._book(self._moves.pop(item.pk, ()), -1)
            for subject in subjects(item.event):
                history = self._histories.get(subject)
                if history and history[-1].pk == item.pk:
                    history.pop()
                touched.add(subject)
        for subject in touched:
            self._fold_anew(subject)
        self.facts.close()

    # ------------------------------------------------------------ forward

    def _apply(self, item: FoldEvent) -> None:
        event = item.event
        if isinstance(event, PlacingEvent):
            self._parties[event.deal.id] = Parties(
                event.deal.id, event.deal.pay_token, event.deal.buyer, event.deal.seller
            )
        moves = movements_of(item, self._parties_of)
        self._book(moves, 1)
        if moves:
            self._moves[item.pk] = moves
        for subject in subjects(event):
            self._histories.setdefault(subject, []).append(item)
            if subject[0] == "deal":
                self._step(item, event)
            else:
                self._fold(subject)

    def _parties_of(self, item: FoldEvent) -> Parties:
        try:
            return self._parties[deal_id_of(item.event) or ""]
        except KeyError:
            raise FoldError("an event of a deal that was never opened") from None

    def _book(self, moves: Iterable[Movement], sign: int) -> None:
        for key, change in ledger.deltas(moves).items():
            named: Key = (ACCOUNT_KEYS[key.kind], key.deal) if key.deal else (ACCOUNT_KEYS[key.kind], key.token)
            if key.kind == ledger.FREE:
                named = ("free", key.token, key.owner)
            self.facts.add(named, sign * change)
            if sign > 0 and self.facts.get(*named) < 0:
                raise FoldError(f"account {named} would fall below zero")

    def _step(self, item: FoldEvent, event: bindings.Event) -> None:
        """One event more of a deal."""
        if isinstance(event, bindings.Filled):
            self._entries[event.deal.id] = deal_service._Entry(
                DealProgress(fixed_of(event.deal), places_of(event.deal))
            )
        elif isinstance(event, DealEvent):
            if event.id not in self._entries:
                raise FoldError("an event of a deal that was never opened")
            deal_service._apply(self._entries[event.id], item.pk, event)
        self._show_deal(deal_id_of(event) or "")

    # ------------------------------------------------------------ one subject from its history

    def _fold_anew(self, subject: Key) -> None:
        if subject[0] != "deal":
            self._fold(subject)
            return
        deal_id, history = subject[1], self._histories[subject]
        self._entries.pop(deal_id, None)
        self._parties.pop(deal_id, None)
        self.facts.put(("deal", deal_id), None)
        for item in history:
            event = item.event
            if isinstance(event, PlacingEvent):
                self._parties[deal_id] = Parties(deal_id, event.deal.pay_token, event.deal.buyer, event.deal.seller)
            self._step(item, event)

    def _show_deal(self, deal_id: str) -> None:
        done = self._entries[deal_id].progress
        fixed, places, proof = done.fixed, done.places, done.attestation
        struct = bindings.Deal(
            deal_id,
            fixed.market,
            places.buyer,
            places.seller,
            fixed.pay_token,
            fixed.units,
            fixed.payment,
            fixed.collateral,
            fixed.fee_bps,
            places.buyer_ref,
            places.seller_ref,
            places.opened_at,
        )
        hands = tuple(
            (event.side, event.from_, event.to, event.price if isinstance(event, bindings.Resold) else None)
            for item in self._histories["deal", deal_id]
            if isinstance(event := item.event, bindings.Transferred | bindings.Resold)
        )
        tranches = tuple(sorted((number, each.delivered, each.outcome) for number, each in done.tranches.items()))
        self.facts.put(
            ("deal", deal_id),
            DealFacts(
                struct,
                done.locked,
                done.outcome,
                tranches,
                done.matched,
                hands,
                proof.phase,
                proof.until,
                proof.units,
                proof.evidence,
                proof.by,
                proof.bond,
                proof.appeals,
            ),
        )

    def _fold(self, subject: Key) -> None:
        events = [item.event for item in self._histories[subject]]
        if subject[0] == "market":
            self.facts.put(subject, self._market(self._histories[subject]))
        elif subject[0] == "offer":
            filled = [event.buy_filled if isinstance(event, bindings.Matched) else event.filled for event in events
                      if not isinstance(event, bindings.OfferCancelled)]  # fmt: skip
            self.facts.put(("filled", subject[1]), max(filled, default=0))
            cancelled = any(isinstance(event, bindings.OfferCancelled) for event in events)
            self.facts.put(("cancelled", subject[1]), cancelled)
        elif subject[0] == "nonces":
            mask = 0
            for event in events:
                mask |= (_used(event) or (None, 0))[1]
            self.facts.put(subject, mask)
        else:
            self.facts.put(subject, _value(events[-1]) if events else 0)

    @staticmethod
    def _market(history: Sequence[FoldEvent]) -> MarketFacts | None:
        found = market_history(history)
        progress, settlement = found.progress, None
        if not progress.status:
            return None
        if progress.settlement is not None:
            terms = progress.settlement.terms
            settlement = bindings.SettlementTerms(
                progress.settlement.token,
                terms.ratio_num,
                terms.ratio_den,
                terms.start,
                terms.window,
                terms.tge_bps,
                terms.tranches,
                terms.period,
            )
        return MarketFacts(
            progress.status,
            settlement,
            progress.settlement.final_at if progress.settlement else 0,
            bool(progress.settlement and progress.settlement.extended),
            found.cancel_confirmable_at or 0,
        )


def subjects(event: bindings.Event) -> list[Key]:
    """Keys of the histories that the event belongs to."""
    found: list[Key] = []
    deal_id, used = deal_id_of(event), _used(event)
    if deal_id is not None:
        found.append(("deal", deal_id))
    if used is not None:
        found.append(("nonces", *used[0]))
    match event:
        case bindings.Filled() | bindings.OfferCancelled():
            found.append(("offer", event.offer_hash))
        case bindings.Matched():
            found.append(("offer", event.buy_hash))
        case bindings.EpochBumped():
            found.append(("epoch", event.maker))
        case bindings.PayTokenSet():
            found.append(("allowed", event.token))
        case bindings.AutoDeliverSet():
            found.append(("approved", event.seller, event.market, event.token))
        case bindings.FeeSet():
            found.append(("fee_bps",))
        case bindings.EntryPaused():
            found.append(("paused_until",))
    if isinstance(event, MarketEvent):
        found.append(("market", event.market))
    return found


def _value(event: bindings.Event) -> Any:
    """What a rare event sets."""
    match event:
        case bindings.EpochBumped():
            return event.epoch
        case bindings.PayTokenSet():
            return event.allowed
        case bindings.AutoDeliverSet():
            return event.amount
        case bindings.FeeSet():
            return event.fee_bps
        case bindings.EntryPaused():
            return event.until
    raise AssertionError(event)
