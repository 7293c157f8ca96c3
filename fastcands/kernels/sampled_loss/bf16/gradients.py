"""Gradients of a sampled loss from packed bfloat16 blocks of the gradient of its logits.

The products are those of `sampled_loss.gradients`. Each sum is one chain along k, also over several calls of a product,
so neither the number of threads nor the sizes of tasks change a bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.bf16.job import PANELS_AT_ONCE, TWINS
from fastcands.kernels.sampled_loss.gradients import add_label_share
from fastcands.simd.bf16.packing import interleave_block
from fastcands.simd.bf16.sums import add_weighted_rows, scatter_block
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot import block_product, configure, release
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.target import VECTOR_BYTES
from fastcands.simd.transpose import transpose_square
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = ["input_gradients", "weight_gradients"]

_NUMBERS = SIDE * SIDE
_SQUARE = VECTOR_BYTES // 4
"""Rows and columns of a `transpose_square`."""


def weight_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Form the candidates' rows of the table's gradient; workers take blocks one by one.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    gradients, inputs, sums, split = job.packed_gradients, job.packed_inputs_t, job.sums, job.split
    row_panels, panels, words = gradients.shape[1:]
    steps, candidates, block, width = inputs.shape[0], job.sizes[0], row_panels * SIDE, job.weight_rows.shape[1]
    blocks = (candidates + block - 1) // block
    mode = flush_denormals()
    configure()
    while True:
        b = next_task(counter)
        if b >= blocks:
            break
        first, last = b * block, min(candidates, (b + 1) * block)
        here = (last - first + SIDE - 1) // SIDE
        for p in range(here):
            start, at = first + p * SIDE, address(sums, worker * sums.shape[1])
            add_weighted_rows(
                address(gradients, (b * row_panels + p) * panels * words), panels, split, address(job.factors, 0), at
            )
            for r in range(min(SIDE, last - start)):
                total = 0.0
                for lane in range(16):
                    total += np.float64(sums[worker, r * 16 + lane])
                job.bias_rows[job.gradient_rows[start + r]] = total
        for k in range(0, panels, PANELS_AT_ONCE):
            length = min(PANELS_AT_ONCE, panels - k)
            for s in range(steps):
                for p in range(here):
                    # with one call of the product, all blocks of sums can use the same memory
                    offset = 0 if panels <= PANELS_AT_ONCE else (s * row_panels + p) * _NUMBERS
                    at = address(sums, worker * sums.shape[1] + offset)
                    block_product(
                        address(gradients, ((b * row_panels + p) * panels + k) * words),
                        address(inputs, (s * panels + k) * words), length, split, k,
                        at, SIDE,
                    )  # fmt: skip
                    if k + length == panels:
                        start = first + p * SIDE
                        scatter_block(
                            at, min(SIDE, last - start), address(job.gradient_rows, start),
                            address(job.weight_rows, s * SIDE), width, width - s * SIDE,
                        )  # fmt: skip
    release()
    restore_denormals(mode)


@kernel
def _write_inputs(sums: Any, offset: int, out: Any, first: int, begin: int) -> None:
    """Write a block of sums, features x examples, even examples first, to the gradient of the inputs.

    IN
        sums : (workers, numbers)
        offset : where the block is, in numbers from the start
        first, begin : the first example and feature
    OUT
        out : (B, D), C-contiguous
    """
    half = SIDE // 2
    examples, width = out.shape
    last, end = min(SIDE, examples - first), min(SIDE, width - begin)
    row = (first * width) + begin
    if last == SIDE and end == SIDE:
        for parity in range(2):
            for d in range(0, SIDE, _SQUARE):
                for k in range(0, half, _SQUARE):
                    transpose_square(
                        sums, address(sums, offset + d * SIDE + parity * half + k), SIDE,
                        address(out, row + (2 * k + parity) * width + d), 2 * width,
                    )  # fmt: skip
        return
    stride = sums.shape[1]
    worker, offset = offset // stride, offset % stride
    for i in range(last):
        for d in range(end):
            out[first + i, begin + d] = sums[worker, offset + d * SIDE + i % 2 * half + i // 2]


@kernel
def _finish_inputs(job: Any, j: int, begin: int, end: int) -> None:
    """Multiply the gradient of the inputs of panel j by the factors, and add the true classes' share."""
    factors, d_inputs, true_gradient, label_weights = job.factors, job.d_inputs, job.true_gradient, job.label_weights
    num_true = true_gradient.shape[1]
    for i in range(j * SIDE, min(d_inputs.shape[0], (j + 1) * SIDE)):
        factor = factors[i]
        for d in range(begin, end):
            d_inputs[i, d] *= factor
        for t in range(num_true):
            share, k = true_gradient[i, t], i * num_true + t
            for d in range(begin, end):
                d_inputs[i, d] += share * label_weights[k, d]


@kernel
def _add_products(
    job: Any, b: int, worker: int, first_panel: int, last_panel: int, first_step: int, last_step: int
) -> None:
    """Add the products of blocks b and b + 1 to the sums of a task of `input_gradients`.

    IN
        job : SampledLossJob with a Bf16Workspace
        b : the first of TWINS blocks
        worker : the sums of this worker are used
        first_panel, last_panel, first_step, last_step : the task
    """
    gradients, rows, right = job.packed_gradients, job.packed_rows_t, job.packed_gradients_t
    sums, split = job.sums, job.split
    row_panels, panels, words = gradients.shape[1:]
    steps, left_panels = rows.shape[1:3]
    here = (min(job.sizes[0] - b * row_panels * SIDE, left_panels * SIDE) + SIDE - 1) // SIDE
    start, numbers, wide = worker * left_panels * words, sums.shape[1], last_step - first_step
    for j in range(first_panel, last_panel):
        for p in range(here):  # panels of the second block follow those of the first
            interleave_block(
                address(gradients, ((b * row_panels + p) * panels + j) * words),
                split,
                address(right, start + p * words),
            )
        for s in range(first_step, last_step):
            offset = ((j - first_panel) * wide + s - first_step) * _NUMBERS
            block_product(
                address(rows, (b // TWINS * steps + s) * left_panels * words), address(right, start), here, split,
                b, address(sums, worker * numbers + offset), SIDE,
            )  # fmt: skip


def input_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Form the gradient of the inputs; then the true classes' share of the table's gradient.

    Workers take tasks one by one; a task is some panels of examples and some steps of features. The packed rows of a
    block stay in the second-level cache for all panels of a task. A panel's gradients are turned into right blocks
    here, once for all steps. It took longer to store them in both orders in the forward pass.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    candidates, panels, width = job.sizes[0], job.packed_inputs.shape[0], job.d_inputs.shape[1]
    steps, block = job.packed_rows_t.shape[1], job.packed_rows.shape[1] * SIDE
    blocks = (candidates + block - 1) // block
    task_panels, task_steps = job.input_task
    panel_tasks, step_tasks = (panels + task_panels - 1) // task_panels, (steps + task_steps - 1) // task_steps
    mode = flush_denormals()
    configure()
    while True:
        task = next_task(counter)
        if task >= panel_tasks * step_tasks:
            break
        first_panel, first_step = task // step_tasks * task_panels, task % step_tasks * task_steps
        last_panel, last_step = min(panels, first_panel + task_panels), min(steps, first_step + task_steps)
        for b in range(0, blocks, TWINS):
            _add_products(job, b, worker, first_panel, last_panel, first_step, last_step)
        for j in range(first_panel, last_panel):
            for s in range(first_step, last_step):
                offset = ((j - first_panel) * (last_step - first_step) + s - first_step) * _NUMBERS
                _write_inputs(job.sums, worker * job.sums.shape[1] + offset, job.d_inputs, j * SIDE, s * SIDE)
            _finish_inputs(job, j, first_step * SIDE, min(width, last_step * SIDE))
    release()
    add_label_share(
        worker, num_threads, job.label_order, job.label_starts, job.label_gradient_rows[: job.sizes[1]],
        job.true_gradient,
        job.inputs, job.weight_rows, job.bias_rows,
    )  # fmt: skip
    restore_denormals(mode)
