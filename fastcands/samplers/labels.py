"""Labels on their way into a sampler."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.class_ids import all_below
from fastcands.validation.arguments import as_labels

__all__ = ["checked_labels"]

_INT64 = np.dtype(np.int64)


def checked_labels(
    labels: Any,
    num_classes: int,
    *,
    num_true: int | None = None,
    name: str = "labels",
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return labels as int64 of shape (B, T), like `validation.as_labels`, sooner where nothing is to be converted.

    Parameters
    ----------
    labels : integer array, shape (B, T) or (B,)
        Each to be in [0, num_classes).
    num_classes : int
        At least 1.
    num_true : int, optional
        T, if it is prescribed.
    name : str
        What the caller calls the labels.
    limit_name : str
        What the caller calls the number of classes.

    Returns
    -------
    int64 array, shape (B, T)
        C-contiguous; `labels` itself where it is that already.

    Raises
    ------
    TypeError, ValueError
        As from `validation.as_labels`.
    """
    if (
        type(labels) is np.ndarray
        and labels.dtype == _INT64
        and labels.ndim == 2
        and labels.shape[1] > 0
        and (num_true is None or labels.shape[1] == num_true)
        and labels.flags.c_contiguous
        and all_below(labels.reshape(-1), num_classes)
    ):
        return labels
    return as_labels(labels, num_true=num_true, num_classes=num_classes, name=name, limit_name=limit_name)
