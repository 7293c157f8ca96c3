"""A class table as users pass it: one array or a list of shards, of any strides."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import RowGradient
from fastcands.kernels.table.view import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TableView
from fastcands.validation.arrays import as_array, as_per_class
from fastcands.validation.tables import check_partition_strategy

__all__ = ["Shards", "as_biases", "as_inputs", "as_weights"]

_PLAIN = (np.ndarray, np.memmap)
_FLOAT32 = np.dtype(np.float32)
_STORAGE = {"float32": FLOAT32, "float64": FLOAT64, "float16": FLOAT16, "bfloat16": BFLOAT16}


@functools.cache
def _storage(dtype: np.dtype[Any]) -> int | None:
    """Return the `storage` of a dtype in a `TableView`, None if kernels cannot read it."""
    return _STORAGE.get(dtype.name) if dtype.isnative else None


class Shards(NamedTuple):
    """Rows of a table, spread over arrays.

    'div' gives each shard consecutive ids, the first ``total % P`` one more than the others; 'mod' gives id i to
    shard i % P (the layouts of ``tf.nn.embedding_lookup``).
    """

    arrays: list[NDArray[Any]]
    total: int
    strategy: str
    listed: bool
    """Whether a list was given, so that gradients are returned as a list."""

    def locate(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the shard of each id and its row there."""
        count = len(self.arrays)
        if self.strategy == "mod":
            return ids % count, ids // count
        small, extra = divmod(self.total, count)
        longer = ids < extra * (small + 1)
        shard = np.where(longer, ids // (small + 1), (ids - extra) // max(small, 1))
        row = np.where(longer, ids % (small + 1), (ids - extra) % max(small, 1))
        return shard, row

    def ids_of(self, shard: int) -> NDArray[np.int64]:
        """Return the class ids of a shard, in the order of its rows."""
        if self.strategy == "mod":
            return np.arange(shard, self.total, len(self.arrays))
        start = sum(len(array) for array in self.arrays[:shard])
        return np.arange(start, start + len(self.arrays[shard]))

    def addresses(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where the row of each id starts in memory."""
        starts = [array.__array_interface__["data"][0] for array in self.arrays]
        if len(starts) == 1:
            return np.asarray(ids * self.arrays[0].strides[0] + starts[0])
        shard, row = self.locate(ids)
        strides = np.array([array.strides[0] for array in self.arrays])
        return np.asarray(np.array(starts)[shard] + row * strides[shard])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the table."""
        return self.arrays[0].dtype

    @property
    def gradient_dtype(self) -> np.dtype[Any]:
        """The dtype of the table's gradient: its own, but float32 for bfloat16, to avoid rounding the gradient."""
        return _FLOAT32 if self.dtype.kind == "V" else self.dtype  # bfloat16 is the only accepted dtype of this kind

    @property
    def view(self) -> TableView:
        """The table as kernels see it; a 1-D table has rows of one number."""
        starts = np.array([array.__array_interface__["data"][0] for array in self.arrays], np.int64)
        strides = np.array([array.strides[0] for array in self.arrays], np.int64)
        first = self.arrays[0]
        storage = _storage(first.dtype)
        assert storage is not None
        feature_stride, width = (first.strides[1], first.shape[1]) if first.ndim == 2 else (0, 1)
        return TableView(starts, strides, feature_stride, storage, width, self.total, self.strategy == "mod")

    def view_of(self, shard: int) -> TableView:
        """One shard as kernels see it, as a separate table."""
        view = self.view
        here = slice(shard, shard + 1)
        return view._replace(starts=view.starts[here], strides=view.strides[here], total=len(self.arrays[shard]))

    def take(self, ids: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the entries of a 1-D table."""
        if len(self.arrays) == 1:
            return self.arrays[0][ids].astype(dtype, copy=False)
        shard, row = self.locate(ids)
        taken = np.empty(len(ids), dtype)
        for s, array in enumerate(self.arrays):
            here = shard == s
            taken[here] = array[row[here]]
        return taken

    def gradient(self, ids: NDArray[np.int64], rows: NDArray[Any]) -> RowGradient | list[RowGradient]:
        """Return the gradient of the table, or of each shard, in `gradient_dtype`."""
        rows = rows.astype(self.gradient_dtype, copy=False)
        if not self.listed:
            return RowGradient(ids, rows, self.total)
        if len(self.arrays) == 1:
            return [RowGradient(ids, rows, self.total)]
        shard, row = self.locate(ids)
        parts = []
        for s, array in enumerate(self.arrays):
            here = np.flatnonzero(shard == s)
            parts.append(RowGradient(row[here], rows[here], len(array)))
        return parts


def _check_float(array: NDArray[Any], name: str) -> None:
    if _storage(array.dtype) is None:
        raise TypeError(f"{name} must be float32, float64, float16 or bfloat16 in native byte order, got {array.dtype}")


def _ndim(part: Any) -> int:
    """Return the dimensions of an array or of nested lists; -1 for rows of different lengths."""
    try:
        return int(np.ndim(part))
    except (TypeError, ValueError, RuntimeError):
        return -1


def _as_shards(value: Any, name: str, ndim: int, strategy: str) -> Shards:
    check_partition_strategy(strategy)
    if isinstance(value, memoryview):  # a sequence to Python, but an array and not a list of shards
        value = np.asarray(value)
    if type(value) in _PLAIN and value.ndim == ndim and value.size and _storage(value.dtype) is not None:
        return Shards([np.asarray(value)], len(value), strategy, False)  # a fast path for the usual case
    # a list of numbers or of rows is not a list of shards, which are arrays
    listed = isinstance(value, Sequence) and len(value) > 0 and all(_ndim(part) == ndim for part in value)
    if isinstance(value, Sequence) and len(value) == 0:
        raise ValueError(f"{name} must be an array or a list with at least one shard, got an empty list")
    parts = list(value) if listed else [value]
    names = [f"{name}[{s}]" for s in range(len(parts))] if listed else [name]
    for part, part_name in zip(parts, names, strict=True):
        if isinstance(part, np.ndarray):
            _check_float(part, part_name)  # of another byte order, it would be copied at every call
    arrays = [as_per_class(part, part_name) for part, part_name in zip(parts, names, strict=True)]
    for s, array in enumerate(arrays):
        part_name = names[s]
        _check_float(array, part_name)
        if array.ndim != ndim:
            shape = "(V, D)" if ndim == 2 else "(V,)"
            raise ValueError(f"{part_name} must have shape {shape}, got {array.shape}")
        if array.dtype != arrays[0].dtype:
            raise TypeError(f"{part_name} must be {arrays[0].dtype} as {name}[0] is, got {array.dtype}")
        if array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"{part_name} must have {arrays[0].shape[1]} features as {name}[0] has, got {array.shape[1]}"
            )
    total, count = sum(map(len, arrays)), len(arrays)
    if total == 0 or 0 in arrays[0].shape[1:]:
        least = "one class and one feature" if ndim == 2 else "one class"
        raise ValueError(f"{name} must have at least {least}, got shape {arrays[0].shape}")
    for s, array in enumerate(arrays):
        expected = (total - s + count - 1) // count
        if len(array) != expected:
            raise ValueError(
                f"{name}[{s}] must have {expected} of the {total} rows under {strategy!r}, got {len(array)}"
            )
    if ndim == 2 and len({array.strides[1] for array in arrays}) > 1:
        arrays = [np.ascontiguousarray(array) for array in arrays]
    return Shards(arrays, total, strategy, listed)


def as_weights(weights: Any, partition_strategy: str = "mod") -> Shards:
    """Return class weights (V, D), or a list of shards of them, checked."""
    return _as_shards(weights, "weights", 2, partition_strategy)


def as_biases(biases: Any, partition_strategy: str, num_classes: int) -> Shards | None:
    """Return class biases (V,), a list of shards of them, or None, checked."""
    if biases is None:
        return None
    shards = _as_shards(biases, "biases", 1, partition_strategy)
    if shards.total != num_classes:
        raise ValueError(f"biases must have {num_classes} entries as weights have rows, got {shards.total}")
    return shards


def as_inputs(inputs: Any, weights: Shards, examples: int) -> NDArray[Any]:
    """Return inputs (B, D), checked against the table and the labels."""
    array = as_array(inputs, "inputs")
    if array.dtype.kind in "iub":
        raise TypeError(f"inputs must be floating point, got {array.dtype}: are labels and inputs swapped?")
    _check_float(array, "inputs")
    width = weights.arrays[0].shape[1]
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"inputs must have shape (B, {width}) as weights have features, got {array.shape}")
    if len(array) != examples:
        raise ValueError(f"inputs must have {examples} rows as labels have, got {len(array)}")
    return array
