"""Deliveries outside the escrow: attested, open to dispute, final by time or by a ruling."""

from tests.support.model.deals import Deals, bond
from tests.support.model.funds import Funds
from tests.support.model.settlement import Settlement
from tests.support.model.state import Claim, DealState, Refused
from tests.support.model.structs import (
    ATTESTED,
    BPS,
    CLAIMED,
    DELIVERED,
    DISPUTED_BY_BUYER,
    DISPUTED_BY_SELLER,
    NO_CLAIM,
    RULED,
    SLASHED,
    TIMED_OUT,
    ZERO,
    Attestation,
    Deal,
    MarketTerms,
    Signature,
)

MAX_APPEALS = 3
NOTHING = Claim(NO_CLAIM, 0, 0)


class Attestations(Funds, Settlement, Deals):
    def attest(self, deal: Deal, terms: MarketTerms, attestation: Attestation, signature: Signature | None) -> None:
        """By the attestor, or anyone with his signature; within the window, once."""
        state = self.check_open(deal)
        self._require_terms(deal, terms)
        if state.claim:
            raise Refused("WrongPhase", deal.id, state.claim.phase)
        if attestation.deal != self.names.key(deal):
            raise Refused("DealMismatch", deal.id)
        self.not_after(attestation.valid_until)
        units = attestation.units
        if not 0 < units <= deal.units:
            raise Refused("BadAttestation", units, deal.units)
        self._require_in_window(deal)
        if self.caller != terms.attestor:
            self.require_signature(terms.attestor, self.names.key(attestation), signature)
        until = self.now + terms.challenge
        self._claim(deal, Claim(CLAIMED, until, units))
        self.emit("Attested", id=deal.id, units=units, evidence=attestation.evidence, until=until)

    def dispute(self, deal: Deal, terms: MarketTerms, evidence: str) -> None:
        """By the buyer against an attestation; by the seller against a silent attestor, or one who attested a part."""
        state = self.check_open(deal)
        self._require_terms(deal, terms)
        by_seller = self.caller == deal.seller
        if not by_seller:
            self.require_caller(deal.buyer)
        claim = self._claim_of(state)
        if claim.phase == CLAIMED:
            self.not_after(claim.until)
            if by_seller and claim.units == deal.units:
                raise Refused("WrongPhase", deal.id, claim.phase)
        else:
            if claim.phase != NO_CLAIM or not by_seller:
                raise Refused("WrongPhase", deal.id, claim.phase)
            self._require_in_window(deal)
        until = self.now + terms.arbitration_window
        phase = DISPUTED_BY_SELLER if by_seller else DISPUTED_BY_BUYER
        self._claim(deal, Claim(phase, until, claim.units, terms.bond_bps))
        locked = bond(self.deals[deal.id])
        free = self.balances.get((deal.pay_token, self.caller), 0)
        if free < locked:  # what is missing comes from the wallet, whether or not deposits are open
            self.pay_in(deal.pay_token, locked - free, self.caller)
        self.debit(deal.pay_token, self.caller, locked)
        self.emit("Disputed", id=deal.id, by=self.caller, bond=locked, evidence=evidence, until=until)

    def finalize(self, deal: Deal) -> None:
        """By anyone, after the challenge period: pays as attested, the rest is the buyer's."""
        claim = self._claim_of(self.check_open(deal))
        if claim.phase != CLAIMED:
            raise Refused("WrongPhase", deal.id, claim.phase)
        self.not_before(claim.until + 1)
        paid, back = (total * claim.units // deal.units for total in (deal.payment, deal.collateral))
        fee = paid * deal.fee_bps // BPS
        outcome = DELIVERED if claim.units == deal.units else SLASHED
        self.end(deal, outcome, deal.payment + deal.collateral - paid - back, paid - fee + back, fee)

    def rule(self, deal: Deal, terms: MarketTerms, to_seller: int) -> None:
        """By the arbitrator: payment, collateral and bond go to the two parties."""
        state, _claim = self._under_ruling(deal, terms)
        pot = deal.payment + deal.collateral + bond(state)
        if to_seller > pot:
            raise Refused("BadSplit", to_seller, pot)
        self.end(deal, RULED, pot - to_seller, to_seller)

    def appeal(self, deal: Deal, terms: MarketTerms) -> None:
        """By the arbitrator: one more window, at most three times a deal."""
        _state, claim = self._under_ruling(deal, terms)
        if claim.appeals >= MAX_APPEALS:
            raise Refused("AppealsExhausted", deal.id)
        until = claim.until + terms.arbitration_window
        self._claim(deal, claim._replace(appeals=claim.appeals + 1, until=until))
        self.emit("Appealed", id=deal.id, until=until)

    def rule_timeout(self, deal: Deal) -> None:
        """By anyone, after the arbitration window: each gets its own back, the bond too."""
        state, claim = self._disputed(deal)
        self.not_before(claim.until + 1)
        by_buyer = claim.phase == DISPUTED_BY_BUYER
        to_buyer = deal.payment + (bond(state) if by_buyer else 0)
        to_seller = deal.collateral + (0 if by_buyer else bond(state))
        self.end(deal, TIMED_OUT, to_buyer, to_seller)

    # ------------------------------------------------------------ rules

    def _claim(self, deal: Deal, claim: Claim) -> None:
        self.deals[deal.id] = self.deals[deal.id]._replace(claim=claim)

    def _claim_of(self, state: DealState) -> Claim:
        terms = self.settlement_of(state.deal.market)
        if terms is not None and terms.token != ZERO:
            raise Refused("NotAttestedKind", state.deal.market)
        return state.claim or NOTHING

    def _require_terms(self, deal: Deal, terms: MarketTerms) -> None:
        if self.names.key(terms) != deal.market:
            raise Refused("TermsMismatch", deal.market)
        if terms.settlement != ATTESTED:
            raise Refused("NotAttestedKind", deal.market)

    def _require_in_window(self, deal: Deal) -> None:
        settlement = self.settlement_of(deal.market)
        if settlement is None:
            raise Refused("NoSettlement", deal.market)
        self.not_before(settlement.start)
        self.not_after(settlement.start + settlement.window)

    def _under_ruling(self, deal: Deal, terms: MarketTerms) -> tuple[DealState, Claim]:
        self._require_terms(deal, terms)
        self.require_caller(terms.arbitrator)
        state, claim = self._disputed(deal)
        self.not_after(claim.until)
        return state, claim

    def _disputed(self, deal: Deal) -> tuple[DealState, Claim]:
        state = self.check_open(deal)
        claim = self._claim_of(state)
        if claim.phase not in {DISPUTED_BY_BUYER, DISPUTED_BY_SELLER}:
            raise Refused("WrongPhase", deal.id, claim.phase)
        return state, claim
