"""Packed blocks of inputs and of rows of the table for exact losses, and masks of true classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.table.gather import gather_rows_of
from fastcands.kernels.table.packing import copy_block
from fastcands.kernels.table.view import FLOAT32
from fastcands.simd.bf16.packing import pack_left, pack_left_transposed, pack_right, pack_right_transposed
from fastcands.simd.dot.blocks import LINE, SIDE
from fastcands.simd.memory import prefetch
from fastcands.simd.vector import address

__all__ = ["bf16_pack_inputs", "mask_labels", "pack_class_rows", "prefetch_rows"]


@parallel_kernel
def bf16_pack_inputs(inputs: Any, tile: Any, split: int, packed: Any, packed_t: Any, num_threads: int) -> None:
    """Pack the inputs in both orders in which products read them. Parallel over panels of 32 examples.

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
    """Pack table rows `first` to `last` in panels of 32; the last panel is filled up with zeros.

    IN
        first, last : the rows
        worker : its part of the workspace is used
    OUT
        job : FullLossJob; `packed_rows` is written, and `packed_rows_t` unless it is empty
    """
    table, row_stride = job.table, job.table.strides[0]
    addresses, rows, split = job.addresses, job.rows, job.split
    packed, transposed = job.packed_rows, job.packed_rows_t
    row_panels, steps, words = packed.shape[1:]
    stride, row = rows.shape[1], worker * SIDE
    aligned = table.width == steps * SIDE and row_stride % 4 == 0
    in_place = table.storage == FLOAT32 and table.feature_stride == 4 and aligned
    for p in range((last - first + SIDE - 1) // SIDE):
        begin = first + p * SIDE
        here = min(SIDE, last - begin)
        source, step = table.starts[0] + begin * row_stride, row_stride // 4
        if not in_place or here < SIDE:
            for i in range(here):
                addresses[worker, i] = table.starts[0] + (begin + i) * row_stride
            gather_rows_of(addresses[worker], 0, here, table, rows, row)
            for r in range(row + here, row + SIDE):
                for d in range(stride):
                    rows[r, d] = 0
            source, step = address(rows, row * stride), stride
        for s in range(steps):
            where = source + s * SIDE * 4
            pack_left(where, step, split, address(packed, ((worker * row_panels + p) * steps + s) * words))
            if transposed.shape[0] > 0:
                offset = ((worker * steps + s) * row_panels + p) * words
                pack_left_transposed(where, step, split, address(transposed, offset))


@kernel
def prefetch_rows(job: Any, first: int, last: int, part: int, parts: int) -> None:
    """Prefetch a part of table rows `first` to `last`, which are read next, if they are contiguous.

    Many prefetches at once would wait for each other; spread over the products of a block they cost nothing.

    IN
        job : FullLossJob
        first, last : the rows; none if last is at most first
        part, parts : which part, of how many
    """
    table, row_stride = job.table, job.table.strides[0]
    if row_stride == table.width * table.feature_stride:
        lines = max(0, last - first) * row_stride // LINE
        for line in range(part * lines // parts, (part + 1) * lines // parts):
            prefetch(table.starts[0] + first * row_stride + line * LINE)


@kernel
def mask_labels(job: Any, begin: int, end: int, first: int, rows: int, worker: int) -> None:
    """Set the logits of true classes to -inf: what they contribute comes from their float32 logits.

    IN
        begin, end : labels, all of examples of the tile's panel
        first, rows : first row of the table in the tile, and number of rows
        worker : index of the tile
    IN, OUT
        job : FullLossJob; `tile` is changed
    """
    for k in range(begin, end):
        r = job.label_rows[k] - first
        if 0 <= r < rows:
            job.tile[worker, r, job.label_examples[k] % SIDE] = -math.inf
