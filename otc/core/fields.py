"""Columns for chain data.

Inside, an address is a lower-case `0x` + 40 hex `str`, a hash `0x` + 64 hex; the column is `bytea`. Amounts are `int` in
`numeric(78,0)` with a CHECK, so no other writer can store what a uint256 can't hold.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.functional import cached_property
from eth_utils.address import to_checksum_address

if TYPE_CHECKING:
    from django.db.models.expressions import Combinable

UINT256_MAX = 2**256 - 1
DIGITS_MAX = 78
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_HASH = "0x" + "00" * 32


def normal_hex(value: object, size: int) -> str:
    """`0x` + lower-case hex of exactly `size` bytes, from hex text or bytes; ValueError otherwise."""
    raw = b""
    if isinstance(value, str):
        text = value[2:] if value[:2] in {"0x", "0X"} else ""
        if len(text) == 2 * size and text.isalnum():
            raw = bytes.fromhex(text)
    elif isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
    if len(raw) != size:
        raise ValueError(f"expected 0x and {2 * size} hex digits")
    return "0x" + raw.hex()


def to_checksum(address: str) -> str:
    """EIP-55 form, for people and for the wire."""
    return str(to_checksum_address(address))


class HexField(models.BinaryField):  # type: ignore[type-arg]  # not generic at run time
    """`size` bytes, as lower-case hex in Python."""

    # What the type checker takes a value of this column for.
    _pyi_private_set_type: "str | bytes | Combinable"
    _pyi_private_get_type: str  # type: ignore[assignment]  # a BinaryField that gives text
    _pyi_lookup_exact_type: "str | bytes"

    size = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("editable", True)
        super().__init__(*args, **kwargs)

    def _check_str_default_value(self) -> list[Any]:
        return []  # a BinaryField's default must be bytes; ours is hex

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        try:
            return bytes.fromhex(normal_hex(value, self.size)[2:])
        except ValueError as error:
            # Also what a filter on nonsense raises: the API tells it by the column's name, which is the field's.
            raise ValidationError({self.name: [f"{error}".capitalize() + "."]}) from error

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if not prepared:
            value = self.get_prep_value(value)
        return None if value is None else connection.Database.Binary(value)

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> str | None:
        return None if value is None else "0x" + bytes(value).hex()

    def to_python(self, value: Any) -> Any:
        if value is None or value == "":
            return None
        try:
            return normal_hex(value, self.size)
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def db_check(self, connection: Any) -> str:
        return f"octet_length({connection.ops.quote_name(self.column)}) = {self.size}"


class AddressField(HexField):
    """A 20-byte address."""

    size = 20


class Hash32Field(HexField):
    """A 32-byte hash, id or reference."""

    size = 32


class Uint256Field(models.DecimalField):  # type: ignore[type-arg]  # not generic at run time
    """An integer 0 … 2^256-1, `int` in Python. Base units of a token, units, nonces."""

    _pyi_private_set_type: "int | Combinable"
    _pyi_private_get_type: int  # type: ignore[assignment]  # a DecimalField that gives ints
    _pyi_lookup_exact_type: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = DIGITS_MAX
        kwargs["decimal_places"] = 0
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs

    def from_db_value(self, value: Any, _expression: Any, _connection: Any) -> int | None:
        return None if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, int):
            return value
        try:
            number = Decimal(value)
            whole = int(number) if number.adjusted() < DIGITS_MAX else UINT256_MAX + 1
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValidationError("Expected a whole number.") from error
        if number != whole:
            raise ValidationError("Expected a whole number.")
        return whole

    @cached_property
    def validators(self) -> list[Any]:
        # DecimalField's own validator wants a Decimal.
        return [MinValueValidator(0), MaxValueValidator(UINT256_MAX)]

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, float):
            raise TypeError(f"{self.name}: a float is never an amount")
        value = models.Field.get_prep_value(self, value)
        return value if hasattr(value, "resolve_expression") else self.to_python(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:  # noqa: ARG002 - Django's signature
        value = value if prepared else self.get_prep_value(value)
        return Decimal(value) if isinstance(value, int) else value

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if hasattr(value, "as_sql"):
            return value
        return self.get_db_prep_value(value, connection)

    def db_check(self, connection: Any) -> str:
        column = connection.ops.quote_name(self.column)
        return f"{column} >= 0 AND {column} <= {UINT256_MAX}"
