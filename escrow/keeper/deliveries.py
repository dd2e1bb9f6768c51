"""What sellers' standing approvals, allowances and wallets have for the deliveries that are due. Asks the node, guesses nothing."""

from collections.abc import Sequence
from dataclasses import replace

from eth_utils.crypto import keccak

from escrow.contracts import bindings, structs, words
from escrow.domain.duties import Duty, delivery_amount
from escrow.domain.payouts import due_in_tranche
from escrow.keeper.calls import Item
from escrow.keeper.step import Step
from escrow.models import SettlementTerms

BALANCE_OF = words.hexed(keccak(text="balanceOf(address)")[:4])
ALLOWANCE = words.hexed(keccak(text="allowance(address,address)")[:4])

Purse = tuple[str, str]  # seller, token
Pot = tuple[str, str, str]  # seller, market, token: what an approval names


def covered(step: Step, items: Sequence[Item]) -> tuple[list[Item], dict[int, str], dict[int, str]]:
    """(those to deliver now, each with its amount; those for which it is too late; those that wait), the last two with reasons by
    intent. Earlier items take from what later ones have. Raises NodeUnavailableError.
    """
    approved, delivered = _escrow_facts(step, items)
    wallets = _wallet_facts(step, items)
    now = step.chain.head_time or 0
    ready: list[Item] = []
    late: dict[int, str] = {}
    waiting: dict[int, str] = {}
    for item, came in zip(items, delivered, strict=True):
        terms, tranche = _terms(item), item.intent.tranche
        if now > structs.schedule(terms).deadline(tranche):
            late[item.intent.pk] = "the window has closed"
            continue
        left = due_in_tranche(item.deal.units, structs.settlement_terms(terms), tranche) - came
        pot, purse = _pot(item), _purse(item)
        has = min(approved[pot], wallets[purse])
        amount = delivery_amount(Duty(item.intent.action), left=left, covered=has, reverts=item.intent.reverts)
        if amount is None:
            waiting[item.intent.pk] = (
                f"{left} are due; the seller's approval is of {approved[pot]}, his wallet has {wallets[purse]} for it"
            )
            continue
        approved[pot] -= amount
        wallets[purse] -= amount
        ready.append(replace(item, amount=amount))
    return ready, late, waiting


def _escrow_facts(step: Step, items: Sequence[Item]) -> tuple[dict[Pot, int], list[int]]:
    """What the standing approvals still allow, and what came in each item's tranche."""
    pots = list(dict.fromkeys(_pot(item) for item in items))
    calls = [bindings.encode_auto_deliver(*pot) for pot in pots]
    calls += [bindings.encode_delivered(item.deal.id, item.intent.tranche) for item in items]
    answers = [int(word, 16) for word in step.node.read(step.chain.escrow_address, calls, block=step.pulse.number)]
    return dict(zip(pots, answers, strict=False)), answers[len(pots) :]


def _wallet_facts(step: Step, items: Sequence[Item]) -> dict[Purse, int]:
    """The lower of balance and allowance. A token that does not answer has nothing to give."""
    purses = list(dict.fromkeys(_purse(item) for item in items))
    calls: list[tuple[str, str]] = []
    for seller, token in purses:
        calls.append((token, words.call(BALANCE_OF, ["address"], [seller])))
        calls.append((token, words.call(ALLOWANCE, ["address", "address"], [seller, step.chain.escrow_address])))
    answers = [_number(answer) for answer in step.node.views(calls, block=step.pulse.number)]
    return {purse: min(answers[2 * index : 2 * index + 2]) for index, purse in enumerate(purses)}


def _number(answer: str | None) -> int:
    return int(answer[:66], 16) if answer is not None and len(answer) >= 66 else 0  # noqa: PLR2004 - 0x and one word


def _terms(item: Item) -> SettlementTerms:
    return item.row.market.settlement_terms


def _pot(item: Item) -> Pot:
    return item.deal.seller, item.deal.market, _terms(item).token


def _purse(item: Item) -> Purse:
    return item.deal.seller, _terms(item).token
