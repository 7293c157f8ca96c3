"""Exact losses over every class, without an array of examples x classes.

Value of a softmax: one pass over the table updates a running maximum and a running sum of exponentials for each
example. Gradients: a second pass computes each tile of logits again, turns it into probabilities by the log_normalizer
of the first pass, and uses it for both gradients while it is in cache. Computing the logits twice saves the memory of B
x V numbers. A loss of single logits needs only one pass, because the gradient of a logit depends on that logit alone.

The classes are divided into chunks, whose number depends only on shapes. Each chunk has its own sums, which are added
in order at the end, so results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.epilogues.call import call
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.kernels.table.view import FLOAT32, FLOAT64
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.exp import LOWEST
from fastcands.simd.gemm import gemm_nt, gemm_scatter, gemm_tn
from fastcands.simd.target import MR
from fastcands.simd.vector import address
from fastcands.stages import StagedKernel, next_task

__all__ = ["class_gradients", "class_sums", "end_of_panel", "rows_at"]


@kernel
def rows_at(table: Any, first: int, last: int, addresses: Any, rows: Any) -> Any:
    """Return address and stride (in elements) of table rows `first` to `last`; copy them only if products need it.

    IN
        table : TableView of one shard
        first, last : the rows
    SCRATCH
        addresses : (block,) int64
        rows : (block, depth), the element type of the arithmetic
    """
    start, row_stride, itemsize = table.starts[0], table.strides[0], rows.itemsize
    same = table.storage == (FLOAT32 if itemsize == 4 else FLOAT64) and table.feature_stride == itemsize
    fills_tiles = table.width == rows.shape[1] and (last - first) % MR == 0 and row_stride % itemsize == 0
    if same and fills_tiles:
        return start + first * row_stride, row_stride // itemsize
    for i in range(first, last):
        addresses[i - first] = start + i * row_stride
    gather_rows_of(addresses, 0, last - first, table, rows, 0)
    for i in range(last - first, (last - first + MR - 1) // MR * MR):
        for d in range(rows.shape[1]):
            rows[i, d] = 0
    return address(rows, 0), rows.shape[1]


@kernel
def end_of_panel(job: Any, begin: int, end: int, j: int, nr: int) -> Any:
    """Return the end of the labels of panel j, which start at `begin`; it is at most `end`.

    IN
        job : FullLossJob
        begin, end : labels
        j : panel
        nr : examples of a panel
    """
    while begin < end and job.label_examples[begin] // nr == j:
        begin += 1
    return begin


def _class_sums(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Reduce the logits of all classes to a sum, and for a softmax a maximum, for each example and chunk.

    Workers take chunks one by one.

    IN
        worker, num_threads : who of how many
        counter : of the tasks
        job : FullLossJob
    """
    rows, tiles, offsets, packed_inputs, ones = job.rows, job.tiles, job.offsets, job.packed_inputs, job.ones
    chunk_max, chunk_sum, accumulate = job.chunk_max, job.chunk_sum, job.functions.accumulate
    chunks, panels, nr = chunk_sum.shape
    depth, block, num_classes = packed_inputs.shape[1], tiles.shape[2], job.table.total
    blocks, itemsize = (num_classes + block - 1) // block, tiles.itemsize
    tile = address(tiles, worker * block * nr)
    mode = flush_denormals()
    while True:
        c = next_task(counter)
        if c >= chunks:
            break
        for j in range(panels):
            for e in range(nr):
                chunk_max[c, j, e] = LOWEST
                chunk_sum[c, j, e] = 0
        for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
            first, last = b * block, min((b + 1) * block, num_classes)
            padded = (last - first + MR - 1) // MR * MR
            at, stride = rows_at(job.table, first, last, job.addresses[worker], rows[worker])
            for j in range(panels):
                for r in range(0, padded, MR):
                    gemm_nt(
                        at + r * stride * itemsize, stride, packed_inputs, j * depth * nr, depth,
                        address(offsets, first + r), tile + r * nr * itemsize,
                    )  # fmt: skip
                start = (c * panels + j) * nr
                call(accumulate, (
                    tile, padded, address(ones, 0), address(job.shifts, j * nr), 0, address(chunk_max, start),
                    address(chunk_sum, start), 0,
                ))  # fmt: skip
    restore_denormals(mode)


@kernel
def _subtract_shares(job: Any, tile: Any, begin: int, end: int, first: int, worker: int) -> None:
    """Subtract the true classes' shares from the gradients in a tile and from their sums.

    IN
        job : FullLossJob
        begin, end : labels, of the tile's block and panel
        first : first row of the block
        worker : its `row_sums` are changed
    IN, OUT
        tile : (block, NR)
    """
    row_sums, nr = job.row_sums, tile.shape[1]
    half_panel = row_sums.shape[
        2
    ]  # subtracted in the lane to which the example was added: a probability and its target cancel
    for k in range(begin, end):
        r, e, share = job.label_rows[k] - first, job.label_examples[k] % nr, job.label_shares[k]
        tile[r, e] -= share
        row_sums[worker, r, e % half_panel] -= share


def _class_gradients(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Compute the gradients of an exact loss.

    Workers take chunks one by one.

    IN
        worker, num_threads : who of how many
        counter : of the tasks
        job : FullLossJob
    """
    rows, tiles, offsets, ones = job.rows, job.tiles, job.offsets, job.ones
    packed_inputs, packed_inputs_t, row_sums = job.packed_inputs, job.packed_inputs_t, job.row_sums
    chunk_sum, input_sums, weight_rows, bias_rows = job.chunk_sum, job.input_sums, job.weight_rows, job.bias_rows
    differentiate, row_numbers, num_classes = job.functions.differentiate, job.row_numbers, job.table.total
    chunks, panels, depth, nr = input_sums.shape
    at_once, block = tiles.shape[1:3]
    width, half_panel, itemsize = weight_rows.shape[1], row_sums.shape[2], tiles.itemsize
    blocks = (num_classes + block - 1) // block
    mode = flush_denormals()
    while True:
        c = next_task(counter)
        if c >= chunks:
            break
        for j in range(panels):
            for e in range(nr):
                chunk_sum[c, j, e] = 0
                for d in range(depth):
                    input_sums[c, j, d, e] = 0
        for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
            first, last = b * block, min((b + 1) * block, num_classes)
            padded = (last - first + MR - 1) // MR * MR
            at, stride = rows_at(job.table, first, last, job.addresses[worker], rows[worker])
            for r in range(padded):
                for e in range(half_panel):
                    row_sums[worker, r, e] = 0
            end = job.label_starts[b]
            for p in range(0, panels, at_once):
                here = min(at_once, panels - p)
                for j in range(here):
                    tile = tiles[worker, j]
                    for r in range(0, padded, MR):
                        gemm_nt(
                            at + r * stride * itemsize, stride, packed_inputs, (p + j) * depth * nr, depth,
                            address(offsets, first + r), address(tile, r * nr),
                        )  # fmt: skip
                    start = (p + j) * nr
                    call(differentiate, (
                        address(tile, 0), padded, address(ones, 0), address(job.shifts, start),
                        address(job.factors, start), 0, address(chunk_sum, (c * panels + p + j) * nr),
                        address(row_sums, worker * block * half_panel),
                    ))  # fmt: skip
                    begin, end = end, end_of_panel(job, end, job.label_starts[b + 1], p + j, nr)
                    _subtract_shares(job, tile, begin, end, first, worker)
                    for d in range(0, depth, MR):
                        gemm_tn(
                            at + d * itemsize, stride, tiles, (worker * at_once + j) * block * nr, padded,
                            address(input_sums, ((c * panels + p + j) * depth + d) * nr),
                        )  # fmt: skip
                for q in range(packed_inputs_t.shape[0]):
                    for r in range(0, padded, MR):
                        gemm_scatter(
                            address(tiles, (worker * at_once * block + r) * nr), here, block * nr,
                            packed_inputs_t, (q * panels + p) * nr * nr,
                            address(weight_rows, first * width + q * nr), address(row_numbers, r), width,
                            width - q * nr, p,
                        )  # fmt: skip
            for r in range(padded):
                total = 0.0
                for e in range(half_panel):
                    total += np.float64(row_sums[worker, r, e])
                bias_rows[first + r] = total
    restore_denormals(mode)


def _prologue(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Write constants, on the first worker.

    IN
        worker, num_threads : who of how many
        counter : not used
        job : FullLossJob
    """
    if worker == 0:
        for r in range(len(job.ones)):
            job.ones[r], job.row_numbers[r] = 1, r


class_sums = StagedKernel(prologue=_prologue, sums=_class_sums)
"""Maxima and sums of the logits of all classes, for each example and chunk."""

class_gradients = StagedKernel(prologue=_prologue, gradients=_class_gradients)
"""All gradients. One worker computes each sum, in a fixed order."""
