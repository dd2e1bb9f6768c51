"""Sign-In with Ethereum: one text, one wallet, one chain, one site, one use."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otc.accounts import ethereum, services
from otc.accounts.models import AccessToken, SignInNonce, User
from otc.core import clock
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from tests.support.threads import run_together

SELLER = Account.from_key("0x" + "11" * 32)
BUYER = Account.from_key("0x" + "22" * 32)
SITE = "venue.example"
YES = "0x1626ba7e" + "00" * 28


def challenge(account=SELLER, chain_id=31337):
    return ethereum.challenge_issue(
        address=account.address.lower(), chain_id=chain_id, domain=SITE, uri=f"https://{SITE}/"
    ).message


def signed(message, account=SELLER):
    return bytes(account.sign_message(encode_defunct(text=message)).signature)


def sign_in(message, signature=None, domain=SITE):
    return ethereum.sign_in(message=message, signature=signature or signed(message), domain=domain)


def refused(message, signature=None, domain=SITE):
    with pytest.raises(DomainError) as error:
        sign_in(message, signature, domain)
    assert (error.value.code, error.value.status) == (ErrorCode.SIGN_IN_REFUSED, 401)
    return error.value


@pytest.mark.usefixtures("chain")
class TestSigningIn:
    def test_a_wallet_becomes_a_user_and_stays_the_same_one(self):
        user = sign_in(challenge())
        assert (user.address, str(user), user.is_staff) == (SELLER.address.lower(), SELLER.address, False)
        assert not user.has_usable_password()
        assert sign_in(challenge()) == user
        message = challenge(BUYER)
        assert sign_in(message, signed(message, BUYER)) != user

    def test_the_text_says_who_where_and_that_it_costs_nothing(self):
        lines = challenge().split("\n")
        assert lines[0] == f"{SITE} wants you to sign in with your Ethereum account:"
        assert lines[1] == SELLER.address
        assert ethereum.STATEMENT in lines
        assert {"URI: https://venue.example/", "Version: 1", "Chain ID: 31337"} < set(lines)

    def test_a_hardware_wallets_recovery_id(self):
        message = challenge()
        signature = signed(message)
        assert sign_in(message, signature[:64] + bytes([signature[64] - 27])).address == SELLER.address.lower()

    def test_a_contract_wallet_signs_in(self, node):
        node.wallet(YES)
        assert sign_in(challenge(), b"two of three owners").address == SELLER.address.lower()
        node.wallet("0x" + "00" * 32)
        assert refused(challenge(), b"one of three owners").field == "signature"

    def test_a_node_that_does_not_answer_is_said_and_the_nonce_stays_good(self, node):
        node.wallet(b"busy")
        message = challenge()
        with pytest.raises(DomainError) as error:
            sign_in(message, b"two of three owners")
        assert error.value.code is ErrorCode.CHAIN_UNAVAILABLE
        node.wallet(YES)
        assert sign_in(message, b"two of three owners")


@pytest.fixture
def other_chain(chain):
    return Chain.objects.create(
        pk=10, chain_id=10, name="Other", escrow_address="0x" + "e5" * 20, start_block=1, rpc_urls=chain.rpc_urls
    )


@pytest.mark.usefixtures("chain", "other_chain")
class TestContractsOfOneAddress:
    """On another chain the contract at the same address may have other owners."""

    OWNERS = b"two of three owners"

    def test_the_first_ties_the_account_to_its_chain(self, node):
        node.wallet(YES)
        user = sign_in(challenge(chain_id=10), self.OWNERS)
        assert user.contract_chain_id == 10
        assert sign_in(challenge(chain_id=10), self.OWNERS) == user
        assert list(user.changes.order_by("pk").values_list("contract_chain_id", flat=True)) == [None, 10]
        message = challenge()
        before = list(User.objects.values())
        error = refused(message, self.OWNERS)
        assert "is the wallet contract's on chain 10" in error.detail
        assert "on chain 31337" in error.detail
        assert (list(User.objects.values()), SignInNonce.objects.filter(used_at=None).count()) == (before, 1)

    def test_a_key_is_the_same_on_every_chain(self, node):
        user = sign_in(challenge())
        assert user.contract_chain_id is None
        node.wallet(YES)
        assert sign_in(challenge(chain_id=10), self.OWNERS).contract_chain_id == 10
        assert sign_in(challenge()) == user
        assert "chain 10" in refused(challenge(), self.OWNERS).detail

    def test_another_address_is_another_account(self, node):
        node.wallet(YES)
        assert sign_in(challenge(), self.OWNERS).contract_chain_id == 31337
        assert sign_in(challenge(BUYER, chain_id=10), self.OWNERS).contract_chain_id == 10


@pytest.mark.django_db(transaction=True)
def test_of_two_contracts_that_sign_in_first_at_once_one_does(node, other_chain):
    node.wallet(YES)
    messages = [challenge(chain_id=chain_id) for chain_id in (10, 31337)]
    answers = run_together([partial(sign_in, message, b"two of three owners") for message in messages])
    assert sorted(type(answer).__name__ for answer in answers) == ["DomainError", "User"]
    [winner] = [answer for answer in answers if isinstance(answer, User)]
    assert User.objects.get().contract_chain_id == winner.contract_chain_id


@pytest.mark.usefixtures("chain")
class TestRefusals:
    def test_a_replay(self):
        message = challenge()
        sign_in(message)
        assert "used" in refused(message).detail

    def test_another_site(self):
        assert SITE in refused(challenge(), domain="evil.example").detail

    def test_another_wallets_signature(self):
        message = challenge()
        assert refused(message, signed(message, BUYER)).field == "signature"
        assert not SignInNonce.objects.exclude(used_at=None).exists()

    def test_a_chain_not_served(self):
        message = challenge().replace("Chain ID: 31337", "Chain ID: 1")
        assert "Chain 1 " in refused(message).detail
        Chain.objects.update(active=False)
        assert "31337" in refused(challenge_for_closed_chain(message)).detail

    def test_a_nonce_that_is_not_ours(self):
        message = re.sub(r"Nonce: \w+", "Nonce: " + "a" * 24, challenge())
        assert "nonce" in refused(message).detail

    def test_an_old_nonce_however_long_the_message_says_it_lasts(self, settings):
        message = re.sub(r"Expiration Time: .*", "Expiration Time: 2099-01-01T00:00:00.000Z", challenge())
        age = timedelta(seconds=settings.SIWE_NONCE_SECONDS + 1)
        SignInNonce.objects.update(issued_at=clock.now() - age)
        assert "too old" in refused(message).detail

    @pytest.mark.parametrize(
        ("line", "instead", "word"),
        [
            (r"Expiration Time: .*", "Expiration Time: 2020-01-01T00:00:00.000Z", "expired"),
            (r"\nExpiration Time: .*", "", "expired"),
            (r"$", "\nNot Before: 2099-01-01T00:00:00.000Z", "not valid yet"),
            (r"Version: 1", "Version: 2", "EIP-4361"),
            (r"^venue", "https://venue", None),
            (r"Issued At: .*", "Issued At: yesterday", "EIP-4361"),
            (r"Expiration Time: .*", "Expiration Time: 2026-13-40T00:00:00Z", "EIP-4361"),
            (r"0x\w{40}", "0x12", "EIP-4361"),
            (r"Chain ID: 31337", "Chain ID: 031337", "EIP-4361"),
            (r"Chain ID: 31337", "Chain ID: " + "9" * 300, "not served"),
            (r"$", "\n", "EIP-4361"),
            (r"$", " " * 1000, "EIP-4361"),
        ],
    )
    def test_a_text_of_ones_own(self, line, instead, word):
        message = re.sub(line, instead, challenge(), count=1)
        if word is None:  # a scheme is part of the standard, and says nothing else
            assert sign_in(message)
        else:
            assert word in refused(message).detail

    @pytest.mark.parametrize("change", ["Sign in to Forelock", "URI: https", "Issued At: 2"])
    def test_a_text_changed_after_signing(self, change):
        message = challenge()
        assert refused(message.replace(change, change[:-1] + "3"), signed(message)).code is ErrorCode.SIGN_IN_REFUSED

    def test_a_closed_account(self):
        sign_in(challenge())
        User.objects.update(is_active=False)
        assert "closed" in refused(challenge()).detail

    def test_a_challenge_for_a_chain_not_served(self):
        with pytest.raises(DomainError) as error:
            challenge(chain_id=1)
        assert (error.value.code, error.value.field) == (ErrorCode.INVALID, "chain_id")


def challenge_for_closed_chain(message):
    return message.replace("Chain ID: 1", "Chain ID: 31337")


FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.usefixtures("chain")
class TestFuzz:
    @FUZZ
    @given(st.data())
    def test_a_mangled_text_is_refused_and_nothing_else(self, data):
        message = challenge()
        start = data.draw(st.integers(0, len(message)))
        end = data.draw(st.integers(start, min(len(message), start + 30)))
        mangled = message[:start] + data.draw(texts) + message[end:]
        if mangled != message:
            refused(mangled, signed(message))

    @FUZZ
    @given(message=st.text(st.characters(exclude_categories=["Cs"]), max_size=1200), signature=st.binary(max_size=70))
    def test_garbage_is_refused_and_nothing_else(self, message, signature):
        refused(message, signature or b"\0")

    def test_what_makes_the_grammar_slow_is_refused_soon(self):
        for bomb in ("https://" + "a." * 480, "(" * 990, "a" * 990, "%41" * 330):
            began = clock.monotonic()
            refused(re.sub(r"URI: .*", "URI: " + bomb, challenge())[:1000], b"\0")
            assert clock.monotonic() - began < 2


@pytest.mark.django_db(transaction=True)
def test_one_signature_signs_in_once_however_many_send_it():
    Chain.objects.create(pk=31337, chain_id=31337, name="Local", escrow_address="0x" + "e5" * 20, start_block=1)
    message = challenge()
    answers = run_together([partial(sign_in, message) for _ in range(6)])
    assert sum(isinstance(answer, User) for answer in answers) == 1
    assert sum(isinstance(answer, DomainError) for answer in answers) == 5
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_wallet_seen_first_by_many_at_once_is_one_user():
    users = run_together([partial(User.objects.for_wallet, SELLER.address.lower()) for _ in range(6)])
    assert {user.pk for user in users} == {User.objects.get().pk}


@pytest.mark.django_db
class TestSessions:
    def test_the_session_gets_a_new_key(self):
        request = RequestFactory().post("/")
        request.session = SessionStore()
        request.session.create()
        before = request.session.session_key
        user = User.objects.for_wallet(SELLER.address.lower())
        services.session_open(request=request, user=user)
        assert request.session.session_key != before
        assert request.session[SESSION_KEY] == str(user.pk)

    def test_a_wallet_is_never_staff(self):
        user = User.objects.for_wallet(SELLER.address.lower())
        for right in ("is_staff", "is_superuser"):
            with pytest.raises(IntegrityError, match="wallet_is_no_staff"), transaction.atomic():
                User.objects.filter(pk=user.pk).update(**{right: True})

    def test_a_staff_account_is_on_no_chain(self):
        with pytest.raises(IntegrityError, match="contract_chain_is_a_wallets"), transaction.atomic():
            User.objects.create(username="clerk", contract_chain_id=10)

    def test_a_staff_name_is_never_an_address(self):
        with pytest.raises(IntegrityError, match="staff_name_is_no_address"), transaction.atomic():
            User.objects.create_superuser(SELLER.address.lower(), "a long password")

    def test_a_wallet_has_no_password_to_guess(self, client):
        user = User.objects.for_wallet(SELLER.address.lower())
        for guess in ("", user.password, user.address):
            assert not client.login(username=user.username, password=guess)


@pytest.mark.django_db
class TestTokens:
    def test_only_the_digest_is_kept(self):
        user = User.objects.for_wallet(SELLER.address.lower())
        token, row = services.token_issue(user=user)
        assert token.startswith("flk_")
        assert token not in str(AccessToken.objects.values_list().get())
        assert services.token_user(token=token) == user
        assert services.token_user(token=row.digest) is None
        assert services.token_user(token="") is None

    def test_it_ends_by_time_by_sign_out_and_with_the_account(self):
        user = User.objects.for_wallet(SELLER.address.lower())
        expired, row = services.token_issue(user=user)
        AccessToken.objects.filter(pk=row.pk).update(expires_at=clock.now())
        ended, _ = services.token_issue(user=user)
        services.token_revoke(token=ended)
        services.token_revoke(token="unknown")
        closed, _ = services.token_issue(user=user)
        User.objects.update(is_active=False)
        assert [services.token_user(token=token) for token in (expired, ended, closed)] == [None] * 3

    def test_what_can_no_longer_be_used_is_forgotten(self, chain):
        challenge()
        _, row = services.token_issue(user=User.objects.for_wallet(SELLER.address.lower()))
        assert services.expired_forget() == 0
        SignInNonce.objects.update(issued_at=clock.now() - timedelta(days=1))
        AccessToken.objects.filter(pk=row.pk).update(expires_at=clock.now() - timedelta(seconds=1))
        assert services.expired_forget() == 2
