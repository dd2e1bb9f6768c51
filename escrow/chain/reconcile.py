"""Compares what the contract has in storage with ledger and projections, at one block. Changes nothing."""

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, ClassVar

from escrow.chain.asking import ask
from escrow.chain.client import Node
from escrow.contracts import bindings, rights_bindings
from escrow.contracts.hashing import deal_hash
from escrow.contracts.structs import deal_preimage
from escrow.domain.attestations import DISPUTED
from escrow.domain.ledger import FREE
from escrow.models import Account, AutoDelivery, Deal, DealOutcome, DealTranche, KeptRight, SettlementTerms
from escrow.selectors.deals import deals_of
from escrow.selectors.solvency import ledger_totals
from otc.core.errors import DomainError, ErrorCode
from otc.core.fields import UINT256_MAX, ZERO_HASH
from otc.core.models import Chain
from otc.core.snapshots import snapshot
from points.domain.markets import SETTLEMENT_ATTESTED as ATTESTED
from points.models import MakerEpoch, MakerNonces, Market, Offer, PayToken

CHUNK = 1_000  # questions asked at once
NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference. `what` names the fact, `key` whose it is."""

    what: str
    key: str
    contract: str
    ours: str


@dataclass(slots=True)
class Report:
    """As of one block. `checked` counts the comparisons.

    `strangers`: tokens that are no payment tokens and say the escrow holds less of them than it owes, or say nothing. That is
    their own doing, and no difference between contract and database.
    """

    chain_id: int
    block_number: int
    checked: int = 0
    drifts: list[Drift] = field(default_factory=list)
    strangers: list[Drift] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Question:
    """A view call of the escrow, what we expect, and how to read the answer. Its functions are of modules: it can be pickled."""

    what: str
    key: str
    data: str
    expected: object
    read: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class _TokenQuestion:
    """What a token says the escrow holds must cover what the escrow owes."""

    what: ClassVar[str] = "token balance"
    token: str
    owed: int
    payment: bool  # the escrow takes it as payment now


def reconcile(chain: Chain, *, nodes: Sequence[Node] | None = None) -> Report:
    """All comparisons at the block that is the newest folded one when it begins, whatever is read meanwhile. Asks a node, which must know
    the state of that block till the end: never call it inside a transaction.

    Deals and offers of markets that are not registered here are covered by the ledger alone. Errors: CHAIN_UNAVAILABLE.
    """
    with TemporaryFile() as kept:
        with snapshot():
            chain = Chain.objects.get(pk=chain.pk)
            for question in _questions(chain):
                pickle.dump(question, kept)
        if chain.head_hash is None or chain.head_number is None:
            raise DomainError(
                ErrorCode.CHAIN_UNAVAILABLE, f"{chain.name} has not been read yet: run `manage.py watch`."
            )
        report = Report(chain.pk, chain.head_number)
        kept.seek(0)
        questions = _kept(kept)
        while chunk := list(islice(questions, CHUNK)):
            _compare(chain, chunk, nodes, report)
    return report


def _kept(file: IO[bytes]) -> Iterator[_Question | _TokenQuestion]:
    while True:
        try:
            yield pickle.load(file)  # noqa: S301 - what this process has just written
        except EOFError:
            return


def _compare(
    chain: Chain, asked: Sequence[_Question | _TokenQuestion], nodes: Sequence[Node] | None, report: Report
) -> None:
    """Adds to the report what is found."""
    questions = [item for item in asked if isinstance(item, _Question)]
    of_tokens = [item for item in asked if isinstance(item, _TokenQuestion)]
    answers, held = ask(
        chain,
        [item.data for item in questions],
        pay_tokens=[item.token for item in of_tokens if item.payment],
        strangers=[item.token for item in of_tokens if not item.payment],
        nodes=nodes,
    )
    for item, answer in zip(questions, answers, strict=True):
        found = item.read(answer)
        if found != item.expected:
            report.drifts.append(Drift(item.what, item.key, str(found), str(item.expected)))
    for row in of_tokens:
        said = held[row.token]
        if said is None or said < row.owed:
            differing = report.drifts if row.payment else report.strangers
            text = NO_ANSWER if said is None else str(said)
            differing.append(Drift(row.what, row.token, text, f"at least {row.owed}"))
    report.checked += len(questions) + sum(held[row.token] is not None for row in of_tokens)


# ---------------------------------------------------------------- what is asked


def _questions(chain: Chain) -> Iterable[_Question | _TokenQuestion]:
    yield _Question("feeBps", "", bindings.encode_fee_bps(), chain.fee_bps, bindings.decode_fee_bps_result)
    yield _Question(
        "pausedUntil", "", bindings.encode_paused_until(), chain.paused_until, bindings.decode_paused_until_result
    )
    yield from _totals(chain)
    yield from _balance_questions(chain)
    yield from _market_questions(chain)
    yield from _deal_questions(chain)
    yield from _attestation_questions(chain)
    yield from _maker_questions(chain)
    yield from _rights_questions(chain)


def _totals(chain: Chain) -> Iterator[_Question | _TokenQuestion]:
    """By the ledger, which says what deals hold too, and their bonds."""
    paid = set(PayToken.objects.filter(chain=chain, allowed=True).values_list("address", flat=True))
    for row in ledger_totals(chain):
        token = row.token
        data = bindings.encode_liabilities(token)
        yield _Question("liabilities", token, data, row.liabilities, bindings.decode_liabilities_result)
        yield _Question("fees", token, bindings.encode_fees(token), row.fees, bindings.decode_fees_result)
        yield _TokenQuestion(token, row.liabilities, payment=token in paid)


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


def _rights_questions(chain: Chain) -> Iterator[_Question]:
    """What only the escrow of rights has; a chain's escrow of tokens has no such rows."""
    for kept in KeptRight.objects.filter(chain=chain).iterator():
        yield _Question(
            "rights",
            f"{kept.token} {kept.right} {kept.user}",
            rights_bindings.encode_rights(kept.token, kept.right, kept.user),
            kept.amount,
            rights_bindings.decode_rights_result,
        )
    of_rights = SettlementTerms.objects.filter(market__chain=chain, semi_fungible__isnull=False)
    for market_id, root, semi_fungible in of_rights.values_list("market__market_id", "ids_root", "semi_fungible"):
        yield _Question(
            "rightsOf",
            market_id,
            rights_bindings.encode_rights_of(market_id),
            (root or ZERO_HASH, semi_fungible),
            rights_bindings.decode_rights_of_result,
        )


def _nonces_within(mask: int, answer: str) -> int:
    """Those of the bits `mask` that the contract has set."""
    return bindings.decode_nonces_result(answer) & mask
