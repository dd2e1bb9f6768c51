"""Every page of the panel: lists, details and searches work; nobody else gets in; nothing a service owns can be changed."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from escrow.chain.models import StagedBlock, StagedLog
from otc.accounts.models import User
from otc.core.fields import to_checksum
from otc.core.panel import PanelAdmin
from tests.support import rows

OURS = ("core", "accounts", "points", "escrow")
MODELS = sorted((model for model in admin.site._registry if model._meta.app_label in OURS), key=lambda m: m._meta.label)
READ_ONLY = [model for model in MODELS if model is not User]
UNSEEN = {
    StagedBlock,
    StagedLog,
}  # what the reader has read ahead of the fold is nobody's truth, and has no key of one column
NONSENSE = ["nothing like it", "0x", "0x12", "-1", "9" * 60, "9" * 19, "'; DROP TABLE", "\u0661", "%", "0x" + "g" * 40]


def page(model, name, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def listed(operator, model, **query):
    """The rows that a list would show: its query is run, its page is not made."""
    request = RequestFactory().get(page(model, "changelist"), query)
    request.user = operator
    return list(admin.site._registry[model].get_changelist_instance(request).result_list)


def test_every_model_of_ours_has_a_page():
    ours = {model for label in OURS for model in apps.get_app_config(label).get_models()}
    assert ours - UNSEEN == set(MODELS)
    assert all(isinstance(admin.site._registry[model], PanelAdmin) for model in MODELS)


class TestEveryModel:
    """One venue for all models: no page changes anything."""

    def test_the_list_shows_its_rows(self, panel, venue):
        for model in MODELS:
            answer = panel.get(page(model, "changelist"))
            assert answer.status_code == 200, model
            assert model.objects.exists(), model
            assert len(answer.context["cl"].result_list) == min(50, model.objects.count()), model

    def test_the_list_asks_as_often_for_many_rows_as_for_one(self, panel, make_venue):
        def asked(model):
            with CaptureQueriesContext(connection) as queries:
                panel.get(page(model, "changelist"))
            return len(queries)

        make_venue()
        ContentType.objects.get_for_models(*MODELS)  # they are remembered from here on
        asked(MODELS[0])
        once = {model: asked(model) for model in MODELS}
        make_venue()
        make_venue()
        assert {model: asked(model) for model in MODELS} == once
        assert max(once.values()) <= 12, once

    def test_a_row_shows_all_of_itself(self, panel, venue):
        for model in MODELS:
            with CaptureQueriesContext(connection) as asked:
                answer = panel.get(page(model, "change", model.objects.order_by("pk").last().pk))
            assert answer.status_code == 200, model
            assert len(asked) <= 15, model

    def test_any_search_has_an_answer(self, panel, operator, venue):
        terms = [venue.maker, to_checksum(venue.maker), venue.deal.deal_id, str(venue.deal.pk), *NONSENSE]
        for model in MODELS:
            for term in terms:
                assert len(listed(operator, model, q=term)) <= model.objects.count(), (model, term)
            assert panel.get(page(model, "changelist"), {"q": terms[-1]}).status_code == 200, model

    def test_filters_and_order(self, panel, operator, venue):
        for model in MODELS:
            everything = model.objects.count()
            for place in range(1, len(admin.site._registry[model].list_display) + 1):
                assert len(listed(operator, model, o=place)) == everything, (model, place)
            assert panel.get(page(model, "changelist"), {"o": 1, "p": 2}).status_code in {200, 302}, model

    def test_nothing_is_added_changed_or_deleted_here(self, panel, venue):
        for model in READ_ONLY:
            before = list(model.objects.order_by("pk").values_list())
            key = model.objects.first().pk
            for url in (page(model, "add"), page(model, "delete", key)):
                assert panel.get(url).status_code == 403, url
                assert panel.post(url, {"post": "yes"}).status_code == 403, url
            assert panel.post(page(model, "change", key), {"name": "changed"}).status_code == 403, model
            action = {"action": "delete_selected", "_selected_action": [key], "post": "yes"}
            panel.post(page(model, "changelist"), action)
            assert list(model.objects.order_by("pk").values_list()) == before, model


class TestWhoGetsIn:
    def test_nobody_without_a_sign_in(self, client, db):
        for url in [reverse("admin:index"), *(page(model, "changelist") for model in MODELS)]:
            answer = client.get(url)
            assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={url}")

    def test_no_wallet(self, client, venue):
        client.force_login(venue.user)
        for url in [reverse("admin:index"), *(page(model, "changelist") for model in MODELS)]:
            assert client.get(url).status_code == 302

    def test_staff_see_what_they_may(self, client, venue):
        clerk = User.objects.create_superuser("clerk", "a long enough password")
        User.objects.filter(pk=clerk.pk).update(is_superuser=False)
        clerk.user_permissions.add(Permission.objects.get(codename="view_deal"))
        client.force_login(User.objects.get(pk=clerk.pk))
        assert client.get("/admin/escrow/deal/").status_code == 200
        assert client.get("/admin/escrow/transfer/").status_code == 403
        assert client.get(page(User, "add")).status_code == 403
        assert client.get(page(User, "change", clerk.pk)).status_code == 403

    def test_the_log_in_page(self, client, operator):
        assert client.get("/admin/login/").status_code == 200
        answer = client.post("/admin/login/", {"username": "operator", "password": "wrong"})
        assert (answer.status_code, "correct username and password" in answer.content.decode()) == (200, True)
        answer = client.post("/admin/login/", {"username": "operator", "password": "a long enough password"})
        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        page_in = client.get("/admin/")
        assert (page_in.status_code, "Content-Security-Policy" in page_in) == (200, False)

    def test_a_wallets_name_and_no_password_open_nothing(self, client, venue):
        for password in ("", "x", venue.user.password):
            client.post("/admin/login/", {"username": venue.user.username, "password": password})
            assert client.get("/admin/").status_code == 302


class TestSearch:
    @staticmethod
    def found(panel, model, term):
        answer = panel.get(page(apps.get_model(model), "changelist"), {"q": term})
        return list(answer.context["cl"].result_list)

    @pytest.mark.parametrize(
        "spelling", [str, str.upper, to_checksum, lambda a: a[2:], lambda a: f" {a[:20]} {a[20:]}\n"]
    )
    def test_an_address_in_any_spelling(self, panel, make_venue, spelling):
        make_venue()
        venue = make_venue()
        assert self.found(panel, "points.offer", spelling(venue.maker)) == [venue.offer]
        assert self.found(panel, "accounts.user", spelling(venue.maker)) == [venue.user]

    def test_rows_about_an_address(self, panel, make_venue):
        make_venue()
        venue = make_venue()
        for model in (
            "points.allocationrow", "points.makerfunds", "points.makerepoch", "points.makernonces", "points.projectmember",
            "points.allocationlist", "points.project", "escrow.account", "accounts.accesstoken", "core.idempotencyrecord",
        ):  # fmt: skip
            assert len(self.found(panel, model, venue.maker)) == 1, model
        assert len(self.found(panel, "escrow.deal", rows.BUYER)) == 2
        assert len(self.found(panel, "core.chain", rows.ESCROW)) == 1

    def test_rows_about_a_deal(self, panel, make_venue):
        make_venue()
        venue = make_venue()
        for model, row in (
            ("escrow.deal", venue.deal), ("escrow.intent", venue.intent), ("escrow.account", venue.locked),
        ):  # fmt: skip
            assert self.found(panel, model, venue.deal.deal_id) == [row]
        assert len(self.found(panel, "escrow.dealtranche", venue.deal.deal_id)) == 1
        assert len(self.found(panel, "core.outboxevent", venue.deal.deal_id)) == 1
        assert len(self.found(panel, "core.outboxevent", f"deal:{venue.deal.deal_id}")) == 1

    def test_rows_about_a_hash(self, panel, make_venue):
        make_venue()
        venue = make_venue()
        assert self.found(panel, "points.offer", venue.offer.offer_hash) == [venue.offer]
        assert self.found(panel, "points.market", venue.market.market_id.upper()) == [venue.market]
        assert self.found(panel, "points.offer", venue.market.market_id) == [venue.offer]
        assert self.found(panel, "escrow.attempt", venue.attempt.tx_hash) == [venue.attempt]
        assert self.found(panel, "escrow.intent", venue.attempt.tx_hash) == [venue.intent]
        assert self.found(panel, "escrow.chainevent", venue.event.tx_hash) == [venue.event]
        assert self.found(panel, "escrow.deal", venue.event.tx_hash) == [venue.deal]
        assert self.found(panel, "escrow.block", venue.event.block.hash) == [venue.event.block]

    def test_rows_by_number(self, panel, make_venue):
        make_venue()
        venue = make_venue()
        assert self.found(panel, "escrow.deal", f" {venue.deal.pk} ") == [venue.deal]
        assert self.found(panel, "core.chain", "31337") == [venue.chain]
        assert venue.event.block in self.found(panel, "escrow.block", str(venue.event.block.number))

    def test_nothing_means_everything_and_nonsense_nothing(self, panel, venue):
        assert self.found(panel, "points.offer", "  ") == [venue.offer]
        for term in NONSENSE:
            assert self.found(panel, "points.offer", term) == []

    def test_a_search_uses_an_index(self, panel, make_venue):
        venue = make_venue()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        searches = [
            ("points.offer", venue.maker),
            ("points.offer", venue.offer.offer_hash),
            ("points.allocationrow", venue.maker),
            ("escrow.deal", venue.deal.deal_id),
        ]
        for label, term in searches:
            model = apps.get_model(label)
            model_admin = admin.site._registry[model]
            plan = model.objects.order_by().filter(model_admin.search_condition(term)).explain()
            assert f"Seq Scan on {model._meta.db_table}" not in plan, plan


class TestStaffAccounts:
    def test_a_superuser_makes_one(self, panel):
        form = {
            "username": "clerk",
            "usable_password": "true",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
            "is_staff": "on",
        }
        assert panel.get(page(User, "add")).status_code == 200
        assert panel.post(page(User, "add"), form).status_code == 302
        clerk = User.objects.get(username="clerk")
        assert (clerk.is_staff, clerk.address, clerk.check_password("correct horse battery")) == (True, None, True)

    def test_changes_it_and_its_password(self, panel):
        clerk = User.objects.create_superuser("clerk", "a long enough password")
        answer = panel.post(page(User, "change", clerk.pk), {"username": "clerk", "is_active": "on", "is_staff": "on"})
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        clerk.refresh_from_db()
        assert (clerk.is_superuser, clerk.is_staff) == (False, True)
        url = reverse("admin:auth_user_password_change", args=[clerk.pk])
        assert panel.get(url).status_code == 200
        assert (
            panel.post(
                url,
                {"usable_password": "true", "password1": "another long password", "password2": "another long password"},
            ).status_code
            == 302
        )
        clerk.refresh_from_db()
        assert clerk.check_password("another long password")

    @pytest.mark.parametrize("name", ["0xabc", "operator"])
    def test_a_name_that_is_taken_or_looks_like_a_wallet_is_refused(self, panel, name):
        form = {
            "username": name,
            "usable_password": "true",
            "password1": "correct horse battery",
            "password2": "correct horse battery",
        }
        answer = panel.post(page(User, "add"), form)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert User.objects.count() == 1

    def test_a_wallet_is_shown_and_not_changed(self, panel, venue):
        answer = panel.get(page(User, "change", venue.user.pk))
        assert to_checksum(venue.maker) in answer.content.decode()
        assert panel.post(page(User, "change", venue.user.pk), {"username": "x", "is_staff": "on"}).status_code == 403
        assert panel.post(reverse("admin:auth_user_password_change", args=[venue.user.pk]), {}).status_code == 403
        assert panel.post(page(User, "delete", venue.user.pk), {"post": "yes"}).status_code == 403

    def test_groups(self, panel):
        assert panel.get("/admin/auth/group/add/").status_code == 200
        assert panel.post("/admin/auth/group/add/", {"name": "support"}).status_code == 302
        assert panel.get(f"/admin/auth/group/{Group.objects.get().pk}/change/").status_code == 200
