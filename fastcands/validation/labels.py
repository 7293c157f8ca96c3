"""Labels of a batch, and which of them are classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_array
from fastcands.validation.ids import as_labels, check_not_one_hot
from fastcands.validation.ragged import padded_labels

__all__ = ["as_labels_and_present"]


def as_labels_and_present(
    labels: Any, *, ignore_index: int | None, num_classes: int, num_true: int | None = None, writable: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return labels as `as_labels` does, class 0 for those that stand for none, and which ones are classes.

    No class are those that are `ignore_index` and the places that ragged labels leave empty; these may come where no
    `num_true` is set. The second result is (B, T), or None where every label has to be a class.
    """
    present, filled = None, None
    if num_true is None and (type(labels) is not np.ndarray or labels.dtype.hasobject):
        padded = padded_labels(labels, num_classes)
        if padded is not None:
            labels, filled = padded
            present = None if filled.all() else filled
    if ignore_index is not None:
        array = as_array(labels, "labels")
        if filled is None and num_true != num_classes:
            check_not_one_hot(array, num_classes, "labels", ignore_index)
        given = as_labels(array if array.size else labels, num_true=num_true)
        counted = np.asarray(given != ignore_index)
        present = counted if present is None else present & counted
        labels = np.where(present, given, 0)
    may_be_one_hot = filled is not None or ignore_index is not None
    ids = as_labels(
        labels, num_true=num_true, num_classes=num_classes, writable=writable, may_be_one_hot=may_be_one_hot
    )
    return ids, present
