"""Radix sort of class ids."""

from __future__ import annotations

from typing import Any

from fastcands.jit import kernel

__all__ = ["sort_by_id"]

_DIGIT = 11
"""Bits of a pass: two passes sort ids of a million classes, and the counts of a pass fit in the first-level cache."""
_FEW = 64
"""Up to so many ids, insertion sort is faster."""


@kernel
def sort_by_id(ids: Any, order: Any, workspace: Any, counts: Any) -> None:
    """``order = argsort(ids, kind='stable')``.

    IN
        ids : (n,) int64, not negative
    SCRATCH
        workspace : (n,) int64
        counts : (2048,) int64
    OUT
        order : (n,) int64
    """
    n = len(ids)
    largest = 0
    for i in range(n):
        order[i] = i
        largest = max(largest, ids[i])
    if n <= _FEW:
        for i in range(1, n):
            key = ids[i]
            position = i
            while position > 0 and ids[order[position - 1]] > key:
                order[position] = order[position - 1]
                position -= 1
            order[position] = i
        return
    shift = 0
    while largest >> shift:
        for digit in range(1 << _DIGIT):
            counts[digit] = 0
        for i in range(n):
            counts[(ids[i] >> shift) & ((1 << _DIGIT) - 1)] += 1
        start = 0
        for digit in range(1 << _DIGIT):
            count = counts[digit]
            counts[digit] = start
            start += count
        for i in range(n):
            which = order[i]
            digit = (ids[which] >> shift) & ((1 << _DIGIT) - 1)
            workspace[counts[digit]] = which
            counts[digit] += 1
        for i in range(n):
            order[i] = workspace[i]
        shift += _DIGIT
