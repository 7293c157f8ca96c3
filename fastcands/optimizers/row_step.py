"""The arrays of one step, as kernels take them: plain, contiguous, none read by one worker and written by another."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.threads import get_num_threads
from fastcands.values import RowGradient

__all__ = ["RowStep", "is_bfloat16", "prepare"]

State = dict[str, NDArray[Any]]

_NUMBERS_PER_THREAD = 1 << 13
"""A thread is started for at least so many numbers of the gradient: fewer take less time than its start."""


def is_bfloat16(array: NDArray[Any]) -> bool:
    """Whether the numbers are those of ml_dtypes; told by name, since that package need not be installed."""
    return array.dtype.kind == "V" and array.dtype.name == "bfloat16"  # the name alone takes microseconds


class RowStep(NamedTuple):
    """The arrays of a step, as `fastcands.kernels.optimizers.update_rows` takes them.

    A table of any strides, or a state of any, is worked on as a contiguous copy of the step's rows, which `put_back`
    writes where they came from.
    """

    table: NDArray[Any]
    """(V, D) float32 or float64, or uint16: the bits of bfloat16."""
    state: State
    """Matrices (V, D), vectors (V,)."""
    ids: NDArray[np.int64]
    """The row of the table, which random bits depend on."""
    places: NDArray[np.int64]
    """Where that row is in the arrays: the same, or its position in the copies."""
    rows: NDArray[Any]
    """(U, D), the gradient."""
    num_threads: int
    originals: tuple[NDArray[Any], ...]
    copies: tuple[NDArray[Any], ...]
    """What the copies were taken from, and those: empty where the arrays themselves are worked on."""

    def put_back(self) -> None:
        """Write copied rows where they came from."""
        for original, copy in zip(self.originals, self.copies, strict=True):
            original[self.ids] = copy


def _as_matrix(array: NDArray[Any]) -> NDArray[Any]:
    """View a vector as a matrix of one column."""
    return array if array.ndim == 2 else array[:, None]


def prepare(table: NDArray[Any], state: State, vectors: Collection[str], gradient: RowGradient) -> RowStep:
    """Lay out a step; everything has been checked. Nothing is changed before `put_back`.

    `vectors` are the names of the state's arrays that have a number for each row even where the table is a matrix.
    """
    ids = np.ascontiguousarray(gradient.ids)
    rows = gradient.rows if gradient.rows.dtype in (np.float32, np.float64) else gradient.rows.astype(np.float32)
    rows = np.ascontiguousarray(_as_matrix(np.asarray(rows)))
    numbers = _as_matrix(np.asarray(table.view(np.uint16) if is_bfloat16(table) else table))
    arrays = {name: np.asarray(array) for name, array in state.items()}
    arrays = {name: array if name in vectors else _as_matrix(array) for name, array in arrays.items()}
    everything = (numbers, *arrays.values())
    if any(np.may_share_memory(rows, array) for array in everything):
        rows = rows.copy()  # a worker must not read what another one writes
    copies: tuple[NDArray[Any], ...] = ()
    places = ids
    if not all(array.flags.c_contiguous for array in everything):
        places = np.arange(len(ids))
        copies = tuple(array[ids] for array in everything)
        arrays = dict(zip(arrays, copies[1:], strict=True))
    return RowStep(
        table=copies[0] if copies else numbers,
        state=arrays,
        ids=ids,
        places=places,
        rows=rows,
        num_threads=min(get_num_threads(), max(1, rows.size // _NUMBERS_PER_THREAD)),
        originals=everything if copies else (),
        copies=copies,
    )
