"""What the chain said about a deal, a line a fact: one timeline for the page of a deal. Pure."""

from dataclasses import dataclass
from typing import Any

from escrow.models import Deal, DealOutcome, SettlementTerms
from escrow.selectors.deals import ChainFact
from otc.core.fields import to_checksum
from otc.web import figures

TITLES = {
    "Filled": "Deal opened",
    "Matched": "Offers matched",
    "Delivered": "Tokens delivered",
    "RightsDelivered": "Pieces delivered",
    "Settled": "Money paid",
    "Transferred": "Place given away",
    "Resold": "Place sold",
    "Attested": "Delivery attested",
    "Disputed": "Disputed",
    "Appealed": "Time to rule lengthened",
}
PLACES = ("buyer", "seller")


@dataclass(frozen=True)
class Line:
    """`sentence` may be empty: the title says it then. `until`: unix seconds of what the fact started."""

    fact: ChainFact
    title: str
    sentence: str
    until: int | None = None
    evidence: str = ""


def timeline_of(deal: Deal, facts: list[ChainFact], terms: SettlementTerms | None) -> list[Line]:
    """Oldest first, as `facts`. Reads deal.pay_token and deal.market.program."""
    words = _Words(deal, terms)
    return [words.line(fact) for fact in facts]


class _Words:
    """Names and digits of one deal."""

    def __init__(self, deal: Deal, terms: SettlementTerms | None) -> None:
        self._deal, self._terms = deal, terms

    def line(self, fact: ChainFact) -> Line:
        args = fact.args
        title = TITLES.get(fact.name, fact.name)
        if fact.name == "Settled" and args.get("closed"):
            title = f"Deal ended: {DealOutcome(int(args['outcome'])).label.lower()}"
        says = getattr(self, f"_{fact.name.lower()}", None)
        return Line(
            fact=fact,
            title=title,
            sentence=says(args) if says is not None and args else "",
            until=int(args["until"]) if "until" in args else None,
            evidence=str(args.get("evidence", "")),
        )

    def _money(self, value: Any) -> str:
        token = self._deal.pay_token
        return f"{figures.amount(int(value), decimals=token.decimals, exact=True)} {token.symbol}"

    def _units(self, value: Any) -> str:
        program = self._deal.market.program
        return f"{figures.amount(int(value), decimals=program.unit_decimals, exact=True)} {program.unit_name}"

    def _filled(self, args: dict[str, Any]) -> str:
        return f"{_short(args['buyer'])} locked the payment, {_short(args['seller'])} the collateral."

    def _matched(self, args: dict[str, Any]) -> str:  # noqa: ARG002 - all are called alike
        return "The offers of two makers met half-way between their limits."

    def _delivered(self, args: dict[str, Any]) -> str:
        terms, received = self._terms, int(args["received"])
        amount = f"{received} base units"
        if terms is not None and terms.token_decimals is not None:
            amount = f"{figures.amount(received, decimals=terms.token_decimals, exact=True)} {terms.token_symbol}"
        where = "escrow balance" if args["to_escrow"] else "wallet"
        return f"{amount} arrived in the buyer's {where}."

    def _rightsdelivered(self, args: dict[str, Any]) -> str:
        symbol = self._terms.token_symbol if self._terms is not None else ""
        where = "are kept in the escrow for the buyer" if args["to_escrow"] else "arrived in the buyer's wallet"
        return f"{figures.pieces(int(args['amount']), symbol)}, id {args['right']}, {where}."

    def _settled(self, args: dict[str, Any]) -> str:
        fee = f" Fee {self._money(args['fee'])}." if int(args["fee"]) else ""
        return f"{self._money(args['to_buyer'])} to the buyer, {self._money(args['to_seller'])} to the seller.{fee}"

    def _transferred(self, args: dict[str, Any]) -> str:
        return f"{_short(args['from_'])} gave the {PLACES[int(args['side'])]}'s place to {_short(args['to'])}."

    def _resold(self, args: dict[str, Any]) -> str:
        seller, taker = _short(args["from_"]), _short(args["to"])
        price = self._money(args["price"])
        paid = f"{seller} paid {price} for it." if args["lister_pays"] else f"{taker} paid {price}."
        return f"{seller} sold the {PLACES[int(args['side'])]}'s place to {taker}: {paid}"

    def _attested(self, args: dict[str, Any]) -> str:
        return (
            f"{self._units(args['units'])} of {self._units(self._deal.units)}. Either party may dispute it for a while."
        )

    def _disputed(self, args: dict[str, Any]) -> str:
        who = "The buyer" if args["by"] == self._deal.buyer else "The seller"
        return f"{who} locked a bond of {self._money(args['bond'])}. The arbitrator decides."

    def _appealed(self, args: dict[str, Any]) -> str:  # noqa: ARG002 - all are called alike
        return "The arbitrator took one more window."


def _short(address: str) -> str:
    return figures.short(to_checksum(address))
