"""The training of a multi-label model."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.cli.build import log_q, make_loss, make_sampler
from fastcands.cli.loop import Loop
from fastcands.cli.multilabel_config import MultilabelConfig
from fastcands.cli.multilabel_data import Points
from fastcands.cli.registry import OPTIMIZERS
from fastcands.models import MultilabelModel

__all__ = ["MultilabelTrainer", "PrecisionEvaluation", "make_multilabel_model"]

_EVALUATED_SCORES = 1 << 28  # logits of an evaluation: points times labels
_LEAST_EVALUATED, _MOST_EVALUATED = 512, 8192
_CHUNK = 1024


class PrecisionEvaluation(NamedTuple):
    """One line of ``metrics.jsonl``.

    Attributes
    ----------
    step, examples : int
        Done so far.
    seconds : float
        Of training so far, without evaluations and saving.
    examples_per_second : float
        Over the whole run so far.
    train_loss : float
        Mean of the training loss since the evaluation before.
    valid_precision_at_1 : float
        Exact, on a fixed subset of the validation points.
    """

    step: int
    examples: int
    seconds: float
    examples_per_second: float
    train_loss: float
    valid_precision_at_1: float

    @property
    def quality(self) -> str:
        """What the model came to, for people."""
        return f"valid precision@1 {100 * self.valid_precision_at_1:.2f} %"


def make_multilabel_model(
    config: MultilabelConfig,
    num_features: int,
    counts: NDArray[np.int64],
    rate: Callable[[float], Callable[[int], float]],
) -> MultilabelModel:
    """Return the model of a run as it is before the first step.

    Parameters
    ----------
    config : MultilabelConfig
        Its size, optimizer and seed.
    num_features : int
        F.
    counts : int64 array, shape (V,)
        In how many training points each label is.
    rate : callable
        Makes a learning rate as a function of the step from the one of the first step.

    Returns
    -------
    MultilabelModel
        Its class biases are the logarithms of the labels' frequencies.
    """
    optimizer = OPTIMIZERS[config.optimizer].make(rate(config.learning_rate))
    return MultilabelModel(
        num_features,
        len(counts),
        dim=config.embedding_dim,
        optimizer=optimizer,
        label_counts=counts,
        table_dtype=config.table_dtype,
        seed=config.seed,
    )


class MultilabelTrainer(Loop):
    """A multi-label model, a loss and points, and how far training has come.

    Parameters
    ----------
    config : MultilabelConfig
        What to do.
    points : Points
        The data.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    config, points
        As given.
    label_counts : int64 array, shape (V,)
        In how many training points each label is.
    model : MultilabelModel
        Trained in place.
    loss : loss object
        What it is trained with.
    """

    config: MultilabelConfig

    def __init__(
        self, config: MultilabelConfig, points: Points, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.config = config
        self.points = points
        self._rows = points.train.labelled()
        super().__init__(len(self._rows), config.batch_size, config.epochs, config.max_seconds, config.seed, clock)
        self.label_counts = points.train.label_counts()
        self.sampler = make_sampler(config, self.label_counts)
        self.loss = dataclasses.replace(make_loss(config, self.sampler, points.train.num_labels), ignore_index=-1)
        self.model = make_multilabel_model(config, points.train.num_features, self.label_counts, self.schedule.rate)
        self.update_offsets()
        if self.model.logit_offsets is not None:
            assert self.model.table.biases is not None
            self.model.table.biases -= self.model.logit_offsets  # so this too starts at the frequencies

    def update_offsets(self) -> None:
        """Bring what predictions add to the logits up to date with what the sampler has learned."""
        self.model.logit_offsets = log_q(self.config, self.sampler, self.points.train.num_labels)

    def _train_on(self, examples: NDArray[np.int32]) -> NDArray[Any]:
        return self.model.train_step(self.loss, self.points.train.take(self._rows[examples]))

    def _evaluate(self, check: Callable[[], None]) -> PrecisionEvaluation:
        self.update_offsets()
        valid = self.points.valid
        most = min(_MOST_EVALUATED, max(_LEAST_EVALUATED, _EVALUATED_SCORES // valid.num_labels))
        count = min(len(valid), most)
        rows = np.arange(count, dtype=np.int64) * len(valid) // count
        ranked = np.empty((count, 1), np.int64)
        for start in range(0, count, _CHUNK):
            check()
            ranked[start : start + _CHUNK] = self.model.topk(valid.take(rows[start : start + _CHUNK]), 1).ids
        chosen = valid.take(rows)
        value = fc.metrics.precision_at_k(ranked, chosen.label_starts, chosen.labels, 1)
        return PrecisionEvaluation(*self.figures(), value)

    def fingerprint(self) -> str:
        """Return a digest of the points."""
        return self.points.fingerprint()

    def extra_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what a saved model needs to be used without the training points."""
        return {"label_counts": self.label_counts, "num_points": np.array(len(self.points.train))}

    def write_beside(self, folder: Path) -> None:
        """Write nothing: labels and features have no names."""

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all that `load_state_dict` needs to go on exactly from here.

        Returns
        -------
        dict of str to array
            The arrays of model and loop.
        """
        self.update_offsets()
        return {**self.model.state_dict(), **self.loop_state()}

    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a state of a run of the same model, sampler and points.

        Parameters
        ----------
        state : dict of str to array
            What `state_dict` returned.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is the state of something else.
        """
        self.model.load_state_dict(state)
        self.load_loop_state(state, PrecisionEvaluation)
