"""Every error under /api/ is problem JSON with a stable code, whoever refused: a view, the router, or Django around them."""

import logging

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, SuspiciousOperation, ValidationError
from django.http import Http404
from django.test import Client
from django.urls import path
from rest_framework import exceptions, serializers
from rest_framework.views import APIView

from otc.accounts.models import User
from otc.api.problems import ERRORS_MAX, describe
from otc.core.errors import STATUS_OF, DomainError, ErrorCode
from otc.core.serializers import AddressField, StrictSerializer

NONCE = "/api/v1/auth/nonce"


def problem(answer, status, code):
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert (body["status"], body["code"]) == (status, str(code))
    assert body["detail"].endswith((".", "?"))
    assert body["request_id"] == answer["X-Request-Id"]
    return body


class Fails(APIView):
    def get(self, request):
        raise RuntimeError("secret detail of our insides")


class Refuses(APIView):
    def get(self, request):
        raise DomainError(ErrorCode.OFFER_EXPIRED, "Too late.", field="expiry")


def refuses_outside_drf(_request):
    raise DomainError(ErrorCode.OFFER_EXPIRED, "Too late.", field="expiry")


def breaks(_request):
    raise RuntimeError("secret detail of our insides")


urlpatterns = [
    path("api/v1/fails", Fails.as_view()),
    path("api/v1/refuses", Refuses.as_view()),
    path("api/v1/refuses-outside", refuses_outside_drf),
    path("api/v1/breaks", breaks),
]


@pytest.mark.urls("tests.db.api.test_problems")
class TestOurCode:
    @pytest.mark.parametrize("where", ["refuses", "refuses-outside"])
    def test_a_refusal_of_a_service_names_the_field(self, api, where):
        body = problem(api.get(f"/api/v1/{where}"), 422, "offer_expired")
        assert body["errors"] == [{"field": "expiry", "detail": "Too late."}]
        assert (body["title"], body["type"]) == ("Offer expired", "urn:forelock:problem:offer_expired")

    @pytest.mark.parametrize("where", ["fails", "breaks"])
    @pytest.mark.parametrize("debug", [False, True])
    def test_a_bug_is_logged_and_told_without_its_insides(self, settings, caplog, where, debug):
        settings.DEBUG = debug
        client = Client(raise_request_exception=False)
        with caplog.at_level(logging.ERROR, "django.request"):
            answer = client.get(f"/api/v1/{where}")
        problem(answer, 500, "internal")
        assert b"secret" not in answer.content
        assert "secret detail of our insides" in caplog.text


@pytest.mark.django_db
class TestAroundOurCode:
    def test_no_such_path(self, api):
        for where in ("/api/v1/nowhere", "/api/nowhere", "/api/v1/auth/nonce/", "/api/v2/markets"):
            problem(api.get(where), 404, "not_found")

    def test_method(self, api):
        assert problem(api.delete(NONCE), 405, "method_not_allowed")
        assert "POST" in api.delete(NONCE)["Allow"]

    def test_content_type(self, api):
        problem(api.post(NONCE, "a=b", content_type="application/x-www-form-urlencoded"), 415, "unsupported_media_type")
        problem(api.post(NONCE, "<a/>", content_type="text/xml"), 415, "unsupported_media_type")

    def test_accept(self, api):
        problem(api.get("/api/v1/status", headers={"Accept": "text/html"}), 406, "not_acceptable")
        assert api.get("/api/v1/status", headers={"Accept": "text/html, */*;q=0.1"}).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [b"{", b"\xff", b"NaN", b'{"a": 1e999}x', b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":' * 100_000],
    )  # fmt: skip
    def test_no_json(self, api, body):
        problem(api.generic("POST", NONCE, body, content_type="application/json"), 400, "malformed")

    @pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"1", b"true"])
    def test_json_of_another_shape(self, api, body):
        told = problem(api.generic("POST", NONCE, body, content_type="application/json"), 400, "malformed")
        assert "object" in told["detail"]

    def test_nothing_at_all(self, api):
        for body in (b"", b"{}"):
            told = problem(api.generic("POST", NONCE, body, content_type="application/json"), 400, "invalid")
            assert [error["field"] for error in told["errors"]] == ["address", "chain_id"]

    def test_too_large(self, api, settings):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
        body = b'{"address": "' + b"a" * 200 + b'"}'
        problem(api.generic("POST", NONCE, body, content_type="application/json"), 413, "too_large")

    @pytest.mark.parametrize("debug", [False, True])
    def test_a_host_that_is_not_ours(self, api, settings, debug):
        settings.DEBUG = debug
        settings.ALLOWED_HOSTS = ["venue.example"]
        problem(api.get("/api/v1/status", headers={"Host": "evil.example"}), 400, "malformed")

    def test_a_bad_token(self, api):
        for value in ("Bearer", "Bearer ", "Bearer x", "Bearer a b", "bearer \xff"):
            answer = api.get("/api/v1/me", headers={"Authorization": value})
            problem(answer, 401, "sign_in_required")
            assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_browser_session_without_its_csrf_token(self, db):
        client = Client(enforce_csrf_checks=True)
        client.force_login(User.objects.for_wallet("0x" + "5e" * 20))
        assert client.get("/api/v1/me").status_code == 200
        problem(client.post("/api/v1/auth/sign-out"), 403, "forbidden")
        assert client.get("/api/v1/me").status_code == 200

    def test_a_browser_session_signs_out_with_it(self, client):
        client.force_login(User.objects.for_wallet("0x" + "5e" * 20))
        assert client.post("/api/v1/auth/sign-out").status_code == 204
        assert client.get("/api/v1/me").status_code == 401

    def test_staff_have_no_wallet(self, client):
        client.force_login(User.objects.create_superuser("operator", "a long password"))
        body = problem(client.get("/api/v1/me"), 403, "forbidden")
        assert "wallet" in body["detail"]

    def test_the_callers_request_id_is_kept_when_sane(self, api):
        assert api.get("/api/v1/nowhere", headers={"X-Request-Id": "abc-1"}).json()["request_id"] == "abc-1"
        for bad in ("x" * 65, "a b", "<script>"):
            assert api.get("/api/v1/nowhere", headers={"X-Request-Id": bad})["X-Request-Id"] != bad


class Item(StrictSerializer):
    units = serializers.IntegerField(min_value=1)
    maker = AddressField(required=False)


class Order(StrictSerializer):
    fills = Item(many=True, allow_empty=False)
    note = serializers.CharField(required=False, max_length=3)

    def validate(self, data):
        if data.get("note") == "no":
            raise serializers.ValidationError("Both can't be.")
        return data


def told(data):
    order = Order(data=data)
    assert not order.is_valid()
    return describe(exceptions.ValidationError(order.errors))


class TestFields:
    @pytest.mark.parametrize(
        ("data", "fields"),
        [
            ({}, ["fills"]),
            ({"fills": []}, ["fills"]),
            ({"fills": [{"units": 1}, {"units": 0}]}, ["fills[1].units"]),
            ({"fills": [{"units": 1, "x": 2}]}, ["fills[0].x"]),
            ({"fills": [{"units": "a", "maker": "b"}], "note": "long"}, ["fills[0].units", "fills[0].maker", "note"]),
            ({"fills": [{"units": 1}], "note": "no"}, [""]),
            ({"fills": "x"}, ["fills"]),
            ([], [""]),
            ({"fills": [{"units": 1}], "n" * 200: 1}, ["n" * 80]),
        ],
    )
    def test_each_complaint_has_the_path_of_its_field(self, data, fields):
        found = told(data)
        assert (found.status, found.code) == (400, ErrorCode.INVALID)
        assert [error["field"] for error in found.errors] == fields
        assert all(error["detail"] for error in found.errors)

    def test_the_sentence_names_the_field_or_all_of_them(self):
        assert told({"fills": [{"units": 0}]}).detail.startswith("fills[0].units: ")
        assert told({"fills": [{"units": 0}], "note": "long"}).detail == "Check these fields: fills[0].units, note."

    def test_a_thousand_bad_items_are_told_in_part(self):
        assert len(told({"fills": [{"units": 0}] * 1000}).errors) == ERRORS_MAX


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, ErrorCode.NOT_FOUND),
        (ObjectDoesNotExist(), 404, ErrorCode.NOT_FOUND),
        (PermissionDenied(), 403, ErrorCode.FORBIDDEN),
        (SuspiciousOperation(), 400, ErrorCode.MALFORMED),
        (ValidationError({"market_id": ["Expected 0x and 64 hex digits."]}), 400, ErrorCode.INVALID),
        (ValidationError("No."), 400, ErrorCode.INVALID),
        (exceptions.NotAuthenticated(), 401, ErrorCode.SIGN_IN_REQUIRED),
        (exceptions.Throttled(wait=1.2), 429, ErrorCode.TOO_MANY_REQUESTS),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_frameworks_raise(error, status, code):
    found = describe(error)
    assert (found.status, found.code) == (status, code)
    assert found.headers == ({"Retry-After": "2"} if status == 429 else {})


def test_a_bug_is_not_described():
    assert describe(RuntimeError("x")) is None
    assert describe(exceptions.APIException("x")) is None


def test_codes_have_statuses_of_clients_or_servers():
    assert {DomainError(code, "x").status for code in ErrorCode} <= {
        400,
        401,
        403,
        404,
        405,
        406,
        409,
        413,
        415,
        422,
        429,
        500,
        503,
    }
    assert set(STATUS_OF) <= set(ErrorCode)
