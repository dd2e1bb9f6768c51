"""Whole trades in rights on anvil: the escrow of ERC-721 and ERC-1155, every step through the REST API and read back from the chain."""

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from escrow.contracts import rights_bindings
from escrow.contracts.deploy.tokens import RightSpec, token_deploy
from escrow.models import Deal, KeptRight
from otc.core.fields import to_checksum
from otc.core.models import EscrowKind
from otc.core.signatures import sign_digest
from otc.stack import anvil as published
from points.domain import merkle
from tests.support.api_client import Client
from tests.support.onchain import DAY, USD, OnChain
from tests.support.projection_state import projection_state

pytestmark = pytest.mark.django_db
API = Client()
LISTED = [3, 5, 8, 13, 21, 2**255]
ROOT = "0x" + merkle.build([merkle.id_leaf(right) for right in LISTED])[0].hex()


class RightsVenue(OnChain):
    """The rights escrow; transactions are prepared over REST. 4 units settle in 2 pieces."""

    def __init__(self, anvil) -> None:
        super().__init__(anvil, kind=EscrowKind.RIGHTS)
        for role in ("buyer", "seller"):
            self.fund(role, 1_000 * USD)

    def ask(self, role, action, **params):
        body = {"action": action, "account": published.address(role), "params": params}
        return API.post("tx/prepare", body)

    def tell(self, role, action, **params):
        """The answer to a call that must go through, sent and read."""
        answer = self.ask(role, action, **params)
        assert answer.status_code == 200, answer.content
        prepared = answer.json()
        assert prepared["simulation"]["ok"], prepared
        assert prepared["issues"] == []
        call = prepared["transaction"]
        assert call["chain_id"] == 31337
        sent = self.send(role, call["to"], call["data"], gas=call["gas"])
        self.mine()
        assert self.anvil.rpc("eth_getTransactionReceipt", sent)["status"] == "0x1"
        return prepared

    def mint_pieces(self, role, *ids, amounts=None):
        kind = "mint(address,uint256)" if amounts is None else "mint(address,uint256,uint256)"
        for index, right in enumerate(ids):
            values = [published.address(role), right] + ([amounts[index]] if amounts else [])
            types = ["address"] + ["uint256"] * (len(values) - 1)
            self.send(role, self.rights, "0x" + (keccak(text=kind)[:4] + encode(types, values)).hex())
        self.mine()

    def deploy_rights(self, spec):
        with self.anvil.mining():
            self.rights = token_deploy(rpc_url=self.anvil.url, key=published.key("owner"), spec=spec)

    def deal(self):
        """An offer prepared, signed, posted and filled over REST."""
        wanted = {
            "market": self.market.market_id, "maker": published.address("seller"), "side": "sell", "units": "4",
            "payment": str(200 * USD), "collateral": str(100 * USD), "min_fill": "4",
        }  # fmt: skip
        prepared = API.post("offers/prepare", wanted).json()
        domain = prepared["typed_data"]["domain"]
        assert (domain["chainId"], domain["verifyingContract"]) == (31337, to_checksum(self.escrow))
        signature = sign_digest(bytes.fromhex(prepared["offer_hash"][2:]), published.key("seller"))
        posted = API.post("offers", {"offer": prepared["offer"], "signature": "0x" + signature.hex()})
        assert (posted.status_code, posted.json()["escrow"]) == (201, "rights")
        self.tell("buyer", "fill", offer_hash=prepared["offer_hash"], units="4")
        return Deal.objects.get(offer_hash=prepared["offer_hash"])

    def propose_rights(self, **params):
        start = self.anvil.now() + DAY + 600
        self.tell(
            "resolver", "propose", market_id=self.market.market_id, token=self.rights, ratio_num="1", ratio_den="2",
            start=start, window=2 * DAY, **params,
        )  # fmt: skip
        return start

    def kept(self, right):
        asked = {
            "to": self.escrow,
            "data": rights_bindings.encode_rights(self.rights, right, published.address("buyer")),
        }
        return rights_bindings.decode_rights_result(self.anvil.rpc("eth_call", asked, "latest"))

    def owner_of(self, right):
        data = "0x" + (keccak(text="ownerOf(uint256)")[:4] + encode(["uint256"], [right])).hex()
        return "0x" + self.anvil.rpc("eth_call", {"to": self.rights, "data": data}, "latest")[-40:]


@pytest.fixture
def venue(anvil):
    return RightsVenue(anvil)


def proof_of(right):
    tree = merkle.build([merkle.id_leaf(one) for one in LISTED])
    place = merkle.leaf_index(tree, merkle.id_leaf(right))
    return ["0x" + node.hex() for node in merkle.proof_at(tree, place)]


def test_a_trade_in_listed_pieces_from_offer_to_withdrawal(venue):
    venue.deploy_rights(RightSpec("Harbor key", "KEY"))
    deal = venue.deal()
    balances = API.get(f"balances/{published.address('buyer')}?escrow=rights").json()["balances"]
    assert [(row["chain_id"], row["escrow"], row["locked"]) for row in balances if int(row["locked"])] == [
        (31337, "rights", str(200 * USD))
    ]
    start = venue.propose_rights(allowed_ids=[str(right) for right in LISTED])
    settlement = API.get(f"markets/{venue.market.market_id}").json()["settlement"]
    assert (settlement["symbol"], settlement["rights"]) == ("KEY", {"semi_fungible": False, "ids_root": ROOT})
    venue.mint_pieces("seller", *LISTED, 99)
    venue.pass_to(start)
    told = API.get(f"deals/{deal.deal_id}").json()
    assert ("deliver_rights", "seller") in [(one["action"], one["by"]) for one in told["allowed"]]
    assert told["tranches"][0]["due"] == "2"

    # What is missing is said, then done: an approval of all, or of one piece.
    first = {"deal_id": deal.deal_id, "ids": ["5"], "proofs": [proof_of(5)]}
    missing = venue.ask("seller", "deliver_rights", **first).json()
    assert [(one["kind"], one["spender"]) for one in missing["issues"]] == [
        ("rights_approval", to_checksum(venue.escrow))
    ]
    assert missing["simulation"]["error"]["name"] == "ERC721InsufficientApproval"
    venue.tell("seller", "approve_rights", token=venue.rights, right="5")
    half = venue.tell("seller", "deliver_rights", **first)
    assert "1 piece of KEY move" in half["explanation"]
    assert venue.owner_of(5) == published.address("buyer")
    venue.tell("seller", "approve_rights", token=venue.rights)
    venue.tell(
        "seller", "deliver_rights", deal_id=deal.deal_id, ids=[str(2**255)], allowed_ids=[str(one) for one in LISTED],
        to_escrow=True,
    )  # fmt: skip
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_seller + deal.fee_paid) == (1, 300 * USD)
    assert venue.kept(2**255) == 1 == KeptRight.objects.get().amount
    assert venue.owner_of(2**255) == venue.escrow

    pieces = API.get(f"deals/{deal.deal_id}").json()["pieces"]
    assert [(one["right"], one["amount"], one["to_escrow"]) for one in pieces] == [
        ("5", "1", False), (str(2**255), "1", True),
    ]  # fmt: skip
    rights = API.get(f"rights/{published.address('buyer')}").json()["rights"]
    assert [(one["right"], one["amount"], one["escrow"]) for one in rights] == [(str(2**255), "1", "rights")]
    venue.tell("buyer", "withdraw_right", token=venue.rights, right=str(2**255), to=published.address("maker"))
    assert venue.owner_of(2**255) == published.address("maker")
    assert API.get(f"rights/{published.address('buyer')}").json()["rights"] == []
    again = venue.ask("buyer", "withdraw_right", token=venue.rights, right=str(2**255)).json()
    assert again["simulation"]["error"]["name"] == "InsufficientRights"
    assert [(one["kind"], one["right"], one["has"]) for one in again["issues"]] == [("escrow_right", str(2**255), "0")]


def test_pieces_that_do_not_count_are_refused_before_anything_is_asked_of_the_chain(venue):
    venue.deploy_rights(RightSpec("Harbor key", "KEY"))
    deal = venue.deal()
    start = venue.propose_rights(ids_root=ROOT)
    venue.mint_pieces("seller", *LISTED, 99)
    early = venue.ask("seller", "deliver_rights", deal_id=deal.deal_id, ids=["5"], proofs=[proof_of(5)])
    assert early.json()["errors"][0]["field"] == "deal_id"
    venue.pass_to(start)
    before = projection_state(venue.chain)
    listed = [str(right) for right in LISTED]
    cases = [
        ({"ids": ["99"], "proofs": [proof_of(5)]}, "proofs[0]"),
        ({"ids": ["5"], "proofs": [proof_of(3)]}, "proofs[0]"),
        ({"ids": ["5"]}, "proofs"),
        ({"ids": ["5", "3"], "proofs": [proof_of(5)]}, "proofs"),
        ({"ids": ["99"], "allowed_ids": listed}, "ids[0]"),
        ({"ids": ["5"], "allowed_ids": listed[:-1]}, "allowed_ids"),
        ({"ids": ["5", "5"], "allowed_ids": listed}, "ids"),
        ({"ids": ["5", "3", "8"], "allowed_ids": listed}, "ids"),
        ({"ids": ["5"], "amounts": ["1"], "proofs": [proof_of(5)]}, "amounts"),
    ]
    for params, field in cases:
        answer = venue.ask("seller", "deliver_rights", deal_id=deal.deal_id, **params)
        assert answer.status_code in {400, 422}, answer.content
        assert [error["field"] for error in answer.json()["errors"]] == [field], params
    wrong_seller = venue.ask("buyer", "deliver_rights", deal_id=deal.deal_id, ids=["5"], proofs=[proof_of(5)])
    assert wrong_seller.status_code == 403
    for action, params in (("deliver", {}), ("deliver_for", {})):
        assert venue.ask("seller", action, deal_id=deal.deal_id, **params).status_code in {400, 422}, action
    # A piece that is another's: the node says so, in words.
    venue.mint_pieces("maker", 34)
    venue.tell("seller", "approve_rights", token=venue.rights)
    assert projection_state(venue.chain)["deals"] == before["deals"]


def test_a_tranche_without_a_piece_is_settled_with_none_of_them(venue):
    """Two pieces in three tranches: the first has none, and its seller is paid for it all the same."""
    venue.deploy_rights(RightSpec("Harbor key", "KEY"))
    deal = venue.deal()
    start = venue.propose_rights(tranches=3, tge_bps=2_000, period=3 * DAY)
    venue.mint_pieces("seller", 5)
    venue.pass_to(start)
    assert [line["due"] for line in API.get(f"deals/{deal.deal_id}").json()["tranches"]] == ["0", "1", "1"]
    before = projection_state(venue.chain)
    for ids, tranche in ((["5"], 0), ([], 1)):
        answer = venue.ask("seller", "deliver_rights", deal_id=deal.deal_id, ids=ids, tranche=tranche)
        assert answer.status_code in {400, 422}, answer.content
    assert projection_state(venue.chain)["deals"] == before["deals"]
    told = venue.tell("seller", "deliver_rights", deal_id=deal.deal_id, ids=[])
    assert "Nothing is due in this tranche" in told["explanation"]
    assert told["issues"] == []
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_seller + deal.fee_paid) == (0, 60 * USD)
    venue.pass_to(start + 3 * DAY)
    none = venue.ask("seller", "deliver_rights", deal_id=deal.deal_id, ids=[], tranche=1)
    assert [error["field"] for error in none.json()["errors"]] == ["ids"]


def test_semi_fungible_pieces_come_into_the_escrow_and_the_rest_is_slashed(venue):
    venue.deploy_rights(RightSpec())
    deal = venue.deal()
    start = venue.propose_rights(semi_fungible=True)
    venue.mint_pieces("seller", 7, amounts=[10])
    venue.pass_to(start)
    venue.tell("seller", "approve_rights", token=venue.rights)
    short = venue.ask("seller", "deliver_rights", deal_id=deal.deal_id, ids=["8"], amounts=["1"]).json()
    assert [(one["kind"], one["right"], one["has"], one["needs"]) for one in short["issues"]] == [
        ("right_balance", "8", "0", "1")
    ]
    assert short["simulation"]["error"]["name"] == "ERC1155InsufficientBalance"
    venue.tell("seller", "deliver_rights", deal_id=deal.deal_id, ids=["7"], amounts=["1"])
    assert venue.kept(7) == 1 == KeptRight.objects.get().amount
    venue.pass_to(start + 2 * DAY + 1)
    venue.tell("buyer", "slash", deal_id=deal.deal_id)
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_buyer) == (2, 150 * USD)
    venue.tell("buyer", "withdraw_right", token=venue.rights, right="7")
    assert (venue.kept(7), KeptRight.objects.get().amount) == (0, 0)


def test_a_market_that_never_settles_refunds(venue):
    deal = venue.deal()
    venue.pass_to(venue.market.long_stop + 1)
    venue.tell("maker", "refund", deal_id=deal.deal_id)
    deal.refresh_from_db()
    assert (deal.outcome, deal.paid_to_buyer, deal.paid_to_seller) == (3, 200 * USD, 100 * USD)
