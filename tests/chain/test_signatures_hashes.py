"""Three makers of EIP-712 hashes agree on every signed type: the contract, eth-account, and a JavaScript wallet's library."""

import json
import random
import subprocess
from dataclasses import asdict, astuple

import pytest
from eth_account import Account

from escrow.contracts import bindings, hashing
from otc.stack import anvil as published
from otc.stack import node
from tests.support.bare_escrow import PROJECT, BareEscrow, digest_of, fields_of

SEED = 20_261_124
COUNTS = {"Offer": 1_000, "Resale": 200, "Close": 200, "Attestation": 200}
STRUCTS = {
    "Offer": bindings.Offer,
    "Resale": bindings.Resale,
    "Close": bindings.Close,
    "Attestation": bindings.Attestation,
}
VIEWS = {
    "Offer": bindings.encode_offer_hash,
    "Resale": bindings.encode_resale_hash,
    "Close": bindings.encode_close_hash,
    "Attestation": bindings.encode_attestation_hash,
}
SIGNED = 10


def value_of(dice: random.Random, kind: str):
    """Any value of the type; the edges often."""
    if kind == "bool":
        return dice.random() < 0.5
    if kind in {"address", "bytes32"}:
        size = 20 if kind == "address" else 32
        return "0x" + dice.choice([bytes(size), b"\xff" * size, *[dice.randbytes(size) for _ in range(8)]]).hex()
    bits = int(kind.removeprefix("uint"))
    return dice.choice([0, 1, 2**bits - 1, 2 ** (bits - 1), dice.getrandbits(bits), dice.getrandbits(bits // 2)])


def messages_of(kind: str, dice: random.Random) -> list[dict]:
    fields = fields_of(kind)
    return [{field["name"]: value_of(dice, field["type"]) for field in fields} for _ in range(COUNTS[kind])]


def as_json(message: dict) -> dict:
    return {name: str(value) if type(value) is int else value for name, value in message.items()}


def javascript(groups: list[dict]) -> list[dict]:
    """One Node process for all."""
    done = subprocess.run(
        [*node.node_command(), str(PROJECT / "tests" / "support" / "typed_data.mjs")],
        input=json.dumps({"key": published.key("maker"), "groups": groups}),
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def group(domain: dict, kind: str, messages: list[dict], fields: list[dict] | None = None) -> dict:
    types = {kind: fields or fields_of(kind)}
    return {"domain": domain, "type": kind, "types": types, "messages": [as_json(one) for one in messages]}


@pytest.fixture
def venue(anvil):
    return BareEscrow(anvil)


def test_hashes_and_signatures_are_the_same_everywhere(venue):
    dice = random.Random(SEED)  # noqa: S311  # repeatable
    messages = {kind: messages_of(kind, dice) for kind in COUNTS}
    answers = javascript([group(venue.domain, kind, found) for kind, found in messages.items()])
    for (kind, found), answer in zip(messages.items(), answers, strict=True):
        structs = [STRUCTS[kind](*message.values()) for message in found]
        assert astuple(structs[0]) == tuple(found[0].values())
        on_chain = venue.views(VIEWS[kind](struct) for struct in structs)
        typed = [venue.typed(kind, message) for message in found]
        in_python = ["0x" + digest_of(one).hex() for one in typed]
        assert len(set(on_chain)) == COUNTS[kind], f"two {kind}s with one hash, seed {SEED}"
        for i, wanted in enumerate(on_chain):
            assert in_python[i] == wanted == answer["hashes"][i], f"{kind} {i} of seed {SEED}: {found[i]}"
        for i in range(SIGNED):
            ours = Account.sign_message(typed[i], published.key("maker")).signature
            assert "0x" + ours.hex().removeprefix("0x") == answer["signatures"][i], f"{kind} {i} of seed {SEED}"
        if kind == "Offer":
            server = [hashing.offer_hash(one, chain_id=venue.anvil.chain_id, contract=venue.address) for one in structs]
            assert server == on_chain


def test_another_name_order_or_domain_is_another_hash(venue):
    dice = random.Random(SEED + 1)  # noqa: S311  # repeatable
    messages = messages_of("Close", dice)[:5]
    on_chain = venue.views(bindings.encode_close_hash(bindings.Close(*message.values())) for message in messages)
    fields = fields_of("Close")
    renamed = [{**field, "name": "until" if field["name"] == "deadline" else field["name"]} for field in fields]
    with_until = [{**message, "until": message["deadline"]} for message in messages]
    swapped = [fields[0], fields[2], fields[1], fields[3]]
    domains = [
        {**venue.domain, **change}
        for change in ({"chainId": 1}, {"verifyingContract": published.address("maker")}, {"version": "2"})
    ]
    answers = javascript(
        [
            group(venue.domain, "Close", messages),
            group(venue.domain, "Close", with_until, renamed),
            group(venue.domain, "Close", messages, swapped),
            *(group(domain, "Close", messages) for domain in domains),
        ]
    )
    assert answers[0]["hashes"] == on_chain
    for answer in answers[1:]:
        assert not set(answer["hashes"]) & set(on_chain)


def test_the_field_names_here_are_those_of_the_contract():
    artifact = json.loads((PROJECT / "escrow" / "contracts" / "artifacts" / "OTCEscrow.json").read_text())
    for kind in COUNTS:
        name = f"{kind[0].lower()}{kind[1:]}Hash"
        view = next(entry for entry in artifact["abi"] if entry.get("name") == name)
        members = [{"name": part["name"], "type": part["type"]} for part in view["inputs"][0]["components"]]
        assert members == fields_of(kind)
        assert len(asdict(STRUCTS[kind](*[0] * len(members)))) == len(members)
