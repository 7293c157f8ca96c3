"""Calls of kernels, recorded while public functions run and made again one by one.

Kernels have arguments that are the results of other kernels. Instead of making those up, a call is taken as the
library makes it, with copies of its arrays; before each repetition they are set back to what they were, as kernels
count work in them or change them in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.observe import Kernel
from fastcands.stages import Workspace

__all__ = ["LARGEST_COPY", "Replay", "argument_bytes"]

LARGEST_COPY = 96 << 20
"""Bytes of an array above which it is used as it lies: tables, which kernels read, or change row by row."""
_CACHE_LINE = 64


def _arrays(value: Any) -> list[NDArray[Any]]:
    """Return all arrays in nested tuples, and in what a job leaves in place."""
    if isinstance(value, Workspace):
        return _arrays(value.fields)
    if isinstance(value, tuple):
        return [array for part in value for array in _arrays(part)]
    return [value] if isinstance(value, np.ndarray) else []


def argument_bytes(args: tuple[Any, ...]) -> int:
    """Return the bytes of all arrays among some arguments."""
    return sum(array.nbytes for array in _arrays(args))


def _root(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that owns the memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _place(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


class _Copies:
    """Copies of memory, each once, however many views there are; where they lie in a cache line stays the same."""

    def __init__(self) -> None:
        self._by_place: dict[int, NDArray[np.uint8]] = {}
        self._pristine: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []

    def _memory(self, root: NDArray[Any]) -> NDArray[np.uint8]:
        where = _place(root)
        if where not in self._by_place:
            room = np.empty(root.nbytes + _CACHE_LINE, np.uint8)
            shift = (where - _place(room)) % _CACHE_LINE
            copy = room[shift : shift + root.nbytes]
            copy[:] = np.ndarray(root.nbytes, np.uint8, root.data if root.flags.c_contiguous else root.tobytes("A"))
            self._by_place[where] = copy
            self._pristine.append((copy, copy.copy()))
        return self._by_place[where]

    def of(self, value: Any) -> Any:
        """Return nested tuples with their arrays replaced."""
        if isinstance(value, Workspace):
            return Workspace(self.of(value.fields))
        if isinstance(value, tuple):
            parts = [self.of(part) for part in value]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        if not isinstance(value, np.ndarray):
            return value
        root = _root(value)
        if root.nbytes > LARGEST_COPY or not root.nbytes or not root.flags.forc:
            return value
        memory = self._memory(root)
        view = np.ndarray(value.shape, value.dtype, memory, _place(value) - _place(root), value.strides)
        view.flags.writeable = value.flags.writeable
        return view

    def restore(self) -> None:
        """Set all copies back."""
        for copy, pristine in self._pristine:
            copy[:] = pristine


def _at_its_place(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return arguments with the address of the workspace in the job, if they are those of a stage."""
    held = [each for each in args if isinstance(each, Workspace)]
    return (args[0]._replace(workspace=held[0].address), *args[1:]) if held else args


class Replay:
    """One call of a kernel, to be made again.

    Parameters
    ----------
    kernel : Kernel
        What to run.
    args : tuple
        What it was called with; its arrays must hold what they hold before the call.
    keep : object
        Whatever must live on: some arguments are addresses.
    """

    def __init__(self, kernel: Kernel, args: tuple[Any, ...], keep: Any) -> None:
        self.bytes = argument_bytes(args)
        self._run: Callable[..., Any] = kernel.run
        self._copies = _Copies()
        self._originals = args, keep
        self._args = _at_its_place(self._copies.of(args))

    def restore(self) -> None:
        """Set the arguments back to what they were."""
        self._copies.restore()

    def __call__(self) -> None:
        """Run the kernel."""
        self._run(*self._args)
