"""The arrays of a step, as the kernel takes them: contiguous, none read by one worker and written by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import RowGradient
from fastcands.kernels.optimizers.check_rows import check_rows, scan_rows
from fastcands.kernels.optimizers.update_rows import RowUpdate, update_rows
from fastcands.threads import get_num_threads
from fastcands.validation.finite import Written, not_finite_row

__all__ = ["RowStep", "is_bfloat16", "prepare"]

State = dict[str, NDArray[Any]]
Arrays = Sequence[NDArray[Any]]

_NUMBERS_PER_THREAD = 1 << 13
"""A thread is started for at least so many numbers of the gradient: fewer take less time than its start."""

_NO_STEPS = np.empty(0, np.int64)


def is_bfloat16(array: NDArray[Any]) -> bool:
    """Whether the numbers are those of ml_dtypes; told by name, since that package need not be installed."""
    return array.dtype.kind == "V" and array.dtype.name == "bfloat16"  # the name alone takes microseconds


class RowStep(NamedTuple):
    """A step that is ready to be made.

    A table of any strides, or a state of any, is worked on as a contiguous copy of the step's rows, which `make`
    writes where they came from.
    """

    update: RowUpdate
    num_threads: int
    originals: tuple[NDArray[Any], ...]
    copies: tuple[NDArray[Any], ...]
    """What the copies were taken from, and those: empty where the arrays themselves are worked on."""
    names: tuple[str, ...]
    """What messages call the arrays that are written, the table first."""
    is_vector: bool
    """Whether a row is one number."""
    keeps_finite: bool
    """See `Optimizer._keeps_finite`."""

    def check(self, *, by_gradient: bool = False) -> bool:
        """Refuse the step if it would write NaN or infinity; nothing is changed.

        With `by_gradient` all is known to be finite but the gradient and, of a vector, the weights, and the rule keeps
        it so for moderate gradients (`Optimizer._keeps_finite`). Returns whether that was enough to know.
        """
        update = self.update
        if not update.rows.shape[1]:
            return by_gradient
        if by_gradient:
            scan_rows(update, None, self.num_threads)
            if int(update.faulty.min()) == len(update.ids):
                return True
        check_rows(update, None, self.num_threads)
        u = int(update.faulty.min())
        if u < len(update.ids):
            raise self._refusal(u)
        return False

    def _refusal(self, u: int) -> ValueError:
        """Return the error for row u of the gradient, which is made on a copy to see what becomes of it."""
        update = self.update
        own = slice(update.places[u], update.places[u] + 1)
        last_step = update.last_step[own] if len(update.last_step) else update.last_step
        copied = update._replace(
            table=update.table[own].copy(),
            per_weight=tuple(array[own].copy() for array in update.per_weight),
            per_row=tuple(array[own].copy() for array in update.per_row),
            last_step=last_step.copy(),
            ids=update.ids[u : u + 1],
            places=np.zeros(1, np.int64),
            rows=update.rows[u : u + 1].copy(),
        )
        before = [_numbers(array[own]).copy() for array in (update.table, *update.per_weight, *update.per_row)]
        update_rows(copied, None, 1)
        after = map(_numbers, (copied.table, *copied.per_weight, *copied.per_row))
        written = [Written(*each) for each in zip(self.names, before, after, strict=True)]
        return not_finite_row(u, int(update.ids[u]), copied.rows[0], written, is_vector=self.is_vector)

    def make(self) -> None:
        """Update the rows, and write copied ones where they came from."""
        if not self.update.rows.shape[1]:
            return
        update_rows(self.update, None, self.num_threads)  # without rows too: it compiles, and changes nothing
        for original, copy in zip(self.originals, self.copies, strict=True):
            original[self.update.ids] = copy


def _numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers of a row as floats: uint16 are the bits of bfloat16."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << np.uint32(16)).view(np.float32).reshape(-1)
    return array.reshape(-1)


def _as_matrix(array: NDArray[Any]) -> NDArray[Any]:
    """View a vector as a matrix whose rows have one number."""
    return array if array.ndim == 2 else array[:, None]


def prepare(
    table: NDArray[Any], per_weight: Arrays, per_row: Arrays, last_step: NDArray[np.int64] | None,
    gradient: RowGradient, *, rule: tuple[float, ...], weight_decay: float, clip_norm: float, seed: int, step: int,
    names: Sequence[str], keeps_finite: bool,
) -> RowStep:  # fmt: skip
    """Lay out a step; everything has been checked. Nothing is changed before it is made."""
    ids = np.ascontiguousarray(gradient.ids)
    rows = gradient.rows if gradient.rows.dtype in (np.float32, np.float64) else gradient.rows.astype(np.float32)
    rows = np.ascontiguousarray(_as_matrix(np.asarray(rows)))
    matrices = [table.view(np.uint16) if is_bfloat16(table) else table, *per_weight]
    vectors = [*per_row] if last_step is None else [*per_row, last_step]
    arrays = (*(_as_matrix(np.asarray(array)) for array in matrices), *map(np.asarray, vectors))
    if any(np.may_share_memory(rows, array) for array in arrays):
        rows = rows.copy()  # a worker must not read what another one writes
    originals: tuple[NDArray[Any], ...] = ()
    copies: tuple[NDArray[Any], ...] = ()
    places = ids
    if not all(array.flags.c_contiguous for array in arrays):
        places = np.arange(len(ids))
        originals, copies = arrays, tuple(array[ids] for array in arrays)
        arrays = copies
    num_threads = min(get_num_threads(), max(1, rows.size // _NUMBERS_PER_THREAD))
    update = RowUpdate(
        rule=rule,
        table=arrays[0],
        per_weight=arrays[1 : len(matrices)],
        per_row=arrays[len(matrices) : len(matrices) + len(per_row)],
        last_step=_NO_STEPS if last_step is None else arrays[-1],
        ids=ids,
        places=places,
        rows=rows,
        weight_decay=weight_decay,
        clip_norm=clip_norm,
        seed=np.uint64(seed),
        step=step,
        faulty=np.empty(num_threads, np.int64),
    )
    return RowStep(update, num_threads, originals, copies, tuple(names), table.ndim == 1, keeps_finite)
