"""A sum tree of counts, sixteen children a node: find the class a unit of weight belongs to, add to a class.

A node keeps the running sums of its sixteen children, two cache lines that are compared as a whole; a million classes
make five levels. All levels lie in one array, the classes first: level l starts at ``offsets[l]``, and node j of it is
``sums[offsets[l] + 16 * j : offsets[l] + 16 * j + 16]``. Missing children count nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampling.bounded_integers import draw_below
from fastcands.kernels.sampling.expected_counts import expected_counts

__all__ = ["add_to_counts", "draw_by_counts", "find_by_weight", "read_counts", "tree_counts"]

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
    for depth in range(len(offsets)):
        start = np.uint64(offsets[len(offsets) - 1 - depth])
        for i in range(len(units)):
            unit = units[i]
            node = np.uint64(nodes[i]) * _CHILDREN
            base = start + node
            # first the quarter, then the child in it: six comparisons and no branch
            quarter = (sums[base + _U3] <= unit) + (sums[base + _U7] <= unit) + (sums[base + _U11] <= unit)
            child = _U4 * np.uint64(quarter)
            at = base + child
            child += np.uint64((sums[at] <= unit) + (sums[at + _U1] <= unit) + (sums[at + _U2] <= unit))
            # the sum before the first child is 0: read any entry and multiply by 0
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
        node = np.uint64(ids[i])
        for level in range(len(offsets)):
            child = np.int64(node % _CHILDREN)
            node = node // _CHILDREN
            base = np.uint64(offsets[level]) + node * _CHILDREN
            # all children, those before with 0: a loop of fixed length becomes vector code
            for j in range(_FAN):
                sums[base + np.uint64(j)] += amount * (j >= child)


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
def tree_counts(ids: Any, sums: Any, total: int, num_sampled: int, num_tries: float, out: Any) -> None:
    """Write the expected count of each id, whose probability is its count divided by the total.

    Both are rounded to float32 before the division, as in TensorFlow.

    IN
        ids : (n,) int64
        sums : (n,) int64
        total : int64
        num_sampled, num_tries : as for expected_counts.expected_counts
    OUT
        out : (n,) float32
    """
    whole = np.float32(total)
    for i in range(len(ids)):
        v = ids[i]
        out[i] = np.float32(sums[v] - (sums[v - 1] if v % _FAN else 0)) / whole
    expected_counts(out, num_sampled, num_tries)


@kernel
def draw_by_counts(stream: Any, word: int, total: int, sums: Any, offsets: Any, pairs: Any, out: Any) -> int:
    """Draw classes in proportion to their counts, a 32-bit word each or more.

    IN
        stream, word : as for bounded_integers.draw_below
        total : int64, the sum of the counts, below 2**32
        sums, offsets : as for find_by_weight
    OUT
        out : (n,) int64
    SCRATCH
        pairs : (at least n + 4,) uint64
    Returns the index of the word after the last one used.
    """
    word = draw_below(stream, word, total, pairs, out)
    find_by_weight(sums, offsets, out, pairs.view(np.int64))
    return word
