"""Saved arrays on their way back into a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from numpy.typing import NDArray

from fastcands.validation.arrays import as_array

__all__ = ["check_arrays", "copy_state"]


def check_arrays(state: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuse a saved state that lacks an array.

    Parameters
    ----------
    state : mapping of str to array
        What was saved.
    names : iterable of str
        What it must have.

    Raises
    ------
    ValueError
        If it does not; names the first that is missing.
    """
    for name in names:
        if name not in state:
            raise ValueError(f"the state lacks the array {name!r}")


def copy_state(state: Mapping[str, NDArray[Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Copy saved arrays into a model's own, all or none.

    Parameters
    ----------
    state : mapping of str to array
        What was saved; other names are ignored.
    arrays : mapping of str to array
        The model's own, changed in place.

    Raises
    ------
    ValueError
        If an array is missing or has another shape or dtype. Nothing has been changed then.

    Examples
    --------
    >>> import numpy as np
    >>> own = {"x": np.zeros(2)}
    >>> copy_state({"x": np.ones(2), "y": np.ones(3)}, own)
    >>> own["x"].tolist()
    [1.0, 1.0]
    """
    check_arrays(state, arrays)
    for name, array in arrays.items():
        came = as_array(state[name], name)
        if came.shape != array.shape or came.dtype != array.dtype:
            expected = f"{array.dtype} of shape {array.shape}"
            raise ValueError(f"{name} must be {expected}, got {came.dtype} of shape {came.shape}")
    for name, array in arrays.items():
        array[...] = as_array(state[name], name)
