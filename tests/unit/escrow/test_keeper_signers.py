"""The bytes that go out: the same from every signer, and those that eth-account makes of the same key."""

import pytest
from eth_account import Account
from hexbytes import HexBytes
from hypothesis import given
from hypothesis import strategies as st

from escrow.contracts import bindings, words
from escrow.keeper import signer as signers
from escrow.keeper.envelope import Unsigned
from escrow.keeper.fees import Fees
from escrow.keeper.kms import ForeignSignatureError, KeyServiceError, KmsSigner
from escrow.keeper.signer import Allowed, ForbiddenTransactionError, GuardedSigner, from_key
from otc.stack import anvil
from tests.support.key_service import SoftKeyService

ESCROW, STRANGER = "0x" + "e5" * 20, "0x" + "5a" * 20
SLASH, FINALIZE, WITHDRAW = b"\x01\x02\x03\x04", b"\x05\x06\x07\x08", b"\x09\x0a\x0b\x0c"

transactions = st.builds(
    Unsigned,
    chain_id=st.integers(1, 2**53),
    nonce=st.integers(0, 2**63),
    to=st.binary(min_size=20, max_size=20).map(words.hexed),
    calldata=st.binary(max_size=200),
    gas=st.integers(21_000, 30_000_000),
    fees=st.builds(lambda fee, tip: Fees(fee + tip, tip), st.integers(0, 10**13), st.integers(0, 10**13)),
    legacy=st.booleans(),
)
private_keys = st.integers(1, 2**255).map(lambda number: f"0x{number:064x}")


def by_eth_account(transaction, private_key):
    fees = transaction.fees
    price = (
        {"gasPrice": fees.max_fee}
        if transaction.legacy
        else {"type": 2, "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.priority_fee}
    )
    signed = Account.from_key(private_key).sign_transaction(
        {
            "chainId": transaction.chain_id, "nonce": transaction.nonce, "to": HexBytes(transaction.to), "value": 0,
            "data": HexBytes(transaction.calldata), "gas": transaction.gas, **price,
        }
    )  # fmt: skip
    return bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex()


@given(transaction=transactions, private_key=private_keys, seed=st.integers())
def test_a_key_service_makes_the_bytes_that_the_key_itself_would(transaction, private_key, seed):
    service = KmsSigner(SoftKeyService(private_key, seed=seed))
    signed = service.sign(transaction)
    assert (signed.raw, signed.tx_hash) == by_eth_account(transaction, private_key)
    assert from_key(private_key).sign(transaction) == signed
    assert service.address == from_key(private_key).address


def plain(**values):
    fields = {"chain_id": 1, "nonce": 0, "to": ESCROW, "calldata": SLASH, "gas": 50_000, "fees": Fees(2, 1)}
    return Unsigned(**{**fields, **values})


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x30",
        b"\x30\x02\x02\x00",
        b"\x00" * 64,
        b"\xff" * 64,
        b"\x30\x44" + b"\x02\x20" + b"\x01" * 10,
        b"\x30" * 70,
    ],
)
def test_an_answer_that_is_no_signature_is_refused(answer):
    service = SoftKeyService()
    signer = KmsSigner(service)
    service.sign_digest = lambda digest: answer
    with pytest.raises(ForeignSignatureError):
        signer.sign(plain())


def test_another_keys_signature_is_refused():
    service = SoftKeyService()
    signer = KmsSigner(service)
    service.sign_digest = SoftKeyService(anvil.key("owner")).sign_digest
    with pytest.raises(ForeignSignatureError, match=signer.address):
        signer.sign(plain())


@pytest.mark.parametrize("point", [b"", b"\x02" + b"\x01" * 32, b"\x03" * 65])
def test_a_public_key_that_is_no_whole_point_is_refused(point):
    service = SoftKeyService()
    service.public_key = lambda: point
    with pytest.raises(ForeignSignatureError):
        KmsSigner(service)


# ---------------------------------------------------------------- what the key may sign

ALLOWED = Allowed(direct=frozenset({(ESCROW, SLASH)}), within=frozenset({(ESCROW, FINALIZE)}))


def multicall(*parts):
    return words.raw(bindings.encode_multicall(list(parts)))


@pytest.mark.parametrize(
    ("to", "calldata"),
    [
        (ESCROW, SLASH + b"anything"),
        (ESCROW, multicall(FINALIZE + b"deal")),
        (ESCROW, multicall(FINALIZE, FINALIZE + b"deal")),
        (anvil.address("keeper"), b""),
    ],
)
def test_the_key_signs_what_is_allowed(to, calldata):
    assert GuardedSigner(from_key(anvil.key("keeper")), allowed=ALLOWED).sign(plain(to=to, calldata=calldata)).raw


@pytest.mark.parametrize(
    ("to", "calldata"),
    [
        (ESCROW, b""),
        (ESCROW, WITHDRAW),
        (ESCROW, FINALIZE),  # within a multicall only: alone it would be a second way
        (STRANGER, SLASH),
        (STRANGER, b""),
        (STRANGER, multicall(FINALIZE)),
        (ESCROW, multicall()),
        (ESCROW, multicall(WITHDRAW)),
        (ESCROW, multicall(FINALIZE, WITHDRAW)),
        (ESCROW, multicall(multicall(FINALIZE))),
        (ESCROW, multicall(b"")),
        (ESCROW, multicall(FINALIZE)[:-40]),
        (anvil.address("keeper"), SLASH),
    ],
)
def test_the_key_signs_nothing_else(to, calldata):
    service = SoftKeyService()
    guarded = GuardedSigner(KmsSigner(service), allowed=ALLOWED)
    with pytest.raises(ForbiddenTransactionError):
        guarded.sign(plain(to=to, calldata=calldata))
    assert service.digests == []


# ---------------------------------------------------------------- which key


@pytest.fixture
def chosen(settings, monkeypatch):
    monkeypatch.setattr(signers, "_cached", {})
    settings.KEEPER_PRIVATE_KEY = settings.KEEPER_KEYSTORE = settings.KEEPER_PASSWORD_FILE = ""
    settings.KEEPER_KEY_SERVICE = ""
    return settings


def test_a_key_service_is_named_by_its_path_and_made_once(chosen):
    chosen.KEEPER_KEY_SERVICE = "tests.support.key_service.SoftKeyService"
    found = signers.from_settings()
    assert isinstance(found, KmsSigner)
    assert found.address == anvil.address("keeper")
    assert signers.from_settings() is found


def test_a_key_service_that_is_down_is_asked_again(chosen, monkeypatch):
    chosen.KEEPER_KEY_SERVICE = "tests.support.key_service.SoftKeyService"
    monkeypatch.setattr("tests.support.key_service.SoftKeyService", lambda: SoftKeyService(down=True))
    with pytest.raises(KeyServiceError):
        signers.from_settings()
    monkeypatch.undo()


def test_without_a_setting_there_is_no_signer(chosen):
    assert signers.from_settings() is None
