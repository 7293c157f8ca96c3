"""Class weights: raised to a power, checked, summed, turned into expected counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampling.expected_counts import expected_counts

__all__ = ["distort_weights", "sum_in_order", "weight_counts"]

_SLICE = 65536
_ZERO = np.float32(0.0)
_LARGEST = np.finfo(np.float32).max


@kernel
def _distort_slice(weights: Any, distortion: float, limit: float, out: Any) -> int:
    """Raise a slice of weights; return the position of the first that is no weight, or the length."""
    power = np.float32(distortion)
    first_bad = len(weights)
    for i in range(len(weights)):
        w = np.float32(weights[i])
        # the C library's powf: the bits TensorFlow's weights have
        v = w if distortion == 1.0 else w**power
        out[i] = v
        # a NaN fails every comparison
        if not (w >= _ZERO and w <= _LARGEST and v <= limit) and first_bad == len(weights):
            first_bad = i
    return first_bad


@parallel_kernel
def distort_weights(weights: Any, distortion: float, limit: float, out: Any, num_threads: int) -> int:
    """Write ``float32(weights) ** distortion`` and look for what is no weight: NaN, negative or too large.

    Parallel over threads, each with every num_threads-th slice.

    IN
        weights : (n,) of any integer or float dtype, any stride
        distortion : float64
        limit : float64, the largest power allowed
        num_threads : int64
    OUT
        out : (n,) float32
    Returns the position of the first value that is no weight, n if there is none.
    """
    n = len(weights)
    slices = (n + _SLICE - 1) // _SLICE
    first_bad = np.full(num_threads, n, np.int64)
    for worker in prange(num_threads):
        for s in range(worker, slices, num_threads):
            start = s * _SLICE
            stop = min(start + _SLICE, n)
            bad = _distort_slice(weights[start:stop], distortion, limit, out[start:stop])
            if bad < stop - start and first_bad[worker] == n:
                first_bad[worker] = start + bad
    return int(first_bad.min())


@kernel
def sum_in_order(weights: Any) -> tuple[float, int]:
    """Add up the weights one after the other in float64, the order in which TensorFlow adds.

    IN
        weights : (n,) float32
    Returns (the sum, how many weights are positive).
    """
    total = 0.0
    positive = 0
    for i in range(len(weights)):
        total += np.float64(weights[i])
        positive += weights[i] > 0.0
    return total, positive


@kernel
def weight_counts(ids: Any, weights: Any, total: float, num_sampled: int, num_tries: float, out: Any) -> None:
    """Write the expected count of each id, whose probability is its weight divided by the total.

    IN
        ids : (n,) int64
        weights : (N,) float32
        total : float64
        num_sampled, num_tries : as for expected_counts.expected_counts
    OUT
        out : (n,) float32
    """
    for i in range(len(ids)):
        out[i] = np.float32(np.float64(weights[ids[i]]) / total)
    expected_counts(out, num_sampled, num_tries)
