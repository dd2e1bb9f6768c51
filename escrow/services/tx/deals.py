"""Deals: delivering, and what anybody may do when a deadline has passed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from escrow.contracts import bindings, structs, words
from escrow.domain.actions import Schedule, refundable
from escrow.domain.payouts import (
    Terms,
    delivery_payout,
    due_in_tranche,
    share_of_tranche,
    slash_payout,
)
from escrow.models import Deal, DealOutcome, DealPhase, DealTranche, SettlementTerms
from escrow.selectors.deals import auto_delivery_amount
from escrow.services.tx import params
from escrow.services.tx.call import Call, delivery_needs, summed
from escrow.services.tx.lookup import now_of, one_chain, open_deal_of, terms_of
from escrow.services.tx.wording import moment, pay_token_words, settlement_token_words
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import to_checksum
from points.models import MarketStatus

Pot = tuple[str, str]  # market, token: what a standing approval names


@dataclass(frozen=True, slots=True)
class OfTranche:
    """A tranche of an open deal under proposed or final terms. `delivered` and `whole` in base units of the settlement token."""

    deal: Deal
    row: SettlementTerms
    terms: Terms
    schedule: Schedule
    number: int
    delivered: int
    whole: int

    @property
    def payment(self) -> int:
        return share_of_tranche(self.deal.payment, self.terms, self.number)

    @property
    def collateral(self) -> int:
        return share_of_tranche(self.deal.collateral, self.terms, self.number)


@dataclass(frozen=True, slots=True)
class Handover:
    """One delivery that passed the checks; `amount` is resolved."""

    tranche: OfTranche
    amount: int
    to_escrow: bool

    @property
    def pot(self) -> Pot:
        return self.tranche.deal.market.market_id, self.tranche.row.token

    @property
    def struct(self) -> bindings.Delivery:
        return bindings.Delivery(
            deal=structs.deal_preimage(self.tranche.deal),
            to_escrow=self.to_escrow,
            tranche=self.tranche.number,
            amount=self.amount,
        )


def deliver(account: str, given: params.Deliver) -> Call:
    """Errors: NOT_FOUND, FORBIDDEN, DEAL_NOT_OPEN, TOO_EARLY, DEADLINE_PASSED, INVALID, AMOUNT_INVALID."""
    handover = _handover(account, given, prefix="", before=0)
    chain = handover.tranche.deal.chain
    approved = _approved([handover])
    return Call(
        chain,
        chain.escrow_address,
        _at_once([handover], approved) if approved else bindings.encode_deliver(handover.struct),
        (*delivery_explained(handover), *_at_once_explained([handover], approved)),
        summed(delivery_needs(handover.tranche.row.token, handover.amount)),
    )


def deliver_batch(account: str, given: params.DeliverBatch) -> Call:
    """Errors: as `deliver`, with `deliveries[i].` before the field."""
    given_before: dict[tuple[str, int], int] = {}
    handovers: list[Handover] = []
    for index, one in enumerate(given.deliveries):
        key = (one.deal_id, one.tranche)
        handover = _handover(account, one, prefix=f"deliveries[{index}].", before=given_before.get(key, 0))
        given_before[key] = given_before.get(key, 0) + handover.amount
        handovers.append(handover)
    chain = one_chain([handover.tranche.deal.chain for handover in handovers], field="deliveries")
    needs = summed(need for one in handovers for need in delivery_needs(one.tranche.row.token, one.amount))
    approved = _approved(handovers)
    data = (
        _at_once(handovers, approved)
        if approved
        else bindings.encode_deliver_batch([handover.struct for handover in handovers])
    )
    last = _at_once_explained(handovers, approved) or ("A deal that is already done by then is skipped.",)
    said = dict.fromkeys(delivery_explained(handover)[0] for handover in handovers)
    return Call(
        chain, chain.escrow_address, data, (f"{len(handovers)} deliveries in one transaction.", *said, *last), needs
    )


def slash(account: str, given: params.Slash) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, TOO_EARLY, INVALID."""
    tranche = tranche_of(given.deal_id, given.tranche, prefix="")
    last = tranche.schedule.deadline(tranche.number)
    if tranche.deal.phase != DealPhase.NONE:
        raise DomainError(
            ErrorCode.CONFLICT,
            f"The deal is {DealPhase(tranche.deal.phase).label.lower()}: it ends by finalize, rule or rule_timeout.",
            field="deal_id",
        )
    if now_of(tranche.deal.chain) <= last:
        raise DomainError(ErrorCode.TOO_EARLY, f"The seller may deliver until {moment(last)}.", field="deal_id")
    paid = slash_payout(
        payment=tranche.payment, collateral=tranche.collateral, delivered=tranche.delivered, whole=tranche.whole
    )
    money = pay_token_words(tranche.deal.pay_token).amount
    chain = tranche.deal.chain
    return Call(
        chain,
        chain.escrow_address,
        bindings.encode_slash(structs.deal_preimage(tranche.deal), tranche.number),
        (
            f"The seller missed the deadline: {money(paid.to_buyer)} go to the buyer's free escrow balance.",
            "Anybody may send this; the keeper does it by itself.",
        ),
    )


def refund(account: str, given: params.OfDeal) -> Call:  # noqa: ARG001 - by anyone; all builders are called alike
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, TOO_EARLY."""
    deal = open_deal_of(given.deal_id)
    market = deal.market
    if not refundable(status=market.status, long_stop=market.long_stop, now=now_of(deal.chain)):
        rule = (
            "The market has settlement terms: its deals are delivered or slashed."
            if market.status == MarketStatus.PROPOSED
            else f"Refunds start when the market is cancelled, or after its long-stop, {moment(market.long_stop)}."
        )
        raise DomainError(ErrorCode.TOO_EARLY, rule, field="deal_id")
    money = pay_token_words(deal.pay_token).amount
    return Call(
        deal.chain,
        deal.chain.escrow_address,
        bindings.encode_refund(structs.deal_preimage(deal)),
        (
            f"Each side gets its own back: {money(deal.payment)} to the buyer, {money(deal.collateral)} to the seller. No fee.",
            "Anybody may send this; the keeper does it by itself.",
        ),
    )


# ---------------------------------------------------------------- rules


def tranche_of(deal_id: str, number: int, *, prefix: str) -> OfTranche:
    """Errors: NOT_FOUND, DEAL_NOT_OPEN, TOO_EARLY without terms, INVALID."""
    deal = open_deal_of(deal_id, field=f"{prefix}deal_id")
    row = terms_of(deal.market)
    if row is None:
        raise DomainError(
            ErrorCode.TOO_EARLY, "The project has not proposed settlement terms yet.", field=f"{prefix}deal_id"
        )
    terms = structs.settlement_terms(row)
    if number >= terms.tranches:
        raise DomainError(
            ErrorCode.INVALID, f"From 0 to {terms.tranches - 1} in this market.", field=f"{prefix}tranche"
        )
    progress = DealTranche.objects.filter(deal=deal, number=number).first()
    if progress is not None and progress.outcome != DealOutcome.OPEN:
        raise DomainError(
            ErrorCode.DEAL_NOT_OPEN,
            f"This tranche is closed: {DealOutcome(progress.outcome).label.lower()}.",
            field=f"{prefix}tranche",
        )
    return OfTranche(
        deal=deal,
        row=row,
        terms=terms,
        schedule=structs.schedule(row),
        number=number,
        delivered=progress.delivered if progress is not None else 0,
        whole=due_in_tranche(deal.units, terms, number),
    )


def _handover(account: str, given: params.Deliver, *, prefix: str, before: int) -> Handover:
    """`before`: what the same batch delivers into the same tranche ahead of this."""
    tranche = tranche_of(given.deal_id, given.tranche, prefix=prefix)
    require_seller(account, tranche)
    return handover_of(tranche, given, left=tranche.whole - tranche.delivered - before, prefix=prefix)


def _approved(handovers: Sequence[Handover]) -> dict[Pot, int]:
    """What the seller lets others deliver, of each market and token of these deliveries in which he lets them deliver anything."""
    found = {one.pot: auto_delivery_amount(one.tranche.deal, one.tranche.row.token) for one in handovers if one.amount}
    return {pot: amount for pot, amount in found.items() if amount}


def _at_once(handovers: Sequence[Handover], approved: Mapping[Pot, int]) -> str:
    """A multicall, all or none. Where the seller lets others deliver for him, somebody may have done so when his own delivery arrives, and
    `deliver` would take it all once more, as a gift. `deliverFor` takes no more than is still due: so his own goes on an approval of exactly
    that, and what he lets others deliver afterwards is less by it.
    """
    given = {pot: sum(one.amount for one in handovers if one.pot == pot) for pot in approved}
    deliveries = [
        (bindings.encode_deliver_for if one.pot in approved else bindings.encode_deliver)(one.struct)
        for one in handovers
    ]
    before = [bindings.encode_set_auto_deliver(*pot, given[pot]) for pot in approved]
    rests = {pot: amount - given[pot] for pot, amount in approved.items()}
    after = [bindings.encode_set_auto_deliver(*pot, rest) for pot, rest in rests.items() if rest > 0]
    return bindings.encode_multicall([words.raw(call) for call in (*before, *deliveries, *after)])


def _at_once_explained(handovers: Sequence[Handover], approved: Mapping[Pot, int]) -> tuple[str, ...]:
    said = ["You let others deliver here too: if anybody did by then, nothing of this moves, and you ask again."]
    for pot, amount in approved.items():
        mine = [one for one in handovers if one.pot == pot]
        token = settlement_token_words(mine[0].tranche.row)
        rest = max(0, amount - sum(one.amount for one in mine))
        said.append(f"Of your standing approval {token.amount(rest)} are left after it.")
    return tuple(said) if approved else ()


def require_seller(account: str, tranche: OfTranche) -> None:
    """Errors: FORBIDDEN."""
    if account != tranche.deal.seller:
        raise DomainError(
            ErrorCode.FORBIDDEN, f"Only the seller, {to_checksum(tranche.deal.seller)}, delivers.", field="account"
        )


def require_window(tranche: OfTranche, *, prefix: str) -> None:
    """Errors: DEADLINE_PASSED, TOO_EARLY."""
    now = now_of(tranche.deal.chain)
    first, last = tranche.schedule.opens_at(tranche.number), tranche.schedule.deadline(tranche.number)
    if now > last:
        raise DomainError(ErrorCode.DEADLINE_PASSED, f"The window closed at {moment(last)}.", field=f"{prefix}deal_id")
    if now < first:
        raise DomainError(ErrorCode.TOO_EARLY, f"The window opens at {moment(first)}.", field=f"{prefix}deal_id")


def handover_of(tranche: OfTranche, given: params.Deliver, *, left: int, prefix: str) -> Handover:
    """A delivery of at most `left`. Errors: INVALID where no token is delivered, DEADLINE_PASSED, TOO_EARLY, AMOUNT_INVALID."""
    if tranche.deal.market.settlement == structs.ATTESTED:
        raise DomainError(
            ErrorCode.INVALID,
            "The deals of this market are delivered outside the escrow: have the attestor confirm it, with `attest`.",
            field=f"{prefix}deal_id",
        )
    if tranche.row.semi_fungible is not None:
        raise DomainError(
            ErrorCode.INVALID,
            "Pieces of a right are delivered by their ids: use deliver_rights.",
            field=f"{prefix}deal_id",
        )
    require_window(tranche, prefix=prefix)
    amount = max(0, left) if given.amount is None else given.amount
    if amount > left or (amount == 0 and tranche.whole != 0):
        token = settlement_token_words(tranche.row)
        raise DomainError(
            ErrorCode.AMOUNT_INVALID,
            f"From 1 to {max(0, left)} base units, which is {token.amount(max(0, left))}: what can still be delivered. More would be a gift.",
            field=f"{prefix}amount",
        )
    return Handover(tranche, amount, given.to_escrow)


def delivery_explained(handover: Handover, *, whose: str = "your wallet", who: str = "You get") -> tuple[str, ...]:
    """What moves from `whose` wallet, and what `who` gets for it."""
    tranche, deal = handover.tranche, handover.tranche.deal
    after = tranche.delivered + handover.amount
    paid = delivery_payout(
        payment=tranche.payment,
        collateral=tranche.collateral,
        fee_bps=deal.fee_bps,
        before=tranche.delivered,
        after=after,
        whole=tranche.whole,
    )
    money = pay_token_words(deal.pay_token).amount
    token = settlement_token_words(tranche.row)
    where = "the buyer's free escrow balance" if handover.to_escrow else f"the buyer, {to_checksum(deal.buyer)}"
    if tranche.whole == 0:
        nothing = f"Nothing is due in this tranche, so nothing moves to the buyer. {who} {money(paid.to_seller)}"
        return (f"{nothing}: the collateral and the payment for it, less a fee of {money(paid.fee)}.",)
    said = [
        (
            f"{token.amount(handover.amount)} move from {whose} to {where}. {who} {money(paid.to_seller)}: the collateral and the "
            f"payment for it, less a fee of {money(paid.fee)}."
        )
    ]
    if after < tranche.whole:
        last = moment(tranche.schedule.deadline(tranche.number))
        said.append(
            f"{token.amount(tranche.whole - after)} are still due by {last}; what is missing then is taken from payment and collateral."
        )
    return tuple(said)
