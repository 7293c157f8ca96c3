"""Logits of examples and candidates on matrix tiles, 32 x 32 at a time, reduced and rounded while they are in cache.

The float32 tiles of `candidate_tiles` never exist as a whole: a block of logits becomes gradients and is packed for the
two products to come. Exponentials of a softmax need a reference before all logits are known. It is the highest true
logit of an example: e^(logit - reference), rounded, has the same relative error whatever the reference is, and one
factor an example, upstream e^(reference - normaliser), turns it into gradients. Only where a logit lies so far above
that it might overflow, the panel is formed once more, with the highest logit of each such example as its reference.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.bf16.job import TWINS
from fastcands.kernels.sampled_loss.logits import locate_candidates, mask_accidental_hits
from fastcands.kernels.table.blocking import LOWEST
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.simd.bfloat16 import SIDE, pack_left, pack_left_transposed
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.matrix import (
    block_product,
    block_product_beside_exp,
    block_product_beside_logistic,
    configure_tiles,
    release_tiles,
)
from fastcands.simd.matrix_classes import add_exponentials
from fastcands.simd.matrix_rows import exp_block, logistic_block
from fastcands.simd.memory import prefetch
from fastcands.simd.vector import address, fetch_add

__all__ = ["form_blocks", "form_exceeding_blocks", "read_references"]

_READ_AHEAD = 8
_ROOM = 40.0
"""How far a logit may be above its reference: sums of exponentials, and their inverse times any sensible
weight of an example, stay far from the ends of float32."""


@kernel
def read_references(job: Any, j: int, worker: int) -> Any:
    """Write the references of a panel's exponentials; return whether they differ from `shifts`.

    IN
        job : SampledLossJob
        j : panel
        worker : whose `lanes[worker, 0]` they go to
    """
    lanes, shifts, tile_max, differ = job.lanes, job.shifts, job.tile_max, False
    block = job.candidate_rows.shape[1] * SIDE
    for lane in range(SIDE):
        lanes[worker, 0, lane] = 0
    for b in range((job.sizes[0] + block - 1) // block):
        for lane in range(SIDE):
            lanes[worker, 0, lane] = max(lanes[worker, 0, lane], tile_max[b, j, lane])
    for lane in range(SIDE):
        above = lanes[worker, 0, lane]
        if above > _ROOM:
            differ = True
        else:
            above = np.float32(0)
        lanes[worker, 0, lane] = shifts[j * SIDE + lane] + above
    return differ


@kernel
def _prefetch_rows(job: Any, first: int, last: int) -> None:
    """Ask for the table's rows of some columns: a gather waits for the first ones, which nobody asked for."""
    weights = job.weights
    line = max(64, weights.column_stride)
    for c in range(first, last):
        for offset in range(0, min(weights.width * weights.column_stride, 16 * line), line):
            prefetch(job.addresses[c] + offset)


@kernel
def _pack_candidates(job: Any, b: int, worker: int, first: int, last: int, columns_too: bool) -> None:
    """Gather the rows of columns `first` to `last`, of block b, and pack them; rows up to a whole group are zero."""
    rows, weights, split = job.rows, job.weights, job.split
    by_row, by_column = job.candidate_rows, job.candidate_columns
    groups, steps, words = by_row.shape[1:]
    stride, zero = rows.shape[1], worker * SIDE
    for g in range((last - first + SIDE - 1) // SIDE):
        start = first + g * SIDE
        end = min(last, start + SIDE)
        gather_rows_of(
            job.addresses, start, end, weights.column_stride, weights.storage, weights.width, rows, worker * SIDE
        )
        for r in range(zero + end - start, zero + SIDE):
            for d in range(stride):
                rows[r, d] = 0
        _prefetch_rows(job, end, min(last, end + _READ_AHEAD))
        for s in range(steps):
            source = address(rows, zero * stride + s * SIDE)
            pack_left(source, stride, split, address(by_row, ((worker * groups + g) * steps + s) * words))
            if columns_too:
                place = ((b // TWINS * steps + s) * TWINS + b % TWINS) * groups + g
                pack_left_transposed(source, stride, split, address(by_column, place * words))


@kernel
def _any_hit(job: Any, j: int, first: int, last: int) -> Any:
    """Whether a candidate of columns `first` to `last` is a true class of an example of panel j."""
    num_true = job.labels.shape[1]
    examples, found = job.labels.shape[0], False
    lowest = job.classes[first]
    for k in range(j * SIDE * num_true, min(examples, (j + 1) * SIDE) * num_true):
        column = job.label_candidates[k]
        found = found or (0 <= column < last and job.classes[column] >= lowest)
    return found


@kernel
def _mask(job: Any, j: int, first: int, last: int, slot: int, hits: bool) -> None:
    """Mask in a tile of logits what counts nothing: accidental hits, and lanes without an example, whatever they hold.

    IN
        job : SampledLossJob with a Bf16Workspace
        j : panel
        first, last : columns
        slot : which tile
        hits : whether there may be hits
    """
    tile = job.tile
    if hits:
        mask_accidental_hits(job, tile[slot], j, first, last)
    for lane in range(min(SIDE, job.inputs.shape[0] - j * SIDE), SIDE):
        for r in range(SIDE):
            tile[slot, r, lane] = -math.inf


@kernel
def _reduce_and_pack(job: Any, b: int, j: int, worker: int, shifts: int, tile_max: int, hits: bool) -> None:
    """Form the logits of block b and panel j, and pack what they become; each product beside the rows of the last one.

    IN
        job : SampledLossJob with a Bf16Workspace
        b, j : block and panel
        worker : whose scratch is used
        shifts : address of what is subtracted from logits
        hits : whether there may be hits
    IN, OUT
        tile_max : address of the maxima of a softmax
    """
    split, tile, size, needs_grad = job.split, job.tile, SIDE * SIDE, job.needs_grad
    groups, steps, words = job.candidate_rows.shape[1:]
    panels, block = job.input_columns.shape[0], groups * SIDE
    first, last = b * block, min(job.sizes[0], (b + 1) * block)
    count = (last - first + SIDE - 1) // SIDE
    tile_sum = address(job.tile_sum, (b * panels + j) * SIDE)
    rows, right = worker * groups, address(job.input_columns, j * steps * words)
    nowhere = address(tile, (3 * worker + 2) * size)
    block_product(
        address(job.candidate_rows, rows * steps * words), right, steps, split, 0, address(tile, 3 * worker * size),
        SIDE,
    )  # fmt: skip
    for g in range(count):
        start, slot = first + g * SIDE, 3 * worker + g % 2
        _mask(job, j, start, min(last, start + SIDE), slot, hits)
        logits, offsets, copies = address(tile, slot * size), address(job.offsets, start), address(job.copies, start)
        # for the value alone nobody wants the packed block
        packed = address(job.by_candidate, ((b * groups + g) * panels + j) * words) if needs_grad else nowhere
        if g + 1 == count:
            if job.logistic:
                logistic_block(logits, offsets, shifts, split, copies, tile_sum, packed, packed)
            else:
                exp_block(logits, offsets, shifts, split, tile_max, tile_sum, packed, packed)
            break
        ahead = address(job.by_candidate, ((b * groups + g + 1) * panels + j) * words) if needs_grad else nowhere
        left, out = address(job.candidate_rows, (rows + g + 1) * steps * words), (3 * worker + (g + 1) % 2) * size
        if job.logistic:
            block_product_beside_logistic(
                left, right, steps, split, address(tile, out), logits, offsets, shifts, copies, tile_sum, packed, ahead
            )
        else:
            block_product_beside_exp(
                left,
                right,
                steps,
                split,
                address(tile, out),
                logits,
                offsets,
                shifts,
                tile_max,
                tile_sum,
                packed,
                ahead,
            )


@kernel
def _reduce(job: Any, b: int, j: int, worker: int, tile_max: int, hits: bool) -> None:
    """Form the logits of block b and panel j, and reduce them to the maxima and sums of a softmax's value.

    IN
        job : SampledLossJob with a Bf16Workspace
        b, j : block and panel
        worker : whose scratch is used
        hits : whether there may be hits
    IN, OUT
        tile_max : address of the maxima
    """
    tile, slot = job.tile, 3 * worker
    groups, steps, words = job.candidate_rows.shape[1:]
    panels, block = job.input_columns.shape[0], groups * SIDE
    first, last = b * block, min(job.sizes[0], (b + 1) * block)
    where, tile_sum = address(tile, slot * SIDE * SIDE), address(job.tile_sum, (b * panels + j) * SIDE)
    for g in range((last - first + SIDE - 1) // SIDE):
        start = first + g * SIDE
        block_product(
            address(job.candidate_rows, (worker * groups + g) * steps * words),
            address(job.input_columns, j * steps * words), steps, job.split, 0, where, SIDE,
        )  # fmt: skip
        _mask(job, j, start, min(last, start + SIDE), slot, hits)
        add_exponentials(where, SIDE, address(job.offsets, start), tile_max, tile_sum)


@kernel
def _form_panel(job: Any, b: int, j: int, worker: int, shifts: int, again: bool) -> None:
    """Form the logits of block b and panel j, less what is at the address `shifts`, and what they become."""
    panels, block = job.input_columns.shape[0], job.candidate_rows.shape[1] * SIDE
    last = min(job.sizes[0], (b + 1) * block)
    hits = job.remove_hits and _any_hit(job, j, b * block, last)
    # maxima of the first pass tell which references the second one has
    tile_max = address(job.lanes, (worker * 2 + 1) * SIDE) if again else address(job.tile_max, (b * panels + j) * SIDE)
    for lane in range(SIDE):
        job.tile_sum[b, j, lane] = 0
        if not again:
            job.tile_max[b, j, lane] = LOWEST
    if job.logistic or job.needs_grad:
        _reduce_and_pack(job, b, j, worker, shifts, tile_max, hits)
    else:
        _reduce(job, b, j, worker, tile_max, hits)
    for lane in range(SIDE):
        if job.needs_grad and not again and job.tile_max[b, j, lane] > _ROOM:
            job.exceeded[0] = 1


@kernel
def _form(job: Any, worker: int, counter: Any, again: bool) -> None:
    """Form blocks of candidates, the next one from the counter, with all panels, or with those that exceeded."""
    groups, panels = job.candidate_rows.shape[1], job.input_columns.shape[0]
    columns, block = job.sizes[0], groups * SIDE
    blocks = (columns + block - 1) // block
    mode = flush_denormals()
    configure_tiles()
    while True:
        b = fetch_add(counter)
        if b >= blocks:
            break
        first = b * block
        last = min(columns, first + block)
        locate_candidates(job, first, last)
        _pack_candidates(job, b, worker, first, last, job.needs_grad and not again)
        for j in range(panels):
            if not again:
                _form_panel(job, b, j, worker, address(job.shifts, j * SIDE), False)
            elif read_references(job, j, worker):
                _form_panel(job, b, j, worker, address(job.lanes, worker * 2 * SIDE), True)
    release_tiles()
    restore_denormals(mode)


def form_blocks(worker: int, num_threads: int, job: Any) -> None:
    """Second stage: gather and pack the candidates' rows, form logits, reduce and pack what becomes gradients.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob with a Bf16Workspace
    """
    _form(job, worker, job.counters[1:], False)


def form_exceeding_blocks(worker: int, num_threads: int, job: Any) -> None:
    """Third stage: nothing, unless a logit exceeded its reference too far; then those panels again.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob with a Bf16Workspace
    """
    if job.exceeded[0]:
        _form(job, worker, job.counters[2:], True)
