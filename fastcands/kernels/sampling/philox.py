"""Philox4x32-10: a stream of 32-bit words in which any word can be computed on its own.

The stream of a key and a starting counter is a flat sequence of words: word ``i`` is word ``i % 4`` of the block
with counter ``i // 4``. Two neighbours are kept together as one 64-bit pair, the first word in the low half; on a
little-endian processor the pairs, seen as 32-bit words, are the stream itself.

Reference: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["fill_pairs"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)


@kernel
def fill_pairs(stream: Any, block: int, pairs: Any) -> None:
    """Write the word pairs of consecutive blocks.

    Fast because the loop has no branch and no memory access but its two stores: it becomes vector code, one block
    a lane.

    IN
        stream : (4,) uint64, the two key words and the two high counter words, each below 2**32
        block : int64, low 64 bits of the first block's counter
    OUT
        pairs : (2 * n,) uint64, words of the blocks block ... block + n - 1
    """
    key0 = stream[0]
    key1 = stream[1]
    high0 = stream[2]
    high1 = stream[3]
    first = np.uint64(block)
    for i in range(len(pairs) // 2):
        counter = first + np.uint64(i)
        a = counter & _LOW
        b = counter >> _HALF
        c = high0
        d = high1
        p = key0
        q = key1
        for _ in range(10):
            # the words' upper halves hold rubbish: the vector multiplication reads lower halves only
            x = _M0 * (a & _LOW)
            y = _M1 * (c & _LOW)
            a = (y >> _HALF) ^ b ^ p
            b = y
            c = (x >> _HALF) ^ d ^ q
            d = x
            p = p + _W0
            q = q + _W1
        pairs[2 * i] = (a & _LOW) | (b << _HALF)
        pairs[2 * i + 1] = (c & _LOW) | (d << _HALF)
