"""From a configuration to the sampler and the loss of a run."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.registry import LOSSES, SAMPLERS, SamplerOrder

__all__ = ["log_q", "make_loss", "make_sampler"]

_HALVINGS = 30
_MOST_TRIES = 1e15


def make_sampler(config: RunConfig, counts: NDArray[np.int64]) -> Any:
    """Return the sampler of a run, None for an exact loss.

    Parameters
    ----------
    config : RunConfig
        Names loss and sampler.
    counts : int64 array, shape (V,)
        How often each class is in the training data.

    Returns
    -------
    sampler or None
        At the start of its stream.
    """
    if not LOSSES[config.loss].sampled:
        return None
    seed = np.random.SeedSequence([config.seed, 1])
    distortion = 1.0 if config.distortion is None else config.distortion
    return SAMPLERS[config.sampler](SamplerOrder(len(counts), counts, distortion, seed))


def make_loss(config: RunConfig, sampler: Any, num_classes: int) -> Any:
    """Return the loss of a run.

    Parameters
    ----------
    config : RunConfig
        Names it, the candidates and the precision.
    sampler : sampler or None
        From `make_sampler`.
    num_classes : int
        V.

    Returns
    -------
    loss object
        As ``ClassTable.train_step`` takes it.
    """
    drawn = config.default_num_sampled(num_classes)
    loss = LOSSES[config.loss].make(sampler, drawn, config.default_num_resampled(drawn))
    return dataclasses.replace(loss, precision=config.precision, ignore_index=config.ignore_index)


def log_q(config: RunConfig, sampler: Any, num_classes: int) -> NDArray[np.float32] | None:
    """Return log Q of every class if the logits of the loss lack it, else None.

    Parameters
    ----------
    config : RunConfig
        Names loss and candidates.
    sampler : sampler or None
        In its present state: what it has learned counts.
    num_classes : int
        V.

    Returns
    -------
    float32 array, shape (V,), or None
        Logarithms of the expected counts.
    """
    if not LOSSES[config.loss].without_log_q:
        return None
    probabilities = sampler.probability(np.arange(num_classes))
    expected = _inclusion(probabilities, config.default_num_sampled(num_classes))
    return np.asarray(np.log(expected), np.float32)


def _inclusion(probabilities: NDArray[np.float64], num_sampled: int) -> NDArray[np.float64]:
    """Return how likely each class is among `num_sampled` distinct ones.

    After t draws with repetition class k has come up with probability ``1 - (1 - p_k)**t``; t is such that these
    add up to the number of candidates.
    """
    with np.errstate(divide="ignore"):  # a class that is always drawn
        misses = np.log1p(-probabilities)

    def after(tries: float) -> NDArray[np.float64]:
        return -np.expm1(tries * misses)

    low = high = 1.0
    # all classes are found after no finite number of draws
    while after(high).sum() < num_sampled * (1 - 1e-9) and high < _MOST_TRIES:
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if after(middle).sum() < num_sampled else (low, middle)
    return after(high)
