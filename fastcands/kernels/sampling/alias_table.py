"""Walker's alias table: one random cell and one biased coin give a class of any distribution.

A cell holds a class's probability of staying, as float32, and the class drawn otherwise; the two are neighbours in
memory, so that a draw reads one cache line. Every bit of the table is the one TensorFlow's sampler has, which makes the
pairing of cells sequential: its rounding errors decide ties.

References: Walker 1977, "An efficient method for generating discrete random variables with general distributions";
Vose 1991, "A linear algorithm for generating random numbers with a given distribution".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampling.philox import fill_pairs

__all__ = ["draw_by_alias", "pair_cells", "start_cells"]

_COIN_MASK = np.uint32(0x7FFFFF)
_COIN_UNIT = np.float32(2.0**-23)
_HALF = np.uint64(32)


@parallel_kernel
def start_cells(aliases: Any, stays: Any, num_threads: int) -> None:
    """Write cells that all stay with probability 1.

    Parallel over threads, each with a contiguous part of the cells.

    IN
        num_threads : int64
    OUT
        aliases : (n, 2) int32, column 1: the cell itself
        stays : (n, 2) float32, the same memory, column 0: 1
    """
    n = len(aliases)
    for worker in prange(num_threads):
        for i in range(worker * n // num_threads, (worker + 1) * n // num_threads):
            stays[i, 0] = np.float32(1.0)
            aliases[i, 1] = i


@kernel
def _list_block(weights: Any, total: float, poor: bool, stop: int, out: Any) -> tuple[int, int]:
    """List the classes of one kind in the last block before `stop` that has any, in rising order.

    A mass ``float64(float32(weight * n)) / total`` is below 1 exactly where its numerator is below the total.

    IN
        weights : (n,) float32
        total : float64
        poor : bool, whether to list classes of mass below 1, or the others
        stop : int64
    OUT
        out : (block,) int32
    Returns (how many there are, where the block starts); none and 0 if there is no such class before `stop`.
    """
    scale = np.float32(len(weights))
    while stop > 0:
        start = max(stop - len(out), 0)
        count = 0
        # every class is written at the end of the list, and the end moves on if it was of the kind
        for i in range(start, stop):
            out[count] = i
            count += (np.float64(weights[i] * scale) < total) == poor
        if count > 0:
            return count, start
        stop = start
    return 0, 0


@kernel
def pair_cells(weights: Any, total: float, aliases: Any, stays: Any, poor: Any, rich: Any) -> None:
    """Pair cells that have too little mass with cells that have too much.

    Both kinds are taken from the highest class down. A cell with too much gives what the current poor cell lacks;
    once it is poor itself it is the next to be filled up. Both kinds are listed a block at a time, so the memory is
    that of the table.

    IN
        weights : (n,) float32
        total : float64, their sum
    OUT
        aliases : (n, 2) int32, column 1 written; on entry as from start_cells
        stays : (n, 2) float32, the same memory, column 0 written; on entry as from start_cells
    SCRATCH
        poor, rich : (block,) int32
    """
    scale = np.float32(len(weights))
    num_poor, poor_start = _list_block(weights, total, True, len(weights), poor)
    num_rich, rich_start = _list_block(weights, total, False, len(weights), rich)
    if num_poor == 0 or num_rich == 0:
        return
    num_rich -= 1
    giver = rich[num_rich]
    giver_mass = np.float64(weights[giver] * scale) / total
    while num_poor > 0:
        num_poor -= 1
        taker = poor[num_poor]
        if num_poor == 0:
            num_poor, poor_start = _list_block(weights, total, True, poor_start, poor)
        taker_mass = np.float64(weights[taker] * scale) / total
        while True:
            stays[taker, 0] = np.float32(taker_mass)
            aliases[taker, 1] = giver
            giver_mass -= 1.0 - taker_mass
            if giver_mass >= 1.0:
                break
            if num_rich == 0:
                num_rich, rich_start = _list_block(weights, total, False, rich_start, rich)
                if num_rich == 0:
                    return
            taker = giver
            taker_mass = giver_mass
            num_rich -= 1
            giver = rich[num_rich]
            giver_mass = np.float64(weights[giver] * scale) / total


@kernel
def draw_by_alias(
    stream: Any, word: int, reciprocal: int, reject_below: int, aliases: Any, stays: Any, pairs: Any, out: Any
) -> int:
    """Draw classes: a word for the coin, then a word for the cell, or more where words are rejected.

    Fast because the table is read in a separate loop, whose cache misses are independent and overlap.

    IN
        stream : (4,) uint64, as for philox.fill_pairs
        word : int64, index of the first word
        reciprocal : uint64, floor(2**32 / n)
        reject_below : uint32, 2**32 % n
        aliases : (n, 2) int32
        stays : (n, 2) float32, the same memory
    OUT
        out : (m,) int64
    SCRATCH
        pairs : (at least m + 4,) uint64
    Returns the index of the word after the last one used.
    """
    m = len(out)
    n = np.uint64(len(aliases))
    words = pairs.view(np.uint32)
    filled = 0
    tossed = False
    coin = np.uint32(0)
    while filled < m:
        skip = word & 3
        end = (skip + 2 * (m - filled) + 3) // 4 * 4
        fill_pairs(stream, word >> 2, pairs[: end // 2])
        at = skip
        while at < end and filled < m:
            if not tossed and at + 1 < end and words[at + 1] >= reject_below:
                x = np.uint64(words[at + 1])
                cell = x - ((x * reciprocal) >> _HALF) * n
                cell = cell - n if cell >= n else cell
                out[filled] = np.int64((np.uint64(words[at] & _COIN_MASK) << _HALF) | cell)
                filled += 1
                at += 1
            elif not tossed:
                coin = words[at] & _COIN_MASK
                tossed = True
            elif words[at] >= reject_below:
                x = np.uint64(words[at])
                cell = x - ((x * reciprocal) >> _HALF) * n
                cell = cell - n if cell >= n else cell
                out[filled] = np.int64((np.uint64(coin) << _HALF) | cell)
                filled += 1
                tossed = False
            at += 1
        word += at - skip
    for i in range(m):
        cell = np.uint64(np.uint32(out[i]))  # unsigned: a signed index is tested for being negative
        toss = np.float32(out[i] >> 32) * _COIN_UNIT
        alias = np.int64(aliases[cell, 1])  # always read, so that the choice has no branch
        out[i] = np.int64(cell) if toss < stays[cell, 0] else alias
    return word
