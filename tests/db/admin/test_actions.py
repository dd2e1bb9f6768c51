"""Actions of the panel: a dialog, a reason, a service, a trace of who did it; and nobody without the right."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from escrow.keeper.services import intent_retry, signer_limits_set
from otc.accounts.models import AccessToken, User
from otc.core import flags
from otc.core.chains import chain_policy_set
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import FlagName, OutboxEvent
from points.services import moderation

POLICY = {
    "rpc_urls": "https://one.example/v2/key\r\n http://node:8545\r\n", "safe_depth": "2", "finality": "lower",
    "final_depth": "64", "final_quorum": "2",
}  # fmt: skip
GIVEN = {"rpc_urls": ["http://a"], "safe_depth": 1, "finality": "depth", "final_depth": 3, "final_quorum": 1}
LIMITS = {"balance_floor": "7", "fee_cap": "900000000000", "hourly_budget": "1" + "0" * 18}
REASON = {"reason": "Looked at it.", "_form_submitted": "True"}
ACTIONS = [
    ("core_chain_resume", "chain", {}),
    ("core_chain_set_policy", "chain", POLICY),
    ("core_flag_throw", None, {"name": "pause_posting", "on": "on"}),
    ("accounts_user_close", "user", {}),
    ("accounts_user_set_chain", "user", {"contract_chain_id": "31337"}),
    ("points_project_verify", "project", {}),
    ("points_market_unlist_market", "market", {}),
    ("escrow_signer_resume", "signer", {}),
    ("escrow_signer_set_limits", "signer", LIMITS),
    ("escrow_intent_retry", "failed", {}),
]
each_action = pytest.mark.parametrize(
    ("name", "row", "more"), ACTIONS, ids=lambda value: value if isinstance(value, str) else ""
)


def row_of(venue, row):
    return venue.market.program.project if row == "project" else getattr(venue, row)


def url_of(name, venue, row):
    return reverse(f"admin:{name}", args=[row_of(venue, row).pk] if row else [])


def state_of(venue):
    for row in (venue.chain, venue.user, venue.market, venue.signer, venue.failed, venue.market.program.project):
        row.refresh_from_db()
    chain, signer = venue.chain, venue.signer
    return (
        bool(chain.halted), venue.user.is_active, venue.market.listed, bool(signer.halted),
        venue.market.program.project.verified, flags.is_on(FlagName.PAUSE_POSTING),
        (chain.rpc_urls, chain.safe_depth, chain.finality, chain.final_depth, chain.final_quorum),
        (signer.balance_floor, signer.fee_cap, signer.hourly_budget), (venue.failed.state, venue.failed.reverts),
        venue.user.contract_chain_id,
    )  # fmt: skip


UNTOUCHED = (
    True, True, True, True, False, False,
    (["http://127.0.0.1:9"], 1, "depth", 3, 1), (0, 500 * 10**9, 0), ("failed", 3), None,
)  # fmt: skip


@each_action
class TestEachAction:
    def test_looking_at_the_dialog_changes_nothing(self, panel, venue, name, row, more):
        answer = panel.get(url_of(name, venue, row))
        assert (answer.status_code, b'name="reason"' in answer.content) == (200, True)
        assert state_of(venue) == UNTOUCHED

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
    def test_it_needs_a_reason(self, panel, venue, name, row, more, reason):
        answer = panel.post(url_of(name, venue, row), {**REASON, **more, "reason": reason})
        assert answer.status_code == 200
        assert state_of(venue) == UNTOUCHED

    def test_it_is_done_once_and_logged_with_the_reason(self, panel, operator, venue, name, row, more):
        answer = panel.post(url_of(name, venue, row), {**REASON, **more})
        assert answer.status_code == 302
        assert panel.get(answer["Location"]).status_code == 200
        assert sum(a != b for a, b in zip(state_of(venue), UNTOUCHED, strict=True)) == 1
        entry = LogEntry.objects.get()
        assert (entry.user, "Looked at it." in entry.change_message) == (operator, True)

    def test_in_the_dialog_the_browser_is_sent_on_by_a_header(self, panel, venue, name, row, more):
        answer = panel.post(url_of(name, venue, row), {**REASON, **more}, headers={"HX-Request": "true"})
        assert (answer.status_code, answer["HX-Redirect"][:7]) == (200, "/admin/")

    def test_staff_who_may_only_look_are_refused(self, client, venue, name, row, more):
        clerk = User.objects.create_superuser("clerk", "a long enough password")
        User.objects.filter(pk=clerk.pk).update(is_superuser=False)
        clerk.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        client.force_login(User.objects.get(pk=clerk.pk))
        assert client.post(url_of(name, venue, row), {**REASON, **more}).status_code == 403
        assert state_of(venue) == UNTOUCHED

    def test_wallets_and_strangers_are_sent_to_the_log_in(self, client, venue, name, row, more):
        for _ in range(2):
            answer = client.post(url_of(name, venue, row), {**REASON, **more})
            assert (answer.status_code, answer["Location"][:13]) == (302, "/admin/login/")
            client.force_login(venue.user)
        assert state_of(venue) == UNTOUCHED


def test_what_a_service_refuses_is_said(panel, venue):
    url = url_of("points_market_list_market", venue, "market")
    answer = panel.post(url, REASON)
    assert [str(message) for message in get_messages(answer.wsgi_request)] == [f"{venue.market} is listed already."]
    assert not LogEntry.objects.exists()


def test_a_closed_account_is_signed_out_and_can_be_opened_again(panel, venue):
    panel.post(url_of("accounts_user_close", venue, "user"), REASON)
    assert not AccessToken.objects.filter(user=venue.user).exists()
    panel.post(url_of("accounts_user_open", venue, "user"), REASON)
    venue.user.refresh_from_db()
    assert venue.user.is_active
    kept = [change.pgh_context.metadata["reason"] for change in venue.user.changes.exclude(pgh_context=None)]
    assert kept == ["Looked at it.", "Looked at it."]


class TestWhatARunbookSays:
    """Remedies of docs/operations.md: done in full, and refused in words."""

    @staticmethod
    def said(panel, url, values):
        answer = panel.post(url, {**REASON, **values})
        *_, said = [str(message) for message in get_messages(answer.wsgi_request)]
        return said

    def test_a_chain_gets_other_endpoints_and_depths(self, panel, venue):
        panel.post(url_of("core_chain_set_policy", venue, "chain"), {**REASON, **POLICY})
        urls = ["https://one.example/v2/key", "http://node:8545"]
        assert state_of(venue)[6] == (urls, 2, "lower", 64, 2)
        change = venue.chain.changes.last()
        assert (change.rpc_urls, change.pgh_context.metadata["reason"]) == (urls, "Looked at it.")

    def test_a_dialog_shows_what_is_there_now(self, panel, venue):
        asked = panel.get(url_of("core_chain_set_policy", venue, "chain")).content.decode()
        assert "http://127.0.0.1:9</textarea>" in asked
        assert 'name="final_depth" value="3"' in asked
        assert 'value="500000000000"' in panel.get(url_of("escrow_signer_set_limits", venue, "signer")).content.decode()

    @pytest.mark.parametrize(
        ("wrong", "word"),
        [
            ({"final_quorum": "3"}, "final_quorum: from 1 to the number of endpoints, 2"),
            ({"rpc_urls": "http://a http://a"}, "twice"),
            ({"rpc_urls": "file:///etc/passwd", "final_quorum": "1"}, "begin with http"),
            ({"rpc_urls": "http://[", "final_quorum": "1"}, "begin with http"),
            ({"rpc_urls": "http://a:99999", "final_quorum": "1"}, "begin with http"),
        ],
    )
    def test_a_policy_that_cannot_work_is_refused(self, panel, venue, wrong, word):
        url = url_of("core_chain_set_policy", venue, "chain")
        assert word in self.said(panel, url, {**POLICY, **wrong})
        assert state_of(venue) == UNTOUCHED

    @pytest.mark.parametrize(
        "wrong", [{"fee_cap": "-1"}, {"fee_cap": "1.5"}, {"fee_cap": str(2**256)}, {"fee_cap": "x"}]
    )
    def test_limits_that_are_no_wei_are_refused(self, panel, venue, wrong):
        url = url_of("escrow_signer_set_limits", venue, "signer")
        assert panel.post(url, {**REASON, **LIMITS, **wrong}).status_code == 200
        assert state_of(venue) == UNTOUCHED

    def test_a_signer_gets_other_limits(self, panel, venue):
        panel.post(url_of("escrow_signer_set_limits", venue, "signer"), {**REASON, **LIMITS})
        assert state_of(venue)[7] == (7, 900 * 10**9, 10**18)
        assert "at most 900000000000 per gas" in LogEntry.objects.get().change_message

    def test_a_failed_intent_is_planned_again_and_no_other(self, panel, venue):
        panel.post(url_of("escrow_intent_retry", venue, "failed"), REASON)
        assert state_of(venue)[8] == ("planned", 0)
        assert "Only a failed intent" in self.said(panel, url_of("escrow_intent_retry", venue, "intent"), {})
        venue.intent.refresh_from_db()
        assert (venue.intent.state, venue.intent.attempt) == ("sent", venue.attempt)
        assert LogEntry.objects.count() == 1

    @pytest.mark.parametrize("name", ["core_chain_set_policy", "escrow_signer_set_limits", "escrow_intent_retry"])
    def test_a_row_that_is_not_there(self, panel, venue, name):
        answer = panel.post(reverse(f"admin:{name}", args=[987654321]), {**REASON, **POLICY, **LIMITS})
        assert answer.status_code in {302, 404}
        assert state_of(venue) == UNTOUCHED
        assert not LogEntry.objects.exists()


class TestStaffAccounts:
    """Who may close wallets closes no colleague."""

    @pytest.fixture
    def clerk(self, db):
        clerk = User(username="clerk", is_staff=True)
        clerk.save()
        clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
        return clerk

    @staticmethod
    def refused(client, user, action="close"):
        """What the panel says; nothing has changed."""
        before, logged, changes = User.objects.get(pk=user.pk).is_active, LogEntry.objects.count(), user.changes.count()
        answer = client.post(reverse(f"admin:accounts_user_{action}", args=[user.pk]), REASON)
        assert (answer.status_code, User.objects.get(pk=user.pk).is_active) == (302, before)
        assert (LogEntry.objects.count(), user.changes.count()) == (logged, changes)
        *_, said = [str(message) for message in get_messages(answer.wsgi_request)]
        return said

    def test_a_clerk_closes_wallets_and_no_staff(self, client, clerk, operator, venue):
        client.force_login(clerk)
        client.post(url_of("accounts_user_close", venue, "user"), REASON)
        venue.user.refresh_from_db()
        assert not venue.user.is_active
        colleague = User.objects.create(username="colleague", is_staff=True)
        for user in (operator, colleague, clerk):
            assert "Only superusers" in self.refused(client, user)

    def test_a_clerk_opens_no_dismissed_colleague(self, client, clerk, operator):
        client.force_login(clerk)
        for user in (
            User.objects.create(username="dismissed", is_staff=True, is_active=False),
            User.objects.create(username="former", is_active=False),
        ):
            assert "Only superusers" in self.refused(client, user, "open")

    def test_a_superuser_closes_and_opens_a_superuser_and_never_the_last_which_is_oneself(self, panel, operator):
        other = User.objects.create_superuser("other", "a long enough password")
        for action, active in (("close", False), ("open", True), ("close", False)):
            panel.post(reverse(f"admin:accounts_user_{action}", args=[other.pk]), REASON)
            assert User.objects.get(pk=other.pk).is_active == active
        assert "their own account" in self.refused(panel, operator)

    def test_their_own_rights_are_shown_and_not_changed(self, panel, operator):
        url = reverse("admin:accounts_user_change", args=[operator.pk])
        assert panel.post(url, {"username": "operator"}).status_code == 302
        operator.refresh_from_db()
        assert (operator.is_active, operator.is_staff, operator.is_superuser) == (True, True, True)


class TestTyingToAChain:
    @pytest.fixture
    def tied(self, venue):
        """A contract on a chain that isn't served any more signed in first."""
        User.objects.filter(pk=venue.user.pk).update(contract_chain_id=10)
        return venue.user

    @staticmethod
    def tie(panel, user, chain_id):
        answer = panel.post(
            reverse("admin:accounts_user_set_chain", args=[user.pk]), {**REASON, "contract_chain_id": str(chain_id)}
        )
        *_, said = [str(message) for message in get_messages(answer.wsgi_request)]
        return said

    def test_who_signed_in_before_is_signed_out(self, panel, tied):
        browser = Client()
        browser.force_login(User.objects.get(pk=tied.pk))
        assert browser.get("/portfolio").wsgi_request.user == tied
        assert "on chain 31337" in self.tie(panel, tied, 31337)
        assert not browser.get("/portfolio").wsgi_request.user.is_authenticated
        assert not AccessToken.objects.filter(user=tied).exists()
        tied.refresh_from_db()
        assert (tied.contract_chain_id, tied.has_usable_password()) == (31337, False)
        assert tied.changes.order_by("pk").last().pgh_context.metadata["reason"] == "Looked at it."

    @pytest.mark.parametrize(("chain_id", "word"), [(1, "not served"), (10, "not served"), (31337, "already")])
    def test_a_chain_that_is_not_served_or_its_own_is_refused(self, panel, tied, chain_id, word):
        if word == "already":
            User.objects.filter(pk=tied.pk).update(contract_chain_id=chain_id)
        before = list(User.objects.order_by("pk").values_list("pk", "contract_chain_id"))
        assert word in self.tie(panel, tied, chain_id)
        assert list(User.objects.order_by("pk").values_list("pk", "contract_chain_id")) == before
        assert AccessToken.objects.filter(user=tied).exists()
        assert not LogEntry.objects.exists()

    def test_staff_are_on_no_chain(self, panel, operator, venue):
        assert "no such wallet" in self.tie(panel, operator, 31337)
        operator.refresh_from_db()
        assert operator.contract_chain_id is None


def test_others_hear_of_a_market_that_is_listed_or_not(panel, venue):
    panel.post(url_of("points_market_unlist_market", venue, "market"), REASON)
    event = OutboxEvent.objects.get(type="market.listed")
    assert (event.aggregate, event.payload["listed"]) == (f"market:{venue.market.market_id}", False)


@pytest.mark.parametrize(
    ("service", "values", "code"),
    [
        (moderation.project_verified_set, {"project_id": -1, "verified": True, "reason": "x"}, ErrorCode.NOT_FOUND),
        (moderation.project_verified_set, {"project_id": 0, "verified": True, "reason": " "}, ErrorCode.INVALID),
        (moderation.market_listed_set, {"market_pk": -1, "listed": True, "reason": "x"}, ErrorCode.NOT_FOUND),
        (moderation.market_listed_set, {"market_pk": 0, "listed": True, "reason": ""}, ErrorCode.INVALID),
        (chain_policy_set, {"pk": -1, **GIVEN, "reason": "x"}, ErrorCode.NOT_FOUND),
        (chain_policy_set, {"pk": 0, **GIVEN, "reason": " "}, ErrorCode.INVALID),
        (chain_policy_set, {"pk": 0, **GIVEN, "rpc_urls": [], "reason": "x"}, ErrorCode.INVALID),
        (chain_policy_set, {"pk": 0, **GIVEN, "final_quorum": 0, "reason": "x"}, ErrorCode.INVALID),
        (chain_policy_set, {"pk": 0, **GIVEN, "final_depth": -1, "reason": "x"}, ErrorCode.INVALID),
        (intent_retry, {"intent_pk": -1}, ErrorCode.NOT_FOUND),
        (
            signer_limits_set,
            {"signer_pk": -1, "balance_floor": 0, "fee_cap": 1, "hourly_budget": 0},
            ErrorCode.NOT_FOUND,
        ),
        (signer_limits_set, {"signer_pk": 0, "balance_floor": 0, "fee_cap": -1, "hourly_budget": 0}, ErrorCode.INVALID),
    ],
)
@pytest.mark.django_db
def test_refusals_of_the_services(service, values, code):
    with pytest.raises(DomainError) as refused:
        service(**values)
    assert refused.value.code is code
