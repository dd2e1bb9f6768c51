"""The ledger's totals per token, and beside them what the contract and the token say at the same block."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet, Sum

from escrow.chain.asking import ask
from escrow.chain.client import Node
from escrow.contracts import bindings
from escrow.domain.ledger import EXTERNAL, FEES, FREE, LOCKED
from escrow.models import Account
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from otc.core.snapshots import snapshot
from points.models import PayToken


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Base units of one token. `liabilities` = free + locked + fees, kept apart as what came in and has not gone out."""

    token: str
    free: int
    locked: int
    fees: int
    liabilities: int


@dataclass(frozen=True, slots=True)
class SolvencyRow:
    """Base units. `held`: what the token says the contract has (None: it gives no number); `liabilities`: what the contract says it owes.

    `payment`: the contract takes the token as payment now. Any other is code that somebody proposed to deliver: what it says of the
    contract's balance is its own doing.
    """

    symbol: str
    decimals: int | None
    payment: bool
    ledger: LedgerTotals
    held: int | None
    liabilities: int
    fees: int

    @property
    def solvent(self) -> bool | None:
        return None if self.held is None else self.held >= self.liabilities

    @property
    def agrees(self) -> bool:
        """The ledger says what the contract says."""
        return (self.ledger.liabilities, self.ledger.fees) == (self.liabilities, self.fees)


@dataclass(frozen=True, slots=True)
class Solvency:
    """As of one block, the newest that was folded."""

    chain: Chain
    block_number: int
    block_hash: str
    rows: list[SolvencyRow]


def tokens_held(chains: Collection[Chain]) -> QuerySet[Account]:
    """One row for every token that ever was in the ledger of one of the escrows."""
    return Account.objects.filter(chain__in=chains, kind=EXTERNAL)


def ledger_totals(chain: Chain, *, tokens: Collection[str] | None = None) -> list[LedgerTotals]:
    """Sums per token at depth seen, for every token that ever was in the ledger, or for those that are named."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys((FREE, LOCKED, FEES, EXTERNAL), 0))
    accounts = Account.objects.filter(chain=chain)
    if tokens is not None:
        accounts = accounts.filter(token__in=tokens)
    rows = accounts.order_by().values_list("token", "kind").annotate(total=Sum("balance"))
    for token, kind, total in rows:
        sums[token][kind] = int(total)
    return [
        LedgerTotals(token, kinds[FREE], kinds[LOCKED], kinds[FEES], kinds[EXTERNAL])
        for token, kinds in sorted(sums.items())
    ]


def solvency(chain: Chain, tokens: Collection[str], *, nodes: Sequence[Node] | None = None) -> Solvency:
    """Of these tokens. Asks a node at the folded head: never call it inside a transaction. Errors: CHAIN_UNAVAILABLE."""
    with snapshot():
        chain = Chain.objects.get(pk=chain.pk)
        totals = ledger_totals(chain, tokens=tokens)
        names = {token.address: token for token in PayToken.objects.filter(chain=chain, address__in=tokens)}
    if chain.head_hash is None or chain.head_number is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet. Try again in a minute.")
    paid = {address for address, token in names.items() if token.allowed}
    calls = [encode(row.token) for row in totals for encode in (bindings.encode_liabilities, bindings.encode_fees)]
    answers, held = ask(
        chain,
        calls,
        pay_tokens=[row.token for row in totals if row.token in paid],
        strangers=[row.token for row in totals if row.token not in paid],
        nodes=nodes,
    )
    rows = []
    for place, row in enumerate(totals):
        known = names.get(row.token)
        rows.append(
            SolvencyRow(
                symbol=known.symbol if known else "",
                decimals=known.decimals if known else None,
                payment=row.token in paid,
                ledger=row,
                held=held[row.token],
                liabilities=bindings.decode_liabilities_result(answers[2 * place]),
                fees=bindings.decode_fees_result(answers[2 * place + 1]),
            )
        )
    return Solvency(chain, chain.head_number, chain.head_hash, rows)
