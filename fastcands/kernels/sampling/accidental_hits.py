"""Accidental hits: the positions of candidates that equal a true class, by a hash table of the candidates."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange

__all__ = ["count_hits", "count_hits_parallel", "index_candidates", "list_hits"]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: multiplicative hashing, Knuth vol. 3, section 6.4
_ONE = np.uint64(1)


@kernel
def index_candidates(sampled: Any, shift: int, slots: Any, following: Any) -> None:
    """Build the table from class to positions among the candidates.

    Candidates go in from the last to the first, so that the copies of a class are chained in rising order.

    IN
        sampled : (S,) int64, any values
        shift : int64, 64 - log2(len(slots))
    OUT
        slots : (a power of two above S,) int32, first position of a class, -1 where empty
        following : (S,) int32, position of the next copy of the same class, -1 after the last
    """
    mask = np.uint64(len(slots) - 1)
    by = np.uint64(shift)
    slots[:] = -1
    for i in range(len(sampled)):
        position = len(sampled) - 1 - i
        v = sampled[position]
        h = (np.uint64(v) * _SPREAD) >> by
        while slots[h] >= 0 and sampled[slots[h]] != v:
            h = (h + _ONE) & mask
        following[position] = slots[h]
        slots[h] = position


@kernel
def count_hits(labels: Any, sampled: Any, shift: int, slots: Any, following: Any, first: Any) -> int:
    """Look the labels up in the table.

    IN
        labels : (n,) int64, any values
        sampled, shift, slots, following : as for index_candidates
    OUT
        first : (n,) int32, the first position of each label, -1 if it is no candidate
    Returns the number of hits.
    """
    mask = np.uint64(len(slots) - 1)
    by = np.uint64(shift)
    hits = 0
    for i in range(len(labels)):
        v = labels[i]
        h = (np.uint64(v) * _SPREAD) >> by
        while slots[h] >= 0 and sampled[slots[h]] != v:
            h = (h + _ONE) & mask
        position = slots[h]
        first[i] = position
        while position >= 0:
            hits += 1
            position = following[position]
    return hits


@parallel_kernel
def count_hits_parallel(
    labels: Any, sampled: Any, shift: int, slots: Any, following: Any, first: Any, num_threads: int
) -> int:
    """Look the labels up in the table on several threads.

    Parallel over threads, each with a contiguous part of the labels.

    IN
        labels, sampled, shift, slots, following : as for count_hits
        num_threads : int64
    OUT
        first : (n,) int32
    Returns the number of hits.
    """
    n = len(labels)
    hits = 0
    for worker in prange(num_threads):
        start = worker * n // num_threads
        stop = (worker + 1) * n // num_threads
        hits += count_hits(labels[start:stop], sampled, shift, slots, following, first[start:stop])
    return hits


@kernel
def list_hits(first: Any, following: Any, num_true: int, rows: Any, positions: Any) -> None:
    """Write the hits, row-major over the labels, rising positions within a label.

    IN
        first : (B * num_true,) int32, from count_hits
        following : (S,) int32, from index_candidates
        num_true : int64
    OUT
        rows : (H,) int32
        positions : (H,) int64
    """
    hit = 0
    for i in range(len(first)):
        position = first[i]
        while position >= 0:
            rows[hit] = i // num_true
            positions[hit] = position
            hit += 1
            position = following[position]
