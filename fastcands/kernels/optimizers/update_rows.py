"""One step of an optimizer on the rows that a gradient names, in place: what all optimizers share.

Every id occurs once, so a row belongs to one worker, and there are no sums over rows: the bits do not depend on the
threads. The loop over a row has no branch: LLVM turns it into vector code, square root and division included, so the
speed is that of memory. Denormal numbers count as zero (see `fastcands.simd.denormals`): squares of gradients near
1e-20 are denormal.

A row is passed as a pointer. Numba counts references to a view in a variable and to an array passed to a function:
several atomic additions for each row, which all processors have to synchronise. A step then takes 1.3 to 2 times as
long.

The hardware cannot predict which row is next, so each row is prefetched eight rows ahead. For rows of 128 numbers a
step then takes a fifth less time, as much as a bare ``table[ids] += rows``. One row ahead gains two thirds of that,
sixteen no more than eight. Of longer rows only the first lines are prefetched, because the hardware prefetches the
rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.optimizers.row_norm import clip_factor
from fastcands.kernels.optimizers.rule import Row, decayed, new_weight, rule_of_row
from fastcands.kernels.optimizers.stochastic_rounding import COUNTER_STEP, as_number, as_stored, row_words
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.pointers import pointers, prefetch_each, read, write
from fastcands.simd.vector import address
from fastcands.stages import StagedKernel

__all__ = ["RowUpdate", "update_rows"]

_ROWS_AHEAD = 8
_MOST_BYTES = 512
"""Bytes of a row that are prefetched."""


class RowUpdate(NamedTuple):
    """One step on the rows of a gradient.

    A row of the gradient is clipped, then decayed, then `new_weight` is applied to each of its numbers. The dtype of
    `rows` is the type of the arithmetic.
    """

    rule: Any
    """IN: named tuple of float64, for whose class `new_weight` is registered."""
    table: Any
    """IN, OUT: (V, D) of the dtype of rows, or uint16, which is bfloat16; C-contiguous."""
    per_weight: Any
    """IN, OUT: tuple of (V, D) of the dtype of rows, C-contiguous: the state's numbers of each weight."""
    per_row: Any
    """IN, OUT: tuple of (V,) of the dtype of rows, C-contiguous: the state's numbers of each row."""
    last_step: Any
    """IN, OUT: (V,) int64, the step of each row's last update, -1 before; empty where steps are not counted."""
    ids: Any
    """IN: (U,) int64, which the random bits depend on."""
    places: Any
    """IN: (U,) int64, each once, the row of every array, in [0, V)."""
    rows: Any
    """IN: (U, D) float32 or float64, C-contiguous, the gradient."""
    weight_decay: float
    """IN: float64."""
    clip_norm: float
    """IN: float64, the largest norm of a row; infinity for no limit."""
    seed: Any
    """IN: uint64, for the rounding of bfloat16."""
    step: int
    """IN: int64."""


def _update_share(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Update the rows of one worker, one of equal shares of a `RowUpdate`."""
    mode = flush_denormals()
    # read once before the loop: LLVM must assume that a write to a weight changes these fields
    rule_of_step, table, per_weight, per_row, rows = job.rule, job.table, job.per_weight, job.per_row, job.rows
    last_step, ids, places, seed, step = job.last_step, job.ids, job.places, job.seed, job.step
    num_ids, width = rows.shape
    kind = rows.dtype.type
    weight_decay, clip_norm = kind(job.weight_decay), job.clip_norm
    span = min(_MOST_BYTES, width * rows.itemsize)
    table_span = span * table.itemsize // rows.itemsize
    last = (worker + 1) * num_ids // num_threads
    for u in range(worker * num_ids // num_threads, last):
        place, ahead = places[u], places[min(u + _ROWS_AHEAD, last - 1)]
        prefetch_each(pointers(table, ahead * width), table_span)
        prefetch_each(pointers(per_weight, ahead * width), span)
        prefetch_each(pointers(per_row, ahead), 1)
        gradient, weights = pointers(rows, u * width), pointers(table, place * width)
        of_weights, of_row = pointers(per_weight, place * width), pointers(per_row, place)
        start, factor = address(rows, u * width), kind(1)
        if clip_norm < np.inf:
            factor = kind(clip_factor(start, width, rows.itemsize, clip_norm))
        elapsed = 1.0
        if len(last_step):
            elapsed = np.float64(step - last_step[place])
            last_step[place] = step
        row = Row(
            start, address(table, place * width), width, rows.itemsize, table.itemsize, factor, weight_decay, elapsed
        )
        rule, numbers = rule_of_row(rule_of_step, row, read(of_row, 0))
        write(of_row, 0, numbers)
        random_word, salt = row_words(seed, step, ids[u])
        for d in range(width):
            stored = read(weights, d)
            weight, g = decayed(rule, as_number(stored), factor * read(gradient, d), weight_decay)
            weight, moments = new_weight(rule, weight, g, read(of_weights, d))
            write(of_weights, d, moments)
            write(weights, d, as_stored(stored, weight, random_word, salt))
            random_word = np.uint32(random_word + COUNTER_STEP)
    restore_denormals(mode)


update_rows = StagedKernel(update=_update_share)
"""``update_rows(update, None, num_threads)`` makes a step by the formula of its rule."""
