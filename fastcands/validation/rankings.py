"""Checks of ranked labels and of what they are compared with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_per_class
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = ["as_first_ranked", "as_propensities", "as_true_labels"]


def as_first_ranked(ranked: Any, k: Any) -> NDArray[np.int64]:
    """Return the first k ids of each row, (N, k), none negative."""
    k = as_size(k, "k")
    ids = as_class_ids(ranked, "ranked", ndim=2)
    if ids.shape[1] < k:
        raise ValueError(f"ranked must have at least k = {k} columns, got shape {ids.shape}")
    if len(ids) == 0:
        raise ValueError("ranked must have at least one row: the mean of none is undefined")
    ids = ids[:, :k]
    if ids.min() < 0:
        raise ValueError("ranked and labels must not be negative")
    return ids


def as_true_labels(starts: Any, labels: Any, num_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each row's labels start, (num_rows + 1,), and the labels of all rows, none negative."""
    starts_ = as_class_ids(starts, "starts", ndim=1)
    labels_ = as_class_ids(labels, "labels", ndim=1)
    if len(starts_) != num_rows + 1:
        raise ValueError(
            f"starts must have shape ({num_rows + 1},), one more than ranked has rows, got {starts_.shape}"
        )
    if starts_[0] != 0 or starts_[-1] != len(labels_) or (starts_[1:] < starts_[:-1]).any():
        raise ValueError(f"starts must rise from 0 to {len(labels_)}, the number of labels")
    if labels_.min(initial=0) < 0:
        raise ValueError("ranked and labels must not be negative")
    return starts_, labels_


def as_propensities(propensities: Any) -> NDArray[np.float64]:
    """Return propensities (V,) as float64."""
    array = as_per_class(propensities, "label_propensities")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"label_propensities must be numbers, got {array.dtype}")
    array = np.asarray(array, np.float64)
    if array.ndim != 1 or not ((array > 0) & (array < np.inf)).all():
        raise ValueError(f"label_propensities must be finite numbers above 0 of shape (V,), got shape {array.shape}")
    return array
