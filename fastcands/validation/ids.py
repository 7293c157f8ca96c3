"""Checks of class ids and of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.class_ids import all_below
from fastcands.validation.arrays import as_array, index_text
from fastcands.validation.numbers import as_integer

__all__ = ["as_class_ids", "as_ignore_index", "as_labels", "check_not_one_hot"]

_INT64 = np.dtype(np.int64)


def as_class_ids(
    ids: Any,
    name: str,
    *,
    num_classes: int | None = None,
    ndim: int | None = None,
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return `ids` as a C-contiguous int64 array, each in [0, num_classes) when that is given."""
    array = as_array(ids, name)
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


def check_not_one_hot(labels: NDArray[Any], num_classes: int, name: str, ignore_index: int | None = None) -> None:
    """Refuse rows with as many numbers as there are classes, all of them 0 and 1.

    As ids they would repeat class 0 or 1 in each row, once there are more than two classes. With two, (B, 2) labels
    are taken as ids: a row [0, 1] can name both classes.
    """
    if labels.ndim != 2 or labels.shape[1] != num_classes or num_classes < 3 or labels.dtype.kind not in "biuf":
        return
    zeros, ones = labels == 0, labels == 1
    others = ~(zeros | ones)
    if ignore_index is not None:
        others &= labels != ignore_index
    is_repeated = (zeros.sum(axis=1) > 1) | (ones.sum(axis=1) > 1)
    if is_repeated.any() and not others.any():
        raise ValueError(
            f"{name} must be class ids, not one-hot, got only 0 and 1 in as many columns as classes, shape "
            f"{labels.shape}: {name}.argmax(axis=1) are the ids where each row has a single 1, "
            f"[row.nonzero()[0] for row in {name}] where it has several"
        )


def as_labels(
    labels: Any,
    *,
    num_true: int | None = None,
    num_classes: int | None = None,
    writable: bool = False,
    name: str = "labels",
    limit_name: str = "num_classes",
    may_be_one_hot: bool = False,
) -> NDArray[np.int64]:
    """Return `labels` as C-contiguous int64 of shape (B, T); (B,) is taken as (B, 1).

    Labels that are so already are returned themselves, but a copy if they have to be `writable` and are not. Rows of 0
    and 1, one for each class, are refused, unless they `may_be_one_hot` or `num_true` says that rows are so long.
    """
    if (
        num_classes is not None
        and type(labels) is np.ndarray
        and labels.dtype == _INT64
        and labels.ndim == 2
        and labels.shape[1] > 0
        and labels.shape[1] != num_classes
        and num_true in (None, labels.shape[1])
        and labels.flags.c_contiguous
        and (labels.flags.writeable or not writable)
        and all_below(labels.reshape(-1), num_classes)
    ):
        return labels  # most labels are such, and this takes a third of the time of what follows
    array = as_array(labels, name)
    if num_classes is not None and num_true != num_classes and not may_be_one_hot:
        check_not_one_hot(array, num_classes, name)
    if array.dtype.kind == "f" and array.ndim == 2 and array.size:
        raise TypeError(
            f"{name} must be integers, got {array.dtype} of shape {array.shape}: are labels and inputs swapped?"
        )
    # a list goes on as it came: one without entries has no dtype of its own
    given = labels if array.size == 0 and not isinstance(labels, np.ndarray) else array
    ids = as_class_ids(given, name, num_classes=num_classes, limit_name=limit_name)
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
