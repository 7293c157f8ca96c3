"""Logits of examples and candidates, tile by tile, reduced while they are in cache.

Classes run down and examples across (`fastcands.simd`). For a softmax the forward pass leaves e^(logit - tile maximum)
in each tile; one factor an example and block, e^(tile maximum - normaliser), turns that into probabilities later, so no
logit is computed twice. For a logistic loss a logit's gradient depends on that logit alone and is left at once. The
tiles of all blocks (B x S numbers) are the only large scratch; for the value alone it is one tile a thread.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.kernels.gather import gather_rows_of
from fastcands.simd.columns import softmax_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.logistic import logistic_columns
from fastcands.simd.product import row_product
from fastcands.simd.target import ROWS
from fastcands.simd.vector import address, fetch_add

__all__ = ["candidate_tiles"]


@parallel_kernel
def candidate_tiles(
    table: Any, candidates: Any, examples: Any, rows: Any, tiles: Any, peaks: Any, totals: Any, logistic: bool,
    keep: bool, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Gather the candidates' rows, form their logits, and reduce each tile to one or two numbers a column.

    Parallel over blocks of candidates; a worker takes the next block from the counter.

    IN
        table : (column stride, storage, width), see `gather.read_row`
        candidates : (addresses, offsets, copies); addresses (C,) int64: where the row of each candidate starts;
            offsets (C rounded up to ROWS,): what is added to the logits, -inf beyond C; copies (C rounded up to
            ROWS,): how often each candidate counts, read by a logistic loss only
        examples : (by_example, hits, shifts, upstream); by_example (panels, depth, PANEL): the packed inputs; hits
            (panels PANEL, T) int32: candidates to leave out for each example, -1 for none; shifts, upstream (panels
            PANEL,): what a logistic loss subtracts from an example's logits, and its weight in the gradients
        logistic : which of the two
        keep : whether tiles and rows of all blocks are kept, or one block's a worker
        counter : (1,) int64, zero
        num_threads : int
    OUT
        rows : (slots, block, depth), gathered rows
        tiles : (slots, panels or 1, block, PANEL), e^(logit - peak); or the gradients of a logistic loss
        peaks : (blocks, panels, PANEL), maximum of each column; or 1
        totals : (blocks, panels, PANEL), sum of each column; or of its losses
    """
    addresses, offsets, copies = candidates
    by_example, hits, shifts, upstream = examples
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
                if logistic:
                    for lane in range(lanes):
                        peaks[b, j, lane] = 1
                    logistic_columns(
                        tile, address(tile, 0), padded, address(copies, first), address(shifts, j * lanes),
                        address(upstream, j * lanes), address(totals, at),
                    )  # fmt: skip
                else:
                    softmax_columns(tile, address(tile, 0), padded, address(peaks, at), address(totals, at))
        restore_denormals(mode)
