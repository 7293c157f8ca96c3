"""The loop of all training: batches in a seeded order, evaluations at intervals, counters."""

from __future__ import annotations

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.errors import Refusal
from fastcands.cli.run.schedule import Schedule

__all__ = ["EVALUATIONS", "Counters", "EvaluationEvent", "Loop", "Snapshot"]

EVALUATIONS = 12  # in a run, at equal steps of progress


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


class Loop(ABC):
    """Goes through examples in batches, in another order each epoch, until a bound is reached.

    Parameters
    ----------
    num_examples : int
        Examples of an epoch, at least 1.
    batch_size : int
        Of a step; the last one of an epoch, or of the run, may be smaller.
    epochs, max_seconds : float or None
        Bounds of the run; at least one is needed.
    seed : int
        Of the order.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    schedule : Schedule
        How far the run is.
    counters : Counters
        Steps, examples, seconds and evaluations so far.
    num_examples : int
        As given.
    """

    def __init__(
        self,
        num_examples: int,
        batch_size: int,
        epochs: float | None,
        max_seconds: float | None,
        seed: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        total = None if epochs is None else max(1, round(epochs * num_examples))
        self.schedule = Schedule(total, max_seconds)
        self.counters = Counters()
        self.num_examples = num_examples
        self._batch_size, self._seed = batch_size, seed
        self._clock = clock
        self._order: tuple[int, NDArray[np.int32]] | None = None

    @abstractmethod
    def _train_on(self, examples: NDArray[np.int32]) -> NDArray[Any]:
        """Make a step and return the loss of each example; a ValueError is a loss that is not finite."""

    @abstractmethod
    def _evaluate(self, check: Callable[[], None]) -> EvaluationEvent:
        """Measure the model on held-out data."""

    def _order_of(self, epoch: int) -> NDArray[np.int32]:
        if self._order is None or self._order[0] != epoch:
            generator = np.random.default_rng([self._seed, 2, epoch])
            order = np.arange(self.num_examples, dtype=np.int32)
            generator.shuffle(order)
            self._order = epoch, order
        return self._order[1]

    def _next_examples(self) -> NDArray[np.int32]:
        done = self.counters
        order = self._order_of(done.epoch)
        size = self._batch_size
        if self.schedule.total_examples is not None:
            size = min(size, self.schedule.total_examples - done.examples)
        examples = order[done.position : done.position + size]
        done.position += len(examples)
        if done.position == len(order):
            done.epoch, done.position = done.epoch + 1, 0
        return examples

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
        while True:
            due = int(self.schedule.progress * EVALUATIONS)
            if due > done.evaluated:
                evaluation = self._evaluate(check)
                done.evaluations.append(evaluation)
                done.loss_sum, done.loss_examples = 0.0, 0
                done.evaluated = due
                yield evaluation
            if self.schedule.finished:
                return
            check()
            started = self._clock()
            loss = self._step(self._next_examples())
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

    def _step(self, examples: NDArray[np.int32]) -> NDArray[Any]:
        try:
            return self._train_on(examples)
        except ValueError as error:  # ids and shapes are right by construction: only a loss that is not finite is left
            step = self.counters.step
            raise Refusal(f"training broke down at step {step}: {error}; try a lower --learning-rate") from None

    def figures(self) -> tuple[int, int, float, float, float]:
        """Return what every evaluation begins with: step, examples, seconds, examples a second, training loss."""
        done = self.counters
        speed = done.examples / done.seconds if done.seconds else 0.0
        return done.step, done.examples, done.seconds, speed, done.loss_sum / done.loss_examples


class _Recent:
    """Examples a second over the last steps, older ones counting less and less."""

    def __init__(self) -> None:
        self._examples = self._seconds = 0.0

    def __call__(self, examples: int, seconds: float) -> float:
        self._examples = 0.98 * self._examples + examples
        self._seconds = 0.98 * self._seconds + seconds
        return self._examples / self._seconds if self._seconds else 0.0
