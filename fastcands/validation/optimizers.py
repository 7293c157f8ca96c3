"""Checks of what optimizers alone take, and of what they remember."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import check_unmasked
from fastcands.validation.numbers import as_nonnegative

__all__ = [
    "StateArray",
    "as_clip_norm",
    "check_denominator",
    "check_rising",
    "check_state",
]


class StateArray(NamedTuple):
    """An array an optimizer remembers between steps, described.

    Attributes
    ----------
    shape : tuple of int
        That of the table, or (V,).
    dtype : dtype
        float32 or float64 for moments, int64 for steps.
    fill : float
        What all of it is before the first step.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> fc.Momentum(0.1).state_arrays(np.zeros((5, 2)))["velocity"].shape
    (5, 2)
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fill: float


def as_clip_norm(value: Any) -> float:
    """Return the largest norm of a row's gradient; infinity for None."""
    if value is None:
        return math.inf
    number = as_nonnegative(value, "clip_norm", or_else=" or None")
    if number == 0:
        raise ValueError("clip_norm must be above 0, got 0.0: no row would ever move")
    return number


def check_denominator(*terms: tuple[str, float]) -> None:
    """Refuse a denominator that a zero gradient leaves at 0; the kernels take denormal numbers as 0."""
    if all(value < np.finfo(np.float32).tiny for _, value in terms):
        names = " and ".join(name for name, _ in terms)
        verb = "must not both be 0" if len(terms) > 1 else "must not be 0"
        raise ValueError(f"{names} {verb} (in float32): a zero gradient gives 0 / 0")


def check_state(expected: Mapping[str, StateArray], state: Any, name: str) -> None:
    """Refuse a state that is not the one `init` makes for the table called `name`."""
    if not isinstance(state, dict) or sorted(state) != sorted(expected):
        came = sorted(state) if isinstance(state, dict) else type(state).__name__
        raise TypeError(f"state of {name} must be the dict that init() returns, with {sorted(expected)}, got {came}")
    for key, (shape, dtype, _) in expected.items():
        array, array_name = state[key], f"state[{key!r}] of {name}"
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{array_name} must be a NumPy array, got {type(array).__name__}")
        if type(array) is not np.ndarray:
            check_unmasked(array, array_name)
        if array.shape != shape:
            raise ValueError(f"{array_name} must have shape {shape}, got {array.shape}")
        if array.dtype != dtype:
            raise TypeError(f"{array_name} must be {dtype}, got {array.dtype}")
        if not array.flags.writeable:
            raise ValueError(f"{array_name} must be writable, got a read-only array")


def check_rising(last_step: NDArray[np.int64], ids: NDArray[np.int64], step: int, name: str) -> None:
    """Refuse a step that a row has already made, or one before it."""
    latest = last_step[ids]
    if len(ids) and latest.max() >= step:
        u = int(latest.argmax())
        raise ValueError(f"step must be above {latest[u]}, the last step of row {ids[u]} of {name}, got {step}")
