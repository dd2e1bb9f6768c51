"""The protocol as plain Python against the shipped byte code and against the venue's own reading of the events.

`python -m tests.support.differential.deep --seconds 600` runs the same for as long as one likes.
"""

import pytest
from hypothesis import Phase

from tests.support.differential.days import chosen_days, days, world_on
from tests.support.differential.driver import Driver
from tests.support.differential.fold import Folded
from tests.support.differential.trial import Trial
from tests.support.differential.world import ACTORS, GENESIS, Action, MismatchError, World
from tests.support.model import Escrow

# Days that reach every function, each accepted and refused. What differs is shortened by the trial itself.
SEEDS = (0, 722, 343661445651832000, 1943733665915)
LATER = GENESIS + 1000


@pytest.fixture(scope="module")
def one_world(anvil_process):
    yield from world_on(anvil_process, World)


@pytest.fixture
def world(one_world):
    one_world.reset()
    return one_world


def test_model_contract_and_fold_agree_after_every_call(world):
    assert ("dispute", "Deposited") in days(world, Driver, SEEDS), "no bond came from a wallet"


def test_they_agree_on_days_of_hypothesis_choice(world):
    chosen_days(world, Driver)


def test_another_refusal_is_found(world, monkeypatch):
    monkeypatch.setattr("tests.support.model.admin.MAX_FEE_BPS", 300)
    with pytest.raises(MismatchError, match=r"model accepts, contract refuses: .'FeeAboveCap', 201, 200"):
        world.step(Action("set_fee", ACTORS[0], LATER, (201,)))


def test_another_reason_for_a_refusal_is_found(world, monkeypatch):
    monkeypatch.setattr("tests.support.model.admin.MAX_FEE_BPS", 199)
    with pytest.raises(MismatchError, match=r"(?s)refusal of the model.*201, 199.*refusal of the contract.*201, 200"):
        world.step(Action("set_fee", ACTORS[0], LATER, (201,)))


def test_another_event_is_found(world, monkeypatch):
    emit = Escrow.emit

    def louder(self, event, **fields):
        emit(self, event, **{**fields, "epoch": 7})

    monkeypatch.setattr(Escrow, "emit", louder)
    with pytest.raises(MismatchError, match="events of the model"):
        world.step(Action("bump_epoch", ACTORS[0], LATER))


def test_another_word_of_storage_is_found_and_the_sequence_shortened(world, monkeypatch):
    cancel = Escrow.cancel

    def thorough(self, offer):
        cancel(self, offer)
        self.epochs[self.caller] = self.epochs.get(self.caller, 0) + 1

    monkeypatch.setattr(Escrow, "cancel", thorough)
    with pytest.raises(MismatchError, match=r"storage differs:\nepochs") as caught:
        Trial(world, 120).run(3)
    shortest = str(caught.value).partition("The shortest sequence:\n")[2]
    assert len(shortest.splitlines()) == 1
    assert "cancel" in shortest


def test_hypothesis_finds_a_difference(world, monkeypatch):
    monkeypatch.setattr(Escrow, "bump_epoch", lambda self: None)
    with pytest.raises(MismatchError, match="bump_epoch"):
        chosen_days(world, Driver, (Phase.generate,))


def test_a_fold_that_differs_is_found(world, monkeypatch):
    monkeypatch.setattr("escrow.domain.ledger.withdrawn", lambda **_: ())
    watcher = Folded()
    watcher.begin(world)
    events = world.step(Action("withdraw", ACTORS[0], LATER, (world.tokens[0], 5, ACTORS[1])))
    with pytest.raises(MismatchError, match="the ledger differs"):
        watcher.follow(world, events)
