"""Unbiased integers below a bound, from 64-bit words."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["draw_uniform", "draw_uniform_parallel"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_SLICE = 4096


@kernel
def draw_uniform(stream: Any, pair: int, bound: int, reciprocal: int, reject_below: int, pairs: Any, out: Any) -> int:
    """Draw integers in [0, bound), one 64-bit word each; words below ``2**64 % bound`` are skipped.

    Fast because division is multiplication by the reciprocal, of 32-bit halves so that it becomes vector code:
    ``floor(x * reciprocal / 2**64)`` is the quotient or one less. Rejected words, rare unless `bound` is huge, are
    only detected, by one comparison for each word.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        pair : int64, index of the first word pair
        bound : uint64
        reciprocal : uint64, floor((2**64 - 1) / bound)
        reject_below : uint64, 2**64 % bound
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least n + 3,) uint64
    Returns the index of the pair after the last one used.
    """
    low = reciprocal & _LOW
    high = reciprocal >> _HALF
    n = len(out)
    filled = 0
    while filled < n:
        skip = pair & 1
        want = n - filled
        fill_pairs(stream, pair >> 1, pairs[: (want + skip + 1) // 2 * 2])
        rejected = 0
        for i in range(want):
            x = pairs[skip + i]
            a = x & _LOW
            b = x >> _HALF
            cross = b * low
            carry = ((a * low) >> _HALF) + (cross & _LOW) + a * high
            # a * high < 2**64 - 2**33 + 2, the other two add less than 2**33: no overflow
            rest = x - (b * high + (cross >> _HALF) + (carry >> _HALF)) * bound
            out[filled + i] = np.int64(rest - bound if rest >= bound else rest)
            rejected += x < reject_below
        if rejected:
            kept = filled
            for i in range(want):
                if pairs[skip + i] >= reject_below:
                    out[kept] = out[filled + i]
                    kept += 1
            filled = kept
        else:
            filled = n
        pair += want
    return pair


@parallel_kernel
def draw_uniform_parallel(
    stream: Any,
    pair: int,
    bound: int,
    reciprocal: int,
    reject_below: int,
    pairs: Any,
    out: Any,
    num_threads: int,
) -> bool:
    """Draw integers in [0, bound) on several threads, as if no word were rejected.

    Parallel over threads, each with every num_threads-th slice of the draws.

    IN
        stream, pair, bound, reciprocal, reject_below : as for draw_uniform
        num_threads : int64
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least 2 * n + 8,) uint64
    Returns whether that was true; otherwise `out` is to be drawn again by draw_uniform.
    """
    n = len(out)
    slices = (n + _SLICE - 1) // _SLICE
    late = 0
    for worker in prange(num_threads):
        for s in range(worker, slices, num_threads):
            start = s * _SLICE
            stop = min(start + _SLICE, n)
            scratch = pairs[start + 4 * s :]
            end = draw_uniform(stream, pair + start, bound, reciprocal, reject_below, scratch, out[start:stop])
            late += end != pair + stop
    return late == 0
