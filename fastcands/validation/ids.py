"""Checks of class ids and of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.class_ids import all_below
from fastcands.validation.numbers import as_integer

__all__ = ["as_class_ids", "as_ignore_index", "as_labels", "as_labels_and_present", "index_text"]

_INT64 = np.dtype(np.int64)


def index_text(position: int, shape: tuple[int, ...]) -> str:
    """Return the index of a position in the flattened array, as messages show it."""
    index = np.unravel_index(position, shape)
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def as_class_ids(
    ids: Any,
    name: str,
    *,
    num_classes: int | None = None,
    ndim: int | None = None,
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return `ids` as a C-contiguous int64 array, each in [0, num_classes) when that is given."""
    array = np.asarray(ids)
    if array.size == 0 and array.dtype == np.float64 and not isinstance(ids, np.ndarray):
        array = array.astype(np.int64)  # an empty list has no dtype of its own
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got {array.dtype}")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension{'s' * (ndim != 1)}, got shape {array.shape}")
    checked = np.asarray(array, np.int64, order="C")
    if num_classes is None:
        if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise ValueError(f"{name} must be below 2**63, got {int(array.max())}")
    elif array.size and int(checked.view(np.uint64).max()) >= num_classes:
        # seen as unsigned, a negative id is one above 2**63; which one it was, the given array tells
        flat = array.reshape(-1)
        first = int(np.flatnonzero((flat < 0) | (flat >= num_classes))[0])
        raise ValueError(
            f"{name} must be in [0, {limit_name}) = [0, {num_classes}), got {int(flat[first])} "
            f"at {index_text(first, array.shape)}"
        )
    return checked


def as_labels(
    labels: Any,
    *,
    num_true: int | None = None,
    num_classes: int | None = None,
    writable: bool = False,
    name: str = "labels",
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return `labels` as C-contiguous int64 of shape (B, T); (B,) is taken as (B, 1).

    Labels that are so already are returned themselves, but a copy if they have to be `writable` and are not.
    """
    if (
        num_classes is not None
        and type(labels) is np.ndarray
        and labels.dtype == _INT64
        and labels.ndim == 2
        and labels.shape[1] > 0
        and num_true in (None, labels.shape[1])
        and labels.flags.c_contiguous
        and (labels.flags.writeable or not writable)
        and all_below(labels.reshape(-1), num_classes)
    ):
        return labels  # most labels are such, and this takes a third of the time of what follows
    array = np.asarray(labels)
    if array.dtype.kind == "f" and array.ndim == 2 and array.size:
        raise TypeError(
            f"{name} must be integers, got {array.dtype} of shape {array.shape}: are labels and inputs swapped?"
        )
    ids = as_class_ids(labels, name, num_classes=num_classes, limit_name=limit_name)
    if ids.ndim == 1 and num_true in (None, 1):
        ids = ids[:, None]
    if ids.ndim != 2:
        expected = "(B, num_true)" if num_true != 1 else "(B, 1) or (B,)"
        raise ValueError(f"{name} must have shape {expected}, got {ids.shape}")
    if num_true is not None and ids.shape[1] != num_true:
        raise ValueError(f"{name} must have num_true = {num_true} columns, got shape {ids.shape}")
    if ids.shape[1] == 0:
        raise ValueError(f"{name} must have at least one column, got shape {ids.shape}")
    return ids.copy() if writable and not ids.flags.writeable else ids


def as_ignore_index(value: Any) -> int | None:
    """Return the label that stands for no class; None where every label is a class."""
    return None if value is None else as_integer(value, "ignore_index", expected="an integer or None")


def as_labels_and_present(
    labels: Any, *, ignore_index: int | None, num_classes: int, num_true: int | None = None, writable: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return labels as `as_labels` does, class 0 for those that are `ignore_index`, and which ones are not.

    The second is (B, T), or None where every label has to be a class.
    """
    present = None
    if ignore_index is not None:
        given = as_labels(labels, num_true=num_true)
        present = np.asarray(given != ignore_index)
        labels = np.where(present, given, 0)
    return as_labels(labels, num_true=num_true, num_classes=num_classes, writable=writable), present
