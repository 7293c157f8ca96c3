"""Checks of arguments: every message of the library about ids, sizes and tables stands here."""

from __future__ import annotations

import numbers
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "as_class_ids",
    "as_finite",
    "as_labels",
    "as_size",
    "check_class_table",
    "check_row_gradient",
    "check_trainable",
]


def as_size(value: Any, name: str, *, minimum: int = 1) -> int:
    """Return `value` as an int of at least `minimum`."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got bool")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {type(value).__name__}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def _where(position: int, shape: tuple[int, ...]) -> str:
    index = np.unravel_index(position, shape)
    return "[" + ", ".join(str(int(i)) for i in index) + "]"


def as_class_ids(
    ids: Any,
    name: str,
    *,
    num_classes: int | None = None,
    ndim: int | None = None,
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return `ids` as a C-contiguous int64 array, each in [0, num_classes) when that is given."""
    array = np.asarray(ids)
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
            f"at {_where(first, array.shape)}"
        )
    return checked


def as_labels(
    labels: Any,
    *,
    num_true: int | None = None,
    num_classes: int | None = None,
    name: str = "labels",
    limit_name: str = "num_classes",
) -> NDArray[np.int64]:
    """Return `labels` as int64 of shape (B, T); (B,) is taken as (B, 1)."""
    array = np.asarray(labels)
    if array.dtype.kind == "f" and array.ndim == 2 and array.size:
        raise TypeError(
            f"{name} must be integers, got {array.dtype} of shape {array.shape}: are labels and inputs swapped?"
        )
    ids = as_class_ids(labels, name, num_classes=num_classes, limit_name=limit_name)
    if ids.ndim == 1 and num_true in (None, 1):
        ids = ids[:, None]
    if ids.ndim != 2:
        expected = "(B, num_true)" if num_true != 1 else "(B, 1) or (B,)"
        raise ValueError(f"{name} must have shape {expected}, got {ids.shape}")
    if num_true is not None and ids.shape[1] != num_true:
        raise ValueError(f"{name} must have num_true = {num_true} columns, got shape {ids.shape}")
    if ids.shape[1] == 0:
        raise ValueError(f"{name} must have at least one column, got shape {ids.shape}")
    return ids


def as_finite(value: Any, name: str, *, or_else: str = "") -> float:
    """Return `value` as a float that is not negative and finite in float32; `or_else` ends the TypeError."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number{or_else}, got {type(value).__name__}")
    number = float(value)
    if not 0 <= number <= float(np.finfo(np.float32).max):
        raise ValueError(f"{name} must be finite (in float32) and not negative, got {number!r}")
    return number


def check_trainable(array: Any, name: str, *, writable: bool = True) -> None:
    """Refuse what an optimizer cannot change in place: all but float arrays (V, D) or (V,)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(array).__name__}")
    if array.dtype not in (np.float32, np.float64) and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must be float32, float64 or bfloat16, got {array.dtype}")
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must have shape (V, D) or (V,), got {array.shape}")
    if writable and not array.flags.writeable:
        raise ValueError(f"{name} must be writable, got a read-only array")


def check_row_gradient(
    ids: Any, rows: Any, num_rows: int, *, shape: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> None:
    """Refuse a row gradient that does not belong to a table of this shape and dtype."""
    if num_rows != shape[0]:
        raise ValueError(f"gradient.num_rows must be {shape[0]}, the rows of {name}, got {num_rows}")
    if not isinstance(ids, np.ndarray) or ids.dtype != np.int64 or ids.ndim != 1:
        came = f"{ids.dtype} {ids.shape}" if isinstance(ids, np.ndarray) else type(ids).__name__
        raise TypeError(f"gradient.ids must be an int64 array of shape (U,), got {came}")
    is_half = dtype.kind == "V" and dtype.name == "bfloat16"  # the name alone takes microseconds
    if not isinstance(rows, np.ndarray) or (rows.dtype != dtype and not (is_half and rows.dtype == np.float32)):
        came = str(rows.dtype) if isinstance(rows, np.ndarray) else type(rows).__name__
        expected = "float32, or bfloat16" if is_half else str(dtype)
        raise TypeError(f"gradient.rows must be {expected} as {name} is, got {came}")
    if rows.shape != (len(ids), *shape[1:]):
        raise ValueError(f"gradient.rows must have shape {(len(ids), *shape[1:])} for {name}, got {rows.shape}")
    if len(ids) and (ids[0] < 0 or ids[-1] >= num_rows or not (ids[1:] > ids[:-1]).all()):
        as_class_ids(ids, "gradient.ids", num_classes=num_rows, limit_name="num_rows")
        first = int(np.flatnonzero(ids[1:] <= ids[:-1])[0])
        raise ValueError(f"gradient.ids must rise, got {int(ids[first])} before {int(ids[first + 1])} at [{first + 1}]")


def check_class_table(weights: Any, biases: Any) -> None:
    """Refuse arrays that are not weights (V, D) and biases (V,) or None, of one dtype."""
    check_trainable(weights, "weights", writable=False)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"weights must have shape (V, D), both at least 1, got {weights.shape}")
    if biases is None:
        return
    check_trainable(biases, "biases", writable=False)
    if biases.shape != weights.shape[:1]:
        raise ValueError(f"biases must have shape ({weights.shape[0]},) as weights have rows, got {biases.shape}")
    half = weights.dtype.name == "bfloat16"
    if biases.dtype != weights.dtype and not (half and biases.dtype == np.float32):
        expected = "float32, or bfloat16" if half else str(weights.dtype)
        raise TypeError(f"biases must be {expected} as weights are, got {biases.dtype}")
