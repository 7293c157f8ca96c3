"""Gradient descent and momentum on the rows a gradient names, in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.optimizers.stochastic_rounding import COUNTER_STEP, from_bfloat16, row_words, to_bfloat16
from fastcands.kernels.optimizers.update_rows import AT_MOST, READ_AHEAD, ask_for, clip_factor
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.vector import address

__all__ = ["momentum_rows", "sgd_rows"]


@kernel
def _sgd(weight: Any, gradient: Any, lr: Any, weight_decay: Any) -> Any:
    """Return one number after the step."""
    return weight - lr * (gradient + weight_decay * weight)


@parallel_kernel
def sgd_rows(
    table: Any, bits: Any, ids: Any, places: Any, rows: Any, lr: Any, weight_decay: Any, clip_norm: float,
    seed: Any, step: int, num_threads: int,
) -> None:  # fmt: skip
    """Descend: ``table[ids] -= lr * (factor * rows + weight_decay * table[ids])``.

    Parallel over equal shares of the rows. `factor` is 1, or what takes a row to the norm `clip_norm`.

    IN
        ids : (U,) int64, which the random bits depend on
        places : (U,) int64, each once, the row of every array, in [0, V)
        rows : (U, D) float32 or float64, C-contiguous
        lr, weight_decay : scalars of the dtype of rows
        clip_norm : float64; infinity for no limit
        seed : uint64, and
        step : int64, for the rounding of bfloat16
        num_threads : int
    IN, OUT
        table : (V, D) of the dtype of rows, C-contiguous; empty where the table is bfloat16
        bits : (V, D) uint16, C-contiguous, a bfloat16 table; empty where it is not
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
            start = address(rows, u * width)
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm)) if limited else kind(1)
            if half:
                ask_for(address(bits, ahead * width), span // 2)
                counter, salt = row_words(seed, step, ids[u])
                for d in range(width):
                    w = _sgd(from_bfloat16(bits[row, d]), factor * rows[u, d], lr, weight_decay)
                    bits[row, d] = to_bfloat16(w, counter, salt)
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                ask_for(address(table, ahead * width), span)
                for d in range(width):
                    table[row, d] = _sgd(table[row, d], factor * rows[u, d], lr, weight_decay)
        restore_denormals(mode)


@kernel
def _momentum(
    weight: Any, velocity: Any, gradient: Any, lr: Any, keep: Any, own: Any, share: Any, weight_decay: Any
) -> Any:
    """Return one number and its velocity after the step."""
    g = gradient + weight_decay * weight
    v = keep * velocity + g
    return weight - lr * (own * g + share * v), v


@parallel_kernel
def momentum_rows(
    table: Any, bits: Any, velocity: Any, last_step: Any, ids: Any, places: Any, rows: Any, lr: Any, momentum: float,
    nesterov: bool, weight_decay: Any, clip_norm: float, seed: Any, step: int, num_threads: int,
) -> None:  # fmt: skip
    """Descend along a velocity.

    ``g = factor * rows + weight_decay * table[ids]; v[ids] = momentum**(1 + missed) * v[ids] + g``, then
    ``table[ids] -= lr * v[ids]``, or ``lr * (g + momentum * v[ids])`` by Nesterov. `missed` counts the steps since the
    row's last one, where these are kept; else it is 0.

    Parallel over equal shares of the rows.

    IN
        ids : (U,) int64, which the random bits depend on
        places : (U,) int64, each once, the row of every array, in [0, V)
        rows : (U, D) float32 or float64, C-contiguous
        lr, weight_decay : scalars of the dtype of rows
        momentum : float64 in [0, 1)
        nesterov : bool
        clip_norm : float64; infinity for no limit
        seed : uint64, for the rounding of bfloat16
        step : int64
        num_threads : int
    IN, OUT
        table : (V, D) of the dtype of rows, C-contiguous; empty where the table is bfloat16
        bits : (V, D) uint16, C-contiguous, a bfloat16 table; empty where it is not
        velocity : (V, D) of the dtype of rows, C-contiguous
        last_step : (V,) int64, -1 where a row has had none; empty where moments stand still between steps
    """
    num_ids, width = rows.shape
    kind = rows.dtype.type
    span = min(AT_MOST, width * rows.itemsize)
    half, limited = bits.shape[0] > 0, clip_norm < np.inf
    catch_up = last_step.shape[0] > 0
    own, share = (kind(1), kind(momentum)) if nesterov else (kind(0), kind(1))
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        last = (worker + 1) * num_ids // num_threads
        for u in range(worker * num_ids // num_threads, last):
            row, ahead = places[u], places[min(u + READ_AHEAD, last - 1)]
            ask_for(address(velocity, ahead * width), span)
            start = address(rows, u * width)
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm)) if limited else kind(1)
            keep = kind(momentum)
            if catch_up:
                keep = kind(momentum ** np.float64(step - last_step[row]))
                last_step[row] = step
            if half:
                ask_for(address(bits, ahead * width), span // 2)
                counter, salt = row_words(seed, step, ids[u])
                for d in range(width):
                    w, velocity[row, d] = _momentum(
                        from_bfloat16(bits[row, d]),
                        velocity[row, d],
                        factor * rows[u, d],
                        lr,
                        keep,
                        own,
                        share,
                        weight_decay,
                    )
                    bits[row, d] = to_bfloat16(w, counter, salt)
                    counter = np.uint32(counter + COUNTER_STEP)
            else:
                ask_for(address(table, ahead * width), span)
                for d in range(width):
                    table[row, d], velocity[row, d] = _momentum(
                        table[row, d], velocity[row, d], factor * rows[u, d], lr, keep, own, share, weight_decay
                    )
        restore_denormals(mode)
