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
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.kernels.table.view import bias_of, row_address
from fastcands.simd.columns import softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.gemm import row_product
from fastcands.simd.logistic import logistic_columns
from fastcands.simd.memory import prefetch
from fastcands.simd.target import MR
from fastcands.simd.vector import address, fetch_add

__all__ = ["form_tiles", "locate_candidates", "mask_accidental_hits"]


@kernel
def locate_candidates(job: Any, first: int, last: int) -> None:
    """Look up where the rows of columns `first` to `last` begin, and what is added to their logits.

    Biases lie anywhere, so all of them are asked for before the first is read.

    IN
        job : SampledLossJob
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
def mask_accidental_hits(job: Any, tile: Any, j: int, first: int, last: int) -> None:
    """Mask the accidental hits of a panel in the tile of columns `first` to `last`.

    IN
        job : SampledLossJob
        j : panel
        first, last : columns
    IN, OUT
        tile : (at least last - first, NR)
    """
    examples, num_true = job.labels.shape
    lanes = tile.shape[1]
    for lane in range(min(lanes, examples - j * lanes)):
        for t in range(num_true):
            column = job.label_candidates[(j * lanes + lane) * num_true + t]
            if 0 <= column < last:
                hit = job.classes[column]
                while column < last and job.classes[column] == hit:
                    if column >= first:
                        tile[column - first, lane] = -math.inf
                    column += 1


def form_tiles(worker: int, num_threads: int, job: Any) -> None:
    """Gather the candidates' rows, form their logits, and reduce each tile to one or two numbers a column.

    A worker takes the next block of candidates from the counter. A tile becomes e^(logit - peak), or the gradients of a
    logistic loss, whose tile_max are 1.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob
    """
    rows, tiles, tile_max, tile_sum, weights = job.rows, job.tiles, job.tile_max, job.tile_sum, job.weights
    offsets, by_example, needs_grad = job.offsets, job.by_example, job.needs_grad
    columns = job.sizes[0]
    panels, lanes = tile_max.shape[1:]
    block, stride = rows.shape[1:]
    depth = by_example.shape[1]
    blocks = (columns + block - 1) // block
    counter = job.counters[1:]
    mode = flush_denormals()
    while True:
        b = fetch_add(counter)
        if b >= blocks:
            break
        slot = b if needs_grad else worker
        first = b * block
        real = min(block, columns - first)
        padded = (real + MR - 1) // MR * MR
        locate_candidates(job, first, first + real)
        gather_rows_of(
            job.addresses, first, first + real, weights.column_stride, weights.storage, weights.width, rows[slot], 0
        )
        for r in range(real, padded):
            for d in range(depth):
                rows[slot, r, d] = 0
        for j in range(panels):
            tile = tiles[slot, j if needs_grad else 0]
            for r in range(0, padded, MR):
                row_product(
                    address(rows, (slot * block + r) * stride), stride, by_example, j * depth * lanes, depth,
                    address(offsets, first + r), address(tile, r * lanes),
                )  # fmt: skip
            if job.remove_hits:
                mask_accidental_hits(job, tile, j, first, first + real)
            at = (b * panels + j) * lanes
            if job.logistic:
                for lane in range(lanes):
                    tile_max[b, j, lane] = 1
                logistic_columns(
                    tile, address(tile, 0), padded, address(job.copies, first), address(job.shifts, j * lanes),
                    address(job.padded_upstream, j * lanes), address(tile_sum, at),
                )  # fmt: skip
            else:
                softmax_columns(tile, address(tile, 0), padded, address(tile_max, at), address(tile_sum, at))
    restore_denormals(mode)
