"""A deal: its tranches, what is due and what is locked in it (docs/protocol.md, Settlement and Rounding)."""

from tests.support.model.state import DealState, Refused, State
from tests.support.model.structs import (
    BPS,
    DELIVERED,
    PENDING,
    SLASHED,
    ZERO,
    Deal,
    Key,
    SettlementTerms,
)


def share(total: int, terms: SettlementTerms, tranche: int) -> int:
    """Of `total` in one tranche: `tge_bps` in the first, the rest in equal parts. All shares sum to `total`."""
    if terms.tranches == 1:
        return total

    def up_to(count: int) -> int:
        if count == 0:
            return 0
        parts = terms.tge_bps * (terms.tranches - 1) + (BPS - terms.tge_bps) * (count - 1)
        return total * parts // (BPS * (terms.tranches - 1))

    return up_to(tranche + 1) - up_to(tranche)


def due(deal: Deal, terms: SettlementTerms, tranche: int) -> int:
    """Tokens due in a tranche: the deal's are rounded up, and then sliced."""
    return share(-(-deal.units * terms.ratio_num // terms.ratio_den), terms, tranche)


def legs(deal: Deal, terms: SettlementTerms, tranche: int) -> tuple[int, int]:
    """Payment and collateral of a tranche."""
    return share(deal.payment, terms, tranche), share(deal.collateral, terms, tranche)


def bond(state: DealState) -> int:
    """What a disputer locked: a share of the payment, rounded down."""
    return state.deal.payment * state.claim.bond_bps // BPS if state.claim else 0


class Deals(State):
    def check(self, deal: Deal) -> DealState:
        """The stored deal, open or closed. An open one must be this very struct."""
        state = self.deals.get(deal.id)
        if state is None:
            raise Refused("UnknownDeal", deal.id)
        if state.outcome == PENDING and state.deal != deal:
            raise Refused("DealMismatch", deal.id)
        return state

    def check_open(self, deal: Deal) -> DealState:
        state = self.check(deal)
        if state.outcome != PENDING:
            raise Refused("DealClosed", deal.id, state.outcome)
        return state

    def tranche_terms(self, deal: Deal, tranche: int) -> SettlementTerms:
        terms = self.settlement_of(deal.market)
        if terms is None:
            raise Refused("NoSettlement", deal.market)
        if tranche >= terms.tranches:
            raise Refused("BadTranche", tranche, terms.tranches)
        return terms

    @staticmethod
    def is_resolved(state: DealState, tranche: int) -> bool:
        """A deal with a claim is out of reach of deliveries and slashing."""
        return state.claim is not None or tranche in state.resolved

    def refuse_done(self, deal_id: Key, tranche: int) -> None:
        """What a batch skips, a single call refuses."""
        outcome = self.deals[deal_id].outcome
        if outcome != PENDING:
            raise Refused("DealClosed", deal_id, outcome)
        raise Refused("TrancheClosed", deal_id, tranche)

    def resolve(self, deal_id: Key, terms: SettlementTerms, tranche: int, outcome: int) -> bool:
        """Ends one tranche. The last one ends the deal: SLASHED if any of its tranches was. True when the deal is closed."""
        state = self.deals[deal_id]
        if terms.tranches > 1:
            slashed = state.slashed | {tranche} if outcome == SLASHED else state.slashed
            state = state._replace(resolved=state.resolved | {tranche}, slashed=slashed)
            if len(state.resolved) < terms.tranches:
                self.deals[deal_id] = state
                return False
            outcome = SLASHED if slashed else DELIVERED
        self.deals[deal_id] = state._replace(outcome=outcome)
        return True

    def locked(self, state: DealState) -> int:
        """Payment, collateral and bond that a deal still holds; 0 once it is closed."""
        if state.outcome != PENDING:
            return 0
        deal, terms = state.deal, self.settlement_of(state.deal.market)
        rest = deal.payment + deal.collateral + bond(state)
        if terms is None or terms.token == ZERO:
            return rest
        for tranche in range(terms.tranches):
            payment, collateral = legs(deal, terms, tranche)
            done = state.delivered.get(tranche, 0)
            if tranche in state.resolved:
                rest -= payment + collateral
            elif done:
                whole = due(deal, terms, tranche)
                rest -= payment * done // whole + collateral * done // whole
        return rest

    def check_solvency(self) -> None:
        """Invariants 1 and 2: each token's liabilities are Σ free + fees + Σ locked, and the escrow holds at least that."""
        owed = dict(self.fees)
        for (token, _user), amount in self.balances.items():
            owed[token] = owed.get(token, 0) + amount
        for state in self.deals.values():
            token = state.deal.pay_token
            owed[token] = owed.get(token, 0) + self.locked(state)
        for token in owed.keys() | self.liabilities.keys():
            liability = self.liabilities.get(token, 0)
            if owed.get(token, 0) != liability:
                raise AssertionError(f"{token}: owes {owed.get(token, 0)}, books {liability}")
            if liability and self.tokens[token].balance_of(self.address) < liability:
                raise AssertionError(f"{token}: holds less than {liability}")
