"""Checks of single numbers: integers, flags, floats of a range."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any

import numpy as np

__all__ = [
    "as_flag",
    "as_fraction",
    "as_integer",
    "as_nonnegative",
    "as_num_classes",
    "as_number",
    "as_positive",
    "as_size",
    "as_temperature",
]

_MAX_FLOAT32 = float(np.finfo(np.float32).max)
_TINY_FLOAT32 = float(np.finfo(np.float32).tiny)


def as_integer(value: Any, name: str, *, expected: str = "an integer") -> int:
    """Return `value` as an int of any size; `expected` is what the TypeError says it must be."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {expected}, got bool")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must be {expected}, got a masked array")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be {expected}, got {type(value).__name__}") from None


def as_size(value: Any, name: str, *, minimum: int = 1, maximum: int | None = None) -> int:
    """Return `value` as an int of at least `minimum`, and at most `maximum`."""
    number = as_integer(value, name)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    if maximum is not None and number > maximum:
        raise ValueError(f"{name} must be at most {maximum}, got {number}")
    return number


def as_num_classes(value: Any, name: str = "num_classes", *, maximum: int = 2**63 - 1) -> int:
    """Return a number of classes as an int from 1 to `maximum`."""
    return as_size(value, name, maximum=maximum)


def as_flag(value: Any, name: str) -> bool:
    """Return a bool; anything else, 0 and 1 too, is most likely an argument in the wrong place."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}")
    return bool(value)


def _as_float(value: Any, name: str, or_else: str = "") -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{or_else}, got {type(value).__name__}")
    return float(value)


def as_number(value: Any, name: str) -> float:
    """Return a finite number of either sign."""
    number = _as_float(value, name)
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number!r}")
    return number


def as_nonnegative(value: Any, name: str, *, or_else: str = "") -> float:
    """Return a number that is not negative and finite in float32; `or_else` ends the TypeError."""
    number = _as_float(value, name, or_else)
    if not 0 <= number <= _MAX_FLOAT32:  # NaN fails the comparison too
        raise ValueError(f"{name} must be finite (in float32) and not negative, got {number!r}")
    return number


def as_positive(value: Any, name: str) -> float:
    """Return a number above 0."""
    number = _as_float(value, name)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {number!r}")
    return number


def as_temperature(value: Any, name: str) -> float:
    """Return what logits are divided by, in float32 or float64."""
    number = as_positive(value, name)
    if not _TINY_FLOAT32 <= number <= _MAX_FLOAT32:
        raise ValueError(f"{name} must be in [{_TINY_FLOAT32:.2g}, {_MAX_FLOAT32:.2g}], got {number!r}")
    return number


def as_fraction(value: Any, name: str, *, or_one: bool = False) -> float:
    """Return a number in [0, 1), or in [0, 1]."""
    number = _as_float(value, name)
    if not 0 <= number < 1 and not (or_one and number == 1):
        raise ValueError(f"{name} must be in [0, 1{']' if or_one else ')'}, got {number!r}")
    return number
