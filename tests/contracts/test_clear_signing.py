"""The ERC-7730 files: each path is one of the ABI or of the signed type, each value is shown or left out on purpose."""

import json
import re

import pytest
from eth_utils.crypto import keccak

from escrow.contracts import build, hashing
from escrow.contracts.bindings import SELECTORS
from escrow.contracts.clearsigning import files
from escrow.contracts.clearsigning.formats import CALLS, MESSAGES
from escrow.contracts.deploy import records

CONTRACT = "OTCEscrow"
ABI = json.loads((build.HERE / "artifacts" / f"{CONTRACT}.json").read_text())["abi"]
SIGNED = files.messages(CONTRACT, ABI, [])
CALLED = files.calls(CONTRACT, ABI, [])
FORMATS = {
    "raw": (None, set()),
    "addressName": ({"types"}, {"address"}),
    "tokenAmount": ({"tokenPath"}, {"uint256"}),
    "date": ({"encoding"}, {"uint256", "uint40"}),
    "duration": (None, {"uint32"}),
    "unit": ({"base", "decimals"}, {"uint256", "uint16"}),
    "enum": ({"$ref"}, {"uint8"}),
    "calldata": ({"calleePath"}, {"bytes"}),
}


def leaves(fields, at=""):
    """Type by path of every value, as ERC-7730 spells paths."""
    found = {}
    for field in fields:
        path, listed = f"{at}{field['name']}", ".[]" if field["type"].endswith("[]") else ""
        if "components" in field:
            found |= leaves(field["components"], f"{path}{listed}.")
        else:
            found[path + listed] = field["type"].removesuffix("[]")
    return found


def cases():
    for schema in SIGNED["context"]["eip712"]["schemas"]:
        name = schema["primaryType"]
        yield pytest.param(SIGNED, name, leaves(schema["types"][name]), id=name)
    for function in CALLED["context"]["contract"]["abi"]:
        yield pytest.param(CALLED, files.signature(function), leaves(function["inputs"]), id=function["name"])


@pytest.mark.parametrize(("file", "key", "values"), list(cases()))
def test_every_value_is_shown_or_left_out_on_purpose(file, key, values):
    written = file["display"]["formats"][key]
    shown = [field["path"] for field in written["fields"]]
    assert sorted(shown + written["excluded"]) == sorted(values)
    assert written["required"] == shown
    assert 0 < len(written["intent"]) <= 40
    for field in written["fields"]:
        params, types = FORMATS[field["format"]]
        assert set(field.get("params", {})) == (params or set())
        assert not types or values[field["path"]] in types, field
        assert 0 < len(field["label"]) <= 40
        given = field.get("params", {})
        if "tokenPath" in given:
            assert values[given["tokenPath"]] == "address"
        if "$ref" in given:
            assert given["$ref"].startswith("$.metadata.enums.")
            assert given["$ref"].rpartition(".")[2] in file["metadata"]["enums"]


def test_every_call_that_changes_something_has_a_format():
    changing = {e["name"] for e in ABI if e["type"] == "function" and e["stateMutability"] not in {"view", "pure"}}
    assert set(CALLS) == changing


def test_the_calls_are_the_contracts():
    selectors = {name: "0x" + keccak(text=name)[:4].hex() for name in CALLED["display"]["formats"]}
    assert selectors.items() <= SELECTORS.items()
    described = [files.signature(function) for function in CALLED["context"]["contract"]["abi"]]
    assert described == list(CALLED["display"]["formats"])


def test_names_are_the_interfaces_where_the_code_has_none():
    sources = "".join(path.read_text() for path in (build.HERE / "src" / "interfaces").glob("*.sol"))
    for name, parameters in files.PARAMETERS.items():
        found = re.search(rf"function {name}\(([^)]*)\)", sources)
        assert found is not None
        assert tuple(part.split()[-1] for part in found[1].split(",")) == parameters
    assert all(field["name"] for function in CALLED["context"]["contract"]["abi"] for field in function["inputs"])


def test_the_signed_types_are_those_that_the_contract_hashes():
    sources = "".join(path.read_text() for path in sorted((build.HERE / "src").glob("*.sol")))
    hashed = {
        "".join(re.findall(r'"([^"]*)"', text)) for text in re.findall(r"_TYPEHASH =\s*keccak256\(([^;]*)\);", sources)
    }
    described = {}
    for schema in SIGNED["context"]["eip712"]["schemas"]:
        name = schema["primaryType"]
        members = ",".join(f"{member['type']} {member['name']}" for member in schema["types"][name])
        described[name] = f"{name}({members})"
        domain = ",".join(f"{member['type']} {member['name']}" for member in schema["types"]["EIP712Domain"])
        assert f"EIP712Domain({domain})" == hashing.DOMAIN_TYPE
    assert set(described) == set(MESSAGES)
    assert set(described.values()) == hashed
    assert {keccak(text=text) for text in described.values()} == set(hashing.TYPE_HASHES.values())
    assert SIGNED["context"]["eip712"]["domain"] == {"name": hashing.NAME, "version": hashing.VERSION}


def test_the_addresses_are_the_recorded_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for chain_id in (10, 1):
        records.write({"contract": CONTRACT, "chain_id": chain_id, "address": address})
    records.write({"contract": "Another", "chain_id": 5, "address": address})
    wanted = [{"chainId": 1, "address": address}, {"chainId": 10, "address": address}]
    made = {path.name: json.loads(text) for path, text in files.clear_signing_files(CONTRACT, ABI).items()}
    assert made[f"eip712-{CONTRACT}.json"]["context"]["eip712"]["deployments"] == wanted
    assert made[f"calldata-{CONTRACT}.json"]["context"]["contract"]["deployments"] == wanted


def test_the_committed_files_are_up_to_date():
    for path, text in files.clear_signing_files(CONTRACT, ABI).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `manage.py build_contracts` and commit"
