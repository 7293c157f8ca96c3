"""Scratch arrays that outlive a call.

A fresh array of some megabytes costs as much in page faults as a product does in arithmetic, so each thread keeps
what its last calls used. Vectors load fastest from addresses that are multiples of a cache line; NumPy promises 16.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["scratch"]

_ALIGNMENT = 64
_KEPT_AT_MOST = 256 << 20
"""Bytes of one array above which it is given back to the system after the call."""


class _Pool(threading.local):
    def __init__(self) -> None:
        self.buffers: dict[str, NDArray[np.uint8]] = {}


_pool = _Pool()


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an uninitialised array, aligned to a cache line, that holds until the next call with this name."""
    wanted = math.prod(shape) * np.dtype(dtype).itemsize + _ALIGNMENT
    buffer = _pool.buffers.get(name)
    if buffer is None or buffer.nbytes < wanted:
        _pool.buffers.pop(name, None)
        buffer = np.empty(wanted, np.uint8)
        if wanted <= _KEPT_AT_MOST:
            _pool.buffers[name] = buffer
    start = -buffer.__array_interface__["data"][0] % _ALIGNMENT
    return buffer[start : start + wanted - _ALIGNMENT].view(dtype).reshape(shape)
