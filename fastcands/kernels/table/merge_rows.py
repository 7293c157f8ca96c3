"""Sums of rows that belong to the same id."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange

__all__ = ["merge_rows"]


@parallel_kernel
def merge_rows(rows: Any, order: Any, starts: Any, merged: Any, num_threads: int) -> None:
    """Sum runs of rows: ``merged[u] = rows[order[starts[u]:starts[u + 1]]].sum(axis=0)``.

    Parallel over the runs. One thread sums each run, in the order of `order`, so the bits do not depend on the number
    of threads.

    IN
        rows : (N, D) float32 or float64
        order : (N,) int64, a permutation
        starts : (U + 1,) int64, rising, ``starts[U] == N``
        num_threads : int
    OUT
        merged : (U, D) of the dtype of rows
    """
    num_runs = merged.shape[0]
    width = merged.shape[1]
    for index in prange(num_threads):
        worker = np.int64(index)
        for u in range(worker * num_runs // num_threads, (worker + 1) * num_runs // num_threads):
            target = merged[u]
            source = rows[order[starts[u]]]
            for d in range(width):
                target[d] = source[d]
            for i in range(starts[u] + 1, starts[u + 1]):
                source = rows[order[i]]
                for d in range(width):
                    target[d] += source[d]
