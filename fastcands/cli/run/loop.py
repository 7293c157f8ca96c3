"""The loop of all training: batches, evaluations at intervals, the best state kept, counters."""

from __future__ import annotations

import dataclasses
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.errors import BrokenDown
from fastcands.cli.run.batches import Batches
from fastcands.cli.run.schedule import Schedule

__all__ = ["EVALUATIONS", "Counters", "EvaluationEvent", "Loop", "Snapshot"]

EVALUATIONS = 12  # in a run, at equal steps of progress

_LOST_AFTER = 4
"""Evaluations in a row: a run whose costs were all far above the best one, and rising, is lost."""
_LOST_RATIO = 1.25


class EvaluationEvent(Protocol):
    """One line of ``metrics.jsonl``: a named tuple with these fields, and the quality that the task measures."""

    @property
    def step(self) -> int:
        """Steps done so far."""

    @property
    def examples(self) -> int:
        """Examples done so far."""

    @property
    def seconds(self) -> float:
        """Of training so far, without evaluations and saving."""

    @property
    def train_loss(self) -> float:
        """Mean of the training loss since the evaluation before."""

    @property
    def cost(self) -> float:
        """How bad the model is: the state with the lowest one is kept. Compared by ratios, so never negative."""

    @property
    def quality(self) -> str:
        """How good the model is, in words."""

    def _asdict(self) -> dict[str, Any]: ...


class Snapshot(NamedTuple):
    """How a run stands, for the progress display.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    step, examples : int
        Done so far.
    examples_per_second : float
        Lately.
    train_loss : float
        Mean since the last evaluation.
    seconds : float
        Of training so far.
    """

    progress: float
    step: int
    examples: int
    examples_per_second: float
    train_loss: float
    seconds: float


@dataclasses.dataclass
class Counters:
    """What changes from step to step, besides the arrays."""

    step: int = 0
    examples: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    evaluated: int = 0  # twelfths of the progress whose evaluation is done
    loss_sum: float = 0.0
    loss_examples: int = 0
    evaluations: list[Any] = dataclasses.field(default_factory=list)
    best_step: int = -1  # of the state that is kept; -1 before any has been measured
    best_cost: float = math.inf
    lost: bool = False  # given up: far above the best, and rising


class Loop(ABC):
    """Goes through batches until a bound is reached, or the run is lost; keeps the best state that was measured.

    The state before the first step is measured too, so a run never ends with a worse one.

    Parameters
    ----------
    batches : Batches
        Of every epoch.
    epochs, max_seconds : float or None
        Bounds of the run; at least one is needed.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    schedule : Schedule
        How far the run is.
    counters : Counters
        Steps, examples, seconds and evaluations so far.
    batches : Batches
        As given.
    """

    def __init__(
        self,
        batches: Batches,
        epochs: float | None,
        max_seconds: float | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        total = None if epochs is None else max(1, round(epochs * batches.num_examples))
        self.schedule = Schedule(total, max_seconds)
        self.counters = Counters()
        self.batches = batches
        self._clock = clock

    @abstractmethod
    def _train_on(self, examples: NDArray[Any]) -> NDArray[Any]:
        """Make a step and return the loss of each example; a ValueError is a loss that is not finite."""

    @abstractmethod
    def _evaluate(self, check: Callable[[], None]) -> EvaluationEvent:
        """Measure the model on held-out data."""

    @abstractmethod
    def _keep(self) -> None:
        """Keep a copy of the model as it is now."""

    def _next_examples(self) -> NDArray[Any]:
        done, total = self.counters, self.schedule.total_examples
        examples = self.batches.take(done.epoch, done.position, None if total is None else total - done.examples)
        done.position += examples.size
        if done.position >= self.batches.num_examples:
            done.epoch, done.position = done.epoch + 1, 0
        return examples

    def _judge(self, cost: float) -> None:
        """Keep the state if it is the best so far; see whether the run is lost."""
        done = self.counters
        if done.best_step < 0 or cost < done.best_cost:
            done.best_step, done.best_cost = done.step, cost if cost >= 0 else math.inf
            self._keep()
        last = [evaluation.cost for evaluation in done.evaluations[-_LOST_AFTER:]]
        done.lost = (
            len(last) == _LOST_AFTER
            and not any(each <= _LOST_RATIO * done.best_cost for each in last)
            and not any(each > last[-1] for each in last)
        )

    def run(self, check: Callable[[], None]) -> Iterator[Snapshot | EvaluationEvent]:
        """Train to the end of the run.

        Parameters
        ----------
        check : callable
            Called before every step and during evaluations. When it raises, the loop is in the state after a whole
            number of steps: it can be saved, and another `run` goes on.

        Yields
        ------
        Snapshot or EvaluationEvent
            The first after every step, the second after every evaluation.
        """
        done = self.counters
        recent = _Recent()
        if done.best_step < 0:
            self._judge(self._evaluate(check).cost)
        while True:
            due = int(self.schedule.progress * EVALUATIONS)
            if due > done.evaluated:
                evaluation = self._evaluate(check)
                done.evaluations.append(evaluation)
                done.loss_sum, done.loss_examples = 0.0, 0
                done.evaluated = due
                self._judge(evaluation.cost)
                yield evaluation
            if self.schedule.finished or done.lost:
                return
            check()
            examples = self._next_examples()
            started = self._clock()
            loss = self._step(examples)
            done.step += 1
            done.examples += len(loss)
            done.loss_sum += float(loss.sum(dtype=np.float64))
            done.loss_examples += len(loss)
            seconds = self._clock() - started
            done.seconds += seconds
            self.schedule.update(done.examples, done.seconds)
            yield Snapshot(
                self.schedule.progress,
                done.step,
                done.examples,
                recent(len(loss), seconds),
                done.loss_sum / done.loss_examples,
                done.seconds,
            )

    def _step(self, examples: NDArray[Any]) -> NDArray[Any]:
        try:
            return self._train_on(examples)
        except ValueError as error:  # ids and shapes are right by construction: only a loss that is not finite is left
            step = self.counters.step
            raise BrokenDown(f"training broke down at step {step}: {error}; try a lower --learning-rate") from None

    def figures(self) -> tuple[int, int, float, float, float]:
        """Return what every evaluation begins with: step, examples, seconds, examples a second, training loss."""
        done = self.counters
        speed = done.examples / done.seconds if done.seconds else 0.0
        loss = done.loss_sum / done.loss_examples if done.loss_examples else math.nan
        return done.step, done.examples, done.seconds, speed, loss


class _Recent:
    """Examples a second over the last steps, older ones counting less and less."""

    def __init__(self) -> None:
        self._examples = self._seconds = 0.0

    def __call__(self, examples: int, seconds: float) -> float:
        self._examples = 0.98 * self._examples + examples
        self._seconds = 0.98 * self._seconds + seconds
        return self._examples / self._seconds if self._seconds else 0.0
