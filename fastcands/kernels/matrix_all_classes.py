"""Exact losses over every class on matrix tiles, without an array of examples x classes.

The passes are those of `all_classes`: one for a value, a second one for the gradients of a softmax. A block of classes
is rounded and packed while it is in cache and meets all examples, 32 at a time; logits live in the first-level cache,
where they are reduced, or turned into gradients and rounded for the two products to come.

True classes are left out. Their logits, B x T of them, are known in float32; so are their shares of the sums and of all
gradients, which join those of the other classes in float32. Without that the difference of a probability and its
target, which is what a trained model's gradient is made of, would be rounded away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.matrix_class_blocks import ask_ahead, leave_out_labels, pack_class_rows
from fastcands.kernels.shapes import LOWEST
from fastcands.simd.bfloat16 import SIDE
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.matrix import block_product, configure_tiles, release_tiles
from fastcands.simd.matrix_classes import add_exponentials, logistic_block, probability_block
from fastcands.simd.vector import address, fetch_add

__all__ = ["matrix_class_gradients", "matrix_class_sums"]

_NUMBERS = SIDE * SIDE


@parallel_kernel
def matrix_class_sums(
    table: Any, offsets: Any, columns: Any, labels: Any, scratch: Any, peaks: Any, totals: Any, num_classes: int,
    logistic: bool, split: int, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Reduce the logits of all classes but the true ones to one or two numbers for each example and chunk.

    Parallel over chunks.

    IN
        table : (start, row stride, layout), as in `pack_class_rows`
        offsets : (V rounded up to 32,) float32, biases; -inf beyond V
        columns : (panels, steps, words) uint16, packed inputs
        labels : (rows, examples, starts); rows, examples (labels,) int64, the row of the table and the example of each
            label, ordered by block, then panel; starts (blocks + 1,) int64, where the labels of a block begin
        num_classes : V
        logistic : whether the sums are those of a logistic loss
        split : 1 where factors have low parts, else 0
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, by_row, by_column, tile), as in `pack_class_rows`; by_column (0, …); tile
            (num_threads, 32 or a multiple, 32) float32
    OUT
        peaks : (chunks, panels, 32), maxima; not written by a logistic loss
        totals : (chunks, panels, 32), sums of e^(logit - peak); or of the losses against a target of 0
    """
    start, row_stride, layout = table
    label_rows, examples, starts = labels
    addresses, rows, by_row, by_column, tile = scratch
    chunks, panels = totals.shape[:2]
    groups, steps, words = by_row.shape[1:]
    block, height = groups * SIDE, tile.shape[1]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        configure_tiles()
        where = address(tile, worker * height * SIDE)
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for lane in range(SIDE):
                    peaks[c, j, lane] = LOWEST
                    totals[c, j, lane] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                pack_class_rows(
                    start, row_stride, layout, first, last, worker, split, addresses, rows, by_row, by_column
                )
                end = starts[b]
                for j in range(panels):
                    begin = end
                    while end < starts[b + 1] and examples[end] // SIDE == j:
                        end += 1
                    ask_ahead(start, row_stride, layout, last, min(last + block, num_classes), j, panels)
                    place = (c * panels + j) * SIDE
                    for top in range(first, last, height):
                        here = (min(height, last - top) + SIDE - 1) // SIDE
                        for g in range(here):
                            block_product(
                                address(by_row, (worker * groups + (top - first) // SIDE + g) * steps * words),
                                address(columns, j * steps * words), steps, split, 0, where + g * _NUMBERS * 4, SIDE,
                            )  # fmt: skip
                        leave_out_labels(label_rows, examples, begin, end, top, here * SIDE, tile, worker)
                        if logistic:
                            for g in range(here):
                                logistic_block(
                                    where + g * _NUMBERS * 4, address(offsets, top + g * SIDE), where, SIDE, 0, split,
                                    address(totals, place), where, where, where,
                                )  # fmt: skip
                        else:
                            add_exponentials(
                                where, here * SIDE, address(offsets, top), address(peaks, place), address(totals, place)
                            )
        release_tiles()
        restore_denormals(mode)


@kernel
def _write_block(sums: Any, worker: int, place: int, weight_rows: Any, row: int, begin: int) -> None:
    """Copy a block of sums to the gradient of 32 rows, features `begin` to `begin` + 32."""
    here = min(SIDE, weight_rows.shape[1] - begin)
    for r in range(SIDE):
        for d in range(here):
            weight_rows[row + r, begin + d] = sums[worker, place + r * SIDE + d]


@kernel
def _add_labels(labels: Any, begin: int, end: int, shares: Any, inputs: Any, weight_rows: Any, bias_rows: Any) -> None:
    """Add the true classes' shares of the gradient, in their order."""
    label_rows, examples, _ = labels
    for k in range(begin, end):
        row, i, share = label_rows[k], examples[k], shares[k]
        for d in range(inputs.shape[1]):
            weight_rows[row, d] += share * inputs[i, d]
        bias_rows[row] += share


@parallel_kernel
def matrix_class_gradients(
    table: Any, offsets: Any, packed: Any, lanes: Any, labels: Any, shares: Any, inputs: Any, scratch: Any,
    input_sums: Any, totals: Any, weight_rows: Any, bias_rows: Any, num_classes: int, logistic: bool, split: int,
    counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Gradients of an exact loss; those of the inputs lack the true classes' shares. Parallel over chunks of classes.

    IN
        table : (start, row stride, layout), as in `pack_class_rows`
        offsets : (V rounded up to 32,) float32, biases; -inf beyond V
        packed : (columns, rows), as `pack_matrix_inputs` makes them
        lanes : (shifts, factors), (panels 32,) float32 each: what is subtracted from the logits of an example; what
            turns e^(logit - shift), or a sigmoid, into a gradient
        labels : (rows, examples, starts), as in `matrix_class_sums`
        shares : (labels,) float32, gradient of each true class's logit
        inputs : (B, D) float32
        num_classes : V
        logistic : whether it is a logistic loss
        split : 1 where factors have low parts, else 0
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, by_row, by_column, tile, left, right, row_sums, sums), the first four as in
            `pack_class_rows`; tile (num_threads, 32, 32) float32; left (num_threads, groups, panel group, words) and
            right (num_threads, groups, words) uint16; row_sums (num_threads, 32 groups, 16) float32; sums
            (num_threads, 32 groups D rounded up to 32) float32, or (num_threads, 0) where products go to `weight_rows`
            at once: its rows are whole steps and begin on cache lines
    OUT
        input_sums : (chunks, panels, steps, 32, 32) float32, features x examples, each chunk's share of the gradient
        totals : (chunks, panels, 32), sums of a logistic loss against a target of 0
        weight_rows : (V rounded up to 32, D) float32
        bias_rows : (V rounded up to 32,) float32
    """
    start, row_stride, layout = table
    columns, input_rows = packed
    shifts, factors = lanes
    label_rows, examples, starts = labels
    addresses, rows, by_row, by_column, tile, left, right, row_sums, sums = scratch
    chunks, panels, steps = input_sums.shape[:3]
    groups, together, words = left.shape[1:]
    block, width, num_examples = groups * SIDE, weight_rows.shape[1], inputs.shape[0]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        configure_tiles()
        where = address(tile, worker * _NUMBERS)
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for lane in range(SIDE):
                    totals[c, j, lane] = 0
            first_block = c * blocks // chunks
            for b in range(first_block, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                here = (last - first + SIDE - 1) // SIDE
                pack_class_rows(
                    start, row_stride, layout, first, last, worker, split, addresses, rows, by_row, by_column
                )
                for r in range(here * SIDE):
                    for lane in range(16):
                        row_sums[worker, r, lane] = 0
                end = starts[b]
                for p in range(0, panels, together):
                    length = min(together, panels - p)
                    for j in range(p, p + length):
                        begin = end
                        while end < starts[b + 1] and examples[end] // SIDE == j:
                            end += 1
                        ask_ahead(start, row_stride, layout, last, min(last + block, num_classes), j, panels)
                        real = num_examples - j * SIDE
                        for g in range(here):
                            top = first + g * SIDE
                            block_product(
                                address(by_row, (worker * groups + g) * steps * words),
                                address(columns, j * steps * words), steps, split, 0, where, SIDE,
                            )  # fmt: skip
                            leave_out_labels(label_rows, examples, begin, end, top, SIDE, tile, worker)
                            row_sum = address(row_sums, (worker * block + g * SIDE) * 16)
                            to_left = address(left, ((worker * groups + g) * together + j - p) * words)
                            to_right = address(right, (worker * groups + g) * words)
                            if logistic:
                                logistic_block(
                                    where, address(offsets, top), address(factors, j * SIDE), real, 1, split,
                                    address(totals, (c * panels + j) * SIDE), row_sum, to_left, to_right,
                                )  # fmt: skip
                            else:
                                probability_block(
                                    where, address(offsets, top), address(shifts, j * SIDE),
                                    address(factors, j * SIDE), real, split, row_sum, to_left, to_right,
                                )  # fmt: skip
                        for s in range(steps):
                            block_product(
                                address(by_column, (worker * steps + s) * groups * words),
                                address(right, worker * groups * words), here, split, b - first_block,
                                address(input_sums, ((c * panels + j) * steps + s) * _NUMBERS), SIDE,
                            )  # fmt: skip
                    for g in range(here):
                        for s in range(steps):
                            place = (g * steps + s) * _NUMBERS
                            at_once = sums.shape[1] == 0
                            block_product(
                                address(left, (worker * groups + g) * together * words),
                                address(input_rows, (s * panels + p) * words), length, split, p,
                                address(weight_rows, (first + g * SIDE) * width + s * SIDE) if at_once
                                else address(sums, worker * sums.shape[1] + place), width if at_once else SIDE,
                            )  # fmt: skip
                            if not at_once and p + length == panels:
                                _write_block(sums, worker, place, weight_rows, first + g * SIDE, s * SIDE)
                for r in range(here * SIDE):
                    total = 0.0
                    for lane in range(16):
                        total += np.float64(row_sums[worker, r, lane])
                    bias_rows[first + r] = total
                _add_labels(labels, starts[b], starts[b + 1], shares, inputs, weight_rows, bias_rows)
        release_tiles()
        restore_denormals(mode)
