"""Exact losses over every class, without an array of examples x classes.

Softmax forward: one pass over the table keeps a running maximum and a running sum of exponentials for each example.
Backward: a second pass forms each tile of logits again, turns it into probabilities with the normaliser of the first,
and uses it for both gradients while it is in cache. Arithmetic is spent twice on logits to save the memory of B x V
numbers. A logistic loss needs one pass for both: a logit's gradient depends on that logit alone.

The classes are cut into chunks whose number depends on shapes only. Each chunk sums into its own place and the places
are added in order, so the number of threads never shows in a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.table.gather import FLOAT32, FLOAT64, gather_rows_of
from fastcands.simd.columns import probability_columns, scale_columns, update_softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.exp import LOWEST
from fastcands.simd.gemm import add_column_product, row_product, tile_product
from fastcands.simd.logistic import logistic_columns
from fastcands.simd.target import MR
from fastcands.simd.vector import address, fetch_add

__all__ = ["CLASS_BLOCK", "PANEL_GROUP", "all_class_gradients", "all_class_sums", "rows_at"]

CLASS_BLOCK = 128
"""Classes in a tile: their rows stay in the second-level cache while all examples pass over them."""

PANEL_GROUP = 32
"""Panels of examples whose tiles are held at once in the backward pass."""


@kernel
def rows_at(start: int, row_stride: int, layout: Any, first: int, last: int, addresses: Any, rows: Any) -> Any:
    """Return address and stride (in elements) of table rows `first` to `last`, read where they lie if products can.

    IN
        start, row_stride : address of row 0 and bytes from row to row
        layout : (column stride, storage, width), see `gather.read_row`
        first, last : the rows
    SCRATCH
        addresses : (block,) int64
        rows : (block, depth), the element type of the arithmetic
    """
    column_stride, storage, width = layout
    itemsize = rows.itemsize
    same = storage == (FLOAT32 if itemsize == 4 else FLOAT64) and column_stride == itemsize
    whole = width == rows.shape[1] and (last - first) % MR == 0 and row_stride % itemsize == 0
    if same and whole:
        return start + first * row_stride, row_stride // itemsize
    for i in range(first, last):
        addresses[i - first] = start + i * row_stride
    gather_rows_of(addresses, 0, last - first, column_stride, storage, width, rows, 0)
    for i in range(last - first, (last - first + MR - 1) // MR * MR):
        for d in range(rows.shape[1]):
            rows[i, d] = 0
    return address(rows, 0), rows.shape[1]


@parallel_kernel
def all_class_sums(
    table: Any, offsets: Any, examples: Any, scratch: Any, chunk_max: Any, chunk_sum: Any, num_classes: int,
    logistic: bool,
    counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Reduce the logits of all classes to one or two numbers for each example and chunk. Parallel over chunks.

    IN
        table : (start, row stride, layout), as in `rows_at`
        offsets : (V rounded up to MR,), biases; -inf beyond V
        examples : (by_example, shifts, ones); by_example (panels, depth, NR): the packed inputs; shifts, ones
            (at least panels NR,): what a logistic loss subtracts from an example's logits, and ones
        num_classes : V
        logistic : whether the sums are those of a logistic loss
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, tiles); addresses (num_threads, block) int64; rows (num_threads, block, depth);
            tiles (num_threads, 1, block, NR)
    OUT
        chunk_max : (chunks, panels, NR), maxima; not written by a logistic loss
        chunk_sum : (chunks, panels, NR), sums of e^(logit - peak); or of the losses against a target of 0
    """
    start, row_stride, layout = table
    by_example, shifts, ones = examples
    addresses, rows, tiles = scratch
    chunks, panels, lanes = chunk_sum.shape
    depth = by_example.shape[1]
    block = tiles.shape[2]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        part = np.empty(lanes, chunk_sum.dtype)
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for lane in range(lanes):
                    chunk_max[c, j, lane] = LOWEST
                    chunk_sum[c, j, lane] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                padded = (last - first + MR - 1) // MR * MR
                at, stride = rows_at(start, row_stride, layout, first, last, addresses[worker], rows[worker])
                tile = address(tiles, worker * block * lanes)
                for j in range(panels):
                    for r in range(0, padded, MR):
                        row_product(
                            at + r * stride * tiles.itemsize, stride, by_example, j * depth * lanes, depth,
                            address(offsets, first + r), tile + r * lanes * tiles.itemsize,
                        )  # fmt: skip
                    place = (c * panels + j) * lanes
                    if logistic:
                        logistic_columns(
                            tiles, tile, padded, address(ones, 0), address(shifts, j * lanes), address(ones, 0),
                            address(part, 0),
                        )  # fmt: skip
                        for lane in range(lanes):
                            chunk_sum[c, j, lane] += part[lane]
                    else:
                        update_softmax_columns(
                            tiles, tile, padded, address(chunk_max, place), address(chunk_sum, place)
                        )
        restore_denormals(mode)


@parallel_kernel
def all_class_gradients(
    table: Any, offsets: Any, examples: Any, labels: Any, shares: Any, scratch: Any, input_sums: Any, chunk_sum: Any,
    weight_rows: Any, bias_rows: Any, num_classes: int, logistic: bool, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Gradients of an exact loss. Parallel over chunks of classes.

    IN
        table : (start, row stride, layout), as in `rows_at`
        offsets : (V rounded up to MR,), biases; -inf beyond V
        examples : (by_example, by_feature, shifts, factors, ones); the packed inputs, see `packing.pack_inputs`; shifts
            (panels NR,): the largest logit of each example, or what a logistic loss subtracts; factors (panels
            NR,): what turns e^(logit - shift), or a sigmoid, into a gradient, 0 beyond B; ones
        labels : (B, T) int64, as rows of this table; others are outside [0, V)
        shares : (B, T), what the gradient of each true class's logit is less
        num_classes : V
        logistic : whether it is a logistic loss
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, tiles, sums); addresses (num_threads, block) int64; rows (num_threads, block,
            depth); tiles (num_threads, panel group, block, NR); sums (num_threads, block, NR / 2)
    OUT
        input_sums : (chunks, panels, depth, NR), each chunk's share of the gradient of the inputs
        chunk_sum : (chunks, panels, NR), sums of a logistic loss against a target of 0
        weight_rows : (V rounded up to MR, D)
        bias_rows : (V rounded up to MR,)
    """
    start, row_stride, layout = table
    by_example, by_feature, shifts, factors, ones = examples
    addresses, rows, tiles, sums = scratch
    chunks, panels, depth, lanes = input_sums.shape
    group, block = tiles.shape[1:3]
    width = weight_rows.shape[1]
    blocks = (num_classes + block - 1) // block
    num_examples, num_true = labels.shape
    itemsize = tiles.itemsize
    numbers = np.arange(block)
    half = sums.shape[2]  # the slot a lane was summed into: a probability meets its target there and cancels
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        part = np.empty(lanes, chunk_sum.dtype)
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for lane in range(lanes):
                    chunk_sum[c, j, lane] = 0
                    for d in range(depth):
                        input_sums[c, j, d, lane] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                padded = (last - first + MR - 1) // MR * MR
                at, stride = rows_at(start, row_stride, layout, first, last, addresses[worker], rows[worker])
                row_sums = address(sums, worker * block * half)
                for r in range(padded):
                    for lane in range(half):
                        sums[worker, r, lane] = 0
                for g in range(0, panels, group):
                    here = min(group, panels - g)
                    for j in range(here):
                        tile = tiles[worker, j]
                        for r in range(0, padded, MR):
                            row_product(
                                at + r * stride * itemsize, stride, by_example, (g + j) * depth * lanes, depth,
                                address(offsets, first + r), address(tile, r * lanes),
                            )  # fmt: skip
                        place = (g + j) * lanes
                        if logistic:
                            logistic_columns(
                                tile, address(tile, 0), padded, address(ones, 0), address(shifts, place),
                                address(factors, place), address(part, 0),
                            )  # fmt: skip
                            for lane in range(lanes):
                                chunk_sum[c, g + j, lane] += part[lane]
                            scale_columns(tile, address(tile, 0), padded, address(ones, 0), row_sums)
                        else:
                            probability_columns(
                                tile, address(tile, 0), padded, address(shifts, place), address(factors, place),
                                row_sums,
                            )  # fmt: skip
                        for lane in range(min(lanes, num_examples - place)):
                            for t in range(num_true):
                                r = labels[place + lane, t] - first
                                if 0 <= r < last - first:
                                    tile[r, lane] -= shares[place + lane, t]
                                    sums[worker, r, lane % half] -= shares[place + lane, t]
                        for d in range(0, depth, MR):
                            add_column_product(
                                at + d * itemsize, stride, tiles, (worker * group + j) * block * lanes, padded,
                                address(input_sums, ((c * panels + g + j) * depth + d) * lanes),
                            )  # fmt: skip
                    for p in range(by_feature.shape[0]):
                        for r in range(0, padded, MR):
                            tile_product(
                                address(tiles, (worker * group * block + r) * lanes), here, block * lanes,
                                by_feature, (p * panels + g) * lanes * lanes,
                                address(weight_rows, first * width + p * lanes), address(numbers, r), width,
                                width - p * lanes, g,
                            )  # fmt: skip
                for r in range(padded):
                    total = 0.0
                    for lane in range(half):
                        total += np.float64(sums[worker, r, lane])
                    bias_rows[first + r] = total
        restore_denormals(mode)
