"""Drawing without repetition: the first occurrences in a sequence of draws, in order."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["forget", "keep_new_by_bit", "keep_new_by_slot"]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: multiplicative hashing, Knuth vol. 3, section 6.4
_U1, _U3, _U7 = np.uint64(1), np.uint64(3), np.uint64(7)


@kernel
def forget(seen: Any, out: Any, found: int) -> None:
    """Clear the bits of classes.

    IN
        out : (num_sampled,) int64
        found : int64, how many of `out` are filled
    OUT
        seen : (n,) uint8, all zero again
    """
    for i in range(found):
        seen[np.uint64(out[i]) >> _U3] = 0


@kernel
def keep_new_by_bit(draws: Any, seen: Any, out: Any, found: int) -> tuple[int, int]:
    """Append to `out` the draws not seen before, until it is full; one bit for each class.

    Fast because nothing branches on whether a draw is new: every draw is written at the end of `out`, and the end
    moves on if it was new. When `out` is full the bits are cleared again.

    IN
        draws : (n,) int64, each in [0, 8 * len(seen))
        found : int64, how many of `out` are filled, below len(out)
    OUT
        seen : (at least num_classes / 8,) uint8, updated; all zero once `out` is full
        out : (num_sampled,) int64, filled from `found` on
    Returns (how many of `out` are filled now, how many of `draws` were looked at).
    """
    # indices are unsigned: signed ones are tested for being negative at every access
    full = np.uint64(len(out))
    end = np.uint64(found)
    for i in range(len(draws)):
        v = np.uint64(draws[i])
        at = v >> _U3
        bit = np.uint8(_U1 << (v & _U7))
        before = seen[at]
        seen[at] = before | bit
        out[end] = draws[i]
        end += np.uint64((before & bit) == 0)
        if end == full:
            forget(seen, out, full)
            return int(end), i + 1
    return int(end), len(draws)


@kernel
def keep_new_by_slot(draws: Any, slots: Any, shift: int, out: Any, found: int) -> tuple[int, int]:
    """Append to `out` the draws not seen before, until it is full; an open-addressing table for huge class numbers.

    IN
        draws : (n,) int64, each at least 0
        shift : int64, 64 - log2(len(slots))
        found : int64, how many of `out` are filled, below len(out)
    OUT
        slots : (a power of two, at least 2 * num_sampled,) int64, ids seen, -1 where empty; updated
        out : (num_sampled,) int64, filled from `found` on
    Returns (how many of `out` are filled now, how many of `draws` were looked at).
    """
    full = len(out)
    mask = np.uint64(len(slots) - 1)
    by = np.uint64(shift)
    for i in range(len(draws)):
        v = draws[i]
        h = (np.uint64(v) * _SPREAD) >> by
        while slots[h] >= 0 and slots[h] != v:
            h = (h + _U1) & mask
        if slots[h] < 0:
            slots[h] = v
            out[found] = v
            found += 1
            if found == full:
                return found, i + 1
    return found, len(draws)
