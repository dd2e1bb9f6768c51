"""What drf-spectacular can't see by itself: bearer tokens, and the problem that any call may answer with."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from otc.core.errors import ErrorCode

Endpoint = tuple[str, str, str, Any]  # path, its regular expression, method, view
METHODS = {"get", "post", "put", "patch", "delete"}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details. `code` is stable; `detail` is for people.",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [str(code) for code in ErrorCode]},
        "errors": {
            "type": "array",
            "description": "The fields at fault, by their path in the request: `fills[0].units`.",
            "items": {
                "type": "object",
                "required": ["field", "detail"],
                "properties": {"field": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": "string", "description": "Quote it when you ask us."},
    },
}


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "otc.accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002 - the extension's signature
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of POST /api/v1/auth/verify (Sign-In with Ethereum).",
        }


def first_of_each(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Preprocessing hook: of several views at one path, the one that the router finds."""
    found: dict[tuple[str, str], Endpoint] = {}
    for endpoint in endpoints:
        path, _, method, _ = endpoint
        found.setdefault((path, method), endpoint)
    return list(found.values())


def add_problem_responses(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: ARG001
    """Postprocessing hook: a `default` response, problem JSON, on every operation."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "Refused or failed.",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for operations in result.get("paths", {}).values():
        for method, operation in operations.items():
            if method in METHODS:
                operation["responses"].setdefault("default", answer)
    return result
