"""Names on the command line and what they mean; a new loss, sampler or optimizer is one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.cli.errors import Refusal

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "PRECISIONS",
    "SAMPLERS",
    "TABLE_DTYPES",
    "LossChoice",
    "OptimizerChoice",
    "SamplerOrder",
    "check_name",
    "default_rate",
]


class LossChoice(NamedTuple):
    """A loss by name.

    Attributes
    ----------
    sampled : bool
        Whether it takes candidates from a sampler.
    make : callable
        Makes the loss from the sampler (None for exact losses), the candidates drawn and the candidates kept.
    resampled : bool
        Whether it keeps fewer candidates than it draws.
    without_log_q : bool
        Whether its logits lack log Q, so that a prediction has to add it.
    logistic : bool
        Whether each candidate has a loss of its own; their gradients add up, so the learning rate is lower.
    """

    sampled: bool
    make: Callable[[Any, int, int], Any]
    resampled: bool = False
    without_log_q: bool = False
    logistic: bool = False


class SamplerOrder(NamedTuple):
    """What a sampler is made from.

    Attributes
    ----------
    num_classes : int
        V.
    counts : int64 array, shape (V,)
        How often each class is in the training data.
    distortion : float
        Power of the counts.
    seed : seed of a sampler
        Of the draws.
    """

    num_classes: int
    counts: NDArray[np.int64]
    distortion: float
    seed: Any


class OptimizerChoice(NamedTuple):
    """An optimizer by name.

    Attributes
    ----------
    make : callable
        Makes the optimizer from the learning rate, a function of the step.
    learning_rate : float
        The default one, for the embedding and the class table.
    dense_share : float
        Share of it that the layers between those two get.
    logistic_share : float
        Share of it for logistic losses. Their candidates' gradients add up, so it is lower for optimizers whose steps
        grow with the gradient.
    """

    make: Callable[[Callable[[int], float]], Any]
    learning_rate: float
    dense_share: float
    logistic_share: float = 1.0


LOSSES: dict[str, LossChoice] = {
    "sampled_softmax": LossChoice(True, lambda sampler, drawn, kept: fc.SampledSoftmaxLoss(sampler, drawn)),
    "softmax": LossChoice(False, lambda sampler, drawn, kept: fc.SoftmaxLoss()),
    "nce": LossChoice(True, lambda sampler, drawn, kept: fc.NCELoss(sampler, drawn), logistic=True),
    "sampled_logistic": LossChoice(
        True, lambda sampler, drawn, kept: fc.SampledLogisticLoss(sampler, drawn), logistic=True
    ),
    "negative_sampling": LossChoice(
        True, lambda sampler, drawn, kept: fc.NegativeSamplingLoss(sampler, drawn), without_log_q=True, logistic=True
    ),
    "rank_sampled_softmax": LossChoice(
        True, lambda sampler, drawn, kept: fc.RankSampledSoftmaxLoss(sampler, drawn, kept), resampled=True
    ),
    "logistic": LossChoice(False, lambda sampler, drawn, kept: fc.LogisticLoss(), logistic=True),
}

SAMPLERS: dict[str, Callable[[SamplerOrder], Any]] = {
    "log_uniform": lambda order: fc.LogUniformSampler(order.num_classes, seed=order.seed),
    "uniform": lambda order: fc.UniformSampler(order.num_classes, seed=order.seed),
    "learned_unigram": lambda order: fc.LearnedUnigramSampler(order.num_classes, seed=order.seed),
    # a class that the training data lacks, as the unknown word may be, is drawn as often as the rarest
    "fixed_unigram": lambda order: fc.FixedUnigramSampler(
        order.num_classes, unigrams=np.maximum(order.counts, 1), distortion=order.distortion, seed=order.seed
    ),
    "all": lambda order: fc.AllCandidatesSampler(order.num_classes),
}

OPTIMIZERS: dict[str, OptimizerChoice] = {
    # gradients are those of a batch's mean, so their squares are tiny: the accumulator starts below them
    "adagrad": OptimizerChoice(lambda lr: fc.Adagrad(lr, initial_accumulator=1e-8), 0.1, 0.4, 0.5),
    "rowwise_adagrad": OptimizerChoice(lambda lr: fc.RowwiseAdagrad(lr, initial_accumulator=1e-8), 0.1, 0.4, 0.5),
    "lazy_adam": OptimizerChoice(fc.LazyAdam, 0.003, 0.4, 1.2),
    "momentum": OptimizerChoice(fc.Momentum, 1.0, 0.01, 0.3),
    "sgd": OptimizerChoice(fc.SGD, 10.0, 0.01, 0.3),
}

PRECISIONS = ("highest", "high", "medium")

TABLE_DTYPES = ("float32", "bfloat16")


def default_rate(optimizer: str, loss: str) -> float:
    """Return the learning rate a run starts with when none is given.

    Parameters
    ----------
    optimizer, loss : str
        Their names; unknown ones are refused later, and get any rate here.

    Returns
    -------
    float
        For the embedding and the class table.

    Examples
    --------
    >>> default_rate("adagrad", "nce"), default_rate("sgd", "nce"), default_rate("sgd", "softmax")
    (0.05, 3.0, 10.0)
    """
    if optimizer not in OPTIMIZERS or loss not in LOSSES:
        return 1.0
    choice = OPTIMIZERS[optimizer]
    return choice.learning_rate * (choice.logistic_share if LOSSES[loss].logistic else 1.0)


def check_name(option: str, name: str, known: Iterable[str]) -> str:
    """Return `name` if it is known, else refuse with the nearest known one.

    Parameters
    ----------
    option : str
        The option it was given to, for the message.
    name : str
        What the user wrote.
    known : iterable of str
        The known names.

    Returns
    -------
    str
        `name`.

    Raises
    ------
    Refusal
        If `name` is not among `known`.

    Examples
    --------
    >>> check_name("--sampler", "uniform", SAMPLERS)
    'uniform'
    """
    names = sorted(known)
    if name in names:
        return name
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0)[0]
    raise Refusal(f"{option}: unknown name {name!r}, did you mean {nearest!r}? Known: {', '.join(names)}")
