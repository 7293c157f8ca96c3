"""Weighted sums of a table's rows, a bag of rows for each example, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.simd.memory import prefetch

__all__ = ["bag_gradients", "sum_bags"]

_READ_AHEAD = 8
"""How many rows ahead is prefetched: a sum of scattered rows waits for memory."""


@parallel_kernel
def sum_bags(table: Any, address: int, starts: Any, ids: Any, values: Any, sums: Any, num_threads: int) -> None:
    """``sums[i] = sum(values[j] * table[ids[j]] for j in range(starts[i], starts[i + 1]))``.

    Parallel over equal shares of the examples; one thread computes each sum, in the order of the bag. The inner loop
    has no branch and becomes vector code.

    IN
        table : (F, D) float32 or float64, C-contiguous
        address : int64, where the table starts in memory
        starts : (B + 1,) int64, rising
        ids : (N,) int32, each in [0, F)
        values : (N,) of the dtype of table
        num_threads : int
    OUT
        sums : (B, D) of the dtype of table
    """
    num_rows, width = sums.shape
    row_bytes = width * table.itemsize
    for index in prange(num_threads):
        worker = np.int64(index)
        first = worker * num_rows // num_threads
        last = (worker + 1) * num_rows // num_threads
        end = starts[last]
        for i in range(first, last):
            target = sums[i]
            for d in range(width):
                target[d] = 0
            for j in range(starts[i], starts[i + 1]):
                ahead = j + _READ_AHEAD
                if ahead < end:
                    where = address + np.int64(ids[ahead]) * row_bytes
                    for offset in range(0, row_bytes, 64):
                        prefetch(where + offset)
                value = values[j]
                row = table[ids[j]]
                for d in range(width):
                    target[d] += value * row[d]


@parallel_kernel
def bag_gradients(
    d_sums: Any, rows: Any, values: Any, order: Any, starts: Any, gradients: Any, num_threads: int
) -> None:
    """``gradients[u] = sum(values[j] * d_sums[rows[j]] for j in order[starts[u]:starts[u + 1]])``.

    The backward pass of `sum_bags`, with the entries of all bags sorted by id. Parallel over shares with about equally
    many entries, so that no thread is left with much more work than the others when a feature is in every example. One
    thread computes each sum, in the order of `order`.

    IN
        d_sums : (B, D) float32 or float64
        rows : (N,) int64, the example of each entry
        values : (N,) of the dtype of d_sums
        order : (N,) int64, a permutation
        starts : (U + 1,) int64, rising, ``starts[U] == N``
        num_threads : int
    OUT
        gradients : (U, D) of the dtype of d_sums
    """
    num_ids, width = gradients.shape
    num_entries = len(order)
    for index in prange(num_threads):
        worker = np.int64(index)
        first = np.searchsorted(starts[:num_ids], worker * num_entries // num_threads)
        last = np.searchsorted(starts[:num_ids], (worker + 1) * num_entries // num_threads)
        for u in range(first, last):
            target = gradients[u]
            for d in range(width):
                target[d] = 0
            for i in range(starts[u], starts[u + 1]):
                value = values[order[i]]
                source = d_sums[rows[order[i]]]
                for d in range(width):
                    target[d] += value * source[d]
