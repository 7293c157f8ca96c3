"""Checks of what losses take besides a table and a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_array, index_text
from fastcands.validation.numbers import as_size

__all__ = [
    "as_log_normalizer",
    "as_num_resampled",
    "check_drawable",
    "check_num_candidates",
    "check_rows_of_weights",
]


def as_log_normalizer(value: Any, examples: int | None = None) -> NDArray[np.float64]:
    """Return a log normalizer, a number or one for each of the examples, checked."""
    array = as_array(value, "log_normalizer")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"log_normalizer must be a number or an array of numbers, got {array.dtype}")
    if array.ndim > 1 or (examples is not None and array.ndim == 1 and len(array) != examples):
        expected = "(B,)" if examples is None else f"({examples},)"
        raise ValueError(f"log_normalizer must be a number or have shape {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("log_normalizer must be finite, got NaN or infinity")
    return array.astype(np.float64)


def check_drawable(
    never: NDArray[np.bool_], labels: NDArray[np.int64], present: NDArray[np.bool_] | None, source: str
) -> None:
    """Refuse the first of the labels that can never be drawn; they are all labels, or those that are `present`."""
    first = int(never.reshape(-1).argmax())
    shape = labels.shape if present is None else present.shape
    place = first if present is None else int(np.flatnonzero(present)[first])
    label = int(labels.reshape(-1)[first])
    raise ValueError(
        f"labels{index_text(place, shape)} = {label} has weight 0 in {source}: its expected count "
        "would be 0, and its logit undefined"
    )


def as_num_resampled(num_resampled: Any, num_sampled: int) -> int:
    """Return how many candidates are kept; fewer than there are."""
    count = as_size(num_resampled, "num_resampled")
    if count >= num_sampled:
        raise ValueError(f"num_resampled ({count}) must be less than num_sampled ({num_sampled})")
    return count


def check_rows_of_weights(num_classes: Any, num_rows: int) -> None:
    """Refuse more classes than the table has rows."""
    if as_size(num_classes, "num_classes") > num_rows:
        raise ValueError(f"num_classes must be at most the {num_rows} rows of weights, got {num_classes}")


def check_num_candidates(num_sampled: int, num_candidates: int) -> None:
    """Refuse another number than that of the candidates which came."""
    if num_candidates != num_sampled:
        raise ValueError(f"num_sampled must be the number of sampled_candidates, {num_candidates}, got {num_sampled}")
