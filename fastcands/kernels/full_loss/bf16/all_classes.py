"""Exact losses over every class by bfloat16 products, without an array of examples x classes.

The passes are those of `all_classes`: one for the value, a second one for the gradients of a softmax. A block of
classes is rounded and packed, then multiplied with all examples, 32 at a time. Its logits stay in the first-level
cache, where they are reduced, or turned into gradients and rounded for the two products that follow.

True classes are masked. Their logits, B x T of them, are known in float32, and their shares of the sums and gradients
are added in float32. In bfloat16, the small difference between a probability and its target, of which a trained model's
gradient consists, would be lost in rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.epilogues.call import call
from fastcands.kernels.full_loss.all_classes import end_of_panel
from fastcands.kernels.full_loss.bf16.class_blocks import mask_labels, pack_class_rows, prefetch_rows
from fastcands.kernels.table.blocking import LOWEST
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.vector import address
from fastcands.stages import StagedKernel, next_task

__all__ = ["class_gradients", "class_sums"]

_NUMBERS = SIDE * SIDE
_BLOCK_BYTES = 4 * _NUMBERS


@kernel
def _sum_panel(job: Any, c: int, j: int, first: int, last: int, begin: int, end: int, worker: int) -> None:
    """Reduce the logits of packed classes `first` to `last` and panel j, whose labels are `begin` to `end`."""
    tile, inputs, packed_rows, split = job.tile, job.packed_inputs, job.packed_rows, job.split
    row_panels, steps, words = packed_rows.shape[1:]
    height = tile.shape[1]
    where, offset = address(tile, worker * height * SIDE), (c * inputs.shape[0] + j) * SIDE
    for top in range(first, last, height):
        here = (min(height, last - top) + SIDE - 1) // SIDE
        for p in range(here):
            block_product(
                address(packed_rows, (worker * row_panels + (top - first) // SIDE + p) * steps * words),
                address(inputs, j * steps * words), steps, split, 0, where + p * _BLOCK_BYTES, SIDE,
            )  # fmt: skip
        mask_labels(job, begin, end, top, here * SIDE, worker)
        call(job.functions.accumulate, (
            where, here * SIDE, address(job.offsets, top), address(job.chunk_max, offset),
            address(job.chunk_sum, offset),
        ))  # fmt: skip


def _class_sums(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Reduce the logits of all classes except the true ones for each example and chunk; see `all_classes`.

    Workers take chunks one by one.

    IN
        worker, num_threads : who of how many
        counter : of the tasks
        job : FullLossJob with a Bf16FullLossWorkspace
    """
    chunks, panels = job.chunk_sum.shape[:2]
    block = job.packed_rows.shape[1] * SIDE
    blocks = (job.table.total + block - 1) // block
    mode = flush_denormals()
    configure()
    while True:
        c = next_task(counter)
        if c >= chunks:
            break
        for j in range(panels):
            for e in range(SIDE):
                job.chunk_max[c, j, e] = LOWEST
                job.chunk_sum[c, j, e] = 0
        for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
            first, last = b * block, min((b + 1) * block, job.table.total)
            pack_class_rows(job, first, last, worker)
            end = job.label_starts[b]
            for j in range(panels):
                begin, end = end, end_of_panel(job, end, job.label_starts[b + 1], j, SIDE)
                prefetch_rows(job, last, min(last + block, job.table.total), j, panels)
                _sum_panel(job, c, j, first, last, begin, end, worker)
    release()
    restore_denormals(mode)


@kernel
def _form_panel(job: Any, c: int, j: int, at: int, first: int, last: int, begin: int, end: int, worker: int) -> None:
    """Turn the logits of a block of classes and panel j into packed gradients, panel `at` of `packed_gradients`.

    The product of each panel of classes runs at the same time as the epilogue of the panel before.
    """
    packed_rows, split, tile = job.packed_rows, job.split, job.tile
    gradients, gradients_t = job.packed_gradients, job.packed_gradients_t
    row_panels, steps, words = packed_rows.shape[1:]
    panels, panels_at_once = job.packed_inputs.shape[0], gradients.shape[2]
    inputs, examples = address(job.packed_inputs, j * steps * words), job.inputs.shape[0] - j * SIDE
    shifts, chunk_sum = address(job.shifts, j * SIDE), address(job.chunk_sum, (c * panels + j) * SIDE)
    factors, count = address(job.factors, j * SIDE), (last - first + SIDE - 1) // SIDE
    block_product(
        address(packed_rows, worker * row_panels * steps * words), inputs, steps, split, 0,
        address(tile, 2 * worker * _NUMBERS), SIDE,
    )  # fmt: skip
    for p in range(count):
        slot, other, top = 2 * worker + p % 2, 2 * worker + (p + 1) % 2, first + p * SIDE
        mask_labels(job, begin, end, top, SIDE, slot)
        logits, offsets = address(tile, slot * _NUMBERS), address(job.offsets, top)
        row_sums = address(job.row_sums, (worker * row_panels + p) * SIDE * 16)
        left = address(gradients, ((worker * row_panels + p) * panels_at_once + at) * words)
        right = address(gradients_t, (worker * row_panels + p) * words)
        if p + 1 == count:
            call(job.functions.differentiate, (
                split, logits, offsets, shifts, factors, examples, chunk_sum, row_sums, left, right,
            ))  # fmt: skip
            break
        rows = address(packed_rows, (worker * row_panels + p + 1) * steps * words)
        out = address(tile, other * _NUMBERS)
        call(job.functions.differentiate_overlapped, (
            rows, inputs, steps, out, split, logits, offsets, shifts, factors, examples, chunk_sum, row_sums, left,
            right,
        ))  # fmt: skip


@kernel
def _add_to_inputs(job: Any, c: int, j: int, here: int, add: bool, worker: int) -> None:
    """Add the share of a block of classes to the gradient of the inputs of panel j, in the sums of chunk c."""
    row_panels, words = job.packed_gradients_t.shape[1:]
    panels, steps = job.input_sums.shape[1:3]
    for s in range(steps):
        block_product(
            address(job.packed_rows_t, (worker * steps + s) * row_panels * words),
            address(job.packed_gradients_t, worker * row_panels * words), here, job.split, add,
            address(job.input_sums, ((c * panels + j) * steps + s) * _NUMBERS), SIDE,
        )  # fmt: skip


@kernel
def _write_block(job: Any, worker: int, offset: int, row: int, begin: int) -> None:
    """Copy a block of sums to the gradient of 32 rows, features `begin` to `begin` + 32."""
    sums, weight_rows = job.sums, job.weight_rows
    here = min(SIDE, weight_rows.shape[1] - begin)
    for r in range(SIDE):
        for d in range(here):
            weight_rows[row + r, begin + d] = sums[worker, offset + r * SIDE + d]


@kernel
def _add_to_weights(job: Any, first: int, last: int, start: int, length: int, worker: int) -> None:
    """Add the share of `length` panels of examples, from `start` on, to the gradient of rows `first` to `last`.

    The first panels overwrite what is there.
    """
    gradients, inputs_t, sums, weight_rows = job.packed_gradients, job.packed_inputs_t, job.sums, job.weight_rows
    row_panels, panels_at_once, words = gradients.shape[1:]
    steps, panels = inputs_t.shape[:2]
    width, in_place = weight_rows.shape[1], sums.shape[1] == 0
    for p in range((last - first + SIDE - 1) // SIDE):
        for s in range(steps):
            row, offset = first + p * SIDE, (p * steps + s) * _NUMBERS
            out = address(weight_rows, row * width + s * SIDE)
            if not in_place:
                out = address(sums, worker * sums.shape[1] + offset)
            block_product(
                address(gradients, (worker * row_panels + p) * panels_at_once * words),
                address(inputs_t, (s * panels + start) * words), length, job.split, start, out,
                width if in_place else SIDE,
            )  # fmt: skip
            if not in_place and start + length == panels:
                _write_block(job, worker, offset, row, s * SIDE)


@kernel
def _finish_block(job: Any, b: int, first: int, last: int, worker: int) -> None:
    """Write the gradient of the biases of a block, and add the true classes' shares, in their order."""
    row_sums, bias_rows, weight_rows, inputs = job.row_sums, job.bias_rows, job.weight_rows, job.inputs
    for r in range((last - first + SIDE - 1) // SIDE * SIDE):
        total = 0.0
        for lane in range(16):
            total += np.float64(row_sums[worker, r, lane])
        bias_rows[first + r] = total
    for k in range(job.label_starts[b], job.label_starts[b + 1]):
        row, i, share = job.label_rows[k], job.label_examples[k], job.label_shares[k]
        for d in range(inputs.shape[1]):
            weight_rows[row, d] += share * inputs[i, d]
        bias_rows[row] += share


def _class_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Compute the gradients; that of the inputs without the true classes' shares. Workers take chunks one by one.

    IN
        worker, num_threads : who of how many
        counter : of the tasks
        job : FullLossJob with a Bf16FullLossWorkspace
    """
    chunks, panels = job.chunk_sum.shape[:2]
    row_panels, panels_at_once = job.packed_gradients.shape[1:3]
    block = row_panels * SIDE
    blocks = (job.table.total + block - 1) // block
    mode = flush_denormals()
    configure()
    while True:
        c = next_task(counter)
        if c >= chunks:
            break
        for j in range(panels):
            for e in range(SIDE):
                job.chunk_sum[c, j, e] = 0
        first_block = c * blocks // chunks
        for b in range(first_block, (c + 1) * blocks // chunks):
            first, last = b * block, min((b + 1) * block, job.table.total)
            here = (last - first + SIDE - 1) // SIDE
            pack_class_rows(job, first, last, worker)
            for r in range(block):
                for lane in range(16):
                    job.row_sums[worker, r, lane] = 0
            end = job.label_starts[b]
            for start in range(0, panels, panels_at_once):
                length = min(panels_at_once, panels - start)
                for j in range(start, start + length):
                    begin, end = end, end_of_panel(job, end, job.label_starts[b + 1], j, SIDE)
                    prefetch_rows(job, last, min(last + block, job.table.total), j, panels)
                    _form_panel(job, c, j, j - start, first, last, begin, end, worker)
                    _add_to_inputs(job, c, j, here, b > first_block, worker)
                _add_to_weights(job, first, last, start, length, worker)
            _finish_block(job, b, first, last, worker)
    release()
    restore_denormals(mode)


class_sums = StagedKernel(sums=_class_sums)
"""Maxima and sums of the logits of all classes except the true ones, for each example and chunk."""

class_gradients = StagedKernel(gradients=_class_gradients)
"""All gradients; that of the inputs lacks the true classes' share. One worker computes each sum, in a fixed order."""
