"""Deliveries outside the escrow: attested, disputed, ruled, and ended by time. Money as the contract computes it."""

from escrow.contracts import bindings, hashing, structs
from escrow.domain import payouts
from escrow.domain.attestations import BUYER, MAX_APPEALS, SELLER
from escrow.models import Deal, DealPhase
from escrow.selectors.balances import free_balance
from escrow.services.tx import params
from escrow.services.tx.call import Call, Need, NeedKind, Signable, delivery_needs, signable, summed
from escrow.services.tx.lookup import now_of, open_deal_of, terms_of
from escrow.services.tx.wording import duration, moment, pay_token_words, position_words, units_words
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum

DISPUTED = {DealPhase.DISPUTED_BY_BUYER, DealPhase.DISPUTED_BY_SELLER}
ANYBODY = "Anybody may send this; the keeper does it by itself."


def attest(account: str, given: params.Attest) -> Call:
    """By the attestor, or by anyone with his signature; whether it is his is the simulation's to say.

    Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, CONFLICT, TOO_EARLY, DEADLINE_PASSED, AMOUNT_INVALID.
    """
    deal = attested_deal(given.deal_id)
    attestation = given.attestation
    if attestation.deal != hashing.deal_hash(structs.deal_preimage(deal)):
        raise DomainError(
            ErrorCode.CONFLICT,
            "The deal has changed hands since this was signed: the attestor signs anew.",
            field="attestation.deal",
        )
    check_attestation(deal, attestation, prefix="attestation.")
    if account != deal.market.attestor and not given.signature:
        raise DomainError(
            ErrorCode.INVALID,
            f"The attestor, {to_checksum(deal.market.attestor)}, must sign it: POST attestations/prepare gives what.",
            field="signature",
        )
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_attest(
            structs.deal_preimage(deal), structs.market_terms(deal.market), attestation, given.signature
        ),
        _attestation_explained(deal, attestation.units),
    )


def dispute(account: str, given: params.Dispute) -> Call:
    """By the buyer against an attestation; by the seller against a silent attestor, or an attestation of a part. What the free
    balance lacks for the bond, the escrow takes from the wallet: that much allowance is needed, whether or not deposits are open.

    Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, FORBIDDEN, CONFLICT, TOO_EARLY, DEADLINE_PASSED.
    """
    deal = attested_deal(given.deal_id)
    market = deal.market
    if account not in {deal.buyer, deal.seller}:
        raise DomainError(
            ErrorCode.FORBIDDEN,
            f"Only the deal's parties, {to_checksum(deal.buyer)} and {to_checksum(deal.seller)}, can dispute it.",
            field="account",
        )
    _check_disputable(deal, by_seller=account == deal.seller)
    bond = payouts.bond_for(deal.payment, market.bond_bps)
    token = deal.pay_token.address
    free = min(bond, free_balance(account, chain=deal.chain, token=token))
    pot = deal.payment + deal.collateral + bond
    money = pay_token_words(deal.pay_token).amount
    sources = f"{money(free)} of your free escrow balance"
    if free < bond:
        sources += f" and {money(bond - free)} out of your wallet"
    arbitrator = to_checksum(market.arbitrator)
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_dispute(structs.deal_preimage(deal), structs.market_terms(market), given.evidence),
        (
            f"You lock a bond of {money(bond)}: {sources}. Nothing is paid out before the dispute ends.",
            (
                f"{arbitrator} has {duration(market.arbitration_window)} to split all of {money(pot)}, payment, collateral and bond, "
                "between the two of you: you may lose the bond too. He may lengthen it three times."
            ),
            (
                f"If he does not rule in time, anyone may end it: {money(deal.payment)} to the buyer, {money(deal.collateral)} to the "
                "seller, and the bond back to you."
            ),
            "No fee is taken either way. Keep the evidence: the chain has only its hash.",
        ),
        summed([Need(NeedKind.ESCROW_BALANCE, token, free), *delivery_needs(token, bond - free)]),
    )


def finalize(account: str, given: params.OfDeal) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, CONFLICT, TOO_EARLY."""
    deal = attested_deal(given.deal_id)
    if deal.phase != DealPhase.ATTESTED:
        raise _wrong_phase(deal, "Only an attested delivery that nobody disputed is paid this way.")
    until = _until(deal)
    if now_of(deal.chain) <= until:
        raise DomainError(ErrorCode.TOO_EARLY, f"It may be disputed until {moment(until)}.", field="deal_id")
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_finalize(structs.deal_preimage(deal)),
        (*_payout_explained(deal, deal.attested_units), ANYBODY),
    )


def rule(account: str, given: params.Rule) -> Call:
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, FORBIDDEN, CONFLICT, DEADLINE_PASSED, AMOUNT_INVALID."""
    deal = _under_ruling(account, given.deal_id)
    pot = deal.payment + deal.collateral + deal.bond
    money = pay_token_words(deal.pay_token).amount
    if given.to_seller > pot:
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            f"From 0 to {pot} base units, which is {money(pot)}: all that is locked in the deal.",
            field="to_seller",
        )
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_rule(structs.deal_preimage(deal), structs.market_terms(deal.market), given.to_seller),
        (
            (
                f"Of {money(pot)}, {money(deal.payment)} payment, {money(deal.collateral)} collateral and {money(deal.bond)} bond, "
                f"{money(given.to_seller)} go to the seller and {money(pot - given.to_seller)} to the buyer."
            ),
            "You get nothing of it, and no fee is taken. The deal ends with that, for good.",
        ),
    )


def appeal(account: str, given: params.OfDeal) -> Call:
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, FORBIDDEN, CONFLICT, DEADLINE_PASSED."""
    deal = _under_ruling(account, given.deal_id)
    if deal.appeals >= MAX_APPEALS:
        raise DomainError(ErrorCode.CONFLICT, "The deal was appealed three times, which is all: rule.", field="deal_id")
    window = deal.market.arbitration_window
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_appeal(structs.deal_preimage(deal), structs.market_terms(deal.market)),
        (
            f"Lengthens the time to rule by {duration(window)}, until {moment(_until(deal) + window)}. No money moves.",
            f"This is appeal {deal.appeals + 1} of {MAX_APPEALS}.",
        ),
    )


def rule_timeout(account: str, given: params.OfDeal) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID, CONFLICT, TOO_EARLY."""
    deal = attested_deal(given.deal_id)
    if deal.phase not in DISPUTED:
        raise _wrong_phase(deal, "Only a dispute that was not ruled in time ends this way.")
    until = _until(deal)
    if now_of(deal.chain) <= until:
        raise DomainError(ErrorCode.TOO_EARLY, f"The arbitrator may rule until {moment(until)}.", field="deal_id")
    money = pay_token_words(deal.pay_token).amount
    paid = payouts.timeout_payout(
        payment=deal.payment,
        collateral=deal.collateral,
        bond=deal.bond,
        disputed_by=BUYER if deal.phase == DealPhase.DISPUTED_BY_BUYER else SELLER,
    )
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_rule_timeout(structs.deal_preimage(deal)),
        (
            f"Nobody ruled in time, so each gets its own back: {money(paid.to_buyer)} to the buyer, {money(paid.to_seller)} to the seller. No fee.",
            ANYBODY,
        ),
    )


def attestation_to_sign(deal: Deal, attestation: bindings.Attestation) -> Signable:
    """Errors: CONFLICT, TOO_EARLY, DEADLINE_PASSED, AMOUNT_INVALID."""
    check_attestation(deal, attestation, prefix="")
    return signable(
        deal.chain,
        attestation,
        deal_id=deal.deal_id,
        signers={"attestor": deal.market.attestor},
        explanation=(
            *_attestation_explained(deal, attestation.units),
            f"Whoever has the signature may send it until {moment(attestation.valid_until)}, within the delivery window and once.",
        ),
    )


# ---------------------------------------------------------------- rules


def attested_deal(deal_id: str) -> Deal:
    """An open deal of an attested market. Errors: NOT_FOUND, DEAL_NOT_OPEN, INVALID."""
    deal = open_deal_of(deal_id)
    if deal.market.settlement != structs.ATTESTED:
        raise DomainError(
            ErrorCode.INVALID, "The deals of this market settle in a token, not by attestation.", field="deal_id"
        )
    return deal


def window_of(deal: Deal) -> tuple[int, int]:
    """The first and the last second in which the delivery may be attested. Errors: TOO_EARLY without terms."""
    row = terms_of(deal.market)
    if row is None:
        raise DomainError(ErrorCode.TOO_EARLY, "The project has not proposed settlement terms yet.", field="deal_id")
    schedule = structs.schedule(row)
    return schedule.opens_at(0), schedule.deadline(0)


def check_attestation(deal: Deal, attestation: bindings.Attestation, *, prefix: str) -> None:
    """Errors: CONFLICT, TOO_EARLY, DEADLINE_PASSED, AMOUNT_INVALID."""
    if deal.phase != DealPhase.NONE:
        raise _wrong_phase(deal, "A delivery is attested once.")
    if not 1 <= attestation.units <= deal.units:
        whole = units_words(deal.units, deal.market.program)
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            f"From 1 to {deal.units}, which is {whole}: all of the deal.",
            field=f"{prefix}units",
        )
    if now_of(deal.chain) > attestation.valid_until:
        raise DomainError(
            ErrorCode.DEADLINE_PASSED,
            f"It was good until {moment(attestation.valid_until)}: sign a later one.",
            field=f"{prefix}valid_until",
        )
    _require_in_window(deal)


def _require_in_window(deal: Deal) -> None:
    first, last = window_of(deal)
    now = now_of(deal.chain)
    if now < first:
        raise DomainError(ErrorCode.TOO_EARLY, f"The window opens at {moment(first)}.", field="deal_id")
    if now > last:
        raise DomainError(ErrorCode.DEADLINE_PASSED, f"The window closed at {moment(last)}.", field="deal_id")


def _check_disputable(deal: Deal, *, by_seller: bool) -> None:
    if deal.phase == DealPhase.ATTESTED:
        until = _until(deal)
        if now_of(deal.chain) > until:
            raise DomainError(
                ErrorCode.DEADLINE_PASSED, f"It could be disputed until {moment(until)}.", field="deal_id"
            )
        if by_seller and deal.attested_units == deal.units:
            raise _wrong_phase(deal, "All of it is attested: the seller has nothing to dispute.")
        return
    if deal.phase != DealPhase.NONE:
        raise _wrong_phase(deal, "A deal is disputed once.")
    if not by_seller:
        raise _wrong_phase(
            deal,
            "The buyer disputes an attestation; without one he gets everything after the delivery window, by slash.",
        )
    _require_in_window(deal)


def _under_ruling(account: str, deal_id: str) -> Deal:
    deal = attested_deal(deal_id)
    arbitrator = deal.market.arbitrator
    if account != arbitrator:
        raise DomainError(
            ErrorCode.FORBIDDEN,
            f"Only the market's arbitrator, {to_checksum(arbitrator)}, may do this.",
            field="account",
        )
    if deal.phase not in DISPUTED:
        raise _wrong_phase(deal, "Only a disputed deal is ruled.")
    until = _until(deal)
    if now_of(deal.chain) > until:
        raise DomainError(
            ErrorCode.DEADLINE_PASSED,
            f"The last second to rule was {moment(until)}: now anyone may send rule_timeout.",
            field="deal_id",
        )
    return deal


def _wrong_phase(deal: Deal, rule: str) -> DomainError:
    now = DealPhase(deal.phase).label.lower()
    return DomainError(ErrorCode.CONFLICT, f"{rule} Now: {now}.", field="deal_id")


def _until(deal: Deal) -> int:
    """Of a deal that is attested or disputed: the database holds it to a time."""
    return int(deal.phase_until or 0)


def _payout_explained(deal: Deal, units: int) -> tuple[str, ...]:
    paid = payouts.finalize_payout(
        payment=deal.payment,
        collateral=deal.collateral,
        fee_bps=deal.fee_bps,
        attested=units,
        units=deal.units,
    )
    money = pay_token_words(deal.pay_token).amount
    lines = [
        f"The seller gets {money(paid.to_seller)}: payment and collateral for {units_words(units, deal.market.program)}, less a fee of {money(paid.fee)}."
    ]
    if paid.to_buyer:
        lines.append(f"The buyer gets {money(paid.to_buyer)} for what was not delivered.")
    return tuple(lines)


def _attestation_explained(deal: Deal, units: int) -> tuple[str, ...]:
    delivered = units_words(units, deal.market.program)
    wait = duration(deal.market.challenge)
    return (
        f"Says on chain that {delivered} of {position_words(deal)} were delivered outside the escrow. No money moves yet.",
        f"From then on it may be disputed for {wait}; undisputed, anyone may finalize it:",
        *_payout_explained(deal, units),
    )
