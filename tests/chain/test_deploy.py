"""`manage.py deploy_escrow` on a real anvil that says it is another chain."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account

from escrow.contracts.deploy import create2, records
from escrow.contracts.deploy.code import escrow_code
from escrow.contracts.deploy.escrow import Plan, Roles, Site
from otc.core.fields import to_checksum
from otc.core.models import Chain, EscrowKind, escrow_key
from otc.stack import anvil as published
from otc.stack.demo import DEMO_PLAN, DEMO_RIGHTS_PLAN, demo_deploy
from otc.stack.errors import StackError
from points.models import PayToken

pytestmark = pytest.mark.django_db

CHAIN, OTHER_CHAIN = 10_143, 84_532
SAFE = "0x" + "5a" * 20  # gets code: a contract wallet as far as anybody can tell
GUARDIAN, FEES = "0x" + "6a" * 20, "0x" + "7a" * 20
PLAN = Plan(CHAIN, Roles(SAFE, GUARDIAN, FEES))
RIGHTS = Plan(CHAIN, PLAN.roles, EscrowKind.RIGHTS)
CONTRACT, RIGHTS_KEY = PLAN.contract, escrow_key(CHAIN, EscrowKind.RIGHTS)
FILE = f"{CHAIN}-{CONTRACT}.json"
ROLES = {"owner": SAFE, "guardian": GUARDIAN, "fee_recipient": FEES}
PASSWORD = "test"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """deployments/ of this test."""
    monkeypatch.setattr(records, "FOLDER", tmp_path / "deployments")
    return tmp_path / "deployments"


@pytest.fixture
def keystore(tmp_path):
    """Of a funded account without any role; encrypted with few rounds."""
    file, password = tmp_path / "key.json", tmp_path / "password"
    file.write_text(json.dumps(Account.encrypt(published.key("taker"), PASSWORD, kdf="pbkdf2", iterations=1)))
    password.write_text(PASSWORD + "\n")
    return {"keystore": file, "password_file": password}


@pytest.fixture
def chain(anvil):
    """The anvil as chain CHAIN, where the owner is a contract."""
    anvil.rpc("anvil_setChainId", CHAIN)
    anvil.rpc("anvil_setCode", SAFE, "0x00")
    yield anvil
    anvil.rpc("anvil_setChainId", anvil.chain_id)


def deploy(chain, keystore, /, **options):
    """What the command wrote: (out, err)."""
    out, err = io.StringIO(), io.StringIO()
    given = {"chain": CHAIN, "rpc_url": chain.url} | ROLES | keystore | options
    call_command("deploy_escrow", stdout=out, stderr=err, **given)
    return out.getvalue(), err.getvalue()


def refused(chain, keystore, match, folder, /, **options):
    """The command says why, and neither chain nor database nor folder changed."""
    before = chain.block_number()
    rows = list(Chain.objects.values())
    with pytest.raises(CommandError, match=match):
        deploy(chain, keystore, **options)
    assert chain.block_number() == before
    assert list(Chain.objects.values()) == rows
    assert not folder.exists()


def test_deployed_verified_recorded_and_registered(chain, keystore, folder):
    before = chain.block_number()
    out, err = deploy(chain, keystore, name="Testnet", safe_depth=3, final_depth=20)
    assert out.index(to_checksum(RIGHTS.address)) < out.index("OTCEscrow deployed and verified")
    assert "RightsEscrow deployed and verified" in out
    assert "guardian" in err
    assert "fee recipient" in err
    assert "owner" not in err
    assert chain.block_number() == before + 2
    code = bytes.fromhex(chain.rpc("eth_getCode", PLAN.address, "latest")[2:])
    assert code == escrow_code(CONTRACT, chain_id=CHAIN, address=PLAN.address)
    assert Site(chain.url).roles(PLAN.address) == PLAN.roles
    row = Chain.objects.get(pk=CHAIN)
    assert (row.escrow_address, row.start_block, row.name) == (PLAN.address, before + 1, "Testnet")
    assert (row.rpc_urls, row.safe_depth, row.final_depth) == ([chain.url], 3, 20)
    record = json.loads((folder / FILE).read_text())
    assert (record["address"], record["block"]) == (to_checksum(PLAN.address), before + 1)
    rights = Chain.objects.get(pk=RIGHTS_KEY)
    assert (rights.chain_id, rights.escrow_address, rights.start_block) == (CHAIN, RIGHTS.address, before + 2)
    code = bytes.fromhex(chain.rpc("eth_getCode", RIGHTS.address, "latest")[2:])
    assert code == escrow_code("RightsEscrow", chain_id=CHAIN, address=RIGHTS.address)
    of_rights = json.loads((folder / f"{CHAIN}-RightsEscrow.json").read_text())
    assert (of_rights["contract"], of_rights["address"]) == ("RightsEscrow", to_checksum(RIGHTS.address))
    assert of_rights["transaction"] == chain.block()["transactions"][0]
    sent = chain.rpc("eth_getTransactionByHash", record["transaction"])
    assert (sent["to"], sent["input"]) == (create2.FACTORY, create2.factory_call(PLAN.init_code))
    assert record["constructor"] == {
        "owner": to_checksum(SAFE),
        "guardian": to_checksum(GUARDIAN),
        "feeRecipient": to_checksum(FEES),
    }


def test_a_second_run_sends_nothing_and_repairs_the_row(chain, keystore, folder):
    deploy(chain, keystore)
    wanted, record = Chain.objects.get(pk=CHAIN), (folder / FILE).read_text()
    chain.mine(3)
    height = chain.block_number()
    Chain.objects.filter(pk=CHAIN).update(
        escrow_address="0x" + "11" * 20, start_block=1, rpc_urls=[chain.url, "http://second"], safe_depth=9
    )
    # without roles, key or endpoint: the record and the row know
    out, _err = deploy(
        chain, {}, owner="", guardian="", fee_recipient="", rpc_url="", keystore=None, password_file=None
    )
    assert "OTCEscrow kept" in out
    assert "RightsEscrow kept" in out
    assert chain.block_number() == height
    row = Chain.objects.get(pk=CHAIN)
    assert (row.escrow_address, row.start_block) == (wanted.escrow_address, wanted.start_block)
    assert (row.rpc_urls, row.safe_depth) == ([chain.url, "http://second"], 9)
    assert (folder / FILE).read_text() == record


def test_what_somebody_else_deployed_is_found_with_its_block(chain, keystore, folder):
    deploy(chain, keystore)
    block, record = Chain.objects.get(pk=CHAIN).start_block, (folder / FILE).read_text()
    Chain.objects.all().delete()
    (folder / FILE).unlink()
    chain.mine(3)
    deploy(chain, {})
    assert Chain.objects.get(pk=CHAIN).start_block == block
    assert (folder / FILE).read_text() == record


def test_two_chains_have_it_at_the_same_address(chain, keystore, folder):
    before = chain.snapshot()
    deploy(chain, keystore)
    first = chain.rpc("eth_getCode", PLAN.address, "latest")
    chain.revert(before)
    chain.rpc("anvil_setChainId", OTHER_CHAIN)
    chain.mine(5)  # other heights, other nonces: nothing of it matters
    deploy(chain, keystore, chain=OTHER_CHAIN)
    addresses = set(Chain.objects.values_list("escrow_address", flat=True))
    assert (Chain.objects.count(), addresses) == (4, {PLAN.address, RIGHTS.address})
    second = chain.rpc("eth_getCode", PLAN.address, "latest")
    assert first != second, "the chain id is part of the code: a signature for one chain is none for the other"
    recorded = [(record["chain_id"], record["contract"]) for record in records.everywhere()]
    assert recorded == [(of, name) for of in (CHAIN, OTHER_CHAIN) for name in ("OTCEscrow", "RightsEscrow")]


def test_other_roles_are_another_address():
    moved = {Plan(CHAIN, Roles(*roles)).address for roles in ((GUARDIAN, SAFE, FEES), (SAFE, GUARDIAN, SAFE))}
    assert len(moved | {PLAN.address}) == 3


def test_the_wrong_chain_is_refused(chain, keystore, folder):
    refused(chain, keystore, f"is of chain {CHAIN}, not of chain {OTHER_CHAIN}", folder, chain=OTHER_CHAIN)


def test_no_endpoint_is_refused(chain, keystore, folder):
    refused(chain, keystore, "Set RPC_URL", folder, rpc_url="")
    refused(chain, keystore, "Nothing useful answers at http://127.0.0.1:1:", folder, rpc_url="http://127.0.0.1:1")


def test_a_chain_without_the_factory_is_refused_with_what_to_do(chain, keystore, folder):
    chain.rpc("anvil_setCode", create2.FACTORY, "0x")
    refused(chain, keystore, f"{to_checksum(create2.FACTORY_SENDER)}.*{create2.FACTORY_TRANSACTION}", folder)
    # doing as it says helps
    chain.rpc("anvil_setNonce", create2.FACTORY, "0x0")
    chain.set_balance(create2.FACTORY_SENDER, 10**16)
    chain.rpc("eth_sendRawTransaction", create2.FACTORY_TRANSACTION)
    chain.mine()  # the node answers before it mines
    assert bytes.fromhex(chain.rpc("eth_getCode", create2.FACTORY, "latest")[2:]) == create2.FACTORY_CODE
    assert "deployed and verified" in deploy(chain, keystore)[0]


def test_a_foreign_factory_is_refused(chain, keystore, folder):
    chain.rpc("anvil_setCode", create2.FACTORY, "0x00")
    refused(chain, keystore, "is not the deployment proxy", folder)


def test_other_code_at_the_address_is_refused(chain, keystore, folder):
    code = bytearray(escrow_code(CONTRACT, chain_id=CHAIN, address=PLAN.address))
    code[-40] ^= 1
    chain.rpc("anvil_setCode", PLAN.address, "0x" + code.hex())
    refused(chain, keystore, "is not what this checkout's sources compile to", folder)
    # the code of another chain's escrow too
    chain.rpc("anvil_setCode", PLAN.address, "0x" + escrow_code(CONTRACT, chain_id=1, address=PLAN.address).hex())
    refused(chain, keystore, "is not what this checkout's sources compile to", folder)


def test_an_owner_that_is_a_key_is_refused_unless_meant(chain, keystore, folder):
    key = published.address("owner")
    refused(chain, keystore, "is a single key.*--allow-key-owner", folder, owner=key)
    _out, err = deploy(chain, keystore, owner=key, allow_key_owner=True)
    assert f"The owner {to_checksum(key)} is no contract" in err
    assert Site(chain.url).roles(Chain.objects.get(pk=CHAIN).escrow_address).owner == key


def test_a_key_that_lets_a_contract_act_for_it_is_a_key(chain, keystore, folder):
    chain.rpc("anvil_setCode", SAFE, "0xef0100" + create2.FACTORY[2:])  # EIP-7702
    refused(chain, keystore, "is a single key.*--allow-key-owner", folder)


def test_an_account_that_cannot_pay_is_refused(chain, keystore, folder):
    chain.set_balance(published.address("taker"), 10**9)
    refused(chain, keystore, "The node refuses the transaction creating OTCEscrow", folder)


def test_a_record_that_cannot_be_written_is_told_and_the_venue_knows_its_escrow(chain, keystore, folder):
    folder.write_text("a file, where a folder should be")
    with pytest.raises(CommandError, match=rf'(?s)deployed and registered.*"chain_id": {CHAIN}'):
        deploy(chain, keystore)
    assert Chain.objects.get(pk=CHAIN).escrow_address == PLAN.address


@pytest.mark.parametrize("role", ["owner", "guardian", "fee_recipient"])
def test_no_role_may_be_nobody(chain, keystore, folder, role):
    refused(chain, keystore, "can't be the zero address", folder, **{role: "0x" + "00" * 20})
    refused(chain, keystore, "is no address", folder, **{role: "0x12"})
    refused(chain, keystore, "is no address", folder, **{role: ""})


def test_without_a_key_only_the_address_is_told(chain, folder):
    refused(chain, {}, "--keystore", folder)


def test_a_database_that_read_another_escrow_is_kept(chain, keystore, folder):
    deploy(chain, keystore)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    Chain.objects.filter(pk=CHAIN).update(head_number=7, escrow_address="0x" + "11" * 20)
    refused(chain, keystore, "has read its deals", folder)


def test_a_recorded_escrow_is_not_replaced(chain, keystore, folder):
    deploy(chain, keystore)
    record, height = (folder / FILE).read_text(), chain.block_number()
    with pytest.raises(CommandError, match=f"names the escrow {to_checksum(PLAN.address)}"):
        deploy(chain, keystore, guardian=SAFE)
    assert (folder / FILE).read_text() == record
    assert chain.block_number() == height


def test_a_changed_role_is_told_and_no_reason_to_refuse(chain, keystore, folder):
    deploy(chain, keystore)
    chain.impersonate(SAFE)
    chain.set_balance(SAFE, 10**18)
    chain.rpc("anvil_setCode", SAFE, "0x")  # the node lets only accounts without code send
    data = "0x8a0dac4a" + FEES[2:].rjust(64, "0")  # setGuardian(address)
    chain.rpc("eth_sendTransaction", {"from": SAFE, "to": PLAN.address, "data": data})
    chain.mine()
    out, err = deploy(chain, {})
    assert "OTCEscrow kept" in out
    assert f"its guardian became {to_checksum(FEES)}" in err


def test_the_development_chain_takes_keys_and_leaves_no_record(anvil, keystore, folder):
    roles = {name: published.address("owner") for name in ROLES}
    out, err = deploy(anvil, keystore, chain=anvil.chain_id, **roles)
    assert ("deployed and verified" in out, err, folder.exists()) == (True, "", False)


def test_the_demonstration_has_one_address_and_is_kept(anvil):
    first = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=3)
    assert (first.escrow, first.kept) == (DEMO_PLAN.address, False)
    height = anvil.block_number()
    second = demo_deploy(rpc_url=anvil.url, safe_depth=2, final_depth=3)
    assert second.kept
    PayToken.objects.all().delete()
    Chain.objects.all().delete()  # another database on the same chain
    third = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=3)
    assert (third.kept, anvil.block_number()) == (True, height)
    assert (third.escrow, third.start_block, third.tokens) == (first.escrow, first.start_block, first.tokens)
    # a demonstration from before there were rights gets their escrow beside it
    Chain.objects.filter(kind=EscrowKind.RIGHTS).update(head_number=None)
    PayToken.objects.filter(chain__kind=EscrowKind.RIGHTS).delete()
    Chain.objects.filter(kind=EscrowKind.RIGHTS).delete()
    fourth = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=3)
    assert (fourth.rights_escrow, fourth.kept) == (DEMO_RIGHTS_PLAN.address, True)
    assert Chain.objects.filter(chain_id=fourth.chain_id).count() == 2


def test_a_demonstration_whose_chain_is_lost_or_another_says_to_start_over(anvil):
    done = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=3)
    rows, height = list(Chain.objects.values()), anvil.block_number()
    for code, sentence in (("0x", "its state was lost"), ("0x00", "built from other sources")):
        anvil.rpc("anvil_setCode", done.escrow, code)
        with pytest.raises(StackError, match=f"{sentence}.*up --fresh"):
            demo_deploy(rpc_url=anvil.url, safe_depth=2, final_depth=4)
    assert (list(Chain.objects.values()), anvil.block_number()) == (rows, height)


def test_a_development_chain_without_the_factory_is_told_what_to_do(anvil):
    anvil.rpc("anvil_setCode", create2.FACTORY, "0x")
    with pytest.raises(StackError, match=create2.FACTORY_TRANSACTION):
        demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=3)
    assert not Chain.objects.exists()
