"""REST of the settlement side: what comes out, and a clear 4xx that names field and rule for whatever else goes in."""

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from rest_framework.test import APIClient

from escrow.api import representations as to_json
from escrow.api import serializers as shapes
from escrow.api import signables as signing_shapes
from escrow.models import Account, AccountKind, AutoDelivery, DealOutcome, DealPhase, DealTranche, DealTransfer
from escrow.selectors.deals import deal_get, deal_timeline, deal_view
from escrow.services import transactions
from escrow.services.transactions import Action, Prepared, Simulation
from otc.core.fields import to_checksum
from otc.core.models import Chain
from points.models import MarketStatus
from tests.support import rows

pytestmark = pytest.mark.django_db
V1 = "/api/v1/"


@pytest.fixture
def api():
    return APIClient()


@pytest.fixture
def chain():
    return rows.chain()


@pytest.fixture
def market(chain):
    return rows.market(chain)


def keys(serializer) -> set[str]:
    return set(serializer().fields)


# ---------------------------------------------------------------- reading


def test_status_shows_the_chains_that_are_served(api, chain):
    rows.chain(chain_id=5, active=False)
    (found,) = api.get(V1 + "status").json()["chains"]
    assert set(found) == keys(shapes.ChainAnswer)
    assert (found["chain_id"], found["head_block"], found["safe_block"], found["final_block"]) == (31337, 10, 9, 7)
    assert found["escrow"] == to_checksum(rows.ESCROW)
    assert found["halted"] is False


def test_a_deal_with_terms_due_amounts_deadline_and_depth(api, market):
    rows.terms(market, tranches=3, tge_bps=4_000, period=rows.PERIOD)
    deal = rows.deal(market, block_number=8)
    DealTranche.objects.create(deal=deal, number=0, delivered=40 * 10**18, outcome=DealOutcome.DELIVERED)
    found = api.get(V1 + f"deals/{deal.deal_id}").json()
    assert set(found) == keys(shapes.DealDetailAnswer)
    assert set(found["settlement"]) == keys(shapes.SettlementAnswer)
    assert (found["depth"], found["outcome"], found["deadline"]) == (
        "safe",
        "open",
        rows.START + rows.PERIOD + rows.WINDOW,
    )
    assert [tranche["due"] for tranche in found["tranches"]] == [str(n * 10**18) for n in (40, 30, 30)]
    assert all(set(tranche) == keys(shapes.TrancheAnswer) for tranche in found["tranches"])
    assert found["tranches"][0]["outcome"] == "delivered"
    assert (found["payment"], found["payment_locked"]) == ("250000000", "150000000")
    assert found["buyer"] == to_checksum(rows.BUYER)
    assert found["market"] == market.market_id


def test_deals_by_party_market_and_outcome(api, market):
    other = rows.market(market.chain)
    mine = rows.deal(market, buyer="0x" + "aa" * 20)
    closed = rows.deal(other, outcome=DealOutcome.SLASHED)
    third = rows.deal(market)

    def ids(query=""):
        return [row["deal_id"] for row in api.get(V1 + "deals" + query).json()["results"]]

    assert ids() == [third.deal_id, closed.deal_id, mine.deal_id]
    assert ids("?party=0x" + "AA" * 20) == [mine.deal_id]
    assert ids(f"?market={other.market_id}") == ids("?outcome=slashed") == [closed.deal_id]
    assert ids("?chain_id=1") == []
    page = api.get(V1 + "deals?limit=2").json()
    assert ids(f"?limit=2&cursor={page['next']}") == [mine.deal_id]
    assert [row["deal_id"] for row in api.get(V1 + f"markets/{market.market_id}/deals").json()["results"]] == [
        third.deal_id,
        mine.deal_id,
    ]


def test_a_page_of_deals_takes_a_fixed_number_of_queries(api, market, django_assert_max_num_queries):
    rows.terms(market)
    for _ in range(20):
        rows.deal(market)
    with django_assert_max_num_queries(4):
        assert len(api.get(V1 + "deals").json()["results"]) == 20


def test_the_receipt_is_the_preimage(api, market):
    deal = rows.deal(market)
    found = api.get(V1 + f"deals/{deal.deal_id}/receipt").json()
    assert set(found) == keys(shapes.ReceiptAnswer)
    assert set(found["deal"]) == keys(shapes.PreimageAnswer)
    assert len(found["encoded"]) == 2 + 12 * 64


def test_a_market_says_how_it_settles(api, market):
    found = api.get(V1 + f"markets/{market.market_id}").json()
    assert set(found) == keys(shapes.MarketWithSettlementAnswer)
    assert (found["phase"], found["settlement"]) == ("open", None)
    rows.terms(market, final_at=rows.START + 1)
    found = api.get(V1 + f"markets/{market.market_id}").json()
    assert (found["phase"], found["status"], found["settlement"]["final"]) == ("proposed", "proposed", False)
    Chain.objects.update(head_time=rows.START + 1)
    assert api.get(V1 + f"markets/{market.market_id}").json()["phase"] == "final"


def test_balances_free_and_locked(api, market):
    rows.deal(market)
    Account.objects.create(
        chain=market.chain, token=rows.TOKEN, kind=AccountKind.FREE, owner=rows.BUYER, balance=7_000_000
    )
    found = api.get(V1 + f"balances/{to_checksum(rows.BUYER)}").json()
    assert found["address"] == to_checksum(rows.BUYER)
    (row,) = found["balances"]
    assert set(row) == keys(shapes.BalanceAnswer)
    assert (row["free"], row["locked"], row["locked_payment"]) == ("7000000", "250000000", "250000000")


def test_declared_shapes_are_those_written(market):
    rows.terms(market)
    deal = deal_get(rows.deal(market, outcome=DealOutcome.REFUNDED).deal_id)
    view = deal_view(deal)
    assert set(to_json.deal_json(view)) == keys(shapes.DealAnswer)
    assert set(to_json.chain_json(market.chain)) == keys(shapes.ChainAnswer)
    assert all(set(to_json.fact_json(fact)) == keys(shapes.FactAnswer) for fact in deal_timeline(deal))


def attested_market(chain):
    proof = {"attestor": "0x" + "a7" * 20, "arbitrator": "0x" + "ab" * 20}
    windows = {"challenge": 259_200, "arbitration_window": 604_800}
    return rows.market(chain, settlement=1, bond_bps=1_000, **proof, **windows)


def test_a_disputed_deal_that_changed_hands_is_told_whole(api, chain):
    market = attested_market(chain)
    rows.terms(market, token="0x" + "00" * 20, token_symbol="", token_decimals=None)
    deal = rows.deal(
        market,
        phase=DealPhase.DISPUTED_BY_BUYER,
        phase_until=rows.START + 9,
        attested_units=60,
        attestation_evidence=rows.word(1),
        disputed_by=rows.BUYER,
        dispute_evidence=rows.word(2),
        bond=25_000_000,
        appeals=1,
    )
    DealTransfer.objects.create(
        deal=deal,
        event=rows.event(chain, name="Resold"),
        side=0,
        from_address=rows.RESOLVER,
        to_address=rows.BUYER,
        ref=rows.word(0),
        opened_at=deal.opened_at,
        price=7,
    )
    found = api.get(V1 + f"deals/{deal.deal_id}").json()
    assert set(found) == keys(shapes.DealDetailAnswer)
    assert set(found["attestation"]) == keys(shapes.AttestationAnswer)
    assert (found["phase"], found["deadline"], found["bond_locked"]) == (
        "disputed_by_buyer",
        rows.START + 9,
        "25000000",
    )
    proof = found["attestation"]
    assert (proof["until"], proof["units"], proof["evidence"]) == (rows.START + 9, "60", rows.word(1))
    assert (proof["disputed_by"], proof["bond"], proof["appeals"]) == (to_checksum(rows.BUYER), "25000000", 1)
    (moved,) = found["transfers"]
    assert set(moved) == keys(shapes.TransferAnswer)
    assert (moved["side"], moved["from"], moved["price"]) == ("buy", to_checksum(rows.RESOLVER), "7")
    assert all(set(one) == keys(shapes.AllowedAnswer) for one in found["allowed"])
    assert {(one["action"], one["by"], one["until"]) for one in found["allowed"]} == {
        ("rule", "arbitrator", rows.START + 9),
        ("appeal", "arbitrator", rows.START + 9),
        ("mutual_close", "parties", None),
    }
    assert found["tranches"][0]["due"] == "100"


def test_a_standing_approval_is_told_with_the_deal(api, market):
    row = rows.terms(market)
    deal = rows.deal(market)
    AutoDelivery.objects.create(
        chain=market.chain, seller=rows.SELLER, market_id=market.market_id, token=row.token, amount=5
    )
    found = api.get(V1 + f"deals/{deal.deal_id}").json()
    assert (found["auto_delivery"], found["attestation"], found["phase"]) == ("5", None, "none")
    assert {one["action"] for one in found["allowed"]} == {"deliver", "deliver_for", "mutual_close"}


# ---------------------------------------------------------------- what parties sign and hand on


def signables(market, attested):
    deal, proved = rows.deal(market), rows.deal(attested)
    rows.terms(attested, token="0x" + "00" * 20, token_symbol="", token_decimals=None)
    return {
        "resales": (
            {"deal_id": deal.deal_id, "account": rows.BUYER, "price": "5"},
            signing_shapes.PreparedResaleAnswer,
        ),
        "closes": ({"deal_id": deal.deal_id, "to_buyer": "5"}, signing_shapes.PreparedCloseAnswer),
        "attestations": (
            {"deal_id": proved.deal_id, "evidence": rows.word(1)},
            signing_shapes.PreparedAttestationAnswer,
        ),
    }


def test_what_is_to_be_signed_fits_the_call_that_sends_it(api, chain, market):
    attested = attested_market(chain)
    sends = {"resales": "fill_resale", "closes": "mutual_close", "attestations": "attest"}
    for path, (body, shape) in signables(market, attested).items():
        answer = api.post(V1 + f"{path}/prepare", body, format="json")
        found = answer.json()
        assert (answer.status_code, set(found)) == (200, keys(shape)), found
        name = path.removesuffix("s")
        assert found["typed_data"]["primaryType"].lower() == name
        assert found["hash"] == typed_digest(found["typed_data"])
        params = {"deal_id": body["deal_id"], name: found[name], "signature": "0x" + "01" * 65}
        if name == "close":
            signature = params.pop("signature")
            params |= {"buyer_signature": signature, "seller_signature": signature}
        sent = ask(api, sends[path], params, account=rows.RESOLVER)
        assert (sent.status_code, sent.json()["code"]) == (503, "chain_unavailable"), sent.json()


def test_nonsense_to_sign_is_named(api, chain, market):
    for path, (body, _) in signables(market, attested_market(chain)).items():
        unknown = api.post(V1 + f"{path}/prepare", {**body, "surprise": 1}, format="json")
        assert (unknown.status_code, fields(unknown)) == (400, {"surprise"})
        for name in body:
            for nonsense in (None, -1, 1.5, True, "", "nonsense", [], {}, "1e3"):
                answer = api.post(V1 + f"{path}/prepare", {**body, name: nonsense}, format="json")
                assert (answer.status_code, fields(answer)) == (400, {name}), (path, name, nonsense)
            missing = {key: value for key, value in body.items() if key != name}
            answer = api.post(V1 + f"{path}/prepare", missing, format="json")
            assert (answer.status_code, fields(answer)) == (400, {name})
        unknown = api.post(V1 + f"{path}/prepare", {**body, "deal_id": rows.word(1)}, format="json")
        assert (unknown.status_code, fields(unknown)) == (404, {"deal_id"})


def typed_digest(data) -> str:
    return "0x" + bytes(_hash_eip191_message(encode_typed_data(full_message=data))).hex()


# ---------------------------------------------------------------- tx/prepare


RESALE = {
    "deal": "0x" + "ab" * 32,
    "side": "buy",
    "price": "1",
    "lister_pays": False,
    "taker": rows.TOKEN,
    "expiry": 1,
    "epoch": "0",
    "salt": "1",
}


def good(action: Action) -> dict:
    """Parameters of the right shape."""
    h = "0x" + "ab" * 32
    token = {"token": rows.TOKEN, "amount": "1"}
    market = {"market_id": h}
    settlement = {"ratio_num": "1", "ratio_den": "1", "start": 1, "window": 1}
    return {
        Action.APPROVE: token,
        Action.DEPOSIT: token,
        Action.WITHDRAW: token,
        Action.PROPOSE: market | settlement,
        Action.EXTEND: market | {"extra": 1},
        Action.FILL: {"offer_hash": h, "units": "1"},
        Action.FILL_BATCH: {"fills": [{"offer_hash": h, "units": "1"}]},
        Action.CANCEL: {"offer_hash": h},
        Action.INVALIDATE_NONCES: {"word": "0", "mask": "1"},
        Action.BUMP_EPOCH: {},
        Action.DELIVER: {"deal_id": h},
        Action.DELIVER_BATCH: {"deliveries": [{"deal_id": h}]},
        Action.APPROVE_RIGHTS: {"token": rows.TOKEN},
        Action.DELIVER_RIGHTS: {"deal_id": h, "ids": ["1"]},
        Action.WITHDRAW_RIGHT: {"token": rows.TOKEN, "right": "1"},
        Action.SLASH: {"deal_id": h},
        Action.REFUND: {"deal_id": h},
        Action.MATCH_OFFERS: {"buy": h, "sell": h},
        Action.SET_AUTO_DELIVER: market | {"amount": "1"},
        Action.DELIVER_FOR: {"deal_id": h},
        Action.MUTUAL_CLOSE: {
            "deal_id": h,
            "close": {"deal": h, "to_buyer": "1", "to_seller": "0", "deadline": 1},
        },
        Action.TRANSFER_POSITION: {"deal_id": h, "to": rows.TOKEN},
        Action.FILL_RESALE: {"deal_id": h, "resale": RESALE, "signature": "0x01"},
        Action.ATTEST: {
            "deal_id": h,
            "attestation": {"deal": h, "units": "1", "evidence": h, "valid_until": 1},
        },
        Action.DISPUTE: {"deal_id": h, "evidence": h},
        Action.FINALIZE: {"deal_id": h},
        Action.RULE: {"deal_id": h, "to_seller": "1"},
        Action.APPEAL: {"deal_id": h},
        Action.RULE_TIMEOUT: {"deal_id": h},
    }.get(action, market)


def prepare(api, body):
    return api.post(V1 + "tx/prepare", body, format="json")


def ask(api, action, params, account=rows.BUYER):
    return prepare(api, {"action": str(action), "account": account, "params": params})


def fields(answer) -> set[str]:
    return {error["field"] for error in answer.json()["errors"]}


@pytest.mark.parametrize("action", list(Action))
def test_the_answer_of_every_action_has_the_declared_shape(api, chain, monkeypatch, action):
    seen = {}

    def prepared(**given):
        seen.update(given)
        transactions.ACTIONS[Action(given["action"])].params(**given["params"])  # parsed values fit the builder's type
        transaction = {"chain_id": 1, "from": rows.BUYER, "to": rows.ESCROW, "data": "0x", "value": "0", "gas": None}
        issue = {"kind": "allowance", "token": rows.TOKEN, "has": 0, "needs": 1, "spender": rows.ESCROW, "right": None}
        return Prepared(transaction, Simulation(ok=False, name="Error", error="No."), [issue], "Words.", 7)

    monkeypatch.setattr(transactions, "prepare", prepared)
    found = ask(api, action, good(action)).json()
    assert seen["account"] == rows.BUYER
    assert set(found) == keys(shapes.PreparedTransactionAnswer)
    assert set(found["transaction"]) == keys(shapes.TransactionAnswer)
    assert found["simulation"] == {"ok": False, "error": {"name": "Error", "detail": "No."}}
    assert found["issues"] == [
        {
            "kind": "allowance",
            "token": to_checksum(rows.TOKEN),
            "right": None,
            "spender": to_checksum(rows.ESCROW),
            "has": "0",
            "needs": "1",
        }
    ]


@pytest.mark.parametrize("action", list(Action))
def test_a_wrong_parameter_of_any_action_is_named(api, chain, action):
    wanted = good(action)
    unknown = ask(api, action, {**wanted, "surprise": 1})
    assert (unknown.status_code, fields(unknown)) == (400, {"params.surprise"})
    for name in wanted:
        lists = name in {"fills", "deliveries"}
        for nonsense in (None, -1, 1.5, True, "", "nonsense", "0x", [], {}, [1], "1e3", 2**300, "\0", "٣"):
            if name == "ids" and nonsense in ([1], []):
                continue  # sense: small integers are taken as they are, and a tranche may come to no piece
            answer = ask(api, action, {**wanted, name: nonsense})
            assert 400 <= answer.status_code < 500, (name, nonsense, answer.json())
            assert answer.json()["code"] == "invalid", (name, nonsense, answer.json())
            assert all(field.startswith(f"params.{name}") for field in fields(answer)) or lists, (name, nonsense)
        missing = ask(api, action, {key: value for key, value in wanted.items() if key != name})
        assert (missing.status_code, fields(missing)) == (400, {f"params.{name}"})


@pytest.mark.parametrize(("given", "sent"), [("00", "1b"), ("01", "1c"), ("1b", "1b"), ("1c", "1c")])
def test_a_hardware_wallets_signature_is_sent_as_contracts_read_it(api, chain, monkeypatch, given, sent):
    seen = {}

    def prepared(**asked):
        seen.update(asked["params"])
        return Prepared({}, Simulation(ok=True), [], "", 7)

    monkeypatch.setattr(transactions, "prepare", prepared)
    h = "0x" + "ab" * 32
    params = {"deal_id": h, "resale": RESALE, "signature": "0x" + "11" * 64 + given}
    assert ask(api, Action.FILL_RESALE, params).status_code == 200
    assert seen["signature"].hex() == "11" * 64 + sent
    too_long = ask(api, Action.FILL_RESALE, {**params, "signature": "0x" + "11" * 4_097})
    assert (too_long.status_code, fields(too_long)) == (400, {"params.signature"})


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        7,
        {},
        {"action": "steal", "account": rows.BUYER, "params": {}},
        {"action": ["deposit"], "account": rows.BUYER, "params": {}},
        {"action": None, "account": rows.BUYER, "params": {}},
        {"action": "deposit", "account": rows.BUYER},
        {"action": "deposit", "account": "me", "params": {"token": rows.TOKEN, "amount": "1"}},
        {"action": "deposit", "params": {"token": rows.TOKEN, "amount": "1"}},
        {"action": "deposit", "account": rows.BUYER, "params": []},
        {"action": "deposit", "account": rows.BUYER, "params": None},
        {"action": "deposit", "account": rows.BUYER, "params": {"token": rows.TOKEN, "amount": "1"}, "gas": 5},
        {"action": "fill_batch", "account": rows.BUYER, "params": {"fills": [1]}},
        {"action": "fill_batch", "account": rows.BUYER, "params": {"fills": [{}] * 51}},
        {"action": "deliver", "account": rows.SELLER, "params": {"deal_id": "0x" + "ab" * 32, "to_escrow": "maybe"}},
        {"action": "deliver", "account": rows.SELLER, "params": {"deal_id": "0x" + "ab" * 32, "tranche": 64}},
    ],
)
def test_nonsense_in_the_body_is_refused(api, chain, body):
    answer = prepare(api, body)
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.parametrize("action", sorted(set(Action) - {Action.BUMP_EPOCH, Action.INVALIDATE_NONCES}))
def test_what_is_not_known_is_a_404_or_says_why(api, chain, action):
    answer = ask(api, action, good(action))
    assert answer.status_code in {400, 404, 422}, answer.json()
    assert answer.json()["detail"]


@pytest.mark.parametrize("action", [Action.BUMP_EPOCH, Action.INVALIDATE_NONCES])
def test_a_node_that_is_down_is_a_503(api, chain, action):
    answer = ask(api, action, good(action))
    assert (answer.status_code, answer.json()["code"]) == (503, "chain_unavailable")


# ---------------------------------------------------------------- nonsense in paths and queries


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("deals?party=me", 400, "party"),
        ("deals?market=1", 400, "market"),
        ("deals?outcome=won", 400, "outcome"),
        ("deals?outcome=", 400, "outcome"),
        ("deals?chain_id=-1", 400, "chain_id"),
        ("deals?chain_id=99999999999999999999", 400, "chain_id"),
        ("deals?limit=0", 400, "limit"),
        ("deals?cursor=abc", 400, "cursor"),
        ("deals?page=2", 400, "page"),
        ("deals/nonsense", 400, "deal_id"),
        ("deals/%00", 400, "deal_id"),
        ("deals/0x" + "ab" * 32, 404, "deal_id"),
        ("deals/0x" + "ab" * 32 + "/receipt", 404, "deal_id"),
        ("deals/0x" + "ab" * 32 + "?x=1", 400, "x"),
        ("markets/nonsense/deals", 400, "market_id"),
        ("markets/0x" + "ab" * 32 + "/deals", 404, "market"),
        ("balances/me", 400, "address"),
        ("balances/0x" + "ab" * 32, 400, "address"),
        ("balances/0x" + "ab" * 20 + "?chain_id=7", 404, "chain_id"),
        ("balances/0x" + "ab" * 20 + "?token=1", 400, "token"),
        ("solvency?chain_id=x", 400, "chain_id"),
        ("solvency?cursor=abc", 400, "cursor"),
    ],
)
def test_nonsense_is_named(api, chain, path, status, field):
    answer = api.get(V1 + path)
    assert (answer.status_code, fields(answer)) == (status, {field}), answer.json()


@pytest.mark.parametrize("path", ["status", "deals", "solvency", "balances/0x" + "ab" * 20])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_reading_is_all_that_these_do(api, chain, path, method):
    assert getattr(api, method)(V1 + path).status_code == 405


def test_a_market_that_is_not_on_chain_has_no_phase_but_uncreated(api, chain):
    market = rows.market(chain, status=MarketStatus.NONE)
    assert api.get(V1 + f"markets/{market.market_id}").json()["phase"] == "uncreated"
