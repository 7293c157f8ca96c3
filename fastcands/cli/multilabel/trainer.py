"""The training of a multi-label model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.cli.multilabel.config import MultilabelConfig
from fastcands.cli.multilabel.points import Points
from fastcands.cli.multilabel.quality import CUTS, best_labels
from fastcands.cli.run.batches import Shuffled
from fastcands.cli.run.registry import OPTIMIZERS, default_rate
from fastcands.cli.run.trainer import Rate, Trainer, spread
from fastcands.data import parse_points
from fastcands.models import MultilabelModel

__all__ = ["MultilabelTrainer", "PrecisionEvaluation", "make_multilabel_model", "points_rate"]

_EVALUATED_SCORES = 1 << 28  # logits of an evaluation: points times labels
_LEAST_EVALUATED, _MOST_EVALUATED = 512, 8192


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
    valid_mean_precision : float
        Mean of precision@1, @3 and @5 there. It decides which model is kept: alone, precision@1 of some thousand
        points is too much by chance.
    """

    step: int
    examples: int
    seconds: float
    examples_per_second: float
    train_loss: float
    valid_precision_at_1: float
    valid_mean_precision: float = 0.0  # evaluations saved before it was measured lack it

    @property
    def cost(self) -> float:
        """The inverse of the mean precision, infinite where that is 0."""
        return 1 / self.valid_mean_precision if self.valid_mean_precision > 0 else math.inf

    @property
    def quality(self) -> str:
        """How good the model is, in words."""
        return f"valid precision@1 {100 * self.valid_precision_at_1:.2f} %"


_EXACT_RATE, _EXACT_ACCUMULATOR = 0.3, 1e-4
"""Adagrad with the exact logistic loss: every label gets a gradient in every step, nearly all of them tiny. The
accumulator starts above these, so that they do not take steps as long as those of true labels."""


def _is_exact_adagrad(optimizer: str, loss: str) -> bool:
    return (optimizer, loss) == ("adagrad", "logistic")


def points_rate(optimizer: str, loss: str) -> float:
    """Return the learning rate a run on points starts with when none is given.

    Parameters
    ----------
    optimizer, loss : str
        Their names.

    Returns
    -------
    float
        For all parameters.

    Examples
    --------
    >>> points_rate("adagrad", "logistic"), points_rate("adagrad", "sampled_softmax")
    (0.3, 0.1)
    """
    return _EXACT_RATE if _is_exact_adagrad(optimizer, loss) else default_rate(optimizer, loss)


def make_multilabel_model(
    config: MultilabelConfig, num_features: int, counts: NDArray[np.int64], rate: Rate
) -> MultilabelModel:
    """Return the model of a run before the first step.

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
    assert config.learning_rate is not None
    lr = rate(config.learning_rate)
    if _is_exact_adagrad(config.optimizer, config.loss):
        optimizer: Any = fc.Adagrad(lr, initial_accumulator=_EXACT_ACCUMULATOR)
    else:
        optimizer = OPTIMIZERS[config.optimizer].make(lr)
    return MultilabelModel(
        num_features,
        len(counts),
        dim=config.embedding_dim,
        optimizer=optimizer,
        label_counts=counts,
        table_dtype=config.table_dtype,
        seed=config.seed,
    )


class MultilabelTrainer(Trainer):
    """A multi-label model, its loss and points, and the progress of its training.

    Parameters
    ----------
    config : MultilabelConfig
        What to do.
    points : Points
        The data; the examples are the training points with labels.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    points : Points
        As given.
    """

    config: MultilabelConfig
    model: MultilabelModel
    evaluation_class = PrecisionEvaluation

    def __init__(
        self, config: MultilabelConfig, points: Points, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.points = points
        self._rows = points.train.labelled()
        num_features, counts = points.train.num_features, points.train.label_counts()
        assert config.batch_size is not None
        super().__init__(
            config,
            counts,
            Shuffled(len(self._rows), config.batch_size, config.seed),
            lambda rate: make_multilabel_model(config, num_features, counts, rate),
            clock,
        )

    def _train_on(self, examples: NDArray[np.int32]) -> NDArray[Any]:
        return self.model.train_step(self.loss, self.points.train.take(self._rows[examples]))

    def _evaluate(self, check: Callable[[], None]) -> PrecisionEvaluation:
        self.update_offsets()
        valid = self.points.valid
        most = min(_MOST_EVALUATED, max(_LEAST_EVALUATED, _EVALUATED_SCORES // valid.num_labels))
        chosen = valid.take(spread(len(valid), most))
        cuts = [k for k in CUTS if k <= valid.num_labels]
        ranked = best_labels(self.model, chosen, cuts[-1], check)
        values = [fc.metrics.precision_at_k(ranked, chosen.label_starts, chosen.labels, k) for k in cuts]
        return PrecisionEvaluation(*self.figures(), values[0], float(np.mean(values)))

    def best_model(self) -> MultilabelModel:
        """Return the best model measured so far, for rankings.

        Returns
        -------
        MultilabelModel
            Of the state that was kept.
        """
        return MultilabelModel.from_state(self.best_state())

    def _use_tiny_model(self, config: MultilabelConfig, counts: NDArray[np.int64], loss: Any) -> None:
        model = make_multilabel_model(config, 3, counts, lambda first: lambda step: 0.0)
        points = parse_points("4,1 0:1 2:2\n2 1:1", 3, len(counts))
        model.train_step(loss, points)
        model.topk(points, 2)

    def fingerprint(self) -> str:
        """Return a digest of the points."""
        return self.points.fingerprint()

    def extra_arrays(self) -> dict[str, NDArray[Any]]:
        """Return what the propensities of a saved model are computed from."""
        return {"label_counts": self.class_counts, "num_points": np.array(len(self.points.train))}
