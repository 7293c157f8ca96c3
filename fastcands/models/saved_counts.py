"""Saved counts of n-grams on their way back into a model: a search in arrays that do not fit could find anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.models.ngram_counts import NGramCounts, owner_of, word_of
from fastcands.models.state import check_arrays
from fastcands.validation.arrays import as_array
from fastcands.validation.numbers import as_size

__all__ = ["counts_from_state", "size_from_state"]


def size_from_state(state: Mapping[str, Any], name: str, minimum: int = 1) -> int:
    """Return a saved number.

    Parameters
    ----------
    state : mapping of str to array
        What was saved.
    name : str
        Of the number.
    minimum : int, default 1
        What it must be at least.

    Returns
    -------
    int
        The number.

    Raises
    ------
    ValueError
        If it is missing, not one integer, or below the minimum.
    """
    check_arrays(state, [name])
    array = as_array(state[name], name)
    if array.dtype.kind not in "iu" or array.ndim:
        raise ValueError(f"{name} must be one integer, got {array.dtype} of shape {array.shape}")
    return as_size(int(array), name, minimum=minimum)


def counts_from_state(state: Mapping[str, Any], order: int, num_classes: int) -> list[NGramCounts]:
    """Return the saved counts of n-grams, not copied.

    Parameters
    ----------
    state : mapping of str to array
        With ``ngrams_k`` and ``counts_k`` for the orders k from 1, and ``contexts_k`` for those from 2.
    order : int
        The highest order.
    num_classes : int
        V.

    Returns
    -------
    list of NGramCounts
        Of order 1, 2, and so on.

    Raises
    ------
    ValueError
        If an array is missing, has another shape or dtype, or does not fit the others.
    """
    tables: list[NGramCounts] = []
    contexts = np.zeros(1, np.int64)
    for k in range(1, order + 1):
        if k > 1:
            contexts = _codes(state, f"contexts_{k}", len(contexts), num_classes)
        ngrams = _codes(state, f"ngrams_{k}", len(contexts), num_classes)
        if np.count_nonzero(np.bincount(owner_of(ngrams))) != len(contexts):
            raise ValueError(f"ngrams_{k} must hold an n-gram of every context")
        tables.append(NGramCounts(contexts, ngrams, _counts(state, f"counts_{k}", len(ngrams))))
    return tables


def _codes(state: Mapping[str, Any], name: str, num_owners: int, num_classes: int) -> NDArray[np.int64]:
    check_arrays(state, [name])
    codes = as_array(state[name], name)
    if codes.dtype != np.int64 or codes.ndim != 1 or not codes.size:
        raise ValueError(f"{name} must be int64 of shape (at least 1,), got {codes.dtype} of shape {codes.shape}")
    if codes[0] < 0 or not (codes[1:] > codes[:-1]).all():
        raise ValueError(f"{name} must be ascending, and not negative")
    if owner_of(codes[-1:])[0] >= num_owners or word_of(codes).max() >= num_classes:
        raise ValueError(f"{name} must continue {num_owners} contexts by words below {num_classes}, and has others")
    return codes


def _counts(state: Mapping[str, Any], name: str, size: int) -> NDArray[Any]:
    check_arrays(state, [name])
    counts = as_array(state[name], name)
    if counts.dtype not in (np.int32, np.int64) or counts.shape != (size,):
        expected = f"int32 or int64 of shape ({size},)"
        raise ValueError(f"{name} must be {expected}, got {counts.dtype} of shape {counts.shape}")
    if counts.min() < 1:
        raise ValueError(f"{name} must be at least 1, got {counts.min()}")
    return counts
