"""Sampled softmax: normaliser, loss and gradients from tiles of logits.

Logits are computed tile by tile, classes down and examples across (`fastcands.simd`). The forward pass leaves in each
tile e^(logit - tile maximum); one factor an example and block, e^(tile maximum - normaliser), turns that into
probabilities later, so no logit is computed twice. The probabilities of all tiles (B x S numbers) are the only large
scratch; for the value alone it is one tile a thread.

Every tile, and every sum over tiles, has one owner and one order. The number of threads decides who computes what,
never a result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.kernels.gather import gather_rows_of
from fastcands.simd.columns import exp_columns, scale_columns, softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.product import add_column_product, row_product, tile_product
from fastcands.simd.target import ROWS
from fastcands.simd.vector import address, fetch_add

__all__ = ["add_label_rows", "input_gradients", "normalise", "softmax_tiles", "weight_gradients"]

_EXAMPLES_AT_ONCE = 256
"""Length of one chain of multiply-adds in a weight gradient; longer ones round worse, shorter ones store more."""


@parallel_kernel
def softmax_tiles(
    table: Any, addresses: Any, offsets: Any, hits: Any, by_example: Any, rows: Any, tiles: Any, peaks: Any,
    totals: Any, keep: bool, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Gather the candidates' rows, form their logits, and reduce each tile to maxima and sums.

    Parallel over blocks of candidates; a worker takes the next block from the counter.

    IN
        table : (column stride, storage, width), see `gather.read_row`
        addresses : (C,) int64, where the row of each candidate starts
        offsets : (C rounded up to ROWS,) what is added to the logits; -inf beyond C
        hits : (panels PANEL, T) int32, candidates to leave out for each example, -1 for none
        by_example : (panels, depth, PANEL), the packed inputs
        keep : whether tiles and rows of all blocks are kept, or one block's a worker
        counter : (1,) int64, zero
        num_threads : int
    OUT
        rows : (slots, block, depth), gathered rows
        tiles : (slots, panels or 1, block, PANEL), e^(logit - peak)
        peaks, totals : (blocks, panels, PANEL), maximum and sum of each column
    """
    blocks, panels, lanes = peaks.shape
    block, depth = rows.shape[1:]
    column_stride, storage, width = table
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            b = fetch_add(counter)
            if b >= blocks:
                break
            slot = b if keep else worker
            first = b * block
            real = min(block, addresses.shape[0] - first)
            padded = (real + ROWS - 1) // ROWS * ROWS
            gather_rows_of(addresses, first, first + real, column_stride, storage, width, rows[slot], 0)
            for r in range(real, padded):
                for d in range(depth):
                    rows[slot, r, d] = 0
            for j in range(panels):
                tile = tiles[slot, j if keep else 0]
                for r in range(0, padded, ROWS):
                    row_product(
                        address(rows, (slot * block + r) * depth), depth, by_example, j * depth * lanes, depth,
                        address(offsets, first + r), address(tile, r * lanes),
                    )  # fmt: skip
                for lane in range(lanes):
                    for t in range(hits.shape[1]):
                        r = hits[j * lanes + lane, t] - first
                        if 0 <= r < real:
                            tile[r, lane] = -math.inf
                at = (b * panels + j) * lanes
                softmax_columns(tile, address(tile, 0), padded, address(peaks, at), address(totals, at))
        restore_denormals(mode)


@parallel_kernel
def normalise(
    true_logits: Any, upstream: Any, peaks: Any, totals: Any, loss: Any, true_gradient: Any, num_threads: int
) -> None:
    """Join the tiles' maxima and sums and the true logits: the loss, and the factors of its gradient.

    loss = logsumexp(all logits) - mean(true logits). Parallel over panels of examples.

    IN
        true_logits : (B, T)
        upstream : (B,), weight of each example's loss in the gradients
        num_threads : int
    IN, OUT
        peaks : (blocks, panels, PANEL), maxima; becomes the factor that turns a tile into gradients
    IN
        totals : (blocks, panels, PANEL), sums
    OUT
        loss : (B,)
        true_gradient : (B, T), gradient with respect to the true logits
    """
    blocks, panels, lanes = peaks.shape
    examples, num_true = true_logits.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
            highest = peaks[0, j].copy()
            for b in range(blocks):
                for lane in range(lanes):
                    highest[lane] = max(highest[lane], peaks[b, j, lane])
            for lane in range(min(lanes, examples - j * lanes)):
                for t in range(num_true):
                    highest[lane] = max(highest[lane], true_logits[j * lanes + lane, t])
            exp_columns(peaks, address(peaks, j * lanes), blocks, panels * lanes, address(highest, 0))
            for lane in range(lanes):
                i = j * lanes + lane
                if i >= examples:
                    for b in range(blocks):
                        peaks[b, j, lane] = 0
                    continue
                total = 0.0
                for b in range(blocks):
                    total += float(totals[b, j, lane]) * float(peaks[b, j, lane])
                high = float(highest[lane])
                mean = 0.0
                for t in range(num_true):
                    total += math.exp(float(true_logits[i, t]) - high)
                    mean += float(true_logits[i, t]) - high
                mean /= num_true
                normaliser = math.log(total)
                loss[i] = normaliser - mean
                factor = upstream[i] * math.exp(-normaliser)
                for b in range(blocks):
                    peaks[b, j, lane] *= factor
                for t in range(num_true):
                    share = math.exp(float(true_logits[i, t]) - high - normaliser)
                    true_gradient[i, t] = upstream[i] * (share - 1.0 / num_true)


@parallel_kernel
def weight_gradients(
    tiles: Any, factors: Any, by_feature: Any, class_rows: Any, sums: Any, weight_rows: Any, bias_rows: Any,
    counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Scale the tiles to gradients of the logits, and form the candidates' rows of the table's gradient.

    Parallel over blocks of candidates. A block's tiles are scaled while they are in cache for the product.

    IN
        factors : (blocks, panels, PANEL)
        by_feature : (feature panels, panels PANEL, PANEL), the packed inputs
        class_rows : (C rounded up to ROWS,) int64, the row of the result for each candidate
        counter : (1,) int64, zero
        num_threads : int
    IN, OUT
        tiles : (blocks, panels, block, PANEL); becomes the gradient of the logits
    SCRATCH
        sums : (num_threads, block, PANEL / 2)
    OUT
        weight_rows : (R, D)
        bias_rows : (R,)
    """
    blocks, panels, block, lanes = tiles.shape
    width = weight_rows.shape[1]
    at_once = max(1, _EXAMPLES_AT_ONCE // lanes)
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            b = fetch_add(counter)
            if b >= blocks:
                break
            padded = min(block, class_rows.shape[0] - b * block)
            for r in range(padded):
                for lane in range(sums.shape[2]):
                    sums[worker, r, lane] = 0
            for j in range(panels):
                at = (b * panels + j) * lanes
                scale_columns(
                    tiles,
                    address(tiles, at * block),
                    padded,
                    address(factors, at),
                    address(sums, worker * block * (lanes // 2)),
                )
            for r in range(padded):
                total = sums[worker, r, 0]
                for lane in range(1, sums.shape[2]):
                    total += sums[worker, r, lane]
                bias_rows[class_rows[b * block + r]] = total
            for j in range(0, panels, at_once):
                pieces = min(at_once, panels - j)
                for p in range(by_feature.shape[0]):
                    for r in range(0, padded, ROWS):
                        tile_product(
                            address(tiles, ((b * panels + j) * block + r) * lanes), pieces, block * lanes,
                            by_feature, (p * panels + j) * lanes * lanes,
                            address(weight_rows, p * lanes), address(class_rows, b * block + r), width,
                            width - p * lanes, j,
                        )  # fmt: skip
        restore_denormals(mode)


@parallel_kernel
def input_gradients(
    tiles: Any, rows: Any, num_classes: int, true_gradient: Any, label_weights: Any, sums: Any, d_inputs: Any,
    counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """``d_inputs = gradient of the logits @ rows``, candidates and true classes. Parallel over panels of examples.

    IN
        tiles : (blocks, panels, block, PANEL), gradient of the logits
        rows : (blocks, block, depth), the candidates' rows
        num_classes : candidates, rounded up to ROWS
        true_gradient : (B, T)
        label_weights : (B T, depth), the labels' rows
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        sums : (num_threads, depth, PANEL)
    OUT
        d_inputs : (B, D)
    """
    blocks, panels, block, lanes = tiles.shape
    depth = rows.shape[2]
    examples, width = d_inputs.shape
    num_true = true_gradient.shape[1]
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            j = fetch_add(counter)
            if j >= panels:
                break
            for d in range(depth):
                for lane in range(lanes):
                    sums[worker, d, lane] = 0
            for b in range(blocks):
                padded = min(block, num_classes - b * block)
                for d in range(0, depth, ROWS):
                    add_column_product(
                        address(rows, b * block * depth + d), depth, tiles, (b * panels + j) * block * lanes, padded,
                        address(sums, (worker * depth + d) * lanes),
                    )  # fmt: skip
            for lane in range(min(lanes, examples - j * lanes)):
                i = j * lanes + lane
                for d in range(width):
                    d_inputs[i, d] = sums[worker, d, lane]
                for t in range(num_true):
                    for d in range(width):
                        d_inputs[i, d] += true_gradient[i, t] * label_weights[i * num_true + t, d]
        restore_denormals(mode)


@parallel_kernel
def add_label_rows(
    order: Any, starts: Any, label_rows: Any, true_gradient: Any, inputs: Any, weight_rows: Any, bias_rows: Any,
    num_threads: int,
) -> None:  # fmt: skip
    """Add the true classes' share to the rows of the table's gradient. Parallel over distinct labels.

    IN
        order : (N,) int64, places in the flattened labels, sorted by class
        starts : (G + 1,) int64, where each distinct label starts in `order`
        label_rows : (G,) int64, its row of the result; -1 - row where nothing has been written there
        true_gradient : (B, T)
        inputs : (B, D)
        num_threads : int
    IN, OUT
        weight_rows : (R, D)
        bias_rows : (R,)
    """
    groups = label_rows.shape[0]
    num_true = true_gradient.shape[1]
    width = inputs.shape[1]
    for index in prange(num_threads):
        worker = np.int64(index)
        for g in range(worker * groups // num_threads, (worker + 1) * groups // num_threads):
            row = label_rows[g]
            if row < 0:
                row = -1 - row
                bias_rows[row] = 0
                for d in range(width):
                    weight_rows[row, d] = 0
            for k in range(starts[g], starts[g + 1]):
                i, t = order[k] // num_true, order[k] % num_true
                share = true_gradient[i, t]
                bias_rows[row] += share
                for d in range(width):
                    weight_rows[row, d] += share * inputs[i, d]
