"""What the layers of language models share: words as ids, embeddings that are given, masks of dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.recurrence.dropout import DropoutMask, dropout_mask
from fastcands.validation.arrays import as_array, check_array
from fastcands.validation.numbers import as_fraction, as_size

__all__ = ["as_embedding", "as_words", "dropout_masks", "take_rows"]

Array = NDArray[Any]


def as_words(value: Any, name: str, num_words: int) -> Array:
    """Return an argument as an array of ids in [0, V).

    Parameters
    ----------
    value : integer array
        Of any shape.
    name : str
        What messages call it.
    num_words : int
        V.

    Returns
    -------
    integer array
        As it came.

    Raises
    ------
    TypeError
        If they are not integers.
    ValueError
        If one is out of range.
    """
    array = as_array(value, name)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    if array.size:
        low, high = int(array.min()), int(array.max())
        if low < 0 or high >= num_words:
            raise ValueError(f"{name} must be in [0, {num_words}), got {low if low < 0 else high}")
    return array


def as_embedding(value: Any, shape: tuple[int, int]) -> Array:
    """Return the rows of words that a caller has, not copied.

    Parameters
    ----------
    value : float32, float64 or bfloat16 array
        The rows.
    shape : tuple of int
        (V, E).

    Returns
    -------
    array, shape (V, E)
        The same.

    Raises
    ------
    TypeError
        If it is not an array, or of another dtype.
    ValueError
        If it has another shape.
    """
    check_array(value, "embedding")
    array: Array = value
    if array.dtype.name not in ("float32", "float64", "bfloat16"):
        raise TypeError(f"embedding must be float32, float64 or bfloat16, got {array.dtype}")
    if array.shape != shape:
        raise ValueError(f"embedding must have shape {shape}, got {array.shape}")
    return array


def dropout_masks(dropout: float, seed: tuple[int, int]) -> tuple[DropoutMask, DropoutMask]:
    """Return the masks of a step: of the inputs, and of the hidden values.

    Parameters
    ----------
    dropout : float
        The share that is dropped.
    seed : tuple of int
        Seed and step.

    Returns
    -------
    tuple of DropoutMask
        For the kernels.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If `dropout` is not in [0, 1), or a number of `seed` is negative or not below 2**64.
    """
    rate = as_fraction(dropout, "dropout")
    first, step = (as_size(number, "seed", minimum=0, maximum=2**64 - 1) for number in seed)
    return dropout_mask(rate, first, step, 0), dropout_mask(rate, first, step, 1)


def take_rows(embedding: Array, ids: Array, rows: Array) -> None:
    """Write rows of an embedding, in the dtype of `rows`.

    Parameters
    ----------
    embedding : float32, float64 or bfloat16 array, shape (V, E)
        Where from.
    ids : integer array, shape (N, n)
        Which; they have been checked.
    rows : array, shape (N, n, E)
        Where to.
    """
    if embedding.dtype == rows.dtype:
        np.take(embedding, ids, axis=0, out=rows, mode="clip")  # 'clip' writes to `out` without a buffer
    else:
        rows[...] = embedding[ids]
