"""From a configuration to the objects of a run: sampler, loss, model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.config import TrainConfig
from fastcands.cli.registry import LOSSES, OPTIMIZERS, SAMPLERS, SamplerOrder
from fastcands.cli.run_config import RunConfig
from fastcands.models import NGramModel

__all__ = ["log_q", "make_loss", "make_model", "make_sampler"]

Counts = NDArray[np.int64]

_HALVINGS = 30
_MOST_TRIES = 1e15


def make_sampler(config: RunConfig, counts: Counts) -> Any:
    """Return the sampler of a run, None for an exact loss.

    Parameters
    ----------
    config : RunConfig
        Names loss and sampler.
    counts : int64 array, shape (V,)
        How often each word is in the training text.

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


def make_loss(config: RunConfig, sampler: Any, vocab_size: int) -> Any:
    """Return the loss of a run.

    Parameters
    ----------
    config : RunConfig
        Names it, the candidates and the precision.
    sampler : sampler or None
        From `make_sampler`.
    vocab_size : int
        V.

    Returns
    -------
    loss object
        As ``ClassTable.train_step`` takes it.
    """
    drawn = config.default_num_sampled(vocab_size)
    loss = LOSSES[config.loss].make(sampler, drawn, config.default_num_resampled(drawn))
    return dataclasses.replace(loss, precision=config.precision)


def log_q(config: RunConfig, sampler: Any, vocab_size: int) -> NDArray[np.float32] | None:
    """Return log Q of every class where the loss leaves it out of the logits, else None.

    Parameters
    ----------
    config : RunConfig
        Names loss and candidates.
    sampler : sampler or None
        As it is now: what it has learned counts.
    vocab_size : int
        V.

    Returns
    -------
    float32 array, shape (V,), or None
        Logarithms of the expected counts.
    """
    if not LOSSES[config.loss].without_log_q:
        return None
    probabilities = sampler.probability(np.arange(vocab_size))
    expected = _inclusion(probabilities, config.default_num_sampled(vocab_size))
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


def make_model(config: TrainConfig, counts: Counts, rate: Callable[[float], Callable[[int], float]]) -> NGramModel:
    """Return the model of a run as it is before the first step.

    Parameters
    ----------
    config : TrainConfig
        Its sizes, optimizer and seed.
    counts : int64 array, shape (V,)
        How often each word is in the training text.
    rate : callable
        Makes a learning rate as a function of the step from the one of the first step.

    Returns
    -------
    NGramModel
        Its class biases are those of the unigram model.
    """
    choice = OPTIMIZERS[config.optimizer]
    return NGramModel(
        len(counts),
        context=config.context,
        embedding_dim=config.embedding_dim,
        hidden_dim=config.hidden_dim,
        optimizer=choice.make(rate(config.learning_rate)),
        dense_optimizer=choice.make(rate(config.learning_rate * choice.dense_share)),
        class_counts=counts,
        table_dtype=config.table_dtype,
        seed=config.seed,
    )
