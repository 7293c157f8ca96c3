"""Checks of tables of classes, of what belongs to their rows, and of how they are cut into shards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.validation.arrays import as_plain, check_unmasked
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_size

__all__ = [
    "as_class_table",
    "as_num_shards",
    "check_partition_strategy",
    "check_row_gradient",
    "check_row_pairs",
    "check_table_size",
    "check_trainable",
]


def check_trainable(array: Any, name: str, *, writable: bool = True) -> None:
    """Refuse what an optimizer cannot change in place: all but float arrays (V, D) or (V,)."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(array).__name__}")
    if type(array) is not np.ndarray:
        check_unmasked(array, name)
    if array.dtype not in (np.float32, np.float64) and not (array.dtype.name == "bfloat16" and array.dtype.isnative):
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
    if type(ids) is not np.ndarray or type(rows) is not np.ndarray:
        check_unmasked(ids, "gradient.ids")
        check_unmasked(rows, "gradient.rows")
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


def as_class_table(weights: Any, biases: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return weights (V, D) and biases (V,) or None, of one dtype: themselves, not copies."""
    check_trainable(weights, "weights", writable=False)
    if weights.ndim != 2 or 0 in weights.shape:
        raise ValueError(f"weights must have shape (V, D), both at least 1, got {weights.shape}")
    if biases is None:
        return as_plain(weights), None
    check_trainable(biases, "biases", writable=False)
    if biases.shape != weights.shape[:1]:
        raise ValueError(f"biases must have shape ({weights.shape[0]},) as weights have rows, got {biases.shape}")
    half = weights.dtype.name == "bfloat16"
    if biases.dtype != weights.dtype and not (half and biases.dtype == np.float32):
        expected = "float32, or bfloat16" if half else str(weights.dtype)
        raise TypeError(f"biases must be {expected} as weights are, got {biases.dtype}")
    return as_plain(weights), as_plain(biases)


def check_table_size(num_classes: int, dim: int) -> None:
    """Refuse a table that no memory holds."""
    if num_classes * dim >= 2**59:
        raise ValueError(f"num_classes * dim must be below 2**59, got {num_classes} * {dim}")


def check_row_pairs(ids: NDArray[np.int64], rows: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Refuse rows that are no contributions (N, D) or (N,) to the gradient of a table, one for each id.

    `dtype` is that in which they came: those of another byte order would be copied whole.
    """
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"rows must be float32 or float64, got {dtype}")
    if rows.ndim not in (1, 2) or len(rows) != len(ids):
        raise ValueError(f"rows must have shape ({len(ids)}, D) or ({len(ids)},) as ids do, got {rows.shape}")


def check_partition_strategy(value: Any) -> None:
    """Refuse all but TensorFlow's two ways to cut a table into shards."""
    if value not in ("mod", "div"):
        raise ValueError(f"partition_strategy must be 'mod' or 'div', got {value!r}")


def as_num_shards(value: Any, num_classes: int) -> int:
    """Return a number of shards, each of which holds a class."""
    shards = as_size(value, "num_shards")
    if shards > num_classes:
        raise ValueError(f"num_shards must be at most the {num_classes} classes, got {shards}")
    return shards
