"""Markets: terms checked as the contract will check them, and the id that makers sign."""

from typing import TypedDict, Unpack

from django.db import transaction

from otc.accounts.models import User
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain, EscrowKind
from points.domain.markets import MarketTerms, market_terms_hash, rules_text_hash, terms_errors
from points.models import AssetKind, Market, MarketStatus, PayToken, Program, UnknownMarket
from points.services.projects import project_member_require

RULES_MAX = 20_000
# Members of Market that hold terms as hashed; the rest of MarketTerms comes from pay token, program and rules text.
STORED_TERMS = (
    "resolver",
    "guardian",
    "attestor",
    "arbitrator",
    "settlement",
    "objection",
    "min_window",
    "max_window",
    "challenge",
    "arbitration_window",
    "bond_bps",
    "long_stop",
    "max_ratio_num",
    "max_ratio_den",
)


class TermsInput(TypedDict, total=False):
    """What a project chooses; names and units as in MarketTerms. Required: the first six."""

    resolver: str
    guardian: str
    objection: int
    min_window: int
    max_window: int
    long_stop: int
    attestor: str
    arbitrator: str
    settlement: int
    challenge: int
    arbitration_window: int
    bond_bps: int
    max_ratio_num: int
    max_ratio_den: int


def market_terms(market: Market) -> MarketTerms:
    """The hashed terms of a stored market, for `createMarket` and every later call."""
    return MarketTerms(
        pay_token=market.pay_token.address,
        kind=market.program.kind,
        rules_hash=market.rules_hash,
        **{name: getattr(market, name) for name in STORED_TERMS},
    )


def market_register(
    *, user: User, program: Program, chain: Chain, pay_token_address: str, rules_text: str, **chosen: Unpack[TermsInput]
) -> Market:
    """The market of these terms, not yet on chain (status NONE) unless the chain knows it already. By a project member.

    Terms are judged at chain time with the contract's bounds. The same terms again give the same market.
    Errors: FORBIDDEN; INVALID naming the field; CHAIN_UNAVAILABLE while the chain was never read; CONFLICT when the same
    terms stand under another program.
    """
    project_member_require(project=program.project, user=user)
    if chain.kind == EscrowKind.RIGHTS and program.kind != AssetKind.RIGHT:
        raise DomainError(ErrorCode.INVALID, "The rights escrow serves programs of kind 3, a right.", field="escrow")
    if chain.head_time is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet. Try again in a minute.")
    pay_token = PayToken.objects.filter(chain=chain, address=pay_token_address).first()
    if pay_token is None or not pay_token.allowed:
        raise DomainError(
            ErrorCode.INVALID, "The escrow does not take this token: see GET pay-tokens.", field="pay_token"
        )
    _check_rules_text(rules_text)
    terms = MarketTerms(
        pay_token=pay_token.address, kind=program.kind, rules_hash=rules_text_hash(rules_text), **chosen
    )
    for field, sentence in terms_errors(terms, head_time=chain.head_time):
        raise DomainError(ErrorCode.INVALID, sentence, field=field)
    return _store(program=program, chain=chain, pay_token=pay_token, terms=terms, rules_text=rules_text)


def _check_rules_text(text: str) -> None:
    if not text.strip():
        raise DomainError(
            ErrorCode.INVALID, "Say in words what is traded and what counts as delivery.", field="rules_text"
        )
    if len(text) > RULES_MAX or "\0" in text:
        raise DomainError(ErrorCode.INVALID, f"At most {RULES_MAX:,} characters, none of them NUL.", field="rules_text")


@transaction.atomic
def _store(*, program: Program, chain: Chain, pay_token: PayToken, terms: MarketTerms, rules_text: str) -> Market:
    market_id = market_terms_hash(terms)
    market, created = Market.objects.get_or_create(
        chain=chain,
        market_id=market_id,
        defaults={
            "program": program,
            "pay_token": pay_token,
            "rules_hash": terms.rules_hash,
            "rules_text": rules_text,
            **{name: getattr(terms, name) for name in STORED_TERMS},
        },
    )
    if not created and market.program_id != program.pk:
        raise DomainError(
            ErrorCode.CONFLICT,
            f"The same terms stand under the program {market.program.slug}: name this program in the rules text.",
            field="rules_text",
        )
    if created:
        early = UnknownMarket.objects.filter(chain=chain, market_id=market_id).first()
        if early is not None:
            market.status = MarketStatus(early.status)
            market.save(update_fields=["status"])
    return market
