"""Accidental hits: candidates that are true classes of an example."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.sampling.accidental_hits import count_hits, count_hits_parallel, index_candidates, list_hits
from fastcands.threads import get_num_threads
from fastcands.values import AccidentalHits

__all__ = ["find_accidental_hits"]

_PARALLEL_FROM = 32768  # labels: with fewer, starting the threads costs more than they gain


def find_accidental_hits(labels: NDArray[np.int64], sampled: NDArray[np.int64]) -> AccidentalHits:
    """Find every pair of a label and an equal candidate, each copy of a repeated candidate included.

    Parameters
    ----------
    labels : int64 array, shape (B, T)
        True classes.
    sampled : int64 array, shape (S,)
        Candidates.

    Returns
    -------
    AccidentalHits
        Row-major over the labels, rising positions within a label.

    Examples
    --------
    >>> import numpy as np
    >>> hits = find_accidental_hits(np.array([[3], [5]]), np.array([5, 7, 3, 5]))
    >>> hits.indices.tolist(), hits.ids.tolist()
    ([0, 1, 1], [2, 0, 3])
    """
    flat = labels.reshape(-1)
    size = max(2, 1 << (2 * len(sampled)).bit_length())
    shift = 65 - size.bit_length()
    slots = np.empty(size, np.int32)
    following = np.empty(len(sampled), np.int32)
    first = np.empty(len(flat), np.int32)
    index_candidates(sampled, shift, slots, following)
    threads = get_num_threads()
    if len(flat) >= _PARALLEL_FROM and threads > 1:
        num_hits = count_hits_parallel(flat, sampled, shift, slots, following, first, threads)
    else:
        num_hits = count_hits(flat, sampled, shift, slots, following, first)
    rows, positions = np.empty(num_hits, np.int32), np.empty(num_hits, np.int64)
    list_hits(first, following, labels.shape[1], rows, positions)
    return AccidentalHits(rows, positions, np.full(num_hits, np.finfo(np.float32).min, np.float32))
