"""Scratch arrays that outlive a call.

A fresh array of some megabytes costs as much in page faults as a product does in arithmetic, so each thread keeps
what its last calls used. Vectors load fastest from addresses that are multiples of a cache line; NumPy promises 16.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["aligned", "carve", "scratch"]

_ALIGNMENT = 64
_KEPT_AT_MOST = 256 << 20
"""Bytes of one array above which it is given back to the system after the call."""
_REMEMBERED = 8
"""Sets of arrays that are kept ready: a training loop alternates between few shapes."""

Shape = tuple[int, ...]
_T = TypeVar("_T")


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
