"""Arrays of a call: what a job declares of its fields, and scratch arrays that outlive a call.

A job is a named tuple of what the stages of a kernel share. The default of each of its fields is a `Field`: its shape,
as a function of the sizes of a call, its dtype, and the stages that write and read it. Arrays are made from these
declarations by name, so that a shape cannot meet another field than its own.

A fresh array of some megabytes costs as much in page faults as a product does in arithmetic, so each thread keeps
what its last calls used. Vectors load fastest from addresses that are multiples of a cache line; NumPy promises 16.
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
    "Field", "aligned", "carve", "dtype_of", "given", "joined", "new_results", "number", "result", "scratch", "shared",
    "shared_fields",
]  # fmt: skip

_ALIGNMENT = 64
_KEPT_AT_MOST = 256 << 20
"""Bytes of one array above which it is given back to the system after the call."""
_REMEMBERED = 8
"""Sets of arrays that are kept ready: a training loop alternates between few shapes."""

Shape = tuple[int, ...]
_T = TypeVar("_T")
_H = TypeVar("_H")


_LARGE = 1 << 16
"""Numbers of a result from which on it pays to align it to a cache line: vectors that cross lines take a third longer
to store."""


class Field(NamedTuple):
    """What a job declares of one of its fields.

    Attributes
    ----------
    kind : {'given', 'result', 'shared', 'number'}
        Whether it comes with the call, is a new array of each call, or is kept for calls of the same sizes; a number
        too is the same for these.
    shape : callable
        Takes the sizes of a call; returns the shape, or the number itself, which may be a tuple of several.
    dtype : dtype or str or None
        A string names the one of the sizes' attributes that holds it; None is ``"dtype"``, that of the arithmetic.
    written, read : str
        Names of the stages that do, separated by spaces. The caller is a stage, too: ``caller``.
    """

    kind: str
    shape: Callable[[Any], Any]
    dtype: DTypeLike | None
    written: str
    read: str


def given(shape: Callable[[Any], Shape], dtype: DTypeLike | None = None, *, read: str) -> Any:
    """Declare an array that comes with a call."""
    return Field("given", shape, dtype, "caller", read)


def result(shape: Callable[[Any], Shape], dtype: DTypeLike | None = None, *, written: str, read: str = "caller") -> Any:
    """Declare an array that each call makes anew and returns."""
    return Field("result", shape, dtype, written, read)


def shared(shape: Callable[[Any], Shape], dtype: DTypeLike | None = None, *, written: str, read: str) -> Any:
    """Declare an array of the workspace."""
    return Field("shared", shape, dtype, written, read)


def number(value: Callable[[Any], Any], *, read: str) -> Any:
    """Declare a number of the workspace, or a tuple of some."""
    return Field("number", value, None, "caller", read)


def joined(name: str, module: str, *parts: type[Any]) -> Any:
    """Return a named tuple of the declared fields of some others, in their order.

    Parameters
    ----------
    name, module : str
        Where it stands, so that Numba finds it again in other processes.
    *parts : type
        Named tuples whose fields are all declared.
    """
    declared = {field: default for part in parts for field, default in part._field_defaults.items()}
    return namedtuple(name, declared, defaults=declared.values(), module=module)


def dtype_of(field: Field, sizes: Any) -> np.dtype[Any]:
    """Return the dtype of a field in a call."""
    name = "dtype" if field.dtype is None else field.dtype
    return np.dtype(getattr(sizes, name) if isinstance(name, str) else name)


@functools.lru_cache(_REMEMBERED)
def _declared_results(job: Any, sizes: Any) -> list[tuple[str, Callable[..., NDArray[Any]], Shape, np.dtype[Any]]]:
    """Return name, maker, shape and dtype of the results that a job declares, found once for calls of a size."""
    results = []
    for name, field in job._field_defaults.items():
        if field.kind == "result":
            shape = field.shape(sizes)
            make = aligned if math.prod(shape) >= _LARGE else np.empty
            results.append((name, make, shape, dtype_of(field, sizes)))
    return results


def new_results(job: Any, sizes: Any, *, made: dict[str, NDArray[Any]] | None = None) -> dict[str, NDArray[Any]]:
    """Return arrays for all results that a job declares, by name: those already made, and new, uninitialised ones."""
    arrays = dict(made or {})
    for name, make, shape, dtype in _declared_results(job, sizes):
        if name not in arrays:
            arrays[name] = make(shape, dtype)
    return arrays


def shared_fields(fields: type[_T], sizes: Any, hold: Callable[[_T], _H]) -> _H:
    """Return what `hold` makes of a named tuple of a workspace's arrays and numbers, until the next call.

    Parameters
    ----------
    fields : type
        A named tuple whose fields are all declared.
    sizes : hashable
        Sizes of a call. Calls with the same ones get the same.
    hold : callable
        Makes what is returned and remembered.

    Returns
    -------
    object
        Of this thread.
    """
    declared: dict[str, Field] = fields._field_defaults  # type: ignore[attr-defined]
    names = [name for name, field in declared.items() if field.kind == "shared"]

    def lay_down(arrays: list[NDArray[Any]]) -> _H:
        numbers = {name: field.shape(sizes) for name, field in declared.items() if field.kind == "number"}
        return hold(fields(**dict(zip(names, arrays, strict=True)), **numbers))

    return carve(
        (fields, sizes),
        lambda: [(declared[name].shape(sizes), dtype_of(declared[name], sizes)) for name in names],
        lay_down,
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


def _bytes(shape: Shape, dtype: DTypeLike) -> int:
    return math.prod(shape) * np.dtype(dtype).itemsize


def aligned(shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array of its own, aligned to a cache line."""
    return _aligned(_bytes(shape, dtype)).view(dtype).reshape(shape)


def scratch(name: str, shape: Shape, dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array, aligned to a cache line, that holds until the next call with this name."""
    wanted = _bytes(shape, dtype)
    buffer = _pool.buffers.get(name)
    if buffer is None or buffer.nbytes < wanted:
        _pool.buffers.pop(name, None)
        buffer = _aligned(wanted)
        if wanted <= _KEPT_AT_MOST:
            _pool.buffers[name] = buffer
    return buffer[:wanted].view(dtype).reshape(shape)


def carve(
    key: Hashable,
    arrays: Callable[[], Iterable[tuple[Shape, DTypeLike]]],
    hold: Callable[[list[NDArray[Any]]], _T],
) -> _T:
    """Return what holds several uninitialised arrays, side by side, each aligned to a cache line, until the next call.

    Parameters
    ----------
    key : hashable
        Calls with one key want the same arrays; what they got last is found again, without making it anew.
    arrays : callable
        Returns the shape and dtype of each.
    hold : callable
        Makes what is returned and remembered from the list of the arrays.

    Returns
    -------
    object
        Of this thread.
    """
    known: Any = _pool.sets.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return]
    wanted = list(arrays())
    ends = np.cumsum([-(-_bytes(*each) // _ALIGNMENT) * _ALIGNMENT for each in wanted])
    arena, total = _pool.arena, int(ends[-1])
    if len(arena) < total:
        _pool.sets.clear()
        _pool.arena = np.empty(0, np.uint8)
        del arena  # before the larger one is made
        arena = _aligned(total)
        if total > _KEPT_AT_MOST:
            return hold(_views(arena, wanted, ends))
        _pool.arena = arena
    while len(_pool.sets) >= _REMEMBERED:
        _pool.sets.pop(next(iter(_pool.sets)))
    held = _pool.sets[key] = hold(_views(arena, wanted, ends))
    return held


def _views(arena: NDArray[np.uint8], wanted: list[tuple[Shape, DTypeLike]], ends: NDArray[Any]) -> list[NDArray[Any]]:
    starts = [0, *ends[:-1].tolist()]
    return [
        arena[start : start + _bytes(shape, dtype)].view(dtype).reshape(shape)
        for start, (shape, dtype) in zip(starts, wanted, strict=True)
    ]
