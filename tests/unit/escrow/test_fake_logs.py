"""The logs that tests write are what an ABI encoder makes of the same events."""

from dataclasses import astuple, fields, is_dataclass

import pytest
from eth_abi.abi import encode

from escrow.contracts import bindings, rights_bindings
from tests.support.escrow_logs import _inputs, _struct, encode_event


def sample(given, number):
    if given["type"] == "tuple":
        kind = getattr(bindings, _struct(given))
        return kind(*(sample(part, number + place) for place, part in enumerate(given["components"])))
    if given["type"] == "address":
        return f"0x{number + 0xA0:040x}"
    return f"0x{number + 0xB0:064x}" if given["type"] == "bytes32" else given["type"] == "bool" or number + 1


def plain(value):
    if is_dataclass(value):
        return tuple(plain(member) for member in astuple(value))
    return bytes.fromhex(value[2:]) if isinstance(value, str) and len(value) == 66 else value


def type_of(given):
    parts = given.get("components")
    return "(" + ",".join(type_of(part) for part in parts) + ")" if parts else given["type"]


@pytest.mark.parametrize("name", sorted(_inputs()))
def test_each_event_is_encoded_as_the_abi_says(name):
    source = bindings if hasattr(bindings, name) else rights_bindings
    kind, inputs = getattr(source, name), _inputs()[name]
    event = kind(*(sample(given, 7 * place) for place, given in enumerate(inputs)))
    topics, data = encode_event(event)
    values = [(given, plain(getattr(event, member.name))) for given, member in zip(inputs, fields(kind), strict=True)]
    words = [(type_of(given), value) for given, value in values if not given["indexed"]]
    assert data == "0x" + encode([each for each, _ in words], [value for _, value in words]).hex()
    indexed = [encode([given["type"]], [value]).hex() for given, value in values if given["indexed"]]
    assert topics == [kind.TOPIC0, *("0x" + word for word in indexed)]
    assert source.decode_event(topics, data) == event
