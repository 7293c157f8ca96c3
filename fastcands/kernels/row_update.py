"""Optimizer steps on the rows a gradient names, in place.

Every id comes once, so a row belongs to one worker and no sum crosses rows: the bits do not depend on the
threads. The inner loops hold no branch: over C-contiguous arrays LLVM turns them into vector code, square
root and division included, so that memory sets the pace. Tables of other strides are updated by scalar code.
"""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import parallel_kernel, prange

__all__ = ["adagrad_rows", "sgd_rows"]


@parallel_kernel
def sgd_rows(table: Any, ids: Any, rows: Any, lr: Any, num_threads: int) -> None:
    """Descend: ``table[ids] -= lr * rows``.

    Parallel over equal shares of the rows. The dtype of the arithmetic is the table's.

    IN
        ids : (U,) int64, rising, each in [0, V)
        rows : (U, D) of the dtype of table, C-contiguous
        lr : scalar of the dtype of table
        num_threads : int
    IN, OUT
        table : (V, D) float32 or float64, changed in place
    """
    num_ids = len(ids)
    width = rows.shape[1]
    for worker in prange(num_threads):
        for u in range(worker * num_ids // num_threads, (worker + 1) * num_ids // num_threads):
            weight = table[ids[u]]
            gradient = rows[u]
            for d in range(width):
                weight[d] -= lr * gradient[d]


@parallel_kernel
def adagrad_rows(table: Any, accumulator: Any, ids: Any, rows: Any, lr: Any, epsilon: Any, num_threads: int) -> None:
    """Descend by Adagrad: ``a[ids] += rows**2; table[ids] -= lr * rows / (sqrt(a[ids]) + epsilon)``.

    Parallel over equal shares of the rows. The dtype of the arithmetic is the table's.

    IN
        ids : (U,) int64, rising, each in [0, V)
        rows : (U, D) of the dtype of table, C-contiguous
        lr, epsilon : scalars of the dtype of table
        num_threads : int
    IN, OUT
        table : (V, D) float32 or float64, changed in place
        accumulator : (V, D) of the dtype of table, changed in place
    """
    num_ids = len(ids)
    width = rows.shape[1]
    for worker in prange(num_threads):
        for u in range(worker * num_ids // num_threads, (worker + 1) * num_ids // num_threads):
            weight = table[ids[u]]
            square = accumulator[ids[u]]
            gradient = rows[u]
            for d in range(width):
                g = gradient[d]
                total = square[d] + g * g
                square[d] = total
                weight[d] -= lr * g / (math.sqrt(total) + epsilon)
