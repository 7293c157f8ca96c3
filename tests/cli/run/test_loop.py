"""The loop: the best state is kept, a lost run ends, and only steps are training time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands.cli.errors import BrokenDown
from fastcands.cli.run.batches import Shuffled
from fastcands.cli.run.loop import EVALUATIONS, Loop


class Event(NamedTuple):
    step: int
    examples: int
    seconds: float
    speed: float
    train_loss: float
    cost: float
    quality: str = ""


class Clock:
    """Goes on by itself only where something is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Scripted(Loop):
    """A run whose evaluations are given: the first is that before the first step."""

    def __init__(self, costs: list[float], breaks_at: int | None = None) -> None:
        self.clock = Clock()
        super().__init__(SlowToShuffle(self.clock), 12.0, None, self.clock)
        self._costs, self._breaks_at = iter(costs), breaks_at
        self.kept: list[int] = []

    def _train_on(self, examples: np.ndarray) -> np.ndarray:
        if self.counters.step == self._breaks_at:
            raise ValueError("loss must be finite")
        self.clock.now += 1.0
        return np.ones(len(examples))

    def _evaluate(self, check: Callable[[], None]) -> Any:
        self.clock.now += 100.0
        return Event(*self.figures(), next(self._costs))

    def _keep(self) -> None:
        self.kept.append(self.counters.step)


class SlowToShuffle(Shuffled):
    def __init__(self, clock: Clock) -> None:
        super().__init__(10, 5, 0)
        self._clock = clock

    def take(self, epoch: int, position: int, most: int | None) -> np.ndarray:
        self._clock.now += 1000.0
        return super().take(epoch, position, most)


def run(costs: list[float], **more: Any) -> Scripted:
    loop = Scripted(costs, **more)
    for _ in loop.run(lambda: None):
        pass
    return loop


def test_the_best_state_is_kept() -> None:
    loop = run([9, 8, 5, 6, 4, 4.5, 3, 3.2, 3.1, 3.3, 3.2, 3.1, 3.05])
    assert loop.counters.step == 24
    assert loop.kept == [0, 2, 4, 8, 12]
    assert (loop.counters.best_step, loop.counters.best_cost) == (12, 3)
    assert len(loop.counters.evaluations) == EVALUATIONS
    assert not loop.counters.lost


def test_the_state_before_the_first_step_can_be_the_best() -> None:
    loop = run([9.0, *[9.5] * 12])
    assert loop.kept == [0]
    assert loop.counters.best_step == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_costs_that_are_no_numbers(bad: float) -> None:
    loop = run([bad, bad, 5, *[bad] * 4])
    assert loop.counters.lost
    assert loop.kept == [0, 4]
    assert loop.counters.best_cost == 5


def test_only_steps_are_training_time() -> None:
    loop = run([1.0] * 13)
    assert loop.counters.seconds == 24.0


def test_a_lost_run_ends() -> None:
    loop = run([9, 4, 5.1, 5.2, 5.3, 5.4])
    assert loop.counters.lost
    assert loop.counters.best_step == 2
    assert len(loop.counters.evaluations) == 5


@pytest.mark.parametrize("costs", [[5.1, 5.2, 5.4, 5.3], [4.9, 5.2, 5.3, 5.4]])
def test_a_run_that_recovers_goes_on(costs: list[float]) -> None:
    loop = run([9, 4, *costs, *[3.0] * 7])
    assert not loop.counters.lost
    assert loop.counters.step == 24


def test_a_run_that_breaks_down_says_so() -> None:
    with pytest.raises(BrokenDown, match="training broke down at step 3: loss must be finite; try a lower"):
        run([9.0] * 13, breaks_at=3)
