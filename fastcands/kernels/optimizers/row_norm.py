"""Sums of squares of a row's gradient, and the factor that clips it.

Sums are in float64, which no float32 row can overflow. The compiler chooses their order, which depends only on the
length of the row, not on the threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.optimizers.stochastic_rounding import from_bfloat16
from fastcands.simd.memory import float32_at, float64_at, uint16_at

__all__ = ["clip_factor", "mean_square", "square_sum"]

_DOWN = 2.0**-520
"""Scales every float64 so that its square is finite."""


@kernel(fastmath=frozenset({"reassoc", "contract"}))
def square_sum(start: int, width: int, itemsize: int) -> float:
    """Return the sum of squares of a row, in float64.

    IN
        start : address of the first number
        width : how many there are
        itemsize : 4 for float32, 8 for float64
    """
    total = 0.0
    if itemsize == 4:
        for d in range(width):
            x = np.float64(float32_at(start, d))  # float() would leave it float32
            total += x * x
    else:
        for d in range(width):
            y = float64_at(start, d)
            total += y * y
    return total


@kernel
def _large_norm(start: int, width: int) -> float:
    """Return the norm of a float64 row whose squares overflow."""
    total = 0.0
    for d in range(width):
        x = float64_at(start, d) * _DOWN
        total += x * x
    return math.sqrt(total) / _DOWN


@kernel
def clip_factor(start: int, width: int, itemsize: int, clip_norm: float) -> float:
    """Return the factor in [0, 1] that takes a row's L2 norm to at most `clip_norm`.

    A row with NaN has the factor 1, one with infinity the factor 0: such numbers become or stay NaN and affect no other
    row. A float32 row that is 10^38 times too long has the factor 0 too, because it would be denormal.

    IN
        start, width, itemsize : the row, as in `square_sum`
        clip_norm : float64, positive
    """
    norm = math.sqrt(square_sum(start, width, itemsize))
    if norm == np.inf and itemsize == 8:
        norm = _large_norm(start, width)
    return clip_norm / norm if norm > clip_norm else 1.0


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


@kernel
def mean_square(row: Any) -> float:
    """Return the mean of the squares of a row's gradient, clipped and with weight decay added to it, in float64.

    IN
        row : Row
    """
    if row.weight_decay == 0 and row.factor == 1:
        square = square_sum(row.gradient, row.width, row.itemsize)
    else:
        square = _decayed_square_sum(
            row.gradient, row.weights, row.width, row.storage, np.float64(row.factor), row.weight_decay
        )
    return float(square / row.width)
