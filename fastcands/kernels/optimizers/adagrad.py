"""Adagrad on the rows a gradient names, in place: a sum of squares for each number, or one for each row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.optimizers.stochastic_rounding import COUNTER_STEP, from_bfloat16, row_words, to_bfloat16
from fastcands.kernels.optimizers.update_rows import AT_MOST, READ_AHEAD, ask_for, clip_factor, square_sum
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.memory import float32_at, float64_at, uint16_at
from fastcands.simd.vector import address

__all__ = ["adagrad_rows", "rowwise_adagrad_rows"]


@kernel
def _adagrad(weight: Any, accumulator: Any, gradient: Any, lr: Any, epsilon: Any, weight_decay: Any) -> Any:
    """Return one number and its accumulator after the step."""
    g = gradient + weight_decay * weight
    total = accumulator + g * g
    return weight - lr * g / (math.sqrt(total) + epsilon), total


@parallel_kernel
def adagrad_rows(
    table: Any, bits: Any, accumulator: Any, ids: Any, places: Any, rows: Any, lr: Any, epsilon: Any, weight_decay: Any,
    clip_norm: float, seed: Any, step: int, num_threads: int,
) -> None:  # fmt: skip
    """Descend by Adagrad: ``a[ids] += g**2; table[ids] -= lr * g / (sqrt(a[ids]) + epsilon)``.

    ``g = factor * rows + weight_decay * table[ids]``. Parallel over equal shares of the rows.

    IN
        ids : (U,) int64, which the random bits depend on
        places : (U,) int64, each once, the row of every array, in [0, V)
        rows : (U, D) float32 or float64, C-contiguous
        lr, epsilon, weight_decay : scalars of the dtype of rows
        clip_norm : float64; infinity for no limit
        seed : uint64, and
        step : int64, for the rounding of bfloat16
        num_threads : int
    IN, OUT
        table : (V, D) of the dtype of rows, C-contiguous; empty where the table is bfloat16
        bits : (V, D) uint16, C-contiguous, a bfloat16 table; empty where it is not
        accumulator : (V, D) of the dtype of rows, C-contiguous
    """
    num_ids, width = rows.shape
    kind = rows.dtype.type
    span = min(AT_MOST, width * rows.itemsize)
    half, limited = bits.shape[0] > 0, clip_norm < np.inf
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        last = (worker + 1) * num_ids // num_threads
        for u in range(worker * num_ids // num_threads, last):
            row, ahead = places[u], places[min(u + READ_AHEAD, last - 1)]
            ask_for(address(accumulator, ahead * width), span)
            start = address(rows, u * width)
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm)) if limited else kind(1)
            if half:
                ask_for(address(bits, ahead * width), span // 2)
                counter, salt = row_words(seed, step, ids[u])
                for d in range(width):
                    w, accumulator[row, d] = _adagrad(
                        from_bfloat16(bits[row, d]), accumulator[row, d], factor * rows[u, d], lr, epsilon, weight_decay
                    )
                    bits[row, d] = to_bfloat16(w, counter, salt)
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                ask_for(address(table, ahead * width), span)
                for d in range(width):
                    table[row, d], accumulator[row, d] = _adagrad(
                        table[row, d], accumulator[row, d], factor * rows[u, d], lr, epsilon, weight_decay
                    )
        restore_denormals(mode)


@kernel(fastmath=frozenset({"reassoc", "contract"}))
def _decayed_square_sum(
    gradient: int, weight: int, width: int, storage: int, factor: float, weight_decay: float
) -> float:
    """Return the sum of squares of ``factor * gradient + weight_decay * weight``, in float64.

    `gradient` and `weight` are addresses, `storage` the bytes of a weight: the gradient is float64 where that is 8.
    """
    total = 0.0
    if storage == 8:
        for d in range(width):
            g = factor * float64_at(gradient, d) + weight_decay * float64_at(weight, d)
            total += g * g
    elif storage == 4:
        for d in range(width):
            w = np.float64(float32_at(weight, d))
            g = factor * np.float64(float32_at(gradient, d)) + weight_decay * w
            total += g * g
    else:
        for d in range(width):
            w = np.float64(from_bfloat16(uint16_at(weight, d)))
            g = factor * np.float64(float32_at(gradient, d)) + weight_decay * w
            total += g * g
    return total


@parallel_kernel
def rowwise_adagrad_rows(
    table: Any, bits: Any, accumulator: Any, ids: Any, places: Any, rows: Any, lr: Any, epsilon: Any, weight_decay: Any,
    clip_norm: float, seed: Any, step: int, num_threads: int,
) -> None:  # fmt: skip
    """Descend by Adagrad with one rate a row.

    ``a[ids] += mean(g**2, axis=1); table[ids] -= (lr / (sqrt(a[ids]) + epsilon))[:, None] * g`` with
    ``g = factor * rows + weight_decay * table[ids]``. Parallel over equal shares of the rows. The second pass over a
    row finds it in the first-level cache.

    IN
        ids : (U,) int64, which the random bits depend on
        places : (U,) int64, each once, the row of every array, in [0, V)
        rows : (U, D) float32 or float64, C-contiguous
        lr, epsilon, weight_decay : scalars of the dtype of rows
        clip_norm : float64; infinity for no limit
        seed : uint64, and
        step : int64, for the rounding of bfloat16
        num_threads : int
    IN, OUT
        table : (V, D) of the dtype of rows, C-contiguous; empty where the table is bfloat16
        bits : (V, D) uint16, C-contiguous, a bfloat16 table; empty where it is not
        accumulator : (V,) of the dtype of rows
    """
    num_ids, width = rows.shape
    kind = rows.dtype.type
    span = min(AT_MOST, width * rows.itemsize)
    half, limited = bits.shape[0] > 0, clip_norm < np.inf
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        last = (worker + 1) * num_ids // num_threads
        for u in range(worker * num_ids // num_threads, last):
            row, ahead = places[u], places[min(u + READ_AHEAD, last - 1)]
            ask_for(address(accumulator, ahead), 1)
            start = address(rows, u * width)
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm)) if limited else kind(1)
            if weight_decay == 0 and factor == 1:
                square = square_sum(start, width, rows.itemsize)
            else:
                weights = address(bits, row * width) if half else address(table, row * width)
                storage = bits.itemsize if half else table.itemsize
                square = _decayed_square_sum(start, weights, width, storage, np.float64(factor), weight_decay)
            total = kind(np.float64(accumulator[row]) + square / width)
            accumulator[row] = total
            rate = lr / (kind(math.sqrt(total)) + epsilon)
            if half:
                ask_for(address(bits, ahead * width), span // 2)
                counter, salt = row_words(seed, step, ids[u])
                for d in range(width):
                    w = from_bfloat16(bits[row, d])
                    w -= rate * (factor * rows[u, d] + weight_decay * w)
                    bits[row, d] = to_bfloat16(w, counter, salt)
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                ask_for(address(table, ahead * width), span)
                for d in range(width):
                    w = table[row, d]
                    table[row, d] = w - rate * (factor * rows[u, d] + weight_decay * w)
        restore_denormals(mode)
