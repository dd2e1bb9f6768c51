"""Deterministic addresses, the presigned factory, and code with its immutables filled in. No chain."""

import pytest
from eth_account import Account
from web3.utils.address import get_create_address

from escrow.contracts.deploy import create2
from escrow.contracts.deploy.code import artifact, escrow_code, filled, init_code
from escrow.contracts.deploy.escrow import Plan, Roles
from otc.core.fields import to_checksum
from otc.core.models import EscrowKind

OWNER, GUARDIAN, FEES = ("0x" + byte * 20 for byte in ("a1", "b2", "c3"))
PLAN = Plan(1, Roles(OWNER, GUARDIAN, FEES))
CONTRACT = PLAN.contract


def test_the_presigned_transaction_makes_the_factory_at_its_address():
    sender = Account.recover_transaction(create2.FACTORY_TRANSACTION)
    assert sender.lower() == create2.FACTORY_SENDER
    assert get_create_address(sender, 0).lower() == create2.FACTORY


def test_its_facts_are_in_the_sentence_that_asks_for_it():
    for fact in (
        to_checksum(create2.FACTORY),
        to_checksum(create2.FACTORY_SENDER),
        create2.FACTORY_TRANSACTION,
        "0.01",
    ):
        assert fact in create2.FACTORY_MISSING


def test_an_address_as_eip_1014_says(monkeypatch):
    # its sixth example: deployer 0xdeadbeef at the end, salt 0xcafebabe, init code of 44 bytes
    monkeypatch.setattr(create2, "FACTORY", "0x" + "00" * 16 + "deadbeef")
    salt, code = bytes.fromhex("cafebabe".rjust(64, "0")), bytes.fromhex("deadbeef" * 11)
    assert create2.create2_address(code, salt=salt) == "0x1d8bfdc5d46dc4f61d6b6115972536ebe6a8854c"


def test_the_factory_is_called_with_salt_and_code():
    assert create2.factory_call(b"\x60\x00", salt=bytes(31) + b"\x07") == "0x" + "00" * 31 + "07" + "6000"


def test_the_roles_end_the_init_code():
    words = "".join(address[2:].rjust(64, "0") for address in (OWNER, GUARDIAN, FEES))
    assert PLAN.init_code.hex() == artifact(CONTRACT)["bytecode"][2:] + words
    assert init_code("PlainToken").hex() == artifact("PlainToken")["bytecode"][2:]


def test_the_address_depends_on_the_roles_and_not_on_the_chain():
    assert Plan(10, PLAN.roles).address == PLAN.address
    assert Plan(1, PLAN.roles, EscrowKind.RIGHTS).address != PLAN.address
    assert Plan(1, Roles(OWNER, GUARDIAN, OWNER)).address != PLAN.address


def test_the_code_of_a_chain_has_no_empty_immutables():
    here, there = (escrow_code(CONTRACT, chain_id=chain_id, address=PLAN.address) for chain_id in (1, 10))
    empty = bytes.fromhex(artifact(CONTRACT)["deployedBytecode"][2:])
    assert len(here) == len(empty)
    differing = {at for at in range(len(here)) if here[at] != there[at]}
    words = [start for places in artifact(CONTRACT)["immutables"] for start in places]
    assert differing
    assert all(any(start <= at < start + 32 for start in words) for at in differing)
    assert all(here[start : start + 32] != bytes(32) == empty[start : start + 32] for start in words)


def test_filling_in():
    code = b"\x01" + bytes(32) + b"\x02" + bytes(64)
    one, two = b"\xaa" * 32, b"\xbb" * 32
    assert filled(code, [[1, 34], [66]], [one, two]) == b"\x01" + one + b"\x02" + one + two
    with pytest.raises(ValueError, match=r"shorter|longer"):
        filled(code, [[1]], [one, two])
    with pytest.raises(ValueError, match="no empty word at byte 2"):
        filled(code, [[2]], [one])


def test_a_record_tells_how_to_repeat_it():
    record = PLAN.record(block=7, transaction="0x" + "11" * 32)
    address = create2.create2_address(PLAN.init_code, salt=bytes.fromhex(record["salt"][2:]))
    assert record["address"] == to_checksum(address)
    assert record["factory"].lower() == create2.FACTORY
    assert (record["chain_id"], record["block"], record["compiler"]) == (1, 7, artifact(CONTRACT)["compiler"])
