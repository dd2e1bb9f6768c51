"""Money, units and times as the explanations write them. Amounts are never rounded here: what is signed is what is shown."""

from dataclasses import dataclass

from escrow.models import Deal, SettlementTerms
from otc.core import clock
from otc.core.amounts import format_amount
from otc.core.fields import to_checksum
from points.models import PayToken, Program

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True, slots=True)
class TokenWords:
    """How a token's amounts are written. Without decimals: in base units, under its address. A right's are pieces."""

    address: str
    symbol: str = ""
    decimals: int | None = None
    pieces: bool = False

    def amount(self, base_units: int) -> str:
        if self.pieces:
            return f"{pieces_words(base_units)} of {self.symbol or to_checksum(self.address)}"
        if self.decimals is None:
            return f"{base_units:,} base units of {self.symbol or to_checksum(self.address)}"
        return f"{format_amount(base_units, decimals=self.decimals)} {self.symbol or to_checksum(self.address)}"


def pay_token_words(token: PayToken) -> TokenWords:
    return TokenWords(token.address, token.symbol, token.decimals)


def settlement_token_words(terms: SettlementTerms) -> TokenWords:
    return TokenWords(terms.token, terms.token_symbol, terms.token_decimals, pieces=terms.semi_fungible is not None)


def pieces_words(count: int) -> str:
    """`1 piece`, `2 pieces`."""
    return f"{count:,} piece{'' if count == 1 else 's'}"


def units_words(units: int, program: Program) -> str:
    """`1,250 points`, `1 ENS`: plural only of names whose plural is sure."""
    number = format_amount(units, decimals=program.unit_decimals)
    name = program.unit_name
    regular = name.isalpha() and name.islower() and not name.endswith(("s", "x", "z", "h"))
    regular = regular and not (name.endswith("y") and name[-2:-1] not in "aeiou")
    return f"{number} {name}s" if regular and number != "1" else f"{number} {name}"


def position_words(deal: Deal) -> str:
    """`100 HRB of Harbor airdrop`. Reads deal.market.program."""
    return f"{units_words(deal.units, deal.market.program)} of {deal.market.program.name}"


def moment(unix: int) -> str:
    """`2027-01-15 08:00:00 UTC`."""
    return f"{clock.from_unix(unix):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: int) -> str:
    """`2 days`, `36 hours`, `90 seconds`: the largest unit that fits exactly."""
    for size, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"), (1, "second")):
        if seconds % size == 0 and seconds >= size:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "0 seconds"


def percent(bps: int) -> str:
    """`0.5%`."""
    return f"{format_amount(bps, decimals=2)}%"
