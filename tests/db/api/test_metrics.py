"""/metrics: every name and value, who may read it, and how often it asks the database."""

from datetime import timedelta

import pytest
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from escrow.checks.models import CheckRun
from escrow.models import EndpointHealth, Intent, IntentState, Reorg, Signer
from otc.core import clock
from otc.core.flags import flag_set
from otc.core.models import FlagName, OutboxEvent
from tests.support import rows

pytestmark = pytest.mark.django_db
NOW = 1_900_000_000
KEEPER = "0x" + "ce" * 20
ONE = {"chain": "31337", "escrow": "tokens"}


@pytest.fixture
def chain(monkeypatch):
    """Head at block 10 of 30 seconds ago, final at 7."""
    monkeypatch.setattr(clock, "unix_now", lambda: NOW)
    monkeypatch.setattr(clock, "now", lambda: clock.from_unix(NOW))
    return rows.chain(head_time=NOW - 30)


def ago(seconds):
    return clock.from_unix(NOW) - timedelta(seconds=seconds)


def scrape(client, **given):
    """Values by name and labels."""
    answer = client.get("/metrics", **given)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[name, *sorted(labels.items())]


def test_the_head_and_a_halt(client, chain):
    found = scrape(client)
    assert value(found, "forelock_chain_head_number", **ONE) == 10
    assert value(found, "forelock_chain_head_age_seconds", **ONE) == 30
    assert value(found, "forelock_chain_unfinal_blocks", **ONE) == 3
    assert value(found, "forelock_chain_halted", **ONE) == 0
    type(chain).objects.update(halted="why")
    assert value(scrape(client), "forelock_chain_halted", **ONE) == 1


def test_a_chain_that_was_not_read_has_no_head_and_one_that_is_not_active_nothing(client, chain):
    type(chain).objects.update(head_number=None, head_time=None, head_hash=None)
    names = {name for name, *labels in scrape(client) if dict(labels).get("chain") == "31337"}
    assert "forelock_chain_halted" in names
    assert not any(name.startswith("forelock_chain_head") for name in names)
    type(chain).objects.update(active=False)
    assert not [name for name, *labels in scrape(client) if dict(labels).get("chain") == "31337"]


def test_endpoints(client, chain):
    def endpoint(number, **values):
        return EndpointHealth.objects.create(chain=chain, digest=rows.word(number << 224), name="node:8545", **values)

    endpoint(1, head_number=14, width=500, latency_ms=250, seen_at=ago(3))
    endpoint(2, head_number=99, failures=4, fault="unreachable", width=20)
    found = scrape(client)
    good, bad = ({**ONE, "endpoint": "node:8545", "digest": f"0000000{number}"} for number in (1, 2))
    assert [
        value(found, f"forelock_endpoint_{name}", **good)
        for name in ("failures", "range_blocks", "latency_seconds", "silent_seconds")
    ] == [0, 500, 0.25, 3]
    assert [value(found, f"forelock_endpoint_{name}", **bad) for name in ("failures", "range_blocks")] == [4, 20]
    assert ("forelock_endpoint_silent_seconds", *sorted(bad.items())) not in found
    assert value(found, "forelock_chain_lag_blocks", **ONE) == 4  # one that fails is not believed


def test_reorganisations_by_depth(client, chain):
    for depth in (1, 1, 3, 70):
        Reorg.objects.create(chain=chain, from_number=100, to_number=100 - depth, events=0)
    found = scrape(client)
    name = "forelock_reorg_depth_blocks"
    within = [value(found, f"{name}_bucket", **ONE, le=le) for le in ("1", "2", "4", "64", "+Inf")]
    assert within == [2, 2, 3, 3, 4]
    assert (value(found, f"{name}_count", **ONE), value(found, f"{name}_sum", **ONE)) == (4, 75)


def test_intents_by_state_with_the_age_of_the_oldest(client, chain):
    signer = Signer.objects.create(chain_id=chain.chain_id, address=KEEPER)
    sent = rows.attempt(signer)
    for number, (state, age) in enumerate([("planned", 5), ("planned", 90), ("sent", 7), ("failed", 9)]):
        Intent.objects.create(
            chain=chain, key=str(number), action="slash", deal_id=rows.word(number), state=state, created_at=ago(age),
            attempt=sent if state == "sent" else None,
        )  # fmt: skip
    found = scrape(client)
    counts = {state.value: value(found, "forelock_intents", **ONE, state=state.value) for state in IntentState}
    assert counts == {"planned": 2, "sent": 1, "mined": 0, "done": 0, "moot": 0, "failed": 1}
    oldest = {
        state: value(found, "forelock_intent_oldest_age_seconds", **ONE, state=state)
        for state in ("planned", "sent", "mined")
    }
    assert oldest == {"planned": 90, "sent": 7, "mined": 0}


def test_signers(client, chain):
    of = {"chain": "31337", "signer": KEEPER}
    signer = Signer.objects.create(
        chain_id=chain.chain_id, address=KEEPER, next_nonce=9, final_nonce=4, balance_floor=10**17, balance=3 * 10**17,
        notice="Paused.",
    )  # fmt: skip
    found = scrape(client)
    names = ["halted", "notice", "unfinal_transactions", "balance_floor_wei", "balance_wei"]
    assert [value(found, f"forelock_signer_{name}", **of) for name in names] == [0, 1, 5, 10**17, 3 * 10**17]
    Signer.objects.filter(pk=signer.pk).update(halted="A stranger's nonce.", next_nonce=None)
    found = scrape(client)
    assert value(found, "forelock_signer_halted", **of) == 1
    assert ("forelock_signer_unfinal_transactions", *sorted(of.items())) not in found


def test_the_last_run_of_each_check(client, chain):
    run = {"checked": 5, "differences": [], "seconds": 0.1}
    for check, of, differing, age in [
        ("reconcile", chain, 7, 900),
        ("reconcile", chain, 2, 60),
        ("verify", chain, 3, 50),
        ("verify", None, 1, 40),
        ("replay", chain, 0, 30),
    ]:
        CheckRun.objects.create(check_name=check, chain=of, differing=differing, ended_at=ago(age), **run)
    found, none = scrape(client), {"chain": "", "escrow": ""}
    assert value(found, "forelock_drift", **ONE) == 2
    assert value(found, "forelock_verify_failures", **ONE) == 3
    assert value(found, "forelock_verify_failures", **none) == 1
    assert value(found, "forelock_replay_differences", **ONE) == 0
    ages = {
        name: value(found, "forelock_check_age_seconds", check=name, **ONE)
        for name in ("reconcile", "verify", "replay")
    }
    assert ages == {"reconcile": 60, "verify": 50, "replay": 30}
    assert value(found, "forelock_check_age_seconds", check="verify", **none) == 40


def test_the_outbox_and_the_switches(client, chain):
    found = scrape(client)
    assert (value(found, "forelock_outbox_waiting"), value(found, "forelock_outbox_oldest_age_seconds")) == (0, 0)
    for sequence, (age, relayed) in enumerate([(500, ago(400)), (100, None), (10, None)], start=1):
        OutboxEvent.objects.create(
            type="a", aggregate="deal:1", sequence=sequence, payload={}, created_at=ago(age), relayed_at=relayed
        )
    flag_set(name=FlagName.PAUSE_KEEPER, on=True, reason="Test.")
    found = scrape(client)
    assert (value(found, "forelock_outbox_waiting"), value(found, "forelock_outbox_oldest_age_seconds")) == (2, 100)
    switches = {name.value: value(found, "forelock_switch_on", switch=name.value) for name in FlagName}
    assert switches == {"pause_posting": 0, "pause_taking": 0, "pause_keeper": 1}


def test_ten_queries_at_most_however_many_rows(client, chain, django_assert_max_num_queries):
    for number in range(3):
        made = rows.chain(chain_id=100 + number)
        Reorg.objects.create(chain=made, from_number=5, to_number=4, events=0)
        Signer.objects.create(chain_id=made.chain_id, address=KEEPER)
    with django_assert_max_num_queries(10):
        scrape(client)


class TestWhoMayRead:
    def test_only_a_connection_of_an_allowed_network(self, client, chain):
        assert settings.METRICS_NETWORKS == ["127.0.0.0/8", "::1/128"]
        for address in ("127.0.0.1", "127.9.9.9", "::1"):
            scrape(client, REMOTE_ADDR=address)
        for address in ("10.0.0.1", "::2", "", "nonsense"):
            assert client.get("/metrics", REMOTE_ADDR=address).status_code == 403

    def test_what_a_proxy_passed_on_is_not_near(self, client, chain):
        for header in ("X-Forwarded-For", "Forwarded"):
            assert client.get("/metrics", headers={header: "127.0.0.1"}).status_code == 403

    def test_networks_are_a_setting(self, client, chain, settings):
        settings.METRICS_NETWORKS = ["10.1.0.0/16"]
        scrape(client, REMOTE_ADDR="10.1.2.3")
        assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 403

    def test_a_token_opens_it_from_anywhere_and_no_token_nowhere(self, client, chain, settings):
        far = {"REMOTE_ADDR": "203.0.113.9"}
        for given in ("Bearer ", "Bearer None", "Bearer"):
            assert client.get("/metrics", headers={"Authorization": given}, **far).status_code == 403
        settings.METRICS_TOKEN = "a-token-of-the-operator"
        scrape(client, headers={"Authorization": "Bearer a-token-of-the-operator", "X-Forwarded-For": "1.2.3.4"}, **far)
        for given in ("", "Bearer another", "a-token-of-the-operator", "Bearer \u00e4"):
            assert client.get("/metrics", headers={"Authorization": given}, **far).status_code == 403
