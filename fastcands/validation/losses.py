"""Checks of the options that losses take."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_flag", "as_ignore_index", "as_label_smoothing", "as_log_normalizer", "as_temperature"]


def as_temperature(value: Any, name: str = "temperature") -> float:
    """Return a temperature, checked."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    number = float(value)
    if not 0 < number < math.inf:  # NaN fails the comparison too
        raise ValueError(f"{name} must be positive and finite, got {number!r}")
    return number


def as_ignore_index(value: Any) -> int | None:
    """Return the label that stands for no class, checked."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)):
        raise TypeError("ignore_index must be an integer or None, got bool")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"ignore_index must be an integer or None, got {type(value).__name__}") from None


def as_label_smoothing(value: Any) -> float:
    """Return the share of a target that is spread over all classes, checked."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"label_smoothing must be a number, got {type(value).__name__}")
    if not 0 <= float(value) < 1:
        raise ValueError(f"label_smoothing must be in [0, 1), got {float(value)!r}")
    return float(value)


def as_flag(value: Any, name: str) -> bool:
    """Return a bool, checked: anything else is most likely an argument in the wrong place."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def as_log_normalizer(value: Any, examples: int | None = None) -> NDArray[np.float64]:
    """Return a log normalizer, a number or one for each of the examples, checked."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"log_normalizer must be a number or an array of numbers, got {array.dtype}")
    if array.ndim > 1 or (examples is not None and array.ndim == 1 and len(array) != examples):
        expected = "(B,)" if examples is None else f"({examples},)"
        raise ValueError(f"log_normalizer must be a number or have shape {expected}, got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("log_normalizer must be finite, got NaN or infinity")
    return array.astype(np.float64)
