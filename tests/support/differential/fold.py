"""The project's own reading of the events, beside the model: its ledger and its deals must come to the same."""

from typing import Any

from escrow.chain.events import DealEvent, FoldEvent, MarketEvent
from escrow.contracts import bindings
from escrow.contracts.events import EVENTS
from escrow.domain import deals as rules
from escrow.domain import ledger
from escrow.domain.deals import DealProgress
from escrow.services import deals as services
from escrow.services.deal_rows import fixed_of, places_of
from escrow.services.ledger import movements_of
from escrow.services.markets import market_history
from escrow.services.rights import change_of
from tests.support import model
from tests.support.differential.world import MismatchError, World
from tests.support.model.deals import bond, due
from tests.support.model.state import DealState
from tests.support.model.structs import DELIVERED, NO_WORD, PENDING, SLASHED, ZERO

EVENT_OF = {kind.__name__: kind for kind in EVENTS.values()}
STRUCTS = {"deal": bindings.Deal, "terms": bindings.MarketTerms, "settlement": bindings.SettlementTerms}


def decoded(event: model.Event) -> bindings.Event:
    """As the server reads it from a log."""
    fields = {name: STRUCTS[name](*value) if name in STRUCTS else value for name, value in event.fields.items()}
    return EVENT_OF[event.name](**fields)


class Folded:
    """The venue as the projector would write it: balances by account, deals by id."""

    def begin(self, world: World) -> None:
        self.balances: dict[ledger.AccountKey, int] = {}
        self.entries: dict[str, Any] = {}
        self.parties: dict[str, ledger.Parties] = {}
        self.kept: dict[tuple[str, int, str], int] = {}
        self.markets: dict[str, list[FoldEvent]] = {}
        self.follow(world, world.opening)

    def follow(self, world: World, events: list[model.Event]) -> None:
        touched, changed = set(), set()
        for number, event in enumerate(map(decoded, events)):
            item = FoldEvent(number, 1, number, "0x", event)
            try:
                self._book(item)
                self._keep(item)
                if isinstance(event, MarketEvent):
                    self.markets.setdefault(event.market, []).append(item)
                    changed.add(event.market)
                touched |= self._fold(number, event)
            except rules.FoldError as error:
                raise MismatchError(f"the fold refuses {event}: {error}") from error
        self._compare_money(world)
        self._compare_kept(world.model)
        for market in changed:
            self._compare_market(world.model, market)
        for deal_id in touched:
            self._compare_deal(world.model, deal_id)

    def _fold(self, number: int, event: bindings.Event) -> set[str]:
        if isinstance(event, bindings.Filled):
            progress = DealProgress(fixed_of(event.deal), places_of(event.deal))
            self.entries[event.deal.id] = services._Entry(progress)
            return {event.deal.id}
        if isinstance(event, DealEvent):
            services._apply(self.entries[event.id], number, event)
            return {event.id}
        return set()

    def _book(self, item: FoldEvent) -> None:
        event = item.event
        if isinstance(event, bindings.Filled | bindings.Transferred | bindings.Resold):
            self.parties[event.deal.id] = services._parties(event.deal)
        moves = movements_of(item, self._parties_of)
        for account, change in ledger.deltas(moves).items():
            self.balances[account] = self.balances.get(account, 0) + change
            if self.balances[account] < 0:
                raise rules.FoldError(f"{account} falls to {self.balances[account]}")

    def _parties_of(self, item: FoldEvent) -> ledger.Parties:
        event = item.event
        return self.parties[event.id if isinstance(event, DealEvent) else event.deal.id]

    def _keep(self, item: FoldEvent) -> None:
        change = change_of(item, self._parties_of)
        if change is not None:
            key, amount = change
            self.kept[key] = self.kept.get(key, 0) + amount
            if self.kept[key] < 0:
                raise rules.FoldError(f"what is kept of {key} falls to {self.kept[key]}")

    # ------------------------------------------------------------ comparing

    def _compare_kept(self, escrow: model.RightsEscrow) -> None:
        found = {tuple(key): amount for key, amount in self.kept.items() if amount}
        expected = {key: kept.amount for key, kept in escrow.kept.items() if kept.amount}
        if found != expected:
            raise MismatchError(f"what is kept differs:\nmodel {expected}\nfold  {found}")

    def _compare_market(self, escrow: model.Escrow, market: str) -> None:
        """Its state, what it settles in, and which pieces count."""
        progress, known = market_history(self.markets[market]).progress, escrow.markets[market]
        found: tuple = (progress.status, None)
        if progress.settlement is not None:
            settles = progress.settlement
            rights = settles.rights and (settles.rights.ids_root or NO_WORD, settles.rights.semi_fungible)
            found = (progress.status, (settles.token, settles.terms.start, settles.terms.window, rights))
        expected: tuple = (known.status, None)
        if known.settlement is not None:
            terms = known.settlement
            rights = escrow.rights_of.get(market) if terms.token != ZERO else None
            expected = (known.status, (terms.token, terms.start, terms.window, rights))
        if found != expected:
            raise MismatchError(f"market {market} differs:\nmodel {expected}\nfold  {found}")

    def _compare_money(self, world: World) -> None:
        found = {account: amount for account, amount in self.balances.items() if amount}
        escrow, expected = world.model, {}
        for (token, user), amount in escrow.balances.items():
            expected[ledger.free(token, user)] = amount
        for token, amount in escrow.fees.items():
            expected[ledger.AccountKey(token, ledger.FEES)] = amount
        for token, amount in escrow.liabilities.items():
            expected[ledger.AccountKey(token, ledger.EXTERNAL)] = amount
        for state in escrow.deals.values():
            expected[ledger.locked(self.parties[state.deal.id])] = escrow.locked(state)
        expected = {account: amount for account, amount in expected.items() if amount}
        if found != expected:
            differing = {key: (expected.get(key), found.get(key)) for key in found.keys() | expected.keys()}
            lines = [f"{key}: {pair}" for key, pair in differing.items() if pair[0] != pair[1]]
            raise MismatchError("the ledger differs (model, ledger):\n" + "\n".join(lines))

    def _compare_deal(self, escrow: model.Escrow, deal_id: str) -> None:
        state, progress = escrow.deals[deal_id], self.entries[deal_id].progress
        claim, proof = state.claim, progress.attestation
        said = (proof.phase, proof.until, proof.units, proof.bond, proof.appeals)
        stated = (claim.phase, claim.until, claim.units, bond(state), claim.appeals) if claim else (0,) * 5
        expected = (state.outcome, places_of(bindings.Deal(*state.deal)), escrow.locked(state), stated)
        found = (progress.outcome, progress.places, progress.locked, said)
        if found != expected:
            raise MismatchError(f"deal {deal_id} differs:\nmodel {expected}\nfold  {found}")
        if claim is None:
            self._compare_tranches(escrow, state, progress)

    @staticmethod
    def _compare_tranches(escrow: model.Escrow, state: DealState, progress: DealProgress) -> None:
        terms = escrow.settlement_of(state.deal.market)
        several = terms is not None and terms.tranches > 1
        for number, tranche in progress.tranches.items():
            outcome = SLASHED if number in state.slashed else DELIVERED if number in state.resolved else PENDING
            if not several and state.outcome in {DELIVERED, SLASHED}:
                outcome = state.outcome
            came = due(state.deal, terms, number) if outcome == DELIVERED else state.delivered.get(number, 0)
            if (tranche.outcome, tranche.delivered) != (outcome, came):
                raise MismatchError(f"tranche {number} of {state.deal.id}: model {outcome, came}, fold {tranche}")
        if several and state.resolved - progress.tranches.keys():
            raise MismatchError(f"{state.deal.id}: the fold misses tranches of {state.resolved}")
