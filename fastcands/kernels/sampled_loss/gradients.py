"""Gradients of a sampled loss, from tiles of the gradient of its logits.

A tile has one row for each candidate and NR examples across. A factor for each example and block turns its numbers into
gradients of logits, whatever the loss. Three products follow: the candidates' rows of the table's gradient, the
gradient of the inputs, and the true classes' share of both.

One worker computes each sum, in a fixed order, so results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.gemm import gemm_scatter, gemm_tn
from fastcands.simd.target import MR, VECTOR_BYTES
from fastcands.simd.tile import scale_tile
from fastcands.simd.transpose import transpose_square
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = [
    "add_label_gradients",
    "add_label_share",
    "input_gradients",
    "weight_gradients",
]

_EXAMPLES_AT_ONCE = 256
"""Examples in one chain of multiply-adds of a weight gradient: longer chains round worse, shorter ones store more."""


def weight_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Scale the tiles to gradients of the logits, and form the candidates' rows of the table's gradient.

    Workers take blocks of candidates one by one. The tiles of a block are scaled just before the product reads them.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob
    """
    tiles, packed_inputs_t, gradient_rows = job.tiles, job.packed_inputs_t, job.gradient_rows
    weight_rows, bias_rows = job.weight_rows, job.bias_rows
    num_candidates = job.sizes[0]
    panels, block, nr = tiles.shape[1:]
    blocks = (num_candidates + block - 1) // block
    half_panel = nr // 2
    sums = job.sums[worker, : block * half_panel]
    width = weight_rows.shape[1]
    at_once = max(1, _EXAMPLES_AT_ONCE // nr)
    mode = flush_denormals()
    while True:
        b = next_task(counter)
        if b >= blocks:
            break
        padded = (min(block, num_candidates - b * block) + MR - 1) // MR * MR
        for k in range(padded * half_panel):
            sums[k] = 0
        for j in range(panels):
            at = (b * panels + j) * nr
            scale_tile(tiles, address(tiles, at * block), padded, address(job.tile_max, at), address(sums, 0))
        for r in range(padded):
            total = 0.0
            for k in range(r * half_panel, (r + 1) * half_panel):
                total += np.float64(sums[k])
            bias_rows[gradient_rows[b * block + r]] = total
        for j in range(0, panels, at_once):
            panels_here = min(at_once, panels - j)
            for p in range(packed_inputs_t.shape[0]):
                for r in range(0, padded, MR):
                    gemm_scatter(
                        address(tiles, ((b * panels + j) * block + r) * nr), panels_here, block * nr,
                        packed_inputs_t, (p * panels + j) * nr * nr,
                        address(weight_rows, p * nr), address(gradient_rows, b * block + r), width,
                        width - p * nr, j,
                    )  # fmt: skip
    restore_denormals(mode)


def input_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """``d_inputs = gradient of the logits @ rows``; then the true classes' share of the table's gradient.

    Workers take tasks one by one; a task is some panels and some features. Its features of the rows stay in the
    second-level cache for all of its panels, and a tile stays in the first-level cache for all of its features.

    Measured time, divided by that of `weight_gradients`, with 2 threads, for (B, S, D) = (256, 8192, 512),
    (512, 8192, 128) and (1024, 8192, 256): tasks of 8 panels and 128 features 1.17, 0.96, 1.04; 8 and 256 1.30 (but 3 %
    less absolute time than 8 and 128), 0.96, 0.98; 4 and 256 1.44, 0.99, 1.05; 16 and 256 1.19, -, 0.96. Tasks of 8
    panels and 32 features took 1.50 and 1.31 for the first two with one thread.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob
    """
    tiles, rows, d_inputs = job.tiles, job.rows, job.d_inputs
    true_gradient, label_weights = job.true_gradient, job.label_weights
    num_candidates = job.sizes[0]
    panels, block, nr = tiles.shape[1:]
    blocks = (num_candidates + block - 1) // block
    stride, depth = rows.shape[2], job.packed_inputs.shape[1]
    examples, width = d_inputs.shape
    num_true = true_gradient.shape[1]
    task_panels, task_features = job.input_task
    panel_tasks = (panels + task_panels - 1) // task_panels
    feature_tasks = (depth + task_features - 1) // task_features
    sums = job.sums[worker]
    mode = flush_denormals()
    while True:
        task = next_task(counter)
        if task >= panel_tasks * feature_tasks:
            break
        first_panel, first_feature = task // feature_tasks * task_panels, task % feature_tasks * task_features
        here, features = min(task_panels, panels - first_panel), min(task_features, depth - first_feature)
        for k in range(here * task_features * nr):
            sums[k] = 0
        for b in range(blocks):
            padded = (min(block, num_candidates - b * block) + MR - 1) // MR * MR
            for j in range(here):
                for d in range(0, features, MR):
                    gemm_tn(
                        address(rows, b * block * stride + first_feature + d), stride, tiles,
                        (b * panels + first_panel + j) * block * nr, padded,
                        address(sums, (j * task_features + d) * nr),
                    )  # fmt: skip
        for j in range(here):
            start = (first_panel + j) * nr
            last, end = min(examples, start + nr), min(first_feature + features, width)
            _write_transposed(sums, j * task_features, d_inputs, start, last, first_feature, end)
            for i in range(start, last):
                for t in range(num_true):
                    share = true_gradient[i, t]
                    for d in range(first_feature, end):
                        d_inputs[i, d] += share * label_weights[i * num_true + t, d]
    add_label_share(
        worker, num_threads, job.label_order, job.label_starts, job.label_gradient_rows[: job.sizes[1]], true_gradient,
        job.inputs, job.weight_rows, job.bias_rows,
    )  # fmt: skip
    restore_denormals(mode)


@kernel
def _write_transposed(sums: Any, at: int, out: Any, first: int, last: int, begin: int, end: int) -> None:
    """``out[first:last, begin:end] = sums.T`` for a panel of examples.

    IN
        sums : (features * NR,), rows of NR numbers
        at : the first row that is read
        first, last : examples, at most NR
        begin, end : features
    OUT
        out : (B, D), C-contiguous
    """
    side = VECTOR_BYTES // sums.itemsize
    nr, width = 2 * side, out.shape[1]
    whole_examples, whole_features = (last - first) // side * side, (end - begin) // side * side
    for i in range(0, whole_examples, side):
        for d in range(0, whole_features, side):
            transpose_square(
                sums, address(sums, (at + d) * nr + i), nr, address(out, (first + i) * width + begin + d), width
            )
    for i in range(last - first):
        for d in range(whole_features if i < whole_examples else 0, end - begin):
            out[first + i, begin + d] = sums[(at + d) * nr + i]


@kernel
def add_label_share(
    worker: int, num_threads: int, order: Any, starts: Any, label_gradient_rows: Any, true_gradient: Any, inputs: Any,
    weight_rows: Any, bias_rows: Any,
) -> None:  # fmt: skip
    """Add one worker's share of `add_label_gradients`.

    IN
        worker, num_threads : who of how many
        order, starts, label_gradient_rows, true_gradient, inputs : as there
    IN, OUT
        weight_rows, bias_rows : as there
    """
    distinct = label_gradient_rows.shape[0]
    num_true = true_gradient.shape[1]
    width = inputs.shape[1]
    for g in range(worker * distinct // num_threads, (worker + 1) * distinct // num_threads):
        row = label_gradient_rows[g]
        bias = np.float64(bias_rows[max(row, 0)])
        if row < 0:
            row = -1 - row
            bias = np.float64(0)
            for d in range(width):
                weight_rows[row, d] = 0
        for k in range(starts[g], starts[g + 1]):
            i, t = order[k] // num_true, order[k] % num_true
            share = true_gradient[i, t]
            bias += np.float64(share)
            for d in range(width):
                weight_rows[row, d] += share * inputs[i, d]
        bias_rows[row] = bias


@parallel_kernel
def add_label_gradients(
    order: Any, starts: Any, label_gradient_rows: Any, true_gradient: Any, inputs: Any, weight_rows: Any,
    bias_rows: Any,
    num_threads: int,
) -> None:  # fmt: skip
    """Add the true classes' share to the rows of the table's gradient. Parallel over distinct labels.

    IN
        order : (N,) int64, positions in the flattened labels, sorted by class
        starts : (G + 1,) int64, where each distinct label starts in `order`
        label_gradient_rows : (G,) int64, the row of the result of each distinct label; -1 - row if that row has not
            been written yet
        true_gradient : (B, T)
        inputs : (B, D)
        num_threads : int
    IN, OUT
        weight_rows : (R, D)
        bias_rows : (R,)
    """
    for index in prange(num_threads):
        add_label_share(
            np.int64(index),
            num_threads,
            order,
            starts,
            label_gradient_rows,
            true_gradient,
            inputs,
            weight_rows,
            bias_rows,
        )
