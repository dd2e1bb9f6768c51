"""Finding what an action is about, or saying which parameter names nothing."""

from escrow.models import Account, Deal, DealOutcome, SettlementTerms
from escrow.services.tx.params import Extend, OfMarket, Propose, SetAutoDeliver
from escrow.services.tx.wording import TokenWords, pay_token_words, settlement_token_words
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from points.models import Market, PayToken
from points.selectors.markets import market_get


def now_of(chain: Chain) -> int:
    """The chain's time. Errors: CHAIN_UNAVAILABLE before its first block was read."""
    if chain.head_time is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet. Try again in a minute.")
    return chain.head_time


def require_entry_open(chain: Chain) -> None:
    """Errors: PAUSED while deposits and fills are stopped on chain."""
    if now_of(chain) < chain.paused_until:
        raise DomainError(
            ErrorCode.PAUSED,
            f"The escrow takes no deposits and fills until {chain.paused_until} (unix seconds). Withdrawing, delivering and claiming go on.",
        )


def token_words(chain: Chain, token: str) -> TokenWords:
    """A token that this venue deals in: paid with, delivered, or held. Errors: NOT_FOUND."""
    paid = PayToken.objects.filter(chain=chain, address=token).first()
    if paid is not None:
        return pay_token_words(paid)
    settled = SettlementTerms.objects.filter(market__chain=chain, token=token).first()
    if settled is not None:
        return settlement_token_words(settled)
    if Account.objects.filter(chain=chain, token=token).exists():
        return TokenWords(token)
    raise DomainError(ErrorCode.NOT_FOUND, "No market here pays in or delivers this token.", field="token")


def deal_of(deal_id: str, *, field: str) -> Deal:
    """The deal with all that a call about it reads. Errors: NOT_FOUND."""
    rows = Deal.objects.select_related(
        "chain", "pay_token", "market__program", "market__pay_token", "market__chain", "market__settlement_terms"
    ).prefetch_related("tranches")
    found = rows.filter(deal_id=deal_id, chain__active=True).first()
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, "No such deal is known here.", field=field)
    return found


def open_deal_of(deal_id: str, *, field: str = "deal_id") -> Deal:
    """As `deal_of`, of a deal that is not closed. Errors: NOT_FOUND, DEAL_NOT_OPEN."""
    deal = deal_of(deal_id, field=field)
    if deal.outcome != DealOutcome.OPEN:
        raise DomainError(
            ErrorCode.DEAL_NOT_OPEN, f"The deal is closed: {DealOutcome(deal.outcome).label.lower()}.", field=field
        )
    return deal


def market_of(given: OfMarket | Propose | Extend | SetAutoDeliver) -> Market:
    """Errors: NOT_FOUND, INVALID."""
    try:
        return market_get(market_id=given.market_id, chain_id=given.chain_id, escrow=given.escrow)
    except DomainError as error:
        field = "market_id" if error.field == "market" else error.field
        raise DomainError(error.code, error.detail, field=field) from error


def terms_of(market: Market) -> SettlementTerms | None:
    """The market's proposed or final terms, from a loaded relation where there is one."""
    found: SettlementTerms | None = getattr(market, "settlement_terms", None)
    return found


def one_chain(chains: list[Chain], *, field: str) -> Chain:
    """The escrow that all items of a batch are in. Errors: INVALID."""
    first = chains[0]
    for index, chain in enumerate(chains):
        if chain.pk != first.pk:
            raise DomainError(
                ErrorCode.INVALID,
                f"One transaction is of one escrow: this one is of that of {chain}.",
                field=f"{field}[{index}]",
            )
    return first
