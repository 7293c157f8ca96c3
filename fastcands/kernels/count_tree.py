"""A sum tree of counts, sixteen children a node: find the class a unit of weight belongs to, add to a class.

A node keeps the running sums of its sixteen children, two cache lines that are compared as a whole; a million classes
make five levels. All levels lie in one array, the classes first: level l starts at ``offsets[l]``, and node j of it is
``sums[offsets[l] + 16 * j : offsets[l] + 16 * j + 16]``. Missing children count nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel

__all__ = ["add_to_counts", "find_by_weight", "read_counts", "read_probabilities"]

_FAN = 16
_CHILDREN = np.uint64(_FAN)
_U0, _U1, _U2, _U3, _U4, _U7, _U11 = (np.uint64(i) for i in (0, 1, 2, 3, 4, 7, 11))


@kernel
def find_by_weight(sums: Any, offsets: Any, units: Any, nodes: Any) -> None:
    """Replace units of weight by the classes they belong to: ``searchsorted(cumsum(counts), unit, side='right')``.

    Fast because all units go down one level before any goes down the next: the cache misses of a level are
    independent and overlap.

    IN
        sums : (n,) int64
        offsets : (levels,) int64
    OUT
        units : (m,) int64, on entry each in [0, total), on return classes
    SCRATCH
        nodes : (at least m,) int64
    """
    # indices are unsigned: signed ones are tested for being negative at every access
    for i in range(len(units)):
        nodes[i] = 0
    for l in range(len(offsets)):
        start = np.uint64(offsets[len(offsets) - 1 - l])
        for i in range(len(units)):
            unit = units[i]
            node = np.uint64(nodes[i]) * _CHILDREN
            base = start + node
            # which quarter, then which child of it: six comparisons and no branch
            quarter = (sums[base + _U3] <= unit) + (sums[base + _U7] <= unit) + (sums[base + _U11] <= unit)
            child = _U4 * np.uint64(quarter)
            at = base + child
            child += np.uint64((sums[at] <= unit) + (sums[at + _U1] <= unit) + (sums[at + _U2] <= unit))
            # the sum before the first child is 0: read some entry, multiply it away
            some = child > _U0
            units[i] = unit - sums[base + child - np.uint64(some)] * some
            nodes[i] = np.int64(node + child)
    for i in range(len(units)):
        units[i] = nodes[i]


@kernel
def add_to_counts(ids: Any, amount: int, sums: Any, offsets: Any) -> None:
    """Add an amount to the count of each id, repeated ids repeatedly.

    IN
        ids : (n,) int64
        amount : int64
        offsets : (levels,) int64
    OUT
        sums : (n,) int64, changed in place
    """
    for i in range(len(ids)):
        node = ids[i]
        for level in range(len(offsets)):
            child = node % _FAN
            node = node // _FAN
            base = offsets[level] + node * _FAN
            for j in range(child, _FAN):
                sums[base + j] += amount


@kernel
def read_counts(ids: Any, sums: Any, out: Any) -> None:
    """Write the count of each id.

    IN
        ids : (n,) int64
        sums : (n,) int64
    OUT
        out : (n,) int64
    """
    for i in range(len(ids)):
        v = ids[i]
        out[i] = sums[v] - (sums[v - 1] if v % _FAN else 0)


@kernel
def read_probabilities(ids: Any, sums: Any, total: int, out: Any) -> None:
    """Write the count of each id divided by the total, both rounded to float32 first, as in TensorFlow.

    IN
        ids : (n,) int64
        sums : (n,) int64
        total : int64
    OUT
        out : (n,) float32
    """
    whole = np.float32(total)
    for i in range(len(ids)):
        v = ids[i]
        out[i] = np.float32(sums[v] - (sums[v - 1] if v % _FAN else 0)) / whole
