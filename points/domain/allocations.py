"""Rows of an allocation file, `address,amount`: each checked by itself and against those before it."""

import re
from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak

from points.domain.merkle import standard_leaf

ERRORS_KEPT: Final = 100
ROWS_MAX: Final = 2_000_000
BLANK_LINES_MAX: Final = 10_000
LINE_MAX: Final = 1000  # bytes
ADDRESS_TEXT: Final = re.compile(rb"0[xX][0-9a-fA-F]{40}")
AMOUNT_TEXT: Final = re.compile(rb"[0-9]{1,78}")  # 2^256 has 78 digits
UINT256_MAX: Final = 2**256 - 1
HEADER: Final = (b"address", b"amount")
BOM: Final = b"\xef\xbb\xbf"
HALF: Final = "89abcdef"  # hex digits from eight up: EIP-55 writes the letter at such a place large


class FileRefused(Exception):  # noqa: N818 - an outcome, not a fault
    """The file can't be read to its end; `line` is where it stopped (0: the file as a whole)."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line, self.detail = line, detail


class RowError(ValueError):
    """One row breaks a rule; its text is the rule."""


@dataclass(slots=True)
class AllocationRows:
    """The good rows so far, in file order, with their standard Merkle leaves; and the first hundred errors by line number.

    `total` is in base units. Once there is an error the leaves are of no use and no longer made.
    """

    addresses: list[bytes] = field(default_factory=list)
    amounts: list[int] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    total: int = 0
    errors: list[tuple[int, str]] = field(default_factory=list)
    error_count: int = 0
    _line_of: dict[bytes, int] = field(default_factory=dict)

    def add_line(self, number: int, line: bytes) -> None:
        """Takes line `number` (from 1) of the file, with or without its end. Blank lines and a header are passed over.

        Errors: FileRefused for a line that is too long, or too many of them.
        """
        if len(line) > LINE_MAX:
            raise FileRefused(number, f"The line is longer than {LINE_MAX} bytes: this is no list of address,amount.")
        if number > ROWS_MAX + BLANK_LINES_MAX or len(self.addresses) > ROWS_MAX:
            raise FileRefused(number, f"A list has at most {ROWS_MAX:,} rows: split it.")
        if number == 1:
            line = line.removeprefix(BOM)
        cells = [cell.strip(b' \t\r\n"') for cell in line.split(b",")]
        if cells == [b""] or (number == 1 and tuple(cell.lower() for cell in cells) == HEADER):
            return
        try:
            self._add_row(number, cells)
        except RowError as error:
            self.error_count += 1
            if len(self.errors) < ERRORS_KEPT:
                self.errors.append((number, str(error)))

    def _add_row(self, number: int, cells: list[bytes]) -> None:
        if len(cells) != len(HEADER):
            raise RowError(f"Expected two values, address,amount; found {len(cells)}.")
        address = _address(cells[0])
        amount = _amount(cells[1])
        first = self._line_of.setdefault(address, number)
        if first != number:
            raise RowError(f"0x{address.hex()} is already on line {first}: add its amounts up in one row.")
        self.addresses.append(address)
        self.amounts.append(amount)
        self.total += amount
        if self.total > UINT256_MAX:
            raise RowError("The total of the list exceeds a uint256 here.")
        if not self.error_count:
            self.leaves.append(standard_leaf(address, amount))


def _shown(cell: bytes) -> str:
    return repr(cell[:60].decode("ascii", "replace"))


def _address(text: bytes) -> bytes:
    if not ADDRESS_TEXT.fullmatch(text):
        raise RowError(f"{_shown(text)} is no address: 0x and 40 hex digits.")
    digits = text[2:].decode()
    lower = digits.lower()
    if digits not in {lower, digits.upper()} and digits != checksummed(lower):
        raise RowError(f"{_shown(text)} has a wrong EIP-55 checksum: mistyped? All lower case is taken as it is.")
    address = bytes.fromhex(lower)
    if not any(address):
        raise RowError("The zero address can't claim.")
    return address


def _amount(text: bytes) -> int:
    if not AMOUNT_TEXT.fullmatch(text):
        raise RowError(f"{_shown(text)} is no amount: a whole number of base units, digits only.")
    amount = int(text)
    if amount == 0:
        raise RowError("The amount is zero.")
    if amount > UINT256_MAX:
        raise RowError("The amount exceeds a uint256.")
    return amount


def checksummed(lower: str) -> str:
    """EIP-55 form of 40 lower-case hex digits, without 0x."""
    nibbles = keccak(lower.encode()).hex()
    return "".join(c.upper() if n in HALF else c for c, n in zip(lower, nibbles, strict=False))
