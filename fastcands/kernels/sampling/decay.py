"""Counts made smaller by a factor, rounded at random so that they are right on average."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["decay_counts"]

_SLICE = 4096
_UNIT = 2.0**-53
_DROP = np.uint64(11)


@parallel_kernel
def decay_counts(stream: Any, block: int, factor: float, counts: Any, pairs: Any, num_threads: int) -> None:
    """Multiply what each count has above 1 by a factor: ``1 + floor((count - 1) * factor + u)``, u random in [0, 1).

    Parallel over threads, each with every num_threads-th slice; the random number of a class does not depend on them.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        block : int64, where the stream is; class k uses word pair k from there on
        factor : float64, from 0 to 1
        num_threads : int64
    OUT
        counts : (n,) int64, changed in place
    SCRATCH
        pairs : (num_threads, 4096) uint64
    """
    n = len(counts)
    slices = (n + _SLICE - 1) // _SLICE
    for worker in prange(num_threads):
        for s in range(worker, slices, num_threads):
            start = s * _SLICE
            stop = min(start + _SLICE, n)
            fill_pairs(stream, block + start // 2, pairs[worker])
            for i in range(start, stop):
                kept = np.float64(counts[i] - 1) * factor
                whole = np.int64(kept)
                u = np.float64(pairs[worker, i - start] >> _DROP) * _UNIT
                counts[i] = 1 + whole + (u < kept - np.float64(whole))
