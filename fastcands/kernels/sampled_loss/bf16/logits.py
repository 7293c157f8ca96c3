"""Logits of examples and candidates in blocks of 32 x 32, reduced and rounded while they are in cache.

There is no float32 array of all logits: each block of logits is turned into gradients and packed for the two products
that follow. The exponentials of a softmax need a reference before all logits are known. It is the highest true logit of
an example. The relative error of e^(logit - reference), rounded, does not depend on the reference, and one factor for
each example, upstream e^(reference - log_normalizer), turns it into gradients. Only if a logit is so far above its
reference that it might overflow, its panel is computed again; the reference of each such example is then its highest
logit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.epilogues.call import call
from fastcands.kernels.sampled_loss.bf16.job import TWINS
from fastcands.kernels.sampled_loss.logits import locate_candidates, mask_accidental_hits
from fastcands.kernels.table.blocking import LOWEST
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.simd.bf16.packing import pack_left, pack_left_transposed
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.memory import prefetch
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = ["exceeding", "logits", "read_references"]

_READ_AHEAD = 8
_MOST_ABOVE = 40.0
"""How far a logit may be above its reference: sums of exponentials, and their inverses times any sensible weight of an
example, are then far from overflow and underflow."""


@kernel
def read_references(job: Any, j: int, worker: int) -> Any:
    """Write the references of a panel's exponentials; return whether they differ from `shifts`.

    IN
        job : SampledLossJob
        j : panel
        worker : they are written to `references[worker, 0]`
    """
    references, shifts, tile_max, differ = job.references, job.shifts, job.tile_max, False
    block = job.packed_rows.shape[1] * SIDE
    for e in range(SIDE):
        references[worker, 0, e] = 0
    for b in range((job.sizes[0] + block - 1) // block):
        for e in range(SIDE):
            references[worker, 0, e] = max(references[worker, 0, e], tile_max[b, j, e])
    for e in range(SIDE):
        above = references[worker, 0, e]
        if above > _MOST_ABOVE:
            differ = True
        else:
            above = np.float32(0)
        references[worker, 0, e] = shifts[j * SIDE + e] + above
    return differ


@kernel
def _prefetch_rows(job: Any, first: int, last: int) -> None:
    """Prefetch the table's rows of some candidates, because a gather would wait for its first rows."""
    table = job.weights
    line = max(64, table.feature_stride)
    for c in range(first, last):
        for offset in range(0, min(table.width * table.feature_stride, 16 * line), line):
            prefetch(job.addresses[c] + offset)


@kernel
def _pack_candidates(job: Any, b: int, worker: int, first: int, last: int, transposed_too: bool) -> None:
    """Gather and pack the rows of candidates `first` to `last`, of block b; the last panel is filled up with zeros."""
    rows, split = job.rows, job.split
    packed, transposed = job.packed_rows, job.packed_rows_t
    row_panels, steps, words = packed.shape[1:]
    stride, zero = rows.shape[1], worker * SIDE
    for p in range((last - first + SIDE - 1) // SIDE):
        start = first + p * SIDE
        end = min(last, start + SIDE)
        gather_rows_of(job.addresses, start, end, job.weights, rows, worker * SIDE)
        for r in range(zero + end - start, zero + SIDE):
            for d in range(stride):
                rows[r, d] = 0
        _prefetch_rows(job, end, min(last, end + _READ_AHEAD))
        for s in range(steps):
            source = address(rows, zero * stride + s * SIDE)
            pack_left(source, stride, split, address(packed, ((worker * row_panels + p) * steps + s) * words))
            if transposed_too:
                offset = ((b // TWINS * steps + s) * TWINS + b % TWINS) * row_panels + p
                pack_left_transposed(source, stride, split, address(transposed, offset * words))


@kernel
def _any_hit(job: Any, j: int, first: int, last: int) -> Any:
    """Return whether one of the candidates `first` to `last` is a true class of an example of panel j."""
    num_true = job.labels.shape[1]
    examples, found = job.labels.shape[0], False
    lowest = job.classes[first]
    for k in range(j * SIDE * num_true, min(examples, (j + 1) * SIDE) * num_true):
        candidate = job.label_candidates[k]
        found = found or (0 <= candidate < last and job.classes[candidate] >= lowest)
    return found


@kernel
def _mask(job: Any, j: int, first: int, last: int, slot: int, hits: bool) -> None:
    """Mask accidental hits, and what is beyond the examples, in a tile of logits.

    IN
        job : SampledLossJob with a Bf16Workspace
        j : panel
        first, last : candidates
        slot : index of the tile
        hits : whether there may be hits
    """
    tile = job.tile
    if hits:
        mask_accidental_hits(job, tile[slot], j, first, last)
    for e in range(min(SIDE, job.inputs.shape[0] - j * SIDE), SIDE):
        for r in range(SIDE):
            tile[slot, r, e] = -math.inf


@kernel
def _reduce_and_pack(job: Any, b: int, j: int, worker: int, shifts: int, tile_max: int, hits: bool) -> None:
    """Compute the logits of block b and panel j, and pack the results of the epilogue.

    Each product runs at the same time as the epilogue of the block before.

    IN
        job : SampledLossJob with a Bf16Workspace
        b, j : block and panel
        worker : its part of the workspace is used
        shifts : address of 32 float32, subtracted from logits
        hits : whether there may be hits
    IN, OUT
        tile_max : address of the maxima of a softmax
    """
    split, tile, size, needs_grad = job.split, job.tile, SIDE * SIDE, job.needs_grad
    row_panels, steps, words = job.packed_rows.shape[1:]
    panels, block = job.packed_inputs.shape[0], row_panels * SIDE
    first, last = b * block, min(job.sizes[0], (b + 1) * block)
    count = (last - first + SIDE - 1) // SIDE
    tile_sum = address(job.tile_sum, (b * panels + j) * SIDE)
    rows, right = worker * row_panels, address(job.packed_inputs, j * steps * words)
    unused = address(tile, (3 * worker + 2) * size)
    block_product(
        address(job.packed_rows, rows * steps * words), right, steps, split, 0, address(tile, 3 * worker * size), SIDE
    )
    for p in range(count):
        start, slot = first + p * SIDE, 3 * worker + p % 2
        _mask(job, j, start, min(last, start + SIDE), slot, hits)
        values, offsets, copies = address(tile, slot * size), address(job.offsets, start), address(job.copies, start)
        # for the value alone, the packed block is not used
        packed = address(job.packed_gradients, ((b * row_panels + p) * panels + j) * words) if needs_grad else unused
        if p + 1 == count:
            call(
                job.functions.pack,
                (split, values, offsets, copies, shifts, tile_max, tile_sum, packed, packed),
            )  # fmt: skip
            break
        ahead = unused
        if needs_grad:
            ahead = address(job.packed_gradients, ((b * row_panels + p + 1) * panels + j) * words)
        left = address(job.packed_rows, (rows + p + 1) * steps * words)
        out = address(tile, (3 * worker + (p + 1) % 2) * size)
        call(job.functions.pack_overlapped, (
            left, right, steps, out, split, values, offsets, copies, shifts, tile_max, tile_sum, packed, ahead,
        ))  # fmt: skip


@kernel
def _reduce(job: Any, b: int, j: int, worker: int, tile_max: int, hits: bool) -> None:
    """Compute the logits of block b and panel j, and reduce them for the value alone.

    IN
        job : SampledLossJob with a Bf16Workspace
        b, j : block and panel
        worker : its part of the workspace is used
        hits : whether there may be hits
    IN, OUT
        tile_max : address of the maxima
    """
    tile, slot = job.tile, 3 * worker
    row_panels, steps, words = job.packed_rows.shape[1:]
    panels, block = job.packed_inputs.shape[0], row_panels * SIDE
    first, last = b * block, min(job.sizes[0], (b + 1) * block)
    where, tile_sum = address(tile, slot * SIDE * SIDE), address(job.tile_sum, (b * panels + j) * SIDE)
    for p in range((last - first + SIDE - 1) // SIDE):
        start = first + p * SIDE
        block_product(
            address(job.packed_rows, (worker * row_panels + p) * steps * words),
            address(job.packed_inputs, j * steps * words), steps, job.split, 0, where, SIDE,
        )  # fmt: skip
        _mask(job, j, start, min(last, start + SIDE), slot, hits)
        call(job.functions.accumulate, (where, SIDE, address(job.offsets, start), tile_max, tile_sum))


@kernel
def _form_panel(job: Any, b: int, j: int, worker: int, shifts: int, again: bool) -> None:
    """Compute the logits of block b and panel j, minus the numbers at the address `shifts`, and apply the epilogue."""
    panels, block = job.packed_inputs.shape[0], job.packed_rows.shape[1] * SIDE
    last = min(job.sizes[0], (b + 1) * block)
    hits = job.remove_hits and _any_hit(job, j, b * block, last)
    # maxima of the first pass must stay: the references of the second pass are computed from them
    tile_max = (
        address(job.references, (worker * 2 + 1) * SIDE) if again else address(job.tile_max, (b * panels + j) * SIDE)
    )
    for e in range(SIDE):
        job.tile_sum[b, j, e] = 0
        if not again:
            job.tile_max[b, j, e] = LOWEST
    if job.needs_grad or job.functions.accumulate == 0:
        _reduce_and_pack(job, b, j, worker, shifts, tile_max, hits)
    else:
        _reduce(job, b, j, worker, tile_max, hits)
    for e in range(SIDE):
        if job.needs_grad and not again and job.tile_max[b, j, e] > _MOST_ABOVE:
            job.exceeded[0] = 1


@kernel
def _form(job: Any, worker: int, counter: int, again: bool) -> None:
    """Compute blocks of candidates, one task each: all panels, or those whose logits exceed their references."""
    row_panels, panels = job.packed_rows.shape[1], job.packed_inputs.shape[0]
    candidates, block = job.sizes[0], row_panels * SIDE
    blocks = (candidates + block - 1) // block
    mode = flush_denormals()
    configure()
    while True:
        b = next_task(counter)
        if b >= blocks:
            break
        first = b * block
        last = min(candidates, first + block)
        locate_candidates(job, first, last)
        _pack_candidates(job, b, worker, first, last, job.needs_grad and not again)
        for j in range(panels):
            if not again:
                _form_panel(job, b, j, worker, address(job.shifts, j * SIDE), False)
            elif read_references(job, j, worker):
                _form_panel(job, b, j, worker, address(job.references, worker * 2 * SIDE), True)
    release()
    restore_denormals(mode)


def logits(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Gather and pack the candidates' rows, compute logits, and apply the epilogue.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    _form(job, worker, counter, False)


def exceeding(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """If a logit was too far above its reference, compute its panel again; otherwise do nothing.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    if job.exceeded[0]:
        _form(job, worker, counter, True)
