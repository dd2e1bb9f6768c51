"""Serializer parts that every REST view shares: strict input, chain values as text."""

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from otc.core.fields import UINT256_MAX, normal_hex, to_checksum

# 2^256 has 78 digits.
DECIMAL_DIGITS = re.compile(r"(0|[1-9][0-9]{0,77})", re.ASCII)
SLUG = re.compile(r"(?=.{1,60}\Z)[a-z0-9]+(-[a-z0-9]+)*")
HEX_BYTES = re.compile(r"0[xX]([0-9a-fA-F]{2})*")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys that it does not know, by name: a misspelt option must not be dropped in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := [key for key in data if key not in known]:
                allowed = ", ".join(sorted(known))
                raise serializers.ValidationError(
                    {str(key)[:80]: [f"Unknown field. Known here: {allowed}."] for key in unknown}
                )
        return super().to_internal_value(data)


@extend_schema_field({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$"})
class AddressField(serializers.Field[str, str, str, Any]):
    """An address: any case in, lower-case inside, EIP-55 out."""

    default_error_messages = {"invalid": "Expected an address: 0x and 40 hex digits."}

    def to_internal_value(self, data: Any) -> str:
        try:
            if not isinstance(data, str):
                self.fail("invalid")
            return normal_hex(data, 20)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: str) -> str:
        return to_checksum(value)


@extend_schema_field({"type": "string", "pattern": "^0x([0-9a-fA-F]{2})*$"})
class HexBytesField(serializers.Field[bytes, str, str, Any]):
    """Bytes as 0x-hex, `max_bytes` at most."""

    default_error_messages = {"invalid": "Expected 0x and at most {limit} bytes as hex digits."}

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> bytes:
        if not isinstance(data, str) or not HEX_BYTES.fullmatch(data) or len(data) > 2 + 2 * self.max_bytes:
            self.fail("invalid", limit=self.max_bytes)
        return bytes.fromhex(data[2:])

    def to_representation(self, value: bytes) -> str:
        return "0x" + bytes(value).hex()


@extend_schema_field({"type": "string", "pattern": "^0x[0-9a-fA-F]{64}$"})
class Hash32Field(serializers.Field[str, str, str, Any]):
    """A 32-byte hash, id or reference: any case in, lower-case inside and out."""

    default_error_messages = {"invalid": "Expected 32 bytes: 0x and 64 hex digits."}

    def to_internal_value(self, data: Any) -> str:
        try:
            if not isinstance(data, str):
                self.fail("invalid")
            return normal_hex(data, 32)
        except ValueError:
            self.fail("invalid")

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field({"type": "string", "pattern": "^(0|[1-9][0-9]{0,77})$", "example": "2500000"})
class UintField(serializers.Field[int, str, str, Any]):
    """A uint256 (amounts, units, salts): a decimal string on the wire, since JSON numbers end at 2^53; `int` inside.

    Small JSON integers are taken too; floats, signs, exponents and leading zeros are not.
    """

    default_error_messages = {
        "invalid": 'Expected a whole number as a decimal string, such as "2500000".',
        "range": "Expected a whole number from {minimum} to {maximum}.",
    }

    def __init__(self, *, minimum: int = 0, maximum: int = UINT256_MAX, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str):
            if not DECIMAL_DIGITS.fullmatch(data):
                self.fail("invalid")
        elif not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        value = int(data)
        if not self.minimum <= value <= self.maximum:
            self.fail("range", minimum=self.minimum, maximum=self.maximum)
        return value

    def to_representation(self, value: int) -> str:
        return str(value)


@extend_schema_field({"type": "integer", "minimum": 0})
class IntField(UintField):
    """A whole number that stays below 2^53: seconds, hundredths of a percent, counts. A JSON integer out; its decimal text is
    taken too.
    """

    default_error_messages = {"invalid": "Expected a whole number."}

    def __init__(self, *, minimum: int = 0, maximum: int = 2**53 - 1, **kwargs: Any) -> None:
        super().__init__(minimum=minimum, maximum=maximum, **kwargs)

    def to_representation(self, value: int) -> int:  # type: ignore[override]  # small enough for a JSON number
        return value


class TextField(serializers.CharField):
    """Text, and nothing that only turns into text: DRF's own field takes numbers."""

    default_error_messages = {"not_text": "Expected text."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("not_text")
        return super().to_internal_value(data)


class SlugField(TextField):
    """Small letters, digits and hyphens; what stands in a path."""

    default_error_messages = {"slug": "Expected 1 to 60 small letters, digits and single hyphens, such as ens-airdrop."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not SLUG.fullmatch(text):
            self.fail("slug")
        return text
