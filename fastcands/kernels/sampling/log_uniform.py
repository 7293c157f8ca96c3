"""Draws from the log-uniform (Zipf-like) distribution, and its probabilities.

``P(k) = log((k + 2) / (k + 1)) / log(V + 1)`` for k in 0 ... V - 1; a draw is ``trunc(exp(u * log(V + 1))) - 1`` for
u uniform in [0, 1), and 0 where rounding makes that V.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampling.expected_counts import expected_counts
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["draw_log_uniform", "draw_log_uniform_parallel", "log_uniform_counts", "log_uniform_probability"]

_CONTRACT = frozenset({"contract"})
_HALF = np.uint64(32)
_MANTISSA_HIGH = np.uint64(0xFFFFF)
_UNIT = 2.0**-52
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93147180369123816490e-01  # its low 21 bits are zero: a product with n <= 64 is exact
_LN2_LOW = 1.90821492927058770002e-10
_EXP_ERROR = 4e-15  # several times the error of the polynomial exp below
_SLICE = 4096


@kernel(fastmath=_CONTRACT)
def draw_log_uniform(stream: Any, pair: int, num_classes: int, log_range: float, pairs: Any, out: Any) -> int:
    """Draw classes log-uniformly, one word pair each.

    Fast because exp is a polynomial in vector code. Its last bits differ from the C library's; that matters to the
    truncation only where exp is next to an integer, and there the C library decides.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        pair : int64, index of the first word pair
        num_classes : int64
        log_range : float64, log(num_classes + 1)
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least n + 2,) uint64
    Returns the index of the pair after the last one used.
    """
    n = len(out)
    skip = pair & 1
    fill_pairs(stream, pair >> 1, pairs[: (n + skip + 1) // 2 * 2])
    for i in range(n):
        bits = pairs[skip + i]
        x = np.float64(np.int64(((bits & _MANTISSA_HIGH) << _HALF) | (bits >> _HALF))) * _UNIT * log_range
        exponent = np.int64(x * _LOG2_E + 0.5)
        whole = np.float64(exponent)
        r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
        # Taylor series of exp, 13 terms: truncated below 5e-18 for abs(r) <= log(2) / 2
        y = 1.6059043836821613e-10
        y = y * r + 2.08767569878681e-09
        y = y * r + 2.505210838544172e-08
        y = y * r + 2.755731922398589e-07
        y = y * r + 2.7557319223985893e-06
        y = y * r + 2.48015873015873e-05
        y = y * r + 1.984126984126984e-04
        y = y * r + 1.388888888888889e-03
        y = y * r + 8.333333333333333e-03
        y = y * r + 4.1666666666666664e-02
        y = y * r + 1.6666666666666666e-01
        y = y * r + 0.5
        y = y * r + 1.0
        y = y * r + 1.0
        value = y * np.float64(np.int64(1) << exponent)
        floor = np.int64(value)
        fraction = value - np.float64(floor)
        margin = value * _EXP_ERROR
        near = (fraction < margin) | (fraction > 1.0 - margin)
        out[i] = np.int64(-1) if near else floor - 1
    for i in range(n):
        if out[i] < 0 or out[i] >= num_classes:
            bits = pairs[skip + i]
            u = np.float64(np.int64(((bits & _MANTISSA_HIGH) << _HALF) | (bits >> _HALF))) * _UNIT
            out[i] = (np.int64(math.exp(u * log_range)) - 1) % num_classes
    return pair + n


@parallel_kernel
def draw_log_uniform_parallel(
    stream: Any, pair: int, num_classes: int, log_range: float, pairs: Any, out: Any, num_threads: int
) -> None:
    """Draw classes log-uniformly on several threads.

    Parallel over threads, each with every num_threads-th slice of the draws.

    IN
        stream, pair, num_classes, log_range : as for draw_log_uniform
        num_threads : int64
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least 2 * n + 8,) uint64
    """
    n = len(out)
    slices = (n + _SLICE - 1) // _SLICE
    for worker in prange(num_threads):
        for s in range(worker, slices, num_threads):
            start = s * _SLICE
            scratch = pairs[start + 4 * s :]
            draw_log_uniform(stream, pair + start, num_classes, log_range, scratch, out[start : min(start + _SLICE, n)])


@kernel(fastmath=_CONTRACT)
def log_uniform_probability(ids: Any, log_range: float, out: Any) -> None:
    """Write the probability of each id, rounded to float32.

    The quotient ``(k + 2) / (k + 1)`` is rounded before the logarithm is taken, as in TensorFlow: exact below 1e8,
    1e-6 wrong near 1e10, 0 above 9e15.

    Fast because the logarithm is a series in vector code: ``log(q) = 2 * atanh((q - 1) / (q + 1))``, where the
    argument is at most 1/3.

    IN
        ids : (n,) int64, each at least 0
        log_range : float64, log(num_classes + 1)
    OUT
        out : (n,) float32
    """
    scale = 2.0 / log_range
    for i in range(len(ids)):
        k = np.float64(ids[i])
        quotient = (k + 2.0) / (k + 1.0)
        s = (quotient - 1.0) / (quotient + 1.0)
        t = s * s
        y = 1.0 / 25.0
        y = y * t + 1.0 / 23.0
        y = y * t + 1.0 / 21.0
        y = y * t + 1.0 / 19.0
        y = y * t + 1.0 / 17.0
        y = y * t + 1.0 / 15.0
        y = y * t + 1.0 / 13.0
        y = y * t + 1.0 / 11.0
        y = y * t + 1.0 / 9.0
        y = y * t + 1.0 / 7.0
        y = y * t + 1.0 / 5.0
        y = y * t + 1.0 / 3.0
        out[i] = np.float32((y * t + 1.0) * s * scale)


@kernel
def log_uniform_counts(ids: Any, log_range: float, num_sampled: int, num_tries: float, out: Any) -> None:
    """Write the expected count of each id.

    IN
        ids, log_range : as for log_uniform_probability
        num_sampled, num_tries : as for expected_counts.expected_counts
    OUT
        out : (n,) float32
    """
    log_uniform_probability(ids, log_range, out)
    expected_counts(out, num_sampled, num_tries)
