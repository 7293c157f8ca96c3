"""Embeddings of words as inputs of a layer that sees two of them, and the gradient of the embeddings.

Gather, scale, dropout and the two places of each word are one pass: apart they are four, each as long as this one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import by_type, kernel, parallel_kernel, prange
from fastcands.kernels.recurrence.dropout import COUNTER_STEP, is_kept, row_words
from fastcands.simd.memory import as_float32, float32_at, float64_at, prefetch, uint16_at

__all__ = ["gather_pairs", "pair_gradients"]

_READ_AHEAD = 8
"""How many rows ahead is prefetched: scattered rows wait for memory."""


@by_type
def _number_at(like: Any, where: int, index: int) -> Any:
    """Return number `index` of a row; a uint16 is bfloat16.

    IN
        like : float32, float64 or uint16, of the type of the row's numbers
        where : address of the row
        index : in [0, E)
    """
    raise TypeError


@_number_at.register(np.float32)
def _float32(like: Any, where: int, index: int) -> Any:
    return float32_at(where, index)


@_number_at.register(np.float64)
def _float64(like: Any, where: int, index: int) -> Any:
    return float64_at(where, index)


@_number_at.register(np.uint16)
def _bfloat16(like: Any, where: int, index: int) -> Any:
    return as_float32(np.uint32(np.uint32(uint16_at(where, index)) << np.uint32(16)))


@kernel
def _gather_row(like: Any, where: int, scale: Any, mask: Any, row: int, target: Any) -> None:
    """``target = row of the table * scale * mask``.

    IN
        like : float32, float64 or uint16
        where : address of the table's row
        scale : of the dtype of target
        mask : DropoutMask
        row : of the mask
    OUT
        target : (E,) float32 or float64
    """
    if mask.threshold == 0:
        for d in range(len(target)):
            target[d] = scale * _number_at(like, where, d)
        return
    counter, salt = row_words(mask, row)
    threshold, zero = mask.threshold, target.dtype.type(0)
    scale = target.dtype.type(scale * target.dtype.type(mask.scale))
    for d in range(len(target)):
        value = scale * _number_at(like, where, d)
        target[d] = value if is_kept(counter, salt, threshold) else zero
        counter = np.uint32(counter + COUNTER_STEP)


@parallel_kernel
def gather_pairs(
    like: Any, table: int, row_bytes: int, words: Any, starts: Any, scale: Any, mask: Any, width: int, inputs: Any,
    num_threads: int,
) -> None:  # fmt: skip
    """``inputs[t B + b] = x[t, b] | x[t + 1, b] | …`` with ``x = table[words] * scale * mask``.

    The first half is zero where a document starts. Parallel over the words.

    IN
        like : float32, float64 or uint16 (bfloat16), of the type of the table's numbers
        table : address of a (V, E) table whose rows are contiguous
        row_bytes : from row to row
        words : (T + 1, B) int64, each in [0, V)
        starts : (T, B) bool
        scale : of the dtype of inputs
        mask : DropoutMask of x, whose row t B + b is that of (t, b)
        width : E
        num_threads : int
    OUT
        inputs : (T B, at least 2 E) float32 or float64; columns from 2 E on stay
    """
    length, num_rows = starts.shape
    total = (length + 1) * num_rows
    flat_words, flat_starts = words.reshape(-1), starts.reshape(-1)
    for index in prange(num_threads):
        worker = np.int64(index)
        last = (worker + 1) * total // num_threads
        for i in range(worker * total // num_threads, last):
            ahead = table + flat_words[min(i + _READ_AHEAD, last - 1)] * row_bytes
            for offset in range(0, width * 4, 64):
                prefetch(ahead + offset)
            where, newest = table + flat_words[i] * row_bytes, i - num_rows
            if newest >= 0:
                _gather_row(like, where, scale, mask, i, inputs[newest, width : 2 * width])
            if newest + num_rows < length * num_rows:
                before = inputs[i, :width]
                if flat_starts[i]:
                    before[:] = 0
                elif newest >= 0:
                    own = inputs[newest, width : 2 * width]
                    for d in range(width):
                        before[d] = own[d]
                else:
                    _gather_row(like, where, scale, mask, i, before)


@parallel_kernel
def pair_gradients(
    d_inputs: Any, d_outputs: Any, starts: Any, scale: Any, mask: Any, d_rows: Any, num_threads: int
) -> None:
    """Gradient of each table row that `gather_pairs` read, from all its uses: as second, as first, and in the skip.

    Parallel over the words; one worker computes each sum, in this order.

    IN
        d_inputs : (T B, 2 E) float32 or float64
        d_outputs : (T B, at least E) of the same dtype; the first E columns are added to the second half
        starts, scale, mask : as in `gather_pairs`
        num_threads : int
    OUT
        d_rows : ((T + 1) B, E) of the same dtype; zero for a word at t = 0 before a document's start
    """
    length, num_rows = starts.shape
    total, width = d_rows.shape
    flat_starts = starts.reshape(-1)
    factor, zero = d_rows.dtype.type(scale), d_rows.dtype.type(0)
    if mask.threshold:
        factor = d_rows.dtype.type(factor * d_rows.dtype.type(mask.scale))
    for index in prange(num_threads):
        worker = np.int64(index)
        for i in range(worker * total // num_threads, (worker + 1) * total // num_threads):
            newest, target = i - num_rows, d_rows[i]
            if newest >= 0:
                second, skip = d_inputs[newest, width:], d_outputs[newest]
                for d in range(width):
                    target[d] = second[d] + skip[d]
            else:
                target[:] = 0
            if i < length * num_rows and not flat_starts[i]:
                first = d_inputs[i]
                for d in range(width):
                    target[d] += first[d]
            if mask.threshold:
                counter, salt = row_words(mask, i)
                for d in range(width):
                    value = factor * target[d]
                    target[d] = value if is_kept(counter, salt, mask.threshold) else zero
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                for d in range(width):
                    target[d] *= factor
