"""Whose signature it is: ECDSA as the contract checks it, then what the wallet's code says."""

import pytest
from eth_account import Account
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otc.core import signatures
from otc.core.errors import DomainError, ErrorCode

KEY = "0x" + "11" * 32
SELLER = Account.from_key(KEY).address.lower()
DIGEST = bytes(range(32))
YES = "0x1626ba7e" + "00" * 28
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_what_vouches_is_told(chain, node):
    asked = {"chain": chain, "signer": SELLER, "digest": DIGEST}
    assert signatures.verify(**asked, signature=signatures.sign_digest(DIGEST, KEY)) is signatures.SignedBy.KEY
    node.wallet(YES)
    assert signatures.verify(**asked, signature=b"x") is signatures.SignedBy.CONTRACT


def verdict(chain, signature, signer=SELLER):
    try:
        signatures.verify(chain=chain, signer=signer, digest=DIGEST, signature=signature)
    except DomainError as error:
        return error.code
    return None


class TestOfAKey:
    def test_the_signer_and_no_other(self, chain, node):
        signature = signatures.sign_digest(DIGEST, KEY)
        assert signatures.recover(DIGEST, signature) == SELLER
        assert verdict(chain, signature) is None
        assert node.asked == []
        assert verdict(chain, signature, signer="0x" + "22" * 20) is ErrorCode.SIGNATURE_INVALID
        assert signatures.recover(DIGEST[::-1], signature) != SELLER

    def test_the_other_half_of_the_curve_is_refused_as_in_the_contract(self, chain):
        good = signatures.sign_digest(DIGEST, KEY)
        high = good[:32] + (N - int.from_bytes(good[32:64])).to_bytes(32) + bytes([27 + 28 - good[64]])
        assert signatures.recover(DIGEST, high) is None

    @pytest.mark.parametrize("v", [0, 1])
    def test_recovery_ids_0_and_1_are_taken_where_asked_for(self, v):
        good = signatures.sign_digest(DIGEST, KEY)
        bare = good[:64] + bytes([good[64] - 27])
        assert signatures.recover(DIGEST, bare) is None
        assert signatures.with_v_27(bare) == good
        assert signatures.with_v_27(good) == good
        assert signatures.with_v_27(bytes([v])) == bytes([v])

    @settings(max_examples=200)
    @given(st.binary(max_size=80))
    def test_garbage_is_nobodys(self, raw):
        assert signatures.recover(DIGEST, raw) in {None, signatures.recover(DIGEST, raw)}

    @settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(min_size=64, max_size=64), st.sampled_from([27, 28]))
    def test_any_65_bytes_make_an_address_or_none(self, raw, v):
        address = signatures.recover(DIGEST, raw + bytes([v]))
        assert address is None or (len(address) == 42 and address == address.lower())


class TestOfAContractWallet:
    def test_the_wallet_says_yes(self, chain, node):
        node.wallet(YES)
        assert verdict(chain, b"whatever the owners agreed on") is None
        (_, code_params), (_, (call, block)) = node.asked
        assert code_params == [SELLER, "latest"]
        assert (call["to"], block) == (SELLER, "latest")
        assert call["data"].startswith("0x1626ba7e" + DIGEST.hex())
        assert b"whatever the owners agreed on".hex() in call["data"]

    @pytest.mark.parametrize(
        "answer",
        [
            "0x",
            "0x1626ba7e",
            "0xffffffff" + "00" * 28,
            "0x1626ba7e" + "00" * 27 + "01",
            YES + "00" * 32,
            {"error": {"code": 3, "message": "execution reverted: no", "data": "0x556f1830"}},
            {"error": {"code": -32000, "message": "out of gas"}},
            {"error": {"code": -32000, "message": "invalid opcode: INVALID"}},
        ],
    )
    def test_the_wallet_says_anything_else(self, chain, node, answer):
        node.wallet(answer)
        assert verdict(chain, b"x") is ErrorCode.SIGNATURE_INVALID

    def test_an_address_without_code_accepts_nothing(self, chain, node):
        node.answers = {"eth_getCode": "0x", "eth_call": YES}
        assert verdict(chain, b"x") is ErrorCode.SIGNATURE_INVALID
        assert [method for method, _ in node.asked] == ["eth_getCode"]

    def test_the_next_endpoint_is_asked_when_one_is_down(self, chain, node):
        node.wallet(YES)
        chain.rpc_urls = ["http://127.0.0.1:1", node.url]
        assert verdict(chain, b"x") is None

    @pytest.mark.parametrize(
        "answer",
        [b"<html>Too busy</html>", None, {"error": {"code": -32005, "message": "limit exceeded"}}, b"[]", b'"x"'],
    )
    def test_no_endpoint_that_answers_is_no_verdict(self, chain, node, answer):
        node.wallet(answer)
        assert verdict(chain, b"x") is ErrorCode.CHAIN_UNAVAILABLE

    def test_a_signature_has_an_upper_length(self, chain, node):
        node.wallet(YES)
        assert verdict(chain, b"x" * (signatures.SIGNATURE_MAX + 1)) is ErrorCode.SIGNATURE_INVALID
        assert node.asked == []
