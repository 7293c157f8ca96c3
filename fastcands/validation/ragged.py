"""Labels of which each example has its own number: lists of lists, sparse matrices, ragged tensors."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_array, check_unmasked
from fastcands.validation.ids import as_class_ids

__all__ = ["padded_labels"]

Padded = tuple[NDArray[np.int64], NDArray[np.bool_]]


def padded_labels(labels: Any, num_classes: int) -> Padded | None:
    """Return ragged labels as a rectangle (B, T), and where it has a label; None for labels that are not ragged.

    T is the largest number of labels, at least 1. Ragged are lists or tuples of rows of different lengths, a Series or
    an array of such objects, a sparse matrix (B, V) with ones (SciPy's; anything with `indptr` and `indices`), and what
    has `row_splits` and `values` (TensorFlow's ragged tensors). The ids are not yet compared with the classes.
    """
    if hasattr(labels, "tocsr"):
        labels = labels.tocsr()
    if hasattr(labels, "indptr") and hasattr(labels, "indices"):
        return _fill(*_of_sparse(labels, num_classes))
    if hasattr(labels, "row_splits") and hasattr(labels, "values"):
        return _fill(*_of_parts(labels.row_splits, labels.values, "row_splits", "values"))
    rows = labels
    if hasattr(labels, "to_numpy") and getattr(labels, "ndim", 0) == 1:
        rows = labels.to_numpy()
    of_objects = isinstance(rows, np.ndarray) and rows.dtype == object and rows.ndim == 1
    if of_objects:
        rows = rows.tolist()
    if not isinstance(rows, list | tuple) or not all(_is_row(row) for row in rows):
        return None
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    if not of_objects and (not len(counts) or counts.min() == counts.max()):
        return None
    check_unmasked(rows, "labels")
    flat = list(chain.from_iterable(row.tolist() if isinstance(row, np.ndarray) else row for row in rows))
    return _fill(counts, as_class_ids(flat, "labels", ndim=1))


def _is_row(row: Any) -> bool:
    return isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim == 1)


def _of_parts(starts: Any, ids: Any, starts_name: str, ids_name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many labels each row has, and the labels of all rows."""
    starts_ = as_class_ids(starts, f"labels.{starts_name}", ndim=1)
    ids_ = as_class_ids(ids, f"labels.{ids_name}", ndim=1)
    if not len(starts_) or starts_[0] != 0 or starts_[-1] != len(ids_) or (starts_[1:] < starts_[:-1]).any():
        raise ValueError(f"labels.{starts_name} must rise from 0 to {len(ids_)}, the number of labels.{ids_name}")
    return np.diff(starts_), ids_


def _of_sparse(labels: Any, num_classes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shape = getattr(labels, "shape", (0, num_classes))
    if len(shape) != 2 or shape[1] != num_classes:
        raise ValueError(f"labels must have shape (B, {num_classes}) as a sparse matrix, got {tuple(shape)}")
    counts, ids = _of_parts(labels.indptr, labels.indices, "indptr", "indices")
    if not hasattr(labels, "data"):
        return counts, ids
    data = as_array(labels.data, "labels.data")
    if data.shape != ids.shape:
        raise ValueError(f"labels.data must have shape {ids.shape} as labels.indices have, got {data.shape}")
    kept = data != 0
    if (data[kept] != 1).any():
        value = data[kept & (data != 1)][0]
        raise ValueError(
            f"labels must have only 0 and 1 as a sparse matrix, got {value}: weights of labels are not used"
        )
    rows = np.repeat(np.arange(len(counts)), counts)
    return np.bincount(rows[kept], minlength=len(counts)), ids[kept]


def _fill(counts: NDArray[np.int64], ids: NDArray[np.int64]) -> Padded:
    present = np.arange(max(1, int(counts.max(initial=0)))) < counts[:, None]
    padded = np.zeros(present.shape, np.int64)
    padded[present] = ids
    return padded, present
