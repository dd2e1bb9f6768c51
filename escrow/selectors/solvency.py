"""The ledger's totals per token, and beside them what the contract and the token say at the same block."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Sum

from escrow.chain.client import Call, Node, RpcError, nodes_of
from escrow.contracts import bindings
from escrow.domain.ledger import EXTERNAL, FEES, FREE, LOCKED
from escrow.models import Account
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from points.models import PayToken

BALANCE_OF = "0x70a08231"  # balanceOf(address)


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
    """Base units. `held`: the contract's balance of the token; `liabilities`: what the contract says it owes."""

    symbol: str
    decimals: int | None
    ledger: LedgerTotals
    held: int
    liabilities: int
    fees: int

    @property
    def solvent(self) -> bool:
        return self.held >= self.liabilities

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


def ledger_totals(chain: Chain) -> list[LedgerTotals]:
    """Sums per token at depth seen, for every token that ever was in the ledger."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys((FREE, LOCKED, FEES, EXTERNAL), 0))
    rows = Account.objects.filter(chain=chain).order_by().values_list("token", "kind").annotate(total=Sum("balance"))
    for token, kind, total in rows:
        sums[token][kind] = int(total)
    return [
        LedgerTotals(token, kinds[FREE], kinds[LOCKED], kinds[FEES], kinds[EXTERNAL])
        for token, kinds in sorted(sums.items())
    ]


def solvency(chain: Chain, *, nodes: Sequence[Node] | None = None) -> Solvency:
    """Asks a node at the folded head: never call it inside a transaction. Errors: CHAIN_UNAVAILABLE."""
    if chain.head_hash is None or chain.head_number is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet. Try again in a minute.")
    totals = ledger_totals(chain)
    at = {"blockHash": chain.head_hash}
    calls: list[Call] = []
    for row in totals:
        holder = BALANCE_OF + "00" * 12 + chain.escrow_address[2:]
        calls += [
            ("eth_call", [{"to": row.token, "data": holder}, at]),
            ("eth_call", [{"to": chain.escrow_address, "data": bindings.encode_liabilities(row.token)}, at]),
            ("eth_call", [{"to": chain.escrow_address, "data": bindings.encode_fees(row.token)}, at]),
        ]
    answers = [int(answer, 16) for answer in ask(chain, calls, nodes=nodes)]
    names = {token.address: (token.symbol, token.decimals) for token in PayToken.objects.filter(chain=chain)}
    rows = []
    for place, row in enumerate(totals):
        symbol, decimals = names.get(row.token, ("", None))
        held, liabilities, fees = answers[3 * place : 3 * place + 3]
        rows.append(SolvencyRow(symbol, decimals, row, held, liabilities, fees))
    return Solvency(chain, chain.head_number, chain.head_hash, rows)


def ask(chain: Chain, calls: Sequence[Call], *, nodes: Sequence[Node] | None = None) -> list[str]:
    """Results of the first node that answers all calls. Errors: CHAIN_UNAVAILABLE."""
    reasons = []
    for node in nodes if nodes is not None else nodes_of(chain.rpc_urls, chain.chain_id):
        try:
            return node.batch(calls)
        except RpcError as error:
            reasons.append(str(error))
    raise DomainError(
        ErrorCode.CHAIN_UNAVAILABLE, f"No endpoint of {chain.name} answers: {'; '.join(reasons) or 'none configured'}."
    )
