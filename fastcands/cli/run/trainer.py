"""A model that is trained in a loop, and all that has to be saved of it."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.run.batches import Batches
from fastcands.cli.run.build import log_q, make_loss, make_sampler
from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.loop import EVALUATIONS, Counters, EvaluationEvent, Loop

__all__ = ["BEST", "Rate", "Trainer", "spread"]

BEST = "best."
"""Begins the names of the best state's arrays, where that is not the last state."""

Rate = Callable[[float], Callable[[int], float]]
"""Makes a learning rate as a function of the step from the one of the first step."""

_SAMPLER = "sampler."  # begins the names of the sampler's arrays
_MEASURED_STEPS, _MEASURED_SECONDS = 40, 3.0


def spread(length: int, count: int) -> NDArray[np.int64]:
    """Return `count` positions at equal distances over data, or all of less data.

    Parameters
    ----------
    length : int
        Positions in the data.
    count : int
        Most positions to return.

    Returns
    -------
    int64 array
        Rising.

    Examples
    --------
    >>> spread(10, 4)
    array([0, 2, 5, 7])
    """
    count = min(length, count)
    return np.arange(count, dtype=np.int64) * length // count


class Trainer(Loop):
    """A model, its loss and sampler, and the progress of its training; each task has a subclass with its data.

    Parameters
    ----------
    config : RunConfig
        What to do.
    class_counts : int64 array, shape (V,)
        How often each class is in the training data.
    batches : Batches
        Of every epoch.
    make_model : callable
        Makes the model before its first step from a `Rate`.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    config, class_counts
        As given.
    sampler : sampler or None
        Of the loss.
    loss : loss object
        What the model is trained with.
    model
        Trained in place.
    """

    evaluation_class: ClassVar[Callable[..., EvaluationEvent]]
    """Makes an evaluation from its fields."""

    def __init__(
        self,
        config: RunConfig,
        class_counts: NDArray[np.int64],
        batches: Batches,
        make_model: Callable[[Rate], Any],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(batches, config.epochs, config.max_seconds, clock)
        self.config = config
        self.class_counts = class_counts
        self.sampler = make_sampler(config, class_counts)
        self.loss = make_loss(config, self.sampler, len(class_counts))
        self.model = make_model(self.schedule.rate)
        self.update_offsets()
        if self.model.logit_offsets is not None:
            # so that the first predictions are the class frequencies with this loss too
            self.model.table.biases -= self.model.logit_offsets
        self._best: dict[str, NDArray[Any]] = {}

    def _keep(self) -> None:
        self._best = {name: array.copy() for name, array in self._predicting(self.model.state_dict()).items()}

    @staticmethod
    def _predicting(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what predictions need of a model's state: all but the optimizers' arrays, which have a dot."""
        return {name: array for name, array in state.items() if "." not in name}

    def best_state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the best model measured so far, for predictions.

        Returns
        -------
        dict of str to array
            By the model's own names; those of the model as it is where none has been measured.
        """
        if self._best:
            return self._best
        self.update_offsets()
        return self._predicting(self.model.state_dict())

    def measure_speed(self) -> float:
        """Return how many examples a second the run trains on; the model is not to be used afterwards."""
        speeds: list[float] = []
        started = time.perf_counter()
        while len(speeds) < _MEASURED_STEPS and time.perf_counter() - started < _MEASURED_SECONDS:
            examples = self._next_examples()
            before = time.perf_counter()
            self._train_on(examples)
            speeds.append(examples.size / (time.perf_counter() - before))
        return statistics.median(speeds[len(speeds) // 2 :])  # the first ones touch memory that is not there yet

    def update_offsets(self) -> None:
        """Update what predictions add to the logits by what the sampler has learned."""
        self.model.logit_offsets = log_q(self.config, self.sampler, len(self.class_counts))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all that `load_state_dict` needs to go on exactly from here.

        Returns
        -------
        dict of str to array
            The arrays of the model and the sampler, and ``trainer``, a JSON text with the counters.
        """
        self.update_offsets()
        counters = dataclasses.asdict(self.counters)
        sampler = {} if self.sampler is None else self.sampler.state_dict()
        arrays = {_SAMPLER + name: sampler.pop(name) for name in list(sampler) if isinstance(sampler[name], np.ndarray)}
        counters["sampler"] = sampler
        best = {} if self.counters.best_step == self.counters.step else self._best
        return {
            **self.model.state_dict(),
            **arrays,
            **{BEST + name: array for name, array in best.items()},
            "trainer": np.array(json.dumps(counters)),
        }

    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a state of a run with the same model, sampler and data.

        Parameters
        ----------
        state : dict of str to array
            What `state_dict` returned.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is the state of something else.
        """
        self.model.load_state_dict({name: array for name, array in state.items() if not name.startswith(BEST)})
        counters = json.loads(str(state["trainer"]))
        sampler = counters.pop("sampler")
        evaluations = [type(self).evaluation_class(*values) for values in counters.pop("evaluations")]
        if self.sampler is not None:
            plain = {name: tuple(value) if isinstance(value, list) else value for name, value in sampler.items()}
            arrays = {name.removeprefix(_SAMPLER): state[name] for name in state if name.startswith(_SAMPLER)}
            self.sampler.load_state_dict(plain | arrays)
        self.counters = Counters(**counters, evaluations=evaluations)
        self.schedule.update(self.counters.examples, self.counters.seconds)
        self._best = {name.removeprefix(BEST): array for name, array in state.items() if name.startswith(BEST)}
        if not self._best:
            self._keep()
        # a run that was made longer has fewer twelfths behind it
        self.counters.evaluated = min(self.counters.evaluated, int(self.schedule.progress * EVALUATIONS))

    def compile_kernels(self) -> None:
        """Use all kernels of the run once, on a tiny model, so that no compilation is timed as training."""
        counts = np.ones(8, np.int64)
        config = dataclasses.replace(self.config, embedding_dim=4, num_sampled=8, num_resampled=None)
        sampler = make_sampler(config, counts)
        log_q(config, sampler, len(counts))
        self._use_tiny_model(config, counts, make_loss(config, sampler, len(counts)))

    @abstractmethod
    def _use_tiny_model(self, config: Any, counts: NDArray[np.int64], loss: Any) -> None:
        """Train a model of few classes for a step, and use it as evaluations do."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of the data: a run goes on with the same data only."""

    @abstractmethod
    def extra_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a saved model needs to be used without the training data, as arrays by name."""

    def write_beside(self, folder: Path) -> None:
        """Write what people read beside the model; nothing where the task has no such thing.

        Parameters
        ----------
        folder : Path
            Of the run.

        Raises
        ------
        OSError
            If a file cannot be written; the user is told.
        """
