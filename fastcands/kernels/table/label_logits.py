"""Logits of the true classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange

__all__ = ["dot", "label_logits"]


@kernel(fastmath=frozenset({"reassoc", "contract"}))
def dot(x: Any, i: int, y: Any, j: int, width: int) -> Any:
    """Return the sum of the products of two rows. LLVM may use several partial sums; their order is fixed.

    IN
        x, y : (rows, at least width); passed with row numbers, because a view of a row would count references
        i, j : which rows
        width : at least 1
    """
    total = x[i, 0] * y[j, 0]
    for d in range(1, width):
        total += x[i, d] * y[j, d]
    return total


@parallel_kernel
def label_logits(inputs: Any, label_weights: Any, offsets: Any, logits: Any, num_threads: int) -> None:
    """``logits[i, t] = inputs[i] @ label_weights[i T + t] + offsets[i, t]``; parallel over i.

    IN
        inputs : (B, D)
        label_weights : (B T, at least D)
        offsets : (B, T)
        num_threads : int
    OUT
        logits : (B, T)
    """
    examples, num_true = logits.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        for i in range(worker * examples // num_threads, (worker + 1) * examples // num_threads):
            for t in range(num_true):
                product = dot(inputs, i, label_weights, i * num_true + t, inputs.shape[1])
                logits[i, t] = product + offsets[i, t]
