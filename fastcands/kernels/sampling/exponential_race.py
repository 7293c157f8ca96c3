"""The exponential race: arrival times of classes, which in rising order are a unique draw.

A class of probability p arrives after an exponentially distributed time of rate p. The order of arrivals has the
distribution of the first occurrences among independent draws, at a cost that does not depend on how rare the last
classes are.

References: Efraimidis, Spirakis 2006, "Weighted random sampling with a reservoir"; Yellott 1977, "The relationship
between Luce's choice axiom, Thurstone's theory, and the double exponential distribution".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["arrival_times", "fill_uniform"]

_SLICE = 4096
_UNIT = 2.0**-53
_DROP = np.uint64(11)
_ONE = np.uint64(1)


@kernel
def fill_uniform(stream: Any, block: int, pairs: Any, out: Any) -> None:
    """Write random numbers in (0, 1], a word pair each.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        block : int64, the first block to use
    OUT
        out : (n,) float64
    SCRATCH
        pairs : (n or n + 1,) uint64, even
    """
    fill_pairs(stream, block, pairs)
    for i in range(len(out)):
        out[i] = np.float64((pairs[i] >> _DROP) + _ONE) * _UNIT


@parallel_kernel
def arrival_times(stream: Any, probabilities: Any, pairs: Any, out: Any, num_threads: int) -> None:
    """Write an exponentially distributed time for each class, infinite where the probability is 0.

    Parallel over threads, each with every num_threads-th slice; the time of a class does not depend on them.

    IN
        stream : (4,) uint64, as for philox.fill_pairs; class k uses word pair k
        probabilities : (n,) float64
        num_threads : int64
    OUT
        out : (n,) float64
    SCRATCH
        pairs : (num_threads, 4096) uint64
    """
    n = len(out)
    slices = (n + _SLICE - 1) // _SLICE
    for worker in prange(num_threads):
        for s in range(worker, slices, num_threads):
            start = s * _SLICE
            stop = min(start + _SLICE, n)
            fill_uniform(stream, start // 2, pairs[worker], out[start:stop])
            for i in range(start, stop):
                p = probabilities[i]
                out[i] = -math.log(out[i]) / p if p > 0.0 else np.inf
