"""What a wallet has in escrow, per token: free, locked in deals, and how much of the free balance is not final yet."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Sum

from escrow.domain.ledger import FREE
from escrow.models import Account, Deal, DealOutcome, SettlementTerms, Transfer, TransferState
from escrow.selectors.deals import DealView, deal_views, deals_of
from otc.core.models import Chain
from points.models import PayToken


@dataclass(frozen=True, slots=True)
class Locked:
    """A wallet's own payment, collateral and bonds in open deals, base units."""

    payment: int = 0
    collateral: int = 0
    bond: int = 0

    @property
    def total(self) -> int:
        return self.payment + self.collateral + self.bond

    def __add__(self, other: "Locked") -> "Locked":
        return Locked(self.payment + other.payment, self.collateral + other.collateral, self.bond + other.bond)


@dataclass(frozen=True, slots=True)
class BalanceView:
    """Base units of `token`. `free` counts everything seen; `pending_in` and `pending_out` are the parts of it that came or
    went in blocks that are not final.
    """

    chain: Chain
    token: str
    symbol: str
    decimals: int | None
    is_pay_token: bool
    free: int
    locked: Locked
    pending_in: int
    pending_out: int


def balances(address: str, *, chain: Chain) -> list[BalanceView]:
    """One row per payment token of the chain, and per other token of which the wallet has some. Payment tokens first."""
    accounts = {account.token: account for account in Account.objects.filter(chain=chain, kind=FREE, owner=address)}
    coming = _pending(accounts.values(), "credit")
    going = _pending(accounts.values(), "debit")
    locked = locked_by_token(address, chain=chain)
    pay_tokens = {token.address: token for token in PayToken.objects.filter(chain=chain)}
    others = sorted(token for token, account in accounts.items() if account.balance and token not in pay_tokens)
    named = _names(chain, others)
    rows = []
    for token in [*pay_tokens, *others]:
        account = accounts.get(token)
        pk = account.pk if account else 0
        symbol, decimals = (
            (pay_tokens[token].symbol, pay_tokens[token].decimals)
            if token in pay_tokens
            else named.get(token, ("", None))
        )
        rows.append(
            BalanceView(
                chain=chain,
                token=token,
                symbol=symbol,
                decimals=decimals,
                is_pay_token=token in pay_tokens,
                free=account.balance if account else 0,
                locked=locked.get(token, Locked()),
                pending_in=coming.get(pk, 0),
                pending_out=going.get(pk, 0),
            )
        )
    return rows


def free_balance(address: str, *, chain: Chain, token: str) -> int:
    """Base units at depth seen."""
    account = Account.objects.filter(chain=chain, kind=FREE, owner=address, token=token).first()
    return account.balance if account else 0


def _pending(accounts: Iterable[Account], side: str) -> dict[int, int]:
    ids = [account.pk for account in accounts]
    rows = Transfer.objects.filter(state=TransferState.PENDING, **{f"{side}__in": ids}).order_by()
    return {pk: int(total) for pk, total in rows.values_list(side).annotate(total=Sum("amount"))}


def _names(chain: Chain, tokens: Iterable[str]) -> dict[str, tuple[str, int | None]]:
    rows = SettlementTerms.objects.filter(market__chain=chain, token__in=list(tokens))
    return {row.token: (row.token_symbol, row.token_decimals) for row in rows}


def locked_by_token(address: str, *, chain: Chain) -> dict[str, Locked]:
    """What the wallet has in open deals, by token. Deals that nothing was delivered to are summed by the database."""
    sums: dict[str, Locked] = defaultdict(Locked)
    untouched = Deal.objects.filter(chain=chain, outcome=DealOutcome.OPEN, tranches=None)
    for party, column in (("buyer", "payment"), ("seller", "collateral"), ("disputed_by", "bond")):
        found = untouched.filter(**{party: address}).order_by().values_list("pay_token__address")
        for token, total in found.annotate(total=Sum(column)):
            sums[token] += Locked(**{column: int(total)})
    touched = deals_of(party=address, outcome=DealOutcome.OPEN, chain_id=chain.pk).filter(tranches__isnull=False)
    for (_chain, token), locked in locked_in(deal_views(touched.distinct()), address).items():
        sums[token] += locked
    return sums


def locked_in(deals: Iterable[DealView], address: str) -> dict[tuple[int, str], Locked]:
    """What the wallet has in these deals, by the key of their escrow's row and token."""
    sums: dict[tuple[int, str], Locked] = defaultdict(Locked)
    for view in deals:
        deal = view.deal
        sums[deal.chain_id, deal.pay_token.address] += Locked(
            payment=view.payment_locked if deal.buyer == address else 0,
            collateral=view.collateral_locked if deal.seller == address else 0,
            bond=view.bond_locked if deal.disputed_by == address else 0,
        )
    return sums
