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

ABI = {contract: json.loads((build.HERE / "artifacts" / f"{contract}.json").read_text())["abi"] for contract in CALLS}
SIGNED = {contract: files.messages(contract, abi, []) for contract, abi in ABI.items()}
CALLED = {contract: files.calls(contract, abi, []) for contract, abi in ABI.items()}
CONTRACT = "OTCEscrow"
FORMATS = {
    "raw": (None, set()),
    "addressName": ({"types"}, {"address"}),
    "tokenAmount": ({"tokenPath"}, {"uint256"}),
    "date": ({"encoding"}, {"uint256", "uint40"}),
    "duration": (None, {"uint32"}),
    "unit": ({"base", "decimals"}, {"uint256", "uint16"}),
    "enum": ({"$ref"}, {"uint8"}),
    "calldata": ({"calleePath"}, {"bytes"}),
    "nftName": ({"collectionPath"}, {"uint256"}),
}


def leaves(fields, at=""):
    """Type by path of every value, as ERC-7730 spells paths."""
    found = {}
    for field in fields:
        path = f"{at}{field['name']}" + ".[]" * field["type"].count("[]")
        if "components" in field:
            found |= leaves(field["components"], f"{path}.")
        else:
            found[path] = field["type"].replace("[]", "")
    return found


def cases():
    for contract in CALLS:
        signed, called = SIGNED[contract], CALLED[contract]
        for schema in signed["context"]["eip712"]["schemas"]:
            name = schema["primaryType"]
            yield pytest.param(signed, name, leaves(schema["types"][name]), id=f"{contract}-{name}")
        for function in called["context"]["contract"]["abi"]:
            values = leaves(function["inputs"])
            yield pytest.param(called, files.signature(function), values, id=f"{contract}-{function['name']}")


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
        for named in {"tokenPath", "collectionPath"} & set(given):
            assert values[given[named]] == "address"
        if "$ref" in given:
            assert given["$ref"].startswith("$.metadata.enums.")
            assert given["$ref"].rpartition(".")[2] in file["metadata"]["enums"]


@pytest.mark.parametrize("contract", CALLS)
def test_every_call_that_changes_something_has_a_format(contract):
    functions = [entry for entry in ABI[contract] if entry["type"] == "function"]
    changing = {entry["name"] for entry in functions if entry["stateMutability"] not in {"view", "pure"}}
    answering = {"onERC721Received", "onERC1155Received", "onERC1155BatchReceived"}  # called by tokens, not by people
    assert set(CALLS[contract]) == changing - answering


@pytest.mark.parametrize("contract", CALLS)
def test_the_calls_are_the_contracts(contract):
    called = CALLED[contract]
    signatures = {files.signature(entry) for entry in ABI[contract] if entry["type"] == "function"}
    assert set(called["display"]["formats"]) <= signatures
    described = [files.signature(function) for function in called["context"]["contract"]["abi"]]
    assert described == list(called["display"]["formats"])


def test_the_selectors_are_the_bindings():
    selectors = {name: "0x" + keccak(text=name)[:4].hex() for name in CALLED[CONTRACT]["display"]["formats"]}
    assert selectors.items() <= SELECTORS.items()


@pytest.mark.parametrize("contract", CALLS)
def test_names_are_the_interfaces_where_the_code_has_none(contract):
    sources = "".join(path.read_text() for path in (build.HERE / "src" / "interfaces").glob("*.sol"))
    for name, parameters in files.PARAMETERS[contract].items():
        found = re.findall(rf"function {name}\(([^)]*)\)", sources)
        assert parameters in {tuple(part.split()[-1] for part in inside.split(",")) for inside in found}
    assert all(f["name"] for entry in CALLED[contract]["context"]["contract"]["abi"] for f in entry["inputs"])


@pytest.mark.parametrize("contract", CALLS)
def test_the_signed_types_are_those_that_the_contract_hashes(contract):
    sources = "".join(path.read_text() for path in sorted((build.HERE / "src").glob("*.sol")))
    hashed = {
        "".join(re.findall(r'"([^"]*)"', text)) for text in re.findall(r"_TYPEHASH =\s*keccak256\(([^;]*)\);", sources)
    }
    described = {}
    for schema in SIGNED[contract]["context"]["eip712"]["schemas"]:
        name = schema["primaryType"]
        members = ",".join(f"{member['type']} {member['name']}" for member in schema["types"][name])
        described[name] = f"{name}({members})"
        domain = ",".join(f"{member['type']} {member['name']}" for member in schema["types"]["EIP712Domain"])
        assert f"EIP712Domain({domain})" == hashing.DOMAIN_TYPE
    assert set(described) == set(MESSAGES)
    assert set(described.values()) == hashed
    assert {keccak(text=text) for text in described.values()} == set(hashing.TYPE_HASHES.values())
    assert SIGNED[contract]["context"]["eip712"]["domain"] == {"name": hashing.NAME, "version": hashing.VERSION}


def test_the_addresses_are_the_recorded_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "FOLDER", tmp_path)
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    for chain_id in (10, 1):
        records.write({"contract": CONTRACT, "chain_id": chain_id, "address": address})
    records.write({"contract": "Another", "chain_id": 5, "address": address})
    wanted = [{"chainId": 1, "address": address}, {"chainId": 10, "address": address}]
    made = {path.name: json.loads(text) for path, text in files.clear_signing_files(CONTRACT, ABI[CONTRACT]).items()}
    assert made[f"eip712-{CONTRACT}.json"]["context"]["eip712"]["deployments"] == wanted
    assert made[f"calldata-{CONTRACT}.json"]["context"]["contract"]["deployments"] == wanted


@pytest.mark.parametrize("contract", CALLS)
def test_the_committed_files_are_up_to_date(contract):
    for path, text in files.clear_signing_files(contract, ABI[contract]).items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `manage.py build_contracts` and commit"
