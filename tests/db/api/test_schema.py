"""The committed schema is the code's."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command

from otc.core.errors import ErrorCode
from tests.db.api.test_nonsense import OPERATIONS, SCHEMA


def test_docs_openapi_yaml_is_generated_from_this_code(tmp_path):
    call_command("spectacular", file=str(tmp_path / "openapi.yaml"), validate=True, fail_on_warn=True)
    committed = Path(settings.BASE_DIR, "docs", "openapi.yaml").read_text(encoding="utf-8")
    generated = (tmp_path / "openapi.yaml").read_text(encoding="utf-8")
    assert committed == generated, (
        "run: python3 manage.py spectacular --file docs/openapi.yaml --validate --fail-on-warn"
    )


def test_every_operation_may_answer_with_a_problem_and_has_a_name_of_its_own():
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for _, _, operation in OPERATIONS:
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert operation["description"]
    codes = SCHEMA["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert codes == [str(code) for code in ErrorCode]


@pytest.mark.django_db
def test_the_schema_and_its_page_are_served(client):
    answer = client.get("/api/v1/schema")
    assert (answer.status_code, b"openapi: 3.1.0" in answer.content) == (200, True)
    page = client.get("/api/v1/docs")
    assert (page.status_code, b"swagger-ui" in page.content, b"http://" in page.content) == (200, True, False)
    assert "Content-Security-Policy" not in page
