"""The committed alarm rules speak of metrics that exist, and the operator's page has a row for each alarm."""

import re
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from escrow.checks.models import CheckRun
from escrow.models import EndpointHealth, Signer
from escrow.selectors.gauges import Histogram, gauges
from tests.support import rows

DOCS = Path(settings.BASE_DIR) / "docs"
RULES = yaml.safe_load((DOCS / "alarms.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]


@pytest.mark.django_db
def test_each_rule_is_about_a_metric_that_exists_with_its_labels():
    chain = rows.chain()
    EndpointHealth.objects.create(chain=chain, digest=rows.word(1), head_number=5, latency_ms=1)
    Signer.objects.create(chain_id=chain.chain_id, address=rows.BUYER, next_nonce=0, balance=1)
    CheckRun.objects.create(check_name="verify", chain=chain, checked=1, differing=0, differences=[], seconds=1)
    labels = {}
    for found in gauges():
        name = f"{found.name}_bucket" if isinstance(found, Histogram) else found.name
        labels[name] = {label for given, *_ in found.values for label in given} | {"le"}
    for rule in RULES:
        named = re.findall(r"(forelock_\w+)(?:\{([^}]*)\})?", rule["expr"])
        assert named, rule
        for name, conditions in named:
            assert name in labels, f"{rule['alert']} asks for {name}"
            assert set(re.findall(r"(\w+)=", conditions)) <= labels[name]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_operators_page_says_of_each_alarm_what_to_do():
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| ([A-Z]\w+) \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [name for name, *_ in documented] == [rule["alert"] for rule in RULES]
