"""Unbiased integers below a bound, from 32-bit words."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["draw_below"]

_HALF = np.uint64(32)
_END = np.uint64(2**32)


@kernel
def draw_below(stream: Any, word: int, bound: int, pairs: Any, out: Any) -> int:
    """Draw integers in [0, bound), one 32-bit word each; words below ``2**32 % bound`` are skipped.

    Fast because nothing branches on a rejection: every word is written at the end of `out`, and the end moves on if it
    was good.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        word : int64, index of the first word
        bound : int64, below 2**32
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least n / 2 + 4,) uint64
    Returns the index of the word after the last one used.
    """
    n = len(out)
    below = np.uint64(bound)
    reciprocal = _END // below
    # a power of two divides 2**32: no word is rejected
    reject_below = np.uint32(_END % below)
    words = pairs.view(np.uint32)
    filled = 0
    while filled < n:
        skip = word & 3
        end = (skip + n - filled + 3) // 4 * 4
        fill_pairs(stream, word >> 2, pairs[: end // 2])
        at = skip
        while at < end and filled < n:
            x = np.uint64(words[at])
            rest = x - ((x * reciprocal) >> _HALF) * below
            out[filled] = np.int64(rest - below if rest >= below else rest)
            filled += words[at] >= reject_below
            at += 1
        word += at - skip
    return word
