"""Arrays of a call: declarations of the fields of jobs, and a workspace that is reused by later calls.

A job is a named tuple of everything that the stages of a kernel share. The default of each field is a `Field`, which
declares its shape, as a function of the sizes of a call, its dtype, and the stages that write and read it. Arrays are
allocated from these declarations by name, so no field can get the shape of another one.

A new array of some megabytes costs as much in page faults as a product does in arithmetic. So each thread keeps the
arrays of its last calls. Vectors load fastest from multiples of a cache line; NumPy only aligns arrays to 16 bytes.
"""

from __future__ import annotations

import functools
import math
import threading
from collections import namedtuple
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "Field", "aligned", "concatenated", "dtype_of", "given", "new_results", "number", "result", "scratch", "shared",
    "shared_fields",
]  # fmt: skip

_ALIGNMENT = 64
_LARGEST_KEPT = 256 << 20
"""Larger arrays, in bytes, are freed after the call."""
_MOST_SETS = 8
"""Sets of arrays that are kept: a training loop alternates between a few shapes."""

_Shape = tuple[int, ...]
_T = TypeVar("_T")
_H = TypeVar("_H")


_LARGE = 1 << 16
"""Results of at least so many numbers are aligned to a cache line: vectors that cross lines take a third longer to
store."""


class Field(NamedTuple):
    """The declaration of a job's field.

    Attributes
    ----------
    kind : {'given', 'result', 'shared', 'number'}
        An argument of the call, a new array of each call, an array of the workspace, which calls of the same sizes
        share, or a number that depends only on the sizes.
    shape : callable
        Takes the sizes of a call; returns the shape, or the number itself, which may be a tuple of numbers.
    dtype : dtype or str or None
        A string is the attribute of the sizes that has it; None is ``"dtype"``, that of the arithmetic.
    written, read : str
        Names of the stages that write and read it, separated by spaces; ``caller`` is the Python code around them.
    on_cache_lines : bool
        Whether a result begins on a cache line though it may be small.
    """

    kind: str
    shape: Callable[[Any], Any]
    dtype: DTypeLike | None
    written: str
    read: str
    on_cache_lines: bool = False


def given(shape: Callable[[Any], _Shape], dtype: DTypeLike | None = None, *, read: str) -> Any:
    """Declare an array that is an argument of the call."""
    return Field("given", shape, dtype, "caller", read)


def result(
    shape: Callable[[Any], _Shape], dtype: DTypeLike | None = None, *, written: str, read: str = "caller",
    on_cache_lines: bool = False,
) -> Any:  # fmt: skip
    """Declare a new array of each call, which is returned."""
    return Field("result", shape, dtype, written, read, on_cache_lines)


def shared(shape: Callable[[Any], _Shape], dtype: DTypeLike | None = None, *, written: str, read: str) -> Any:
    """Declare an array of the workspace."""
    return Field("shared", shape, dtype, written, read)


def number(value: Callable[[Any], Any], *, read: str) -> Any:
    """Declare a number of the workspace, or a tuple of numbers."""
    return Field("number", value, None, "caller", read)


def concatenated(name: str, module: str, *parts: type[Any]) -> Any:
    """Return a named tuple of the declared fields of some others, in their order.

    Parameters
    ----------
    name, module : str
        Its name and module, by which Numba finds it in other processes.
    *parts : type
        Named tuples whose fields are all declared.
    """
    declared = {field: default for part in parts for field, default in part._field_defaults.items()}
    return namedtuple(name, declared, defaults=declared.values(), module=module)


def dtype_of(field: Field, sizes: Any) -> np.dtype[Any]:
    """Return the dtype of a field in a call."""
    name = "dtype" if field.dtype is None else field.dtype
    return np.dtype(getattr(sizes, name) if isinstance(name, str) else name)


@functools.lru_cache(_MOST_SETS)
def _declared_results(job: Any, sizes: Any) -> list[tuple[str, Callable[..., NDArray[Any]], _Shape, np.dtype[Any]]]:
    """Return name, function that allocates it, shape and dtype of each result of a job."""
    results = []
    for name, field in job._field_defaults.items():
        if field.kind == "result":
            shape = field.shape(sizes)
            make = aligned if field.on_cache_lines or math.prod(shape) >= _LARGE else np.empty
            results.append((name, make, shape, dtype_of(field, sizes)))
    return results


def new_results(job: Any, sizes: Any, *, made: dict[str, NDArray[Any]] | None = None) -> dict[str, NDArray[Any]]:
    """Return arrays for all results of a job, by name: those in `made`, and new, uninitialised ones."""
    arrays = dict(made or {})
    for name, make, shape, dtype in _declared_results(job, sizes):
        if name not in arrays:
            arrays[name] = make(shape, dtype)
    return arrays


def shared_fields(fields: type[_T], sizes: Any, make: Callable[[_T], _H]) -> _H:
    """Return ``make(fields)`` for a named tuple of a workspace's arrays and numbers, valid until the next call.

    Parameters
    ----------
    fields : type
        A named tuple whose fields are all declared.
    sizes : hashable
        Sizes of a call. Calls with equal sizes get the same object.
    make : callable
        Makes the object that is returned and kept.

    Returns
    -------
    object
        Of this thread.
    """
    declared: dict[str, Field] = fields._field_defaults  # type: ignore[attr-defined]
    names = [name for name, field in declared.items() if field.kind == "shared"]

    def make_fields(arrays: list[NDArray[Any]]) -> _H:
        numbers = {name: field.shape(sizes) for name, field in declared.items() if field.kind == "number"}
        return make(fields(**dict(zip(names, arrays, strict=True)), **numbers))

    return _carve(
        (fields, sizes),
        lambda: [(declared[name].shape(sizes), dtype_of(declared[name], sizes)) for name in names],
        make_fields,
    )


class _Pool(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[str, NDArray[np.uint8]] = {}
        self.sets: dict[Hashable, Any] = {}
        self.arena: NDArray[np.uint8] = np.empty(0, np.uint8)


_pool = _Pool()


def _aligned(count: int) -> NDArray[np.uint8]:
    buffer = np.empty(count + _ALIGNMENT, np.uint8)
    start = -buffer.__array_interface__["data"][0] % _ALIGNMENT
    return buffer[start : start + count]


def _bytes(shape: _Shape, dtype: DTypeLike) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def aligned(shape: _Shape, dtype: DTypeLike) -> NDArray[Any]:
    """Return a new uninitialised array, aligned to a cache line."""
    return _aligned(_bytes(shape, dtype)).view(dtype).reshape(shape)


def scratch(name: str, shape: _Shape, dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array, aligned to a cache line, valid until the next call with this name."""
    needed = _bytes(shape, dtype)
    buffer = _pool.buffers.get(name)
    if buffer is None or buffer.nbytes < needed:
        _pool.buffers.pop(name, None)
        buffer = _aligned(needed)
        if needed <= _LARGEST_KEPT:
            _pool.buffers[name] = buffer
    return buffer[:needed].view(dtype).reshape(shape)


def _carve(
    key: Hashable,
    arrays: Callable[[], Iterable[tuple[_Shape, DTypeLike]]],
    make: Callable[[list[NDArray[Any]]], _T],
) -> _T:
    """Return ``make(arrays)`` for several uninitialised arrays in one buffer, each aligned to a cache line.

    They are valid until the next call.

    Parameters
    ----------
    key : hashable
        Calls with equal keys need the same arrays; they get the same object as long as it is kept.
    arrays : callable
        Returns the shape and dtype of each.
    make : callable
        Makes the object that is returned and kept from the list of the arrays.

    Returns
    -------
    object
        Of this thread.
    """
    found: Any = _pool.sets.get(key)
    if found is not None:
        return found  # type: ignore[no-any-return]
    needed = list(arrays())
    ends = np.cumsum([-(-_bytes(*each) // _ALIGNMENT) * _ALIGNMENT for each in needed])
    arena, total = _pool.arena, int(ends[-1])
    if len(arena) < total:
        _pool.sets.clear()
        _pool.arena = np.empty(0, np.uint8)
        del arena  # freed before the larger one is allocated
        arena = _aligned(total)
        if total > _LARGEST_KEPT:
            return make(_views(arena, needed, ends))
        _pool.arena = arena
    while len(_pool.sets) >= _MOST_SETS:
        _pool.sets.pop(next(iter(_pool.sets)))
    made = _pool.sets[key] = make(_views(arena, needed, ends))
    return made


def _views(arena: NDArray[np.uint8], needed: list[tuple[_Shape, DTypeLike]], ends: NDArray[Any]) -> list[NDArray[Any]]:
    starts = [0, *ends[:-1].tolist()]
    return [
        arena[start : start + _bytes(shape, dtype)].view(dtype).reshape(shape)
        for start, (shape, dtype) in zip(starts, needed, strict=True)
    ]
