"""The building blocks of a format: fields by how they are shown, and paths that are left out on purpose.

Paths are ERC-7730's: dots between names, `[]` for every element of a list, `@.to` for the contract that is called.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

TIMESTAMP: Final = {"encoding": "timestamp"}
PERCENT: Final = {"base": "%", "decimals": 2}  # of 1/10,000


@dataclass(frozen=True)
class Field:
    """One line on the wallet's screen."""

    path: str
    label: str
    format: str
    params: dict[str, Any] | None = None

    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = {"path": self.path, "label": self.label, "format": self.format}
        return content | ({"params": self.params} if self.params else {})


@dataclass(frozen=True)
class Hidden:
    """A value that tells a person nothing: a salt, a signature, the hash of what is shown beside it."""

    path: str


Part = Field | Hidden


@dataclass(frozen=True)
class Format:
    """What a message or a call means, and its values, each shown or hidden."""

    intent: str
    parts: tuple[Part, ...]

    def json(self) -> dict[str, Any]:
        shown = [part for part in self.parts if isinstance(part, Field)]
        return {
            "intent": self.intent,
            "fields": [field.json() for field in shown],
            "required": [field.path for field in shown],
            "excluded": [part.path for part in self.parts if isinstance(part, Hidden)],
        }


def show(intent: str, *groups: Part | Iterable[Part]) -> Format:
    """A format of parts and groups of parts, in order."""
    parts: list[Part] = []
    for group in groups:
        parts += [group] if isinstance(group, Field | Hidden) else group
    return Format(intent, tuple(parts))


def hidden(*paths: str, at: str = "") -> list[Part]:
    return [Hidden(at + path) for path in paths]


def raw(path: str, label: str) -> Field:
    return Field(path, label, "raw")


def amount(path: str, label: str, token: str) -> Field:
    """Base units of the token whose address stands at path `token`."""
    return Field(path, label, "tokenAmount", {"tokenPath": token})


def date(path: str, label: str) -> Field:
    return Field(path, label, "date", TIMESTAMP)


def duration(path: str, label: str) -> Field:
    return Field(path, label, "duration")


def percent(path: str, label: str) -> Field:
    """From 1/10,000."""
    return Field(path, label, "unit", PERCENT)


def account(path: str, label: str) -> Field:
    return Field(path, label, "addressName", {"types": ["wallet", "eoa", "contract"]})


def token(path: str, label: str) -> Field:
    return Field(path, label, "addressName", {"types": ["token"]})


def choice(path: str, label: str, enum: str) -> Field:
    """A code, in the words of `ENUMS[enum]`."""
    return Field(path, label, "enum", {"$ref": f"$.metadata.enums.{enum}"})


def calls(path: str, label: str) -> Field:
    """Calldata for the same contract."""
    return Field(path, label, "calldata", {"calleePath": "@.to"})
