"""What an exact loss packs for its products, inputs and rows of the table, and the true classes in its tiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.sampled_loss.bf16.prologue import copy_block
from fastcands.kernels.table.gather import FLOAT32, gather_rows_of
from fastcands.simd.bf16.packing import pack_left, pack_left_transposed, pack_right, pack_right_transposed
from fastcands.simd.dot.blocks import LINE, SIDE
from fastcands.simd.memory import prefetch
from fastcands.simd.vector import address

__all__ = ["bf16_pack_inputs", "end_of_panel", "mask_labels", "pack_class_rows", "prefetch_rows"]


@parallel_kernel
def bf16_pack_inputs(inputs: Any, tile: Any, split: int, packed: Any, packed_t: Any, num_threads: int) -> None:
    """Pack the inputs for both products that they are a factor of. Parallel over panels of 32 examples.

    IN
        inputs : (B, D) float32
        split : 1 for lo parts, else 0
        num_threads : int
    SCRATCH
        tile : (num_threads, 32, 32) float32
    OUT
        packed : (panels, steps, words) uint16, right panels, k along features
        packed_t : (steps, panels, words) uint16, right panels, k along examples; or (0, panels, words) for none
    """
    panels, steps, words = packed.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        where = address(tile, worker * SIDE * SIDE)
        for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
            for s in range(steps):
                copy_block(inputs, j * SIDE, s * SIDE, tile, worker)
                pack_right_transposed(where, SIDE, split, address(packed, (j * steps + s) * words))
                if packed_t.shape[0] > 0:
                    pack_right(where, SIDE, split, address(packed_t, (s * panels + j) * words))


@kernel
def pack_class_rows(job: Any, first: int, last: int, worker: int) -> None:
    """Pack table rows `first` to `last`, whole panels of 32, what is beyond `last` as zeros.

    IN
        first, last : the rows
        worker : whose scratch is used
    OUT
        job : FullLossJob, of which `packed_rows`, and `packed_rows_t` unless it is empty
    """
    column_stride, storage, width = job.layout
    addresses, rows, split = job.addresses, job.rows, job.split
    packed, transposed = job.packed_rows, job.packed_rows_t
    row_panels, steps, words = packed.shape[1:]
    stride, row = rows.shape[1], worker * SIDE
    in_place = storage == FLOAT32 and column_stride == 4 and width == steps * SIDE and job.row_stride % 4 == 0
    for p in range((last - first + SIDE - 1) // SIDE):
        begin = first + p * SIDE
        here = min(SIDE, last - begin)
        source, step = job.start + begin * job.row_stride, job.row_stride // 4
        if not in_place or here < SIDE:
            for i in range(here):
                addresses[worker, i] = job.start + (begin + i) * job.row_stride
            gather_rows_of(addresses[worker], 0, here, column_stride, storage, width, rows, row)
            for r in range(row + here, row + SIDE):
                for d in range(stride):
                    rows[r, d] = 0
            source, step = address(rows, row * stride), stride
        for s in range(steps):
            where = source + s * SIDE * 4
            pack_left(where, step, split, address(packed, ((worker * row_panels + p) * steps + s) * words))
            if transposed.shape[0] > 0:
                place = ((worker * steps + s) * row_panels + p) * words
                pack_left_transposed(where, step, split, address(transposed, place))


@kernel
def prefetch_rows(job: Any, first: int, last: int, part: int, parts: int) -> None:
    """Prefetch a part of table rows `first` to `last`, which are read next, if they lie one after the other.

    In one go, prefetches would wait for each other; spread over the products of a block they cost nothing.

    IN
        job : FullLossJob
        first, last : the rows, none where last is not above first
        part, parts : which of how many
    """
    column_stride, _, width = job.layout
    if job.row_stride == width * column_stride:
        lines = max(0, last - first) * job.row_stride // LINE
        for line in range(part * lines // parts, (part + 1) * lines // parts):
            prefetch(job.start + first * job.row_stride + line * LINE)


@kernel
def end_of_panel(job: Any, begin: int, end: int, j: int) -> Any:
    """Return where the labels from `begin` on end, `end` at most, whose examples are of panel j.

    IN
        job : FullLossJob
        begin, end : which labels
        j : panel
    """
    while begin < end and job.label_examples[begin] // SIDE == j:
        begin += 1
    return begin


@kernel
def mask_labels(job: Any, begin: int, end: int, first: int, rows: int, worker: int) -> None:
    """Set the logits of true classes to -inf: what they contribute comes from their float32 logits.

    IN
        begin, end : which labels; their examples are all of the tile's panel
        first, rows : first row of the table in the tile, and how many
        worker : which tile
    IN, OUT
        job : FullLossJob, of which `tile`
    """
    for k in range(begin, end):
        r = job.label_rows[k] - first
        if 0 <= r < rows:
            job.tile[worker, r, job.label_examples[k] % SIDE] = -math.inf
