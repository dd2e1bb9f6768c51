"""What a wallet holds, owes and can do: deals as their party sees them, with each tranche's clock. Read-only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import Q

from escrow.domain import payouts
from escrow.models import Account, AccountKind, Deal, DealOutcome, DealPhase, SettlementTerms
from escrow.selectors.balances import Locked, locked_in
from escrow.selectors.deals import DealView, TrancheView, deal_view, deals_of
from escrow.services.tx.params import BATCH_MAX
from otc.core.models import Chain, EscrowKind
from otc.web import selectors
from otc.web.context import chain_now
from otc.web.phases import Phase
from points.models import Offer, OfferState, PayToken
from points.selectors.offers import offers

CLOSED_ROWS = 30
OFFER_ROWS = 100
FAR = 2**63  # later than any deadline


class Act(StrEnum):
    """What a tranche allows now."""

    WAIT = "wait"
    DELIVER = "deliver"
    SLASH = "slash"
    REFUND = "refund"
    NONE = "none"


@dataclass(frozen=True)
class TrancheLine:
    """A tranche with what it allows now."""

    view: TrancheView
    of: int
    act: Act

    @property
    def left(self) -> int:
        """Base units of the settlement token still to come."""
        return self.view.due - self.view.delivered


@dataclass(frozen=True)
class DealCard:
    """A deal from `wallet`'s side."""

    view: DealView
    wallet: str
    now: int
    phase: Phase
    tranches: Sequence[TrancheLine]

    @property
    def deal(self) -> Deal:
        return self.view.deal

    @property
    def depth(self) -> str:
        """Of the newest thing that happened to it as a whole."""
        return str(self.view.closed_depth or self.view.depth)

    @property
    def selling(self) -> bool:
        return bool(self.deal.seller == self.wallet)

    @property
    def buying(self) -> bool:
        return bool(self.deal.buyer == self.wallet)

    @property
    def other(self) -> str:
        return str(self.deal.buyer if self.selling else self.deal.seller)

    @property
    def open(self) -> bool:
        return bool(self.deal.outcome == DealOutcome.OPEN)

    @property
    def current(self) -> TrancheLine | None:
        """The tranche that matters now: one that can be slashed, else the next to deliver."""
        if not self.open:
            return None
        late = next((line for line in self.tranches if line.act is Act.SLASH), None)
        return late or next((line for line in self.tranches if line.act is not Act.NONE), None)

    @property
    def act(self) -> Act:
        if not self.open:
            return Act.NONE
        if self.view.refundable:
            return Act.REFUND
        return self.current.act if self.current else Act.WAIT

    @property
    def urgency(self) -> tuple[int, int]:
        """Sorts what needs somebody's hand first, then what waits, both by what is due next; what has ended comes last."""
        if not self.open:
            return 2, FAR
        return int(self.act is Act.WAIT), self.view.deadline or self.phase.until or FAR

    @property
    def deliverable(self) -> bool:
        return self.selling and self.act is Act.DELIVER

    @property
    def at_stake(self) -> int:
        """What the current tranche moves to the buyer if nothing more is delivered."""
        line = self.current
        if line is None:
            return self.view.payment_locked + self.view.collateral_locked
        return line.view.payment_locked + line.view.collateral_locked

    @property
    def earned_on_delivery(self) -> int:
        """Credited to the seller when the rest of the current tranche is delivered, his collateral included."""
        line = self.current
        if line is None:
            return 0
        return payouts.delivery_payout(
            payment=line.view.payment,
            collateral=line.view.collateral,
            fee_bps=self.deal.fee_bps,
            before=line.view.delivered,
            after=line.view.due,
            whole=line.view.due,
        ).to_seller

    @property
    def says_at_zero(self) -> str:
        """Announced when the countdown ends."""
        if self.selling:
            return "The delivery window has closed. What was not delivered goes to the buyer, with your collateral."
        return "The delivery window has closed. What was not delivered comes back to you, with the seller's collateral."


def cards_of(wallet: str) -> list[DealCard]:
    """All open deals of `wallet` by urgency, then those that ended last, each newest first among equals. Two queries."""
    deals = deals_of(party=wallet)
    ended = deals.exclude(outcome=DealOutcome.OPEN).order_by("-id").values("pk")[:CLOSED_ROWS]
    rows = deals.filter(Q(outcome=DealOutcome.OPEN) | Q(pk__in=ended)).select_related("market__pay_token")
    cards = [card_of(deal, wallet) for deal in rows.defer("market__rules_text").order_by("-id")]
    return sorted(cards, key=lambda card: card.urgency)


def card_of(deal: Deal, wallet: str) -> DealCard:
    """`deal`, loaded by escrow's `deals_of`, as `wallet` sees it (a stranger may pass any address)."""
    chain = deal.market.chain = deal.chain
    now = chain_now(chain)
    view = deal_view(deal, now=now)
    lines = [TrancheLine(tranche, len(view.tranches), _act(view, tranche, now)) for tranche in view.tranches]
    return DealCard(view=view, wallet=wallet, now=now, phase=selectors.market_phase_now(deal.market), tranches=lines)


def _act(view: DealView, tranche: TrancheView, now: int) -> Act:
    if view.deal.outcome != DealOutcome.OPEN or tranche.outcome != DealOutcome.OPEN:
        return Act.NONE
    if not view.terms_final or now < tranche.opens_at or view.deal.phase != DealPhase.NONE:
        return Act.WAIT
    if view.attested and now <= tranche.deadline:
        return Act.WAIT
    return Act.DELIVER if now <= tranche.deadline else Act.SLASH


@dataclass(frozen=True)
class Funds:
    """A wallet's money in one token of an escrow, base units. `pay_token` is None for a token delivered into escrow."""

    chain: Chain
    token: str
    symbol: str
    decimals: int | None
    free: int
    locked: int = 0
    pay_token: PayToken | None = None


def funds_of(wallet: str, cards: Iterable[DealCard]) -> list[Funds]:
    """Per payment token, and per other token of which there is some. `cards`: as by `cards_of`. Two queries."""
    cards = list(cards)
    tokens = list(PayToken.objects.filter(chain__active=True).select_related("chain"))
    accounts = Account.objects.filter(kind=AccountKind.FREE, owner=wallet, balance__gt=0).select_related("chain")
    free = {(account.chain_id, account.token): account for account in accounts}
    locked = locked_in((card.view for card in cards), wallet)
    rows = []
    for token in tokens:
        account = free.pop((token.chain_id, token.address), None)
        row = Funds(
            chain=token.chain,
            token=token.address,
            symbol=token.symbol,
            decimals=token.decimals,
            free=int(account.balance) if account else 0,
            locked=locked.get((token.chain_id, token.address), Locked()).total,
            pay_token=token,
        )
        # Money of the rights escrow goes in by the page of a market that needs it.
        if row.free or row.locked or (token.allowed and token.chain.kind == EscrowKind.TOKENS):
            rows.append(row)
    names = {(card.deal.chain_id, card.view.terms.token): card.view.terms for card in cards if card.view.terms}
    for key, account in free.items():
        terms = names.get(key)
        symbol, decimals = (terms.token_symbol, terms.token_decimals) if terms else ("", None)
        rows.append(Funds(account.chain, account.token, symbol, decimals, int(account.balance)))
    return rows


def funds_in(wallet: str, chain: Chain, token: str) -> Funds:
    """Free money of `wallet` in one token, by its address, with the token's name where we know it. Two queries or three."""
    account = Account.objects.filter(kind=AccountKind.FREE, chain=chain, owner=wallet, token=token).first()
    symbol, decimals = selectors.token_name(chain, token)
    return Funds(chain, token, symbol, decimals, int(account.balance) if account else 0)


@dataclass(frozen=True)
class OfferLine:
    """An open offer of the reader's own."""

    offer: Offer
    now: int

    @property
    def left_units(self) -> int:
        return int(self.offer.units - self.offer.filled_units)


def offers_of(wallet: str) -> list[OfferLine]:
    """Open offers of `wallet`, newest first. One query."""
    rows = offers(maker=wallet, state=OfferState.OPEN).order_by("-id")[:OFFER_ROWS]
    return [OfferLine(offer, chain_now(offer.market.chain)) for offer in rows]


@dataclass(frozen=True)
class DeliveryBatch:
    """Deliverable deals of one settlement token on one chain that fit in one transaction, due soonest first, and what hangs on
    them until `deadline`, the nearest. `following`: how many more batches are deliverable after it.
    """

    chain: Chain
    cards: list[DealCard]
    following: int

    @property
    def terms(self) -> SettlementTerms:
        return self.cards[0].deal.market.settlement_terms

    @property
    def token(self) -> str:
        return str(self.terms.token)

    @property
    def symbol(self) -> str:
        return str(self.terms.token_symbol)

    @property
    def decimals(self) -> int | None:
        decimals: int | None = self.terms.token_decimals
        return decimals

    @property
    def total(self) -> int:
        return sum(card.current.left for card in self.cards if card.current)

    @property
    def deadline(self) -> int:
        return min(card.current.view.deadline for card in self.cards if card.current)

    @property
    def since(self) -> int:
        return max(card.current.view.opens_at for card in self.cards if card.current)

    @property
    def now(self) -> int:
        return self.cards[0].now

    @property
    def stakes(self) -> list[tuple[int, PayToken]]:
        """Per payment token: payment and collateral that go to the buyers if nothing is delivered."""
        sums: dict[int, tuple[int, PayToken]] = {}
        for card in self.cards:
            token = card.deal.pay_token
            sums[token.pk] = (sums.get(token.pk, (0, token))[0] + card.at_stake, token)
        return list(sums.values())


def delivery_batches(cards: Iterable[DealCard]) -> list[DeliveryBatch]:
    """What their seller can deliver now: by chain and settlement token the batch that is due next. `cards`: as by `cards_of`."""
    groups: dict[tuple[int, str], list[DealCard]] = {}
    for card in cards:
        if card.deliverable and not card.view.in_rights:  # pieces are named one by one
            terms = card.deal.market.settlement_terms
            groups.setdefault((card.deal.market.chain_id, terms.token), []).append(card)
    return [
        DeliveryBatch(group[0].deal.market.chain, group[:BATCH_MAX], following=(len(group) - 1) // BATCH_MAX)
        for group in groups.values()
    ]
