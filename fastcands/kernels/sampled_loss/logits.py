"""Logits of examples and candidates, tile by tile, reduced while they are in cache.

A tile has one row for each candidate and NR examples across. The epilogue of the loss is applied to it. For a softmax
it computes e^(logit - tile_max); later one factor for each example and block, e^(tile_max - log_normalizer), turns that
into probabilities, so no logit is computed twice. For a loss of single logits it computes the gradient of each logit
directly. The tiles of all blocks (B x S numbers) are the only large part of the workspace; for the value alone there is
one tile for each thread.
"""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import kernel
from fastcands.kernels.epilogues.call import call
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.kernels.table.view import bias_of, row_address
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.gemm import gemm_nt
from fastcands.simd.memory import prefetch
from fastcands.simd.target import MR
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = ["locate_candidates", "logits", "mask_accidental_hits"]


@kernel
def locate_candidates(job: Any, first: int, last: int) -> None:
    """Find the rows of candidates `first` to `last`, and what is added to their logits.

    Biases are scattered in memory, so all of them are prefetched before the first is read.

    IN
        job : SampledLossJob
        first, last : candidates
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
    """Mask the accidental hits of a panel in the tile of candidates `first` to `last`.

    IN
        job : SampledLossJob
        j : panel
        first, last : candidates
    IN, OUT
        tile : (at least last - first, NR)
    """
    examples, num_true = job.labels.shape
    nr = tile.shape[1]
    for e in range(min(nr, examples - j * nr)):
        for t in range(num_true):
            candidate = job.label_candidates[(j * nr + e) * num_true + t]
            if 0 <= candidate < last:
                hit = job.classes[candidate]
                while candidate < last and job.classes[candidate] == hit:
                    if candidate >= first:
                        tile[candidate - first, e] = -math.inf
                    candidate += 1


def logits(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Gather the candidates' rows, form their logits, and reduce each tile.

    Workers take blocks of candidates one by one.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob
    """
    rows, tiles, tile_max, tile_sum = job.rows, job.tiles, job.tile_max, job.tile_sum
    offsets, packed_inputs, needs_grad, reduce = job.offsets, job.packed_inputs, job.needs_grad, job.functions.reduce
    num_candidates = job.sizes[0]
    panels, nr = tile_max.shape[1:]
    block, stride = rows.shape[1:]
    depth = packed_inputs.shape[1]
    blocks = (num_candidates + block - 1) // block
    mode = flush_denormals()
    while True:
        b = next_task(counter)
        if b >= blocks:
            break
        slot = b if needs_grad else worker
        first = b * block
        real = min(block, num_candidates - first)
        padded = (real + MR - 1) // MR * MR
        locate_candidates(job, first, first + real)
        gather_rows_of(job.addresses, first, first + real, job.weights, rows[slot], 0)
        for r in range(real, padded):
            for d in range(depth):
                rows[slot, r, d] = 0
        for j in range(panels):
            tile = tiles[slot, j if needs_grad else 0]
            for r in range(0, padded, MR):
                gemm_nt(
                    address(rows, (slot * block + r) * stride), stride, packed_inputs, j * depth * nr, depth,
                    address(offsets, first + r), address(tile, r * nr),
                )  # fmt: skip
            if job.remove_hits:
                mask_accidental_hits(job, tile, j, first, first + real)
            at = (b * panels + j) * nr
            call(reduce, (
                address(tile, 0), padded, address(job.copies, first), address(job.shifts, j * nr),
                address(job.padded_upstream, j * nr), address(tile_max, at), address(tile_sum, at), 0,
            ))  # fmt: skip
    restore_denormals(mode)
