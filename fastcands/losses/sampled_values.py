"""Checks of candidates and their expected counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.sampling.draws import widen_draw
from fastcands.validation.arrays import as_array, index_text
from fastcands.validation.ids import as_class_ids
from fastcands.values import SampledValues

__all__ = ["as_sampled_values"]


def _as_counts(counts: Any, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = as_array(counts, name)
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must be floating point, got {array.dtype}")
    try:
        array = np.broadcast_to(array.astype(np.float64, copy=False), shape)
    except ValueError:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}") from None
    if array.size and not 0 < array.min() <= array.max() < np.inf:  # NaN fails the comparison too
        first = int(np.flatnonzero(~((array > 0) & (array < np.inf)).reshape(-1))[0])
        came = f"{array.reshape(-1)[first]} at {index_text(first, shape)}"
        raise ValueError(f"{name} must be positive and finite, got {came}")
    # arrays are always writable, so that kernels have one signature
    return array if array.flags.c_contiguous and array.flags.writeable else array.copy()


def _is_usual(array: Any, dtype: Any, shape: tuple[int, ...]) -> bool:
    """Whether an array is like those of samplers, so that kernels can use it unchanged."""
    if type(array) is not np.ndarray or array.dtype != dtype or array.shape != shape:
        return False
    return array.flags.c_contiguous and array.flags.writeable


def as_sampled_values(
    values: Any, labels: NDArray[np.int64], num_classes: int, *, per_example: bool = False, source: str = ""
) -> SampledValues:
    """Return candidates and float64 expected counts, checked against the labels and the table.

    Candidates are (S,), or (B, S) too where `per_example` allows it. `source` is whose they are, for messages.
    """
    try:
        sampled, true_counts, sampled_counts = values
    except (TypeError, ValueError):
        raise TypeError(
            f"{source}sampled_values must be (sampled_candidates, true_expected_count, sampled_expected_count), got "
            f"{type(values).__name__}"
        ) from None
    if isinstance(sampled, np.ndarray) and sampled.size and _is_usual(sampled, np.int64, (sampled.size,)):
        usual = _is_usual(sampled_counts, np.float32, sampled.shape)
        if usual and _is_usual(true_counts, np.float32, labels.shape):
            true_wide, sampled_wide = np.empty(labels.shape), np.empty(len(sampled))
            if widen_draw(
                sampled, num_classes, true_counts.reshape(-1), sampled_counts, true_wide.reshape(-1), sampled_wide
            ):
                return SampledValues(sampled, true_wide, sampled_wide)
    array = as_array(sampled, f"{source}sampled_candidates")
    ndim = 2 if per_example and array.ndim == 2 else 1
    ids = as_class_ids(
        array if array.size else sampled, f"{source}sampled_candidates", num_classes=num_classes, ndim=ndim
    )
    if ids.shape[-1] == 0:
        raise ValueError(f"{source}sampled_candidates must have at least one candidate, got none")
    if ndim == 2 and len(ids) != len(labels):
        raise ValueError(f"{source}sampled_candidates must have {len(labels)} rows as labels have, got {len(ids)}")
    if not ids.flags.writeable:
        ids = ids.copy()
    return SampledValues(
        ids,
        _as_counts(true_counts, f"{source}true_expected_count", labels.shape),
        _as_counts(sampled_counts, f"{source}sampled_expected_count", ids.shape),
    )
