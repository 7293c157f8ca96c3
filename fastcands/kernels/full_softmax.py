"""Exact softmax over every class, without an array of examples x classes.

Forward: one pass over the table keeps a running maximum and a running sum of exponentials for each example. Backward:
a second pass forms each tile of logits again, turns it into probabilities with the normaliser of the first, and uses
it for both gradients while it is in cache. Arithmetic is spent twice on logits to save the memory of B x V numbers.

The classes are cut into chunks whose number depends on shapes only. Each chunk sums into its own place and the places
are added in order, so the number of threads never shows in a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.gather import FLOAT32, FLOAT64, gather_rows_of
from fastcands.simd.columns import probability_columns, update_softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.exponential import LOWEST
from fastcands.simd.product import add_column_product, row_product, tile_product
from fastcands.simd.target import ROWS
from fastcands.simd.vector import address, fetch_add

__all__ = ["CLASS_BLOCK", "PANEL_GROUP", "full_softmax_gradients", "full_softmax_sums"]

CLASS_BLOCK = 128
"""Classes in a tile: their rows stay in the second-level cache while all examples pass over them."""

PANEL_GROUP = 32
"""Panels of examples whose tiles are held at once in the backward pass."""


@kernel
def _rows_at(start: int, row_stride: int, layout: Any, first: int, last: int, addresses: Any, rows: Any) -> Any:
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
    whole = width == rows.shape[1] and (last - first) % ROWS == 0 and row_stride % itemsize == 0
    if same and whole:
        return start + first * row_stride, row_stride // itemsize
    for i in range(first, last):
        addresses[i - first] = start + i * row_stride
    gather_rows_of(addresses, 0, last - first, column_stride, storage, width, rows, 0)
    for i in range(last - first, (last - first + ROWS - 1) // ROWS * ROWS):
        for d in range(rows.shape[1]):
            rows[i, d] = 0
    return address(rows, 0), rows.shape[1]


@parallel_kernel
def full_softmax_sums(
    start: int, row_stride: int, layout: Any, offsets: Any, by_example: Any, addresses: Any, rows: Any, tile: Any,
    peaks: Any, totals: Any, num_classes: int, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Maximum and sum of exponentials of the logits, for each example and chunk of classes. Parallel over chunks.

    IN
        start, row_stride, layout : the table, as in `_rows_at`
        offsets : (V rounded up to ROWS,), biases; -inf beyond V
        by_example : (panels, depth, PANEL), the packed inputs
        num_classes : V
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        addresses : (num_threads, block) int64
        rows : (num_threads, block, depth)
        tile : (num_threads, block, PANEL)
    OUT
        peaks, totals : (chunks, panels, PANEL)
    """
    chunks, panels, lanes = peaks.shape
    depth = by_example.shape[1]
    block = tile.shape[1]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for lane in range(lanes):
                    peaks[c, j, lane] = LOWEST
                    totals[c, j, lane] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                padded = (last - first + ROWS - 1) // ROWS * ROWS
                at, stride = _rows_at(start, row_stride, layout, first, last, addresses[worker], rows[worker])
                for j in range(panels):
                    for r in range(0, padded, ROWS):
                        row_product(
                            at + r * stride * tile.itemsize, stride, by_example, j * depth * lanes, depth,
                            address(offsets, first + r), address(tile, (worker * block + r) * lanes),
                        )  # fmt: skip
                    place = (c * panels + j) * lanes
                    update_softmax_columns(
                        tile,
                        address(tile, worker * block * lanes),
                        padded,
                        address(peaks, place),
                        address(totals, place),
                    )
        restore_denormals(mode)


@parallel_kernel
def full_softmax_gradients(
    start: int, row_stride: int, layout: Any, offsets: Any, by_example: Any, by_feature: Any, labels: Any,
    peaks: Any, factors: Any, shares: Any, addresses: Any, rows: Any, tiles: Any, sums: Any, input_sums: Any,
    weight_rows: Any, bias_rows: Any, num_classes: int, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Gradients of the exact softmax loss. Parallel over chunks of classes.

    IN
        start, row_stride, layout : the table, as in `_rows_at`
        offsets : (V rounded up to ROWS,), biases; -inf beyond V
        by_example, by_feature : the packed inputs, see `packing.pack_inputs`
        labels : (B, T) int64, as rows of this table; others are outside [0, V)
        peaks : (panels PANEL,), the largest logit of each example
        factors : (panels PANEL,), turns e^(logit - peak) into the logit's gradient; 0 beyond B
        shares : (B,), what each true class's gradient is less
        num_classes : V
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        addresses : (num_threads, block) int64
        rows : (num_threads, block, depth)
        tiles : (num_threads, panel group, block, PANEL)
        sums : (num_threads, block, PANEL / 2)
    OUT
        input_sums : (chunks, panels, depth, PANEL), each chunk's share of the gradient of the inputs
        weight_rows : (V rounded up to ROWS, D)
        bias_rows : (V rounded up to ROWS,)
    """
    chunks, panels, depth, lanes = input_sums.shape
    group, block = tiles.shape[1:3]
    width = weight_rows.shape[1]
    blocks = (num_classes + block - 1) // block
    examples, num_true = labels.shape
    itemsize = tiles.itemsize
    numbers = np.arange(block)
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for d in range(depth):
                    for lane in range(lanes):
                        input_sums[c, j, d, lane] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                padded = (last - first + ROWS - 1) // ROWS * ROWS
                at, stride = _rows_at(start, row_stride, layout, first, last, addresses[worker], rows[worker])
                for r in range(padded):
                    for lane in range(sums.shape[2]):
                        sums[worker, r, lane] = 0
                for g in range(0, panels, group):
                    here = min(group, panels - g)
                    for j in range(here):
                        tile = tiles[worker, j]
                        for r in range(0, padded, ROWS):
                            row_product(
                                at + r * stride * itemsize, stride, by_example, (g + j) * depth * lanes, depth,
                                address(offsets, first + r), address(tile, r * lanes),
                            )  # fmt: skip
                        place = (g + j) * lanes
                        probability_columns(
                            tile, address(tile, 0), padded, address(peaks, place), address(factors, place),
                            address(sums, worker * block * sums.shape[2]),
                        )  # fmt: skip
                        for lane in range(min(lanes, examples - place)):
                            for t in range(num_true):
                                r = labels[place + lane, t] - first
                                if 0 <= r < last - first:
                                    tile[r, lane] -= shares[place + lane]
                                    sums[worker, r, 0] -= shares[place + lane]
                        for d in range(0, depth, ROWS):
                            add_column_product(
                                at + d * itemsize, stride, tiles, (worker * group + j) * block * lanes, padded,
                                address(input_sums, ((c * panels + g + j) * depth + d) * lanes),
                            )  # fmt: skip
                    for p in range(by_feature.shape[0]):
                        for r in range(0, padded, ROWS):
                            tile_product(
                                address(tiles, (worker * group * block + r) * lanes), here, block * lanes,
                                by_feature, (p * panels + g) * lanes * lanes,
                                address(weight_rows, first * width + p * lanes), address(numbers, r), width,
                                width - p * lanes, g,
                            )  # fmt: skip
                for r in range(padded):
                    total = sums[worker, r, 0]
                    for lane in range(1, sums.shape[2]):
                        total += sums[worker, r, lane]
                    bias_rows[first + r] = total
        restore_denormals(mode)
