"""One seed: a random market day in both worlds; and for a failing one, the shortest sequence that still fails."""

import random
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.differential.driver import Driver
from tests.support.differential.world import Action, MismatchError, World
from tests.support.model import Event


class Watcher(Protocol):
    """Follows a run in a way of its own; MismatchError when it comes to something else."""

    def begin(self, world: World) -> None:
        """At the beginning, which is what `world.opening` did."""

    def follow(self, world: World, events: list[Event]) -> None:
        """After each accepted call."""


@dataclass
class Trial:
    world: World
    steps: int
    watcher: Watcher | None = None
    driver: type[Driver] = Driver
    done: list[Action] = field(default_factory=list)

    def run(self, seed: int) -> None:
        """Errors: MismatchError with the seed and the shortened sequence."""
        try:
            self.day(seed)
        except MismatchError as failure:
            lines = "\n".join(map(str, self._shortest(failure.kind)))
            raise MismatchError(
                f"seed {seed}, step {len(self.done)}:\n{failure}\n\nThe shortest sequence:\n{lines}"
            ) from failure

    def day(self, seed: int, choices: random.Random | None = None, chosen: int = 0) -> None:
        """A day of a seed, and then as many calls as `chosen` that `choices` draws. Errors: MismatchError."""
        self._begin()
        self.done = []
        sending = random.Random(seed)  # noqa: S311  # the seed must give the same calls again
        driver = self.driver(random.Random(seed), self.world)  # noqa: S311  # as above
        for step in range(self.steps + chosen):
            if choices and step == self.steps:
                driver.rng = choices
            self._step(driver.next(), send_refused=sending.random() < 0.15)
        self.world.finish(self.done[-1])

    def _step(self, action: Action, *, send_refused: bool) -> None:
        self.done.append(action)
        self._do(action, send_refused=send_refused)

    def _do(self, action: Action, *, send_refused: bool) -> None:
        events = self.world.step(action, send_refused=send_refused)
        if events is not None and self.watcher:
            self.watcher.follow(self.world, events)

    def _begin(self) -> None:
        self.world.reset()
        if self.watcher:
            self.watcher.begin(self.world)

    def _fails(self, actions: list[Action], kind: tuple) -> bool:
        self._begin()
        try:
            for action in actions:
                self._do(action, send_refused=True)
            self.world.finish(actions[-1])
        except MismatchError as failure:
            return failure.kind == kind
        return False

    def _shortest(self, kind: tuple) -> list[Action]:
        """Leaves out what the failure does not need: halves first, then single actions."""
        actions = list(self.done)
        if not self._fails(actions, kind):
            return actions
        size = len(actions) // 2
        while size:
            at = 0
            while at < len(actions):
                shorter = actions[:at] + actions[at + size :]
                if shorter and self._fails(shorter, kind):
                    actions = shorter
                else:
                    at += size
            size //= 2
        return actions
