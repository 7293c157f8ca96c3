"""Whether a step would write NaN or infinity: the loop of `update_rows` that writes nothing.

It computes what the step would write, by the same formulas, so it needs to know nothing of them: whether the gradient,
the table or the state is not finite, or a square, a quotient or a sum overflows. It also costs what the step costs,
so `scan_rows` does less where that is enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.kernels.optimizers.rule import decayed, new_weight
from fastcands.kernels.optimizers.stochastic_rounding import as_number
from fastcands.kernels.optimizers.update_rows import MOST_BYTES, ROWS_AHEAD, start_row
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.pointers import not_below, pointers, prefetch_each, read
from fastcands.simd.vector import address
from fastcands.stages import StagedKernel

__all__ = ["MODERATE_GRADIENT", "check_rows", "scan_rows"]

MODERATE_GRADIENT = 2.0**40


def _check_share(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Look for the first row of one worker, one of equal shares of a `RowUpdate`, that would not be finite."""
    mode = flush_denormals()
    rule_of_step, table, per_weight, per_row, rows = job.rule, job.table, job.per_weight, job.per_row, job.rows
    last_step, places, step = job.last_step, job.places, job.step
    num_ids, width = rows.shape
    weight_decay, clip_norm = rows.dtype.type(job.weight_decay), job.clip_norm
    span = min(MOST_BYTES, width * rows.itemsize)
    table_span = span * table.itemsize // rows.itemsize
    last, faulty = (worker + 1) * num_ids // num_threads, num_ids
    for u in range(worker * num_ids // num_threads, last):
        place, ahead = places[u], places[min(u + ROWS_AHEAD, last - 1)]
        prefetch_each(pointers(table, ahead * width), table_span)
        prefetch_each(pointers(per_weight, ahead * width), span)
        prefetch_each(pointers(per_row, ahead), 1)
        gradient, weights = pointers(rows, u * width), pointers(table, place * width)
        of_weights, of_row = pointers(per_weight, place * width), pointers(per_row, place)
        elapsed = 1.0
        if len(last_step):
            elapsed = np.float64(step - last_step[place])
        factor, rule, numbers = start_row(
            rule_of_step, address(rows, u * width), address(table, place * width), width, rows.itemsize, table.itemsize,
            clip_norm, weight_decay, elapsed, read(of_row, 0),
        )  # fmt: skip
        wrong = not_below(numbers, np.inf)
        for d in range(width):
            weight, g = decayed(rule, as_number(read(weights, d)), factor * read(gradient, d), weight_decay)
            weight, moments = new_weight(rule, weight, g, read(of_weights, d))
            wrong = np.uint32(wrong | not_below(weight, np.inf) | not_below(moments, np.inf))
        if wrong:
            faulty = min(faulty, u)
    job.faulty[worker] = faulty
    restore_denormals(mode)


def _scan_share(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Look for numbers of the gradient that are NaN or not moderate, and for weights that are not finite in a vector.

    The rows of the gradient lie together and were just written: that takes a tenth of the time of `_check_share`.
    """
    table, places, rows = job.table, job.places, job.rows
    num_ids, width = rows.shape
    first, last = worker * num_ids // num_threads, (worker + 1) * num_ids // num_threads
    gradient, limit, wrong = pointers(rows, 0), rows.dtype.type(MODERATE_GRADIENT), np.uint32(0)
    for k in range(first * width, last * width):
        wrong = np.uint32(wrong | not_below(read(gradient, k), limit))
    if width == 1:
        for u in range(first, last):
            wrong = np.uint32(wrong | not_below(as_number(read(pointers(table, places[u]), 0)), np.inf))
    job.faulty[worker] = first if wrong else num_ids


check_rows = StagedKernel(check=_check_share)
"""``check_rows(update, None, num_threads)`` writes `RowUpdate.faulty` and nothing else."""

scan_rows = StagedKernel(scan=_scan_share)
"""The same, by the gradient alone: enough where all else is known to be finite, see `Optimizer._keeps_finite`."""
