"""Two escrows of one chain behind one API: the chain's number is told, the kind says which, and a row's key never leaves."""

import pytest

from escrow.models import Account, DealOutcome, KeptRight
from escrow.services.transactions import ACTIONS, Action
from otc.core.errors import DomainError
from otc.core.fields import to_checksum
from otc.core.models import Chain, EscrowKind, escrow_key
from points.models import Market, PayToken
from tests.support import rows
from tests.support.api_client import Client, fields_of
from tests.support.rows import word

pytestmark = pytest.mark.django_db
API = Client()
RIGHTS_ESCROW = "0x" + "e6" * 20
KEY = escrow_key(31337, EscrowKind.RIGHTS)


@pytest.fixture
def tokens():
    return rows.chain()


@pytest.fixture
def rights():
    return rows.chain(kind=EscrowKind.RIGHTS, escrow_address=RIGHTS_ESCROW)


@pytest.fixture
def twins(tokens, rights):
    """Markets of equal terms."""
    made = [rows.market(chain, market_id=word(0xEE)) for chain in (tokens, rights)]
    Market.objects.update(long_stop=rows.START + 10**6)
    return made


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_the_status_lists_both_and_keys_stay_inside(tokens, rights):
    told = API.get("status").json()["chains"]
    assert [(one["chain_id"], one["kind"], one["escrow"]) for one in told] == [
        (31337, "tokens", to_checksum(rows.ESCROW)),
        (31337, "rights", to_checksum(RIGHTS_ESCROW)),
    ]


def test_equal_terms_are_told_apart(twins):
    path = f"markets/{word(0xEE)}"
    assert fields_of(API.get(path)) == ["escrow"]
    assert fields_of(API.get(path + "?chain_id=31337")) == ["escrow"]
    for kind in EscrowKind:
        assert API.get(f"{path}?escrow={kind}").json()["escrow"] == kind
        assert API.get(f"{path}/book?escrow={kind}").status_code == 200
        assert API.get(f"{path}/deals?escrow={kind}&chain_id=31337").status_code == 200
    assert fields_of(API.get(path + "?escrow=nfts")) == ["escrow"]
    assert fields_of(API.get(f"{path}?chain_id={KEY}&escrow=rights")) == ["chain_id"]
    listed = API.get("markets?escrow=rights").json()["results"]
    assert [(one["chain_id"], one["escrow"], one["pay_token"]["escrow"]) for one in listed] == [
        (31337, "rights", "rights")
    ]


@pytest.mark.parametrize(("kind", "contract"), [("tokens", rows.ESCROW), ("rights", RIGHTS_ESCROW)])
def test_typed_data_names_the_escrow_of_the_market(twins, kind, contract):
    body = {
        "market": word(0xEE),
        "maker": rows.SELLER,
        "side": "sell",
        "units": "100",
        "payment": "500",
        "collateral": "5",
    }
    assert fields_of(API.post("offers/prepare", body)) == ["escrow"]
    prepared = API.post("offers/prepare", {**body, "escrow": kind}).json()
    domain = prepared["typed_data"]["domain"]
    assert (domain["chainId"], domain["verifyingContract"]) == (31337, to_checksum(contract))
    assert (prepared["chain_id"], prepared["escrow"]) == (31337, kind)


@pytest.mark.parametrize(("kind", "contract"), [("tokens", rows.ESCROW), ("rights", RIGHTS_ESCROW)])
def test_signables_and_receipts_of_a_deal_name_its_escrow(twins, kind, contract):
    deal = rows.deal(Market.objects.get(chain__kind=kind))
    close = API.post("closes/prepare", {"deal_id": deal.deal_id, "to_buyer": "1"}).json()
    resale = API.post("resales/prepare", {"deal_id": deal.deal_id, "account": rows.BUYER, "price": "1"}).json()
    for prepared in (close, resale):
        domain = prepared["typed_data"]["domain"]
        assert (domain["chainId"], domain["verifyingContract"]) == (31337, to_checksum(contract))
        assert (prepared["chain_id"], prepared["escrow"]) == (31337, kind)
    receipt = API.get(f"deals/{deal.deal_id}/receipt").json()
    assert (receipt["chain_id"], receipt["escrow"]) == (31337, to_checksum(contract))
    told = API.get(f"deals/{deal.deal_id}").json()
    assert (told["chain_id"], told["escrow"], told["pay_token"]["escrow"]) == (31337, kind, kind)


def test_lists_are_narrowed_by_number_and_kind(twins):
    deals = {kind: rows.deal(Market.objects.get(chain__kind=kind)) for kind in EscrowKind}
    rows.deal(twins[1], outcome=DealOutcome.DELIVERED)

    def ids(query):
        return {one["deal_id"] for one in API.get(f"deals{query}").json()["results"]}

    assert len(ids("?chain_id=31337")) == 3
    assert ids("?chain_id=31337&escrow=tokens") == {deals["tokens"].deal_id}
    assert fields_of(API.get(f"deals?chain_id={KEY}")) == ["chain_id"]  # above any number that a wallet takes
    for token in PayToken.objects.all():
        Account.objects.create(chain=token.chain, token=token.address, kind="free", owner=rows.BUYER, balance=7)
    money = API.get(f"balances/{rows.BUYER}").json()["balances"]
    assert [(one["chain_id"], one["escrow"], one["free"]) for one in money] == [
        (31337, "tokens", "7"), (31337, "rights", "7"),
    ]  # fmt: skip
    assert len(API.get(f"balances/{rows.BUYER}?escrow=rights").json()["balances"]) == 1
    assert len(API.get("pay-tokens").json()["results"]) == 2


def test_what_is_kept_of_rights(rights):
    for right, amount in ((2**256 - 1, 3), (4, 1), (5, 0)):
        KeptRight.objects.create(chain=rights, token="0x" + "77" * 20, right=right, user=rows.BUYER, amount=amount)
    told = API.get(f"rights/{to_checksum(rows.BUYER)}").json()
    assert [(one["right"], one["amount"]) for one in told["rights"]] == [("4", "1"), (str(2**256 - 1), "3")]
    assert API.get(f"rights/{rows.SELLER}").json()["rights"] == []
    assert fields_of(API.get("rights/0x12")) == ["address"]


def build(action, account, **params):
    spec = ACTIONS[Action(action)]
    return spec.build(account, spec.params(**params))


def test_funds_go_into_the_escrow_that_is_named(tokens, rights):
    for chain in (tokens, rights):
        rows.market(chain)
    for kind, contract in ((None, rows.ESCROW), ("tokens", rows.ESCROW), ("rights", RIGHTS_ESCROW)):
        assert build("deposit", rows.BUYER, token=rows.TOKEN, amount=1, escrow=kind).to == contract
        assert contract[2:] in build("approve", rows.BUYER, token=rows.TOKEN, amount=1, escrow=kind).data
        assert build("bump_epoch", rows.BUYER, escrow=kind, chain_id=31337).to == contract
    Chain.objects.filter(kind="rights").update(active=False)
    with pytest.raises(DomainError) as refused:
        build("deposit", rows.BUYER, token=rows.TOKEN, amount=1, escrow="rights")
    assert refused.value.field == "escrow"
    with pytest.raises(DomainError) as refused:
        build("deposit", rows.BUYER, token=rows.TOKEN, amount=1, chain_id=KEY)
    assert refused.value.field == "chain_id"


def test_rights_are_proposed_and_delivered_in_their_escrow_only(tokens, rights):
    of_tokens, of_rights = rows.market(tokens), rows.market(rights)
    wanted = {"ratio_num": 1, "ratio_den": 1, "start": rows.START + 90_000, "window": 86_400, "token": "0x" + "77" * 20}
    for field, value in (("semi_fungible", True), ("ids_root", word(1)), ("allowed_ids", [1])):
        with pytest.raises(DomainError) as refused:
            build("propose", rows.RESOLVER, market_id=of_tokens.market_id, **wanted, **{field: value})
        assert refused.value.field == field
    with pytest.raises(DomainError) as refused:
        build("propose", rows.RESOLVER, market_id=of_rights.market_id, **wanted, ids_root=word(1), allowed_ids=[1])
    assert refused.value.field == "allowed_ids"
    call = build("propose", rows.RESOLVER, market_id=of_rights.market_id, **wanted, semi_fungible=True)
    assert (call.to, call.data[:10]) == (RIGHTS_ESCROW, "0x9de45280")
    assert "pieces (ERC-1155, any id)" in call.explanation[0]
    with pytest.raises(DomainError) as refused:
        build("set_auto_deliver", rows.SELLER, market_id=of_rights.market_id, amount=1)
    assert refused.value.field == "market_id"
    rows.terms(of_tokens)
    Chain.objects.update(head_time=rows.START)
    deal = rows.deal(of_tokens)
    with pytest.raises(DomainError) as refused:
        build("deliver_rights", rows.SELLER, deal_id=deal.deal_id, ids=[1])
    assert refused.value.field == "deal_id"
