"""The ERC-7730 files (v1) of an escrow contract, from its ABI, the formats and the recorded deployments. Nothing here needs a compiler."""

import json
from pathlib import Path
from typing import Any, Final

from escrow.contracts.clearsigning.formats import CALLS, ENUMS, MESSAGES
from escrow.contracts.deploy import records

HERE: Final = Path(__file__).resolve().parent
SCHEMA: Final = "https://eips.ethereum.org/assets/eip-7730/erc7730-v1.schema.json"
OWNER: Final = "Forelock"
DOMAIN: Final = {"name": "Forelock", "version": "1"}
DOMAIN_MEMBERS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
# Names of parameters where the sources have none or short ones: an ABI's names are for people, selectors don't know them.
COMMON_PARAMETERS: Final = {
    "fill": ("offer", "signature", "units", "takerRef"),
    "refundBatch": ("deals",),
    "slashBatch": ("items",),
}
PARAMETERS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "OTCEscrow": {**COMMON_PARAMETERS, "deliverFor": ("delivery",)},
    "RightsEscrow": {
        **COMMON_PARAMETERS,
        "propose": ("terms", "settlement", "rights"),
        "deliver": ("delivery",),
        "withdrawRight": ("token", "right", "amount", "to"),
    },
}

Json = dict[str, Any]


def clear_signing_files(contract: str, abi: list[Json]) -> dict[Path, str]:
    """Contents by path: one file for what is signed, one for what is called."""
    deployments = [
        {"chainId": record["chain_id"], "address": record["address"]}
        for record in records.everywhere()
        if record["contract"] == contract
    ]
    made = {
        f"eip712-{contract}.json": messages(contract, abi, deployments),
        f"calldata-{contract}.json": calls(contract, abi, deployments),
    }
    return {HERE / name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}


def messages(contract: str, abi: list[Json], deployments: list[Json]) -> Json:
    """What wallets show of EIP-712 messages of the contract at `deployments`."""
    structs = _structs(abi)
    domain = [{"name": name, "type": kind} for name, kind in DOMAIN_MEMBERS]
    schemas = [
        {
            "types": {
                "EIP712Domain": domain,
                name: [{"name": member["name"], "type": member["type"]} for member in structs[name]],
            },
            "primaryType": name,
        }
        for name in MESSAGES
    ]
    context = {"eip712": {"domain": DOMAIN, "deployments": deployments, "schemas": schemas}}
    formats = {name: written.json() for name, written in MESSAGES.items()}
    return _file(contract, context, {"side": ENUMS["side"], "place": ENUMS["place"]}, formats)


def calls(contract: str, abi: list[Json], deployments: list[Json]) -> Json:
    """What wallets show of transactions to the contract at `deployments`."""
    functions = {
        entry["name"]: _named(entry, PARAMETERS[contract])
        for entry in abi
        if entry["type"] == "function" and entry["name"] in CALLS[contract]
    }
    context = {"contract": {"deployments": deployments, "abi": list(functions.values())}}
    formats = {signature(entry): CALLS[contract][name].json() for name, entry in functions.items()}
    return _file(contract, context, ENUMS, formats)


def signature(function: Json) -> str:
    """As the selector is computed from it."""
    return f"{function['name']}({','.join(_type(field) for field in function['inputs'])})"


def _file(contract: str, context: Json, enums: Json, formats: Json) -> Json:
    return {
        "$schema": SCHEMA,
        "context": {"$id": f"{OWNER} {contract}", **context},
        "metadata": {"owner": OWNER, "enums": enums},
        "display": {"formats": formats},
    }


def _type(field: Json) -> str:
    kind: str = field["type"]
    if kind.startswith("tuple"):
        return f"({','.join(_type(part) for part in field['components'])}){kind.removeprefix('tuple')}"
    return kind


def _named(function: Json, parameters: dict[str, tuple[str, ...]]) -> Json:
    """The function with names for all its parameters, and without what a wallet doesn't need."""
    fields = [_bare(field) for field in function["inputs"]]
    for field, name in zip(fields, parameters.get(function["name"], ()), strict=False):
        field["name"] = name
    return {"type": "function", "name": function["name"], "inputs": fields}


def _bare(field: Json) -> Json:
    parts = {"components": [_bare(part) for part in field["components"]]} if "components" in field else {}
    return {"name": field["name"], "type": field["type"], **parts}


def _structs(abi: list[Json]) -> dict[str, list[Json]]:
    """Members of the structs that functions take, by name. A signed struct is hashed as it stands in calldata."""
    found: dict[str, list[Json]] = {}
    todo = [field for entry in abi if entry["type"] == "function" for field in entry["inputs"]]
    while todo:
        field = todo.pop()
        if "components" in field:
            name = field["internalType"].removeprefix("struct ").partition("[")[0].rpartition(".")[2]
            found[name] = field["components"]
            todo += field["components"]
    return found
