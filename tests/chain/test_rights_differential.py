"""The rights escrow as plain Python against the shipped byte code and against the venue's own reading of the events: ERC-721, ERC-1155,
and collections that lie, lose pieces, call back, or are an ERC-20 too.

`python -m tests.support.differential.deep --seconds 600` runs both escrows for as long as one likes.
"""

import pytest

from tests.support import model
from tests.support.differential.days import chosen_days, days, world_on
from tests.support.differential.fold import Folded
from tests.support.differential.rights_driver import RightsDriver
from tests.support.differential.rights_world import RightsWorld
from tests.support.differential.world import ACTORS, GENESIS, Action, MismatchError
from tests.support.model.rights import ANY, RightDelivery
from tests.support.model.structs import BPS, DAY, ONCHAIN, SELL
from tests.support.model.tokens import Behaviour

SEEDS = (2, 4, 18, 22, 28)  # days that reach every function, each accepted and refused
LATER = GENESIS + 1000
OWNER, RESOLVER, GUARDIAN, BUYER, SELLER, OTHER = ACTORS
PIECES = model.Rights(model.NO_WORD, semi_fungible=True)


@pytest.fixture(scope="module")
def one_world(anvil_process):
    yield from world_on(anvil_process, RightsWorld)


@pytest.fixture
def world(one_world):
    one_world.reset()
    return one_world


class Story:
    """A deal of three pieces of `token`, its window open. Every step goes to both, and to the fold."""

    def __init__(self, world, token, rights, *, after=None):
        self.world, self.now = world, after.now if after else LATER
        self.fold = after.fold if after else Folded()
        if after is None:
            self.fold.begin(world)
        terms = model.MarketTerms(
            RESOLVER, GUARDIAN, model.ZERO, model.ZERO, world.tokens[0], 3, ONCHAIN, DAY, DAY, DAY, 0, 0, 0,
            self.now + 30 * DAY, 0, 0, model.NO_WORD,
        )  # fmt: skip
        self.step("create_market", RESOLVER, terms)
        key = world.model.names.key
        offer = model.Offer(
            SELLER, model.ZERO, SELL, key(terms), world.tokens[0], 3, 300, 150, 3, 200, self.now + DAY, 0, self.now, model.NO_WORD
        )  # fmt: skip
        filled = self.step("fill", BUYER, offer, model.Signature(SELLER, key(offer)), 3, model.NO_WORD)
        self.deal = model.Deal(*next(event.fields["deal"] for event in filled if event.name == "Filled"))
        start = self.now + 2 * DAY
        self.step("propose", RESOLVER, terms, model.SettlementTerms(token, 1, 1, start, DAY, BPS, 1, 0), rights)
        self.now = start

    def step(self, function, caller, *arguments, token=""):
        self.now += 1
        events = self.world.step(Action(function, caller, self.now, arguments, token), send_refused=True)
        if events is not None:
            self.fold.follow(self.world, events)
        return events

    def deliver(self, ids, amounts=(), proofs=()):
        delivery = model.RightsDelivery(self.deal, True, 0, list(ids), list(amounts), list(proofs))
        return self.step("deliver", SELLER, delivery)


def test_model_contract_and_fold_agree_after_every_call(world):
    told = days(world, RightsDriver, SEEDS)
    of_deliveries = ("RightsDelivered", "WrongOwner", "RightNotAllowed", "BadLists", "TooMuch", "NothingDelivered")
    assert {("deliver", each) for each in of_deliveries} <= told
    assert {("withdraw_right", "RightWithdrawn"), ("withdraw_right", "InsufficientRights")} <= told
    assert ("propose", "NotARight") in told


def test_they_agree_on_days_of_hypothesis_choice(world):
    chosen_days(world, RightsDriver)


def test_a_right_that_becomes_a_pay_token_moves_nobodys_money(world):
    token, amount = world.chameleon, 10**6
    story = Story(world, token, ANY)
    story.step("claim", OWNER, SELLER, token=token)
    story.step("set", OWNER, Behaviour(fails=True), token=token)
    assert story.deliver([amount])  # nothing came, whatever it says
    story.step("set", OWNER, Behaviour(), token=token)
    story.step("set_pay_token", OWNER, token, True)
    assert story.step("deposit", OTHER, token, amount, OTHER)
    assert story.step("withdraw_right", BUYER, token, amount, 1, BUYER) is None
    assert world.errors["withdraw_right", "BadToken"] == 1
    story.step("mint", OWNER, world.address, amount, token=token)  # what nobody is owed may go
    assert story.step("withdraw_right", BUYER, token, amount, 1, BUYER)
    assert story.step("withdraw", OTHER, token, amount, OTHER)


@pytest.mark.parametrize("conduct", [model.Conduct(gained=2**255), model.Conduct(lost=5)], ids=["grows", "falls"])
def test_a_balance_that_can_not_be_is_no_delivery(world, conduct):
    story = Story(world, world.keys, PIECES)
    assert story.deliver([7], [1])
    story.step("turn", OWNER, conduct, model.ZERO, token=world.keys)
    before = world.errors["deliver", "Panic"]
    assert story.deliver([7], [1]) is None
    assert world.errors["deliver", "Panic"] == before + 1


def test_pieces_go_out_as_the_last_of_them_came_in(world):
    story = Story(world, world.both, ANY)
    story.step("own", OWNER, SELLER, 3, token=world.both)
    assert story.deliver([3])  # as an ERC-721
    pieces = Story(world, world.both, PIECES, after=story)
    assert pieces.deliver([3], [2])  # as an ERC-1155
    assert pieces.step("withdraw_right", BUYER, world.both, 3, 2, OTHER)
    assert world.model.kept[world.both, 3, BUYER].amount == 1


def test_a_model_that_takes_any_id_is_found(world, monkeypatch):
    monkeypatch.setattr(RightDelivery, "_is_allowed", lambda *_: True)
    story = Story(world, world.keys, model.Rights("0x" + "ab" * 32, semi_fungible=True))
    with pytest.raises(MismatchError, match=r"model accepts, contract refuses: .'RightNotAllowed', 7"):
        story.deliver([7], [1], [[]])


def test_a_model_that_keeps_one_too_many_is_found(world, monkeypatch):
    take = RightDelivery._take_piece

    def generous(self, delivery, opening, right, amount, *, semi_fungible, kept):
        came = take(self, delivery, opening, right, amount, semi_fungible=semi_fungible, kept=kept)
        key = (opening.terms.token, right, delivery.deal.buyer)
        self.kept[key] = self.kept[key]._replace(amount=self.kept[key].amount + 1)
        return came

    monkeypatch.setattr(RightDelivery, "_take_piece", generous)
    with pytest.raises(MismatchError, match=r"storage differs:\nrights"):
        Story(world, world.keys, PIECES).deliver([7], [1])


def test_a_fold_that_forgets_what_is_kept_is_found(world, monkeypatch):
    monkeypatch.setattr("tests.support.differential.fold.change_of", lambda *_: None)
    with pytest.raises(MismatchError, match="what is kept differs"):
        Story(world, world.keys, PIECES).deliver([7], [1])
