"""Gradients of a sampled loss, from tiles of the gradient of its logits.

Whatever the loss, each tile holds a number for every candidate (down) and example (across); a factor an example and
block turns it into the gradient of that logit. Three products follow: the candidates' rows of the table's gradient,
the gradient of the inputs, and the true classes' share of both.

Every sum has one owner and one order. The number of threads decides who computes what, never a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.simd.columns import scale_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.product import add_column_product, tile_product
from fastcands.simd.target import ROWS
from fastcands.simd.vector import address, fetch_add

__all__ = ["FEATURE_CHUNK", "INPUT_PANELS", "add_label_rows", "input_gradients", "weight_gradients"]

INPUT_PANELS, FEATURE_CHUNK = 8, 32
"""Panels and features of one piece of work on the gradient of the inputs."""

_EXAMPLES_AT_ONCE = 256
"""Length of one chain of multiply-adds in a weight gradient; longer ones round worse, shorter ones store more."""


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
                total = 0.0
                for lane in range(sums.shape[2]):
                    total += float(sums[worker, r, lane])
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
    """``d_inputs = gradient of the logits @ rows``, candidates and true classes.

    Parallel over groups of panels and chunks of features.

    A piece of the rows, some features of a block, stays in the first-level cache for a group of panels. With whole
    rows and one panel at a time a wide table streams through the second-level cache once a panel: a fifth more time for
    the step at 512 features.

    IN
        tiles : (blocks, panels, block, PANEL), gradient of the logits
        rows : (blocks, block, depth), the candidates' rows
        num_classes : candidates, rounded up to ROWS
        true_gradient : (B, T)
        label_weights : (B T, depth), the labels' rows
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        sums : (num_threads, panel group, feature chunk, PANEL); the chunk is a multiple of ROWS
    OUT
        d_inputs : (B, D)
    """
    blocks, panels, block, lanes = tiles.shape
    depth = rows.shape[2]
    examples, width = d_inputs.shape
    num_true = true_gradient.shape[1]
    group, chunk = sums.shape[1:3]
    groups, chunks = (panels + group - 1) // group, (depth + chunk - 1) // chunk
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        while True:
            task = fetch_add(counter)
            if task >= groups * chunks:
                break
            first_panel, first_feature = task // chunks * group, task % chunks * chunk
            here, features = min(group, panels - first_panel), min(chunk, depth - first_feature)
            for j in range(here):
                for d in range(features):
                    for lane in range(lanes):
                        sums[worker, j, d, lane] = 0
            for b in range(blocks):
                padded = min(block, num_classes - b * block)
                for j in range(here):
                    for d in range(0, features, ROWS):
                        add_column_product(
                            address(rows, b * block * depth + first_feature + d), depth, tiles,
                            (b * panels + first_panel + j) * block * lanes, padded,
                            address(sums, ((worker * group + j) * chunk + d) * lanes),
                        )  # fmt: skip
            for j in range(here):
                place = (first_panel + j) * lanes
                for lane in range(min(lanes, examples - place)):
                    i = place + lane
                    for d in range(min(features, width - first_feature)):
                        total = sums[worker, j, d, lane]
                        for t in range(num_true):
                            total += true_gradient[i, t] * label_weights[i * num_true + t, first_feature + d]
                        d_inputs[i, first_feature + d] = total
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
            bias = float(bias_rows[max(row, 0)])
            if row < 0:
                row = -1 - row
                bias = 0.0
                for d in range(width):
                    weight_rows[row, d] = 0
            for k in range(starts[g], starts[g + 1]):
                i, t = order[k] // num_true, order[k] % num_true
                share = true_gradient[i, t]
                bias += float(share)
                for d in range(width):
                    weight_rows[row, d] += share * inputs[i, d]
            bias_rows[row] = bias
