"""Compares what the contract has in storage with ledger and projections, at one block. Changes nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from escrow.chain.client import Node
from escrow.contracts import bindings
from escrow.contracts.hashing import deal_hash
from escrow.contracts.structs import deal_preimage
from escrow.domain.attestations import DISPUTED
from escrow.domain.ledger import FREE, LOCKED
from escrow.models import Account, AutoDelivery, Deal, DealOutcome, DealTranche
from escrow.selectors.deals import deal_view, deals_of
from escrow.selectors.solvency import ask, ledger_totals, solvency
from escrow.services.ledger import account_drift
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import UINT256_MAX
from otc.core.models import Chain
from points.domain.markets import SETTLEMENT_ATTESTED as ATTESTED
from points.models import MakerEpoch, MakerNonces, Market, Offer, PayToken

CHUNK = 1_000  # questions held at once


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `what` names the fact, `key` whose it is."""

    what: str
    key: str
    contract: str
    ours: str


@dataclass(frozen=True, slots=True)
class Report:
    """As of one block. `checked` counts the comparisons."""

    chain_id: int
    block_number: int
    checked: int
    drifts: list[Drift]


@dataclass(frozen=True, slots=True)
class _Question:
    """A view call of the escrow, what we expect, and how to read and to compare the answer."""

    what: str
    key: str
    data: str
    expected: object
    read: Callable[[str], object]


def reconcile(chain: Chain, *, nodes: Sequence[Node] | None = None) -> Report:
    """All comparisons at the newest folded block. Asks a node: never call it inside a transaction.

    Deals and offers of markets that are not registered here are covered by the ledger alone. Errors: CHAIN_UNAVAILABLE.
    """
    if chain.head_hash is None or chain.head_number is None:
        raise DomainError(ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet: run `manage.py watch`.")
    drifts: list[Drift] = []
    checked = 0
    for chunk in _chunks(_questions(chain)):
        checked += len(chunk)
        at = {"blockHash": chain.head_hash}
        calls = [("eth_call", [{"to": chain.escrow_address, "data": item.data}, at]) for item in chunk]
        for item, answer in zip(chunk, ask(chain, calls, nodes=nodes), strict=True):
            found = item.read(answer)
            if found != item.expected:
                drifts.append(Drift(item.what, item.key, str(found), str(item.expected)))
    for check in (_totals(chain, nodes), _recount(chain), _locked(chain)):
        for drift in check:
            checked += 1
            if drift is not None:
                drifts.append(drift)
    return Report(chain.pk, chain.head_number, checked, drifts)


def _chunks(questions: Iterable[_Question]) -> Iterator[list[_Question]]:
    chunk: list[_Question] = []
    for question in questions:
        chunk.append(question)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


# ---------------------------------------------------------------- the contract's storage


def _questions(chain: Chain) -> Iterator[_Question]:
    yield _Question("feeBps", "", bindings.encode_fee_bps(), chain.fee_bps, bindings.decode_fee_bps_result)
    yield _Question(
        "pausedUntil", "", bindings.encode_paused_until(), chain.paused_until, bindings.decode_paused_until_result
    )
    yield from _balance_questions(chain)
    yield from _market_questions(chain)
    yield from _deal_questions(chain)
    yield from _attestation_questions(chain)
    yield from _maker_questions(chain)


def _balance_questions(chain: Chain) -> Iterator[_Question]:
    for account in Account.objects.filter(chain=chain, kind=FREE).iterator():
        yield _Question(
            "balances",
            f"{account.token} {account.owner}",
            bindings.encode_balances(account.token, account.owner),
            account.balance,
            bindings.decode_balances_result,
        )
    for token in PayToken.objects.filter(chain=chain):
        data = bindings.encode_pay_token_allowed(token.address)
        yield _Question("payTokenAllowed", token.address, data, token.allowed, bindings.decode_pay_token_allowed_result)


def _market_questions(chain: Chain) -> Iterator[_Question]:
    for market in Market.objects.filter(chain=chain).iterator():
        data = bindings.encode_market_status(market.market_id)
        yield _Question("marketStatus", market.market_id, data, market.status, _market_status)
    for offer in Offer.objects.filter(market__chain=chain).defer("signature").iterator():
        if not offer.all_or_none:
            expected = UINT256_MAX if offer.cancelled_on_chain else offer.filled_units
            data = bindings.encode_filled(offer.offer_hash)
            yield _Question("filled", offer.offer_hash, data, expected, bindings.decode_filled_result)


def _market_status(answer: str) -> int:
    return bindings.decode_market_status_result(answer)[0]


def _deal_questions(chain: Chain) -> Iterator[_Question]:
    for deal in deals_of(chain_id=chain.pk).iterator(chunk_size=CHUNK):
        expected = deal_hash(deal_preimage(deal)) if deal.outcome == DealOutcome.OPEN else f"0x{deal.outcome:064x}"
        yield _Question("deals", deal.deal_id, bindings.encode_deals(deal.deal_id), expected, _deal_slot)
    rows = DealTranche.objects.filter(deal__chain=chain, deal__outcome=DealOutcome.OPEN, outcome=DealOutcome.OPEN)
    for tranche in rows.select_related("deal").iterator():
        yield _Question(
            "delivered",
            f"{tranche.deal.deal_id} {tranche.number}",
            bindings.encode_delivered(tranche.deal.deal_id, tranche.number),
            tranche.delivered,
            bindings.decode_delivered_result,
        )


def _deal_slot(answer: str) -> str:
    """`deals[id]`; of an open deal without the bit that says it has progress."""
    value = int(bindings.decode_deals_result(answer), 16)
    return f"0x{value if value <= max(DealOutcome) else value & ~1:064x}"


def _attestation_questions(chain: Chain) -> Iterator[_Question]:
    """Of other markets the contract has the bits of tranches there. What was so when a deal ended stands."""
    deals = Deal.objects.filter(chain=chain, market__settlement=ATTESTED).select_related("market")
    for deal in deals.defer("market__rules_text").iterator(chunk_size=CHUNK):
        bond_bps = deal.market.bond_bps if deal.phase in DISPUTED else 0
        yield _Question(
            "attestationOf",
            deal.deal_id,
            bindings.encode_attestation_of(deal.deal_id),
            (deal.phase, deal.phase_until or 0, deal.attested_units, bond_bps, deal.appeals),
            bindings.decode_attestation_of_result,
        )


def _maker_questions(chain: Chain) -> Iterator[_Question]:
    for approval in AutoDelivery.objects.filter(chain=chain).iterator():
        yield _Question(
            "autoDeliver",
            f"{approval.seller} {approval.market_id} {approval.token}",
            bindings.encode_auto_deliver(approval.seller, approval.market_id, approval.token),
            approval.amount,
            bindings.decode_auto_deliver_result,
        )
    for bits in MakerNonces.objects.filter(chain=chain).iterator():
        # Fills and cancels set bits too, which are known by their offers.
        yield _Question(
            "nonces",
            f"{bits.maker} {bits.word}",
            bindings.encode_nonces(bits.maker, bits.word),
            bits.mask,
            partial(_nonces_within, bits.mask),
        )
    for row in MakerEpoch.objects.filter(chain=chain).iterator():
        yield _Question(
            "epochs", row.maker, bindings.encode_epochs(row.maker), row.epoch, bindings.decode_epochs_result
        )


def _nonces_within(mask: int, answer: str) -> int:
    """Those of the bits `mask` that the contract has set."""
    return bindings.decode_nonces_result(answer) & mask


# ---------------------------------------------------------------- totals, and the ledger against itself


def _totals(chain: Chain, nodes: Sequence[Node] | None) -> Iterator[Drift | None]:
    for row in solvency(chain, nodes=nodes).rows:
        ledger = row.ledger
        pairs = [
            ("liabilities", str(row.liabilities), str(ledger.liabilities), row.liabilities == ledger.liabilities),
            ("fees", str(row.fees), str(ledger.fees), row.fees == ledger.fees),
            ("token balance", str(row.held), f"at least {row.liabilities}", row.solvent),
        ]
        for what, contract, ours, holds in pairs:
            yield None if holds else Drift(what, ledger.token, contract, ours)
    for totals in ledger_totals(chain):
        inside = totals.free + totals.locked + totals.fees
        holds = totals.liabilities == inside
        yield None if holds else Drift("ledger sum", totals.token, str(totals.liabilities), str(inside))


def _recount(chain: Chain) -> Iterator[Drift | None]:
    yield None
    for pk, balance, counted in account_drift(chain):
        yield Drift("account balance", f"account {pk}", f"{counted} by its transfers", str(balance))


def _locked(chain: Chain) -> Iterator[Drift | None]:
    """What a deal's progress says is still locked, against its ledger account."""
    accounts = Account.objects.filter(chain=chain, kind=LOCKED)
    held = dict(accounts.values_list("deal_id", "balance"))
    for deal in deals_of(chain_id=chain.pk).iterator(chunk_size=CHUNK):
        view = deal_view(deal)
        bond = deal.bond if deal.outcome == DealOutcome.OPEN else 0
        expected, found = view.payment_locked + view.collateral_locked + bond, held.get(deal.deal_id, 0)
        holds = expected == found
        yield None if holds else Drift("locked", deal.deal_id, f"{expected} by its progress", str(found))
