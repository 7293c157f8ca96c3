"""Adam on the rows a gradient names, in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.optimizers.stochastic_rounding import COUNTER_STEP, from_bfloat16, row_words, to_bfloat16
from fastcands.kernels.optimizers.update_rows import AT_MOST, READ_AHEAD, ask_for, clip_factor
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.vector import address

__all__ = ["adam_rows"]


@kernel
def _adam(
    weight: Any, mean: Any, square: Any, gradient: Any, lr: Any, keep1: Any, new1: Any, keep2: Any, new2: Any,
    correction: Any, epsilon: Any, shrink: Any,
) -> Any:  # fmt: skip
    """Return one number and its two moments after the step."""
    m = keep1 * mean + new1 * gradient
    v = keep2 * square + new2 * (gradient * gradient)
    return shrink * weight - lr * m / (correction * math.sqrt(v) + epsilon), m, v


@parallel_kernel
def adam_rows(
    table: Any, bits: Any, first_moment: Any, second_moment: Any, last_step: Any, ids: Any, places: Any, rows: Any,
    lr: Any, beta1: float, beta2: float, correction: Any, epsilon: Any, shrink: Any, clip_norm: float, seed: Any,
    step: int, num_threads: int,
) -> None:  # fmt: skip
    """Descend by Adam, from moments that fall only when a row has a gradient.

    ``m[ids] = beta1**(1 + missed) * m[ids] + (1 - beta1) * g; v[ids] = beta2**(1 + missed) * v[ids] + (1 - beta2) *
    g**2``, then ``table[ids] = shrink * table[ids] - lr * m[ids] / (correction * sqrt(v[ids]) + epsilon)`` with
    ``g = factor * rows``. `missed` counts the steps since the row's last one, where these are kept; else it is 0.

    Parallel over equal shares of the rows.

    IN
        ids : (U,) int64, which the random bits depend on
        places : (U,) int64, each once, the row of every array, in [0, V)
        rows : (U, D) float32 or float64, C-contiguous
        lr : scalar of the dtype of rows, the learning rate over 1 - beta1**t
        beta1, beta2 : float64 in [0, 1)
        correction : scalar of the dtype of rows, 1 / sqrt(1 - beta2**t)
        epsilon, shrink : scalars of the dtype of rows
        clip_norm : float64; infinity for no limit
        seed : uint64, for the rounding of bfloat16
        step : int64
        num_threads : int
    IN, OUT
        table : (V, D) of the dtype of rows, C-contiguous; empty where the table is bfloat16
        bits : (V, D) uint16, C-contiguous, a bfloat16 table; empty where it is not
        first_moment, second_moment : (V, D) of the dtype of rows, C-contiguous
        last_step : (V,) int64, -1 where a row has had none; empty where moments stand still between steps
    """
    num_ids, width = rows.shape
    kind = rows.dtype.type
    span = min(AT_MOST, width * rows.itemsize)
    half, limited = bits.shape[0] > 0, clip_norm < np.inf
    catch_up = last_step.shape[0] > 0
    new1, new2 = kind(1 - beta1), kind(1 - beta2)
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        last = (worker + 1) * num_ids // num_threads
        for u in range(worker * num_ids // num_threads, last):
            row, ahead = places[u], places[min(u + READ_AHEAD, last - 1)]
            ask_for(address(first_moment, ahead * width), span)
            ask_for(address(second_moment, ahead * width), span)
            start = address(rows, u * width)
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm)) if limited else kind(1)
            keep1, keep2 = kind(beta1), kind(beta2)
            if catch_up:
                elapsed = np.float64(step - last_step[row])
                keep1, keep2 = kind(beta1**elapsed), kind(beta2**elapsed)
                last_step[row] = step
            if half:
                ask_for(address(bits, ahead * width), span // 2)
                counter, salt = row_words(seed, step, ids[u])
                for d in range(width):
                    w, first_moment[row, d], second_moment[row, d] = _adam(
                        from_bfloat16(bits[row, d]), first_moment[row, d], second_moment[row, d], factor * rows[u, d],
                        lr, keep1, new1, keep2, new2, correction, epsilon, shrink,
                    )  # fmt: skip
                    bits[row, d] = to_bfloat16(w, counter, salt)
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                ask_for(address(table, ahead * width), span)
                for d in range(width):
                    table[row, d], first_moment[row, d], second_moment[row, d] = _adam(
                        table[row, d], first_moment[row, d], second_moment[row, d], factor * rows[u, d],
                        lr, keep1, new1, keep2, new2, correction, epsilon, shrink,
                    )  # fmt: skip
        restore_denormals(mode)
