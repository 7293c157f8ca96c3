"""Unique draws of bounded cost: when drawing and rejecting takes too long, the rest is decided by a race.

The random numbers for it come from a stream beside the sampler's own, keyed by the last block of what a call has
reserved: the calls after it draw what they would have drawn.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import Distribution
from fastcands.kernels.sampling.exponential_race import arrival_times, fill_uniform
from fastcands.kernels.sampling.philox import fill_pairs
from fastcands.threads import get_num_threads

__all__ = ["Finish", "arrival_time_of_try", "max_tries", "run_race", "side_stream"]

_MANY_TRIES = 2**24
_GAMMA_BLOCK = 2**60  # random numbers for classes and tries come before


class Finish(NamedTuple):
    """The classes of a race in the order of arrival, the tries they would have taken, and when the last one came."""

    ids: NDArray[np.int64]
    num_tries: int
    time: float


def max_tries(num_sampled: int, num_classes: int) -> int:
    """Return after how many tries of drawing and rejecting a unique draw is finished by a race.

    Eight tries a class cost about as much as a race. Up to half the classes, and with ten classes or fewer, draws are
    to be those of TensorFlow's op, which races never: the number is one that only extreme weights reach.

    Parameters
    ----------
    num_sampled : int
        Candidates wanted.
    num_classes : int
        All classes.

    Returns
    -------
    int
        ``max(2**24, 64 * num_classes)`` if ``num_sampled <= num_classes / 2`` or ``num_classes <= 10``, else
        ``8 * num_classes``.
    """
    if 2 * num_sampled <= num_classes or num_classes <= 10:
        return max(_MANY_TRIES, 64 * num_classes)
    return 8 * num_classes


def side_stream(stream: NDArray[np.uint64], word: int) -> NDArray[np.uint64]:
    """Return a stream keyed by a block of another one.

    Parameters
    ----------
    stream : uint64 array, shape (4,)
        As for `kernels.sampling.philox.fill_pairs`.
    word : int
        Index of the first word after the block.

    Returns
    -------
    uint64 array, shape (4,)
        Key words and upper counter words.
    """
    pairs = np.empty(2, np.uint64)
    fill_pairs(stream, word // 4 - 1, pairs)
    return pairs.view(np.uint32).astype(np.uint64)


def _uniform(stream: NDArray[np.uint64], block: int, n: int) -> NDArray[np.float64]:
    out = np.empty(n)
    fill_uniform(stream, block, np.empty(n + n % 2, np.uint64), out)
    return out


def run_race(distribution: Distribution, side: NDArray[np.uint64], seen: NDArray[np.int64], num_sampled: int) -> Finish:
    """Return the next distinct classes after some that have been seen.

    Time and memory O(num_classes).

    Parameters
    ----------
    distribution : Distribution
        What is drawn from.
    side : uint64 array, shape (4,)
        From `side_stream`.
    seen : int64 array, shape (n,)
        Distinct classes that cannot come any more.
    num_sampled : int
        How many to return; so many of positive probability are left.

    Returns
    -------
    Finish
        The number of tries has its own randomness: how often the classes seen before would have come in between.
    """
    num_classes = distribution.num_classes
    left = distribution.probability(np.arange(num_classes))
    left[seen] = 0.0
    times = np.empty(num_classes)
    threads = get_num_threads()
    arrival_times(side, left, np.empty((threads, 4096), np.uint64), times, threads)
    first = (
        np.argpartition(times, num_sampled - 1)[:num_sampled] if num_sampled < num_classes else np.arange(num_classes)
    )
    ids = first[np.argsort(times[first], kind="stable")]
    mass = left[ids]
    left[ids] = 0.0
    # before each arrival, the probability that a try brings anything new; summed from the small end
    new = np.cumsum(mass[::-1])[::-1] + left.sum()
    u = _uniform(side, num_classes, num_sampled)
    with np.errstate(divide="ignore"):  # certain to be new: log1p(-1) = -inf, no try in between
        misses = np.floor(np.log(u) / np.log1p(-np.minimum(new, 1.0)))
    return Finish(ids, num_sampled + int(misses.sum()), float(times[ids[-1]]))


def arrival_time_of_try(side: NDArray[np.uint64], num_tries: int) -> float:
    """Return a random time at which try number `num_tries` comes, if tries come at rate 1: a gamma variate.

    Parameters
    ----------
    side : uint64 array, shape (4,)
        From `side_stream`.
    num_tries : int
        At least 1.

    Returns
    -------
    float
        Of mean and variance `num_tries`.

    References
    ----------
    Marsaglia, Tsang 2000, "A simple method for generating gamma variables".
    """
    d = num_tries - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    block = _GAMMA_BLOCK
    while True:
        a, b, u, _ = _uniform(side, block, 4).tolist()
        x = math.sqrt(-2.0 * math.log(a)) * math.cos(2.0 * math.pi * b)
        v = (1.0 + c * x) ** 3
        if v > 0.0 and math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v
        block += 2
