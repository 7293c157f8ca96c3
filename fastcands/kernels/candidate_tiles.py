"""Logits of examples and candidates, tile by tile, reduced while they are in cache.

Classes run down and examples across (`fastcands.simd`). For a softmax the forward pass leaves e^(logit - tile maximum)
in each tile; one factor an example and block, e^(tile maximum - normaliser), turns that into probabilities later, so no
logit is computed twice. For a logistic loss a logit's gradient depends on that logit alone and is left at once. The
tiles of all blocks (B x S numbers) are the only large scratch; for the value alone it is one tile a thread.
"""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import kernel
from fastcands.kernels.class_rows import bias_of, row_address
from fastcands.kernels.gather import gather_rows_of
from fastcands.simd.columns import softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.logistic import logistic_columns
from fastcands.simd.memory import prefetch
from fastcands.simd.product import row_product
from fastcands.simd.target import ROWS
from fastcands.simd.vector import address, fetch_add

__all__ = ["form_tiles", "leave_out", "place_columns"]


@kernel
def place_columns(job: Any, first: int, last: int) -> None:
    """Look up where the rows of columns `first` to `last` begin, and what is added to their logits.

    Biases lie anywhere, so all of them are asked for before the first is read.

    IN
        job : CandidateJob
        first, last : columns
    """
    biases, classes, addresses, offsets = job.biases, job.classes, job.addresses, job.offsets
    if len(biases.starts):
        for c in range(first, last):
            prefetch(row_address(biases, classes[c]))
    for c in range(first, last):
        addresses[c] = row_address(job.weights, classes[c])
        offsets[c] = job.log_weights[c] + bias_of(biases, classes[c], job.temperature)


@kernel
def leave_out(job: Any, tile: Any, j: int, first: int, last: int) -> None:
    """Mask the accidental hits of a panel in the tile of columns `first` to `last`.

    IN
        job : CandidateJob
        j : panel
        first, last : columns
    IN, OUT
        tile : (at least last - first, PANEL)
    """
    examples, num_true = job.labels.shape
    lanes = tile.shape[1]
    for lane in range(min(lanes, examples - j * lanes)):
        for t in range(num_true):
            column = job.label_columns[(j * lanes + lane) * num_true + t]
            if 0 <= column < last:
                hit = job.classes[column]
                while column < last and job.classes[column] == hit:
                    if column >= first:
                        tile[column - first, lane] = -math.inf
                    column += 1


def form_tiles(worker: int, num_threads: int, job: Any) -> None:
    """Gather the candidates' rows, form their logits, and reduce each tile to one or two numbers a column.

    A worker takes the next block of candidates from the counter. A tile becomes e^(logit - peak), or the gradients of a
    logistic loss, whose peaks are 1.

    IN
        worker, num_threads : who of how many
        job : CandidateJob
    """
    rows, tiles, peaks, totals, weights = job.rows, job.tiles, job.peaks, job.totals, job.weights
    offsets, by_example, keep = job.offsets, job.by_example, job.keep
    columns = job.sizes[0]
    panels, lanes = peaks.shape[1:]
    block, stride = rows.shape[1:]
    depth = by_example.shape[1]
    blocks = (columns + block - 1) // block
    counter = job.counters[1:]
    mode = flush_denormals()
    while True:
        b = fetch_add(counter)
        if b >= blocks:
            break
        slot = b if keep else worker
        first = b * block
        real = min(block, columns - first)
        padded = (real + ROWS - 1) // ROWS * ROWS
        place_columns(job, first, first + real)
        gather_rows_of(
            job.addresses, first, first + real, weights.column_stride, weights.storage, weights.width, rows[slot], 0
        )
        for r in range(real, padded):
            for d in range(depth):
                rows[slot, r, d] = 0
        for j in range(panels):
            tile = tiles[slot, j if keep else 0]
            for r in range(0, padded, ROWS):
                row_product(
                    address(rows, (slot * block + r) * stride), stride, by_example, j * depth * lanes, depth,
                    address(offsets, first + r), address(tile, r * lanes),
                )  # fmt: skip
            if job.remove_hits:
                leave_out(job, tile, j, first, first + real)
            at = (b * panels + j) * lanes
            if job.logistic:
                for lane in range(lanes):
                    peaks[b, j, lane] = 1
                logistic_columns(
                    tile, address(tile, 0), padded, address(job.copies, first), address(job.shifts, j * lanes),
                    address(job.lane_upstream, j * lanes), address(totals, at),
                )  # fmt: skip
            else:
                softmax_columns(tile, address(tile, 0), padded, address(peaks, at), address(totals, at))
    restore_denormals(mode)
