"""Ranks of the true classes and the sums of a softmax, in one pass over the table.

To rank the true class, its score must be known before the pass over all classes. So the scores of true classes are
computed first, by the same micro-kernel as all others. The score of a class then has the same bits in both places, and
a class never ranks above itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import parallel_kernel, prange
from fastcands.kernels.epilogues.call import call
from fastcands.kernels.full_loss.all_classes import rows_at
from fastcands.kernels.full_loss.class_order import comes_before
from fastcands.kernels.table.gather import read_row
from fastcands.simd.comparisons import count_before
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.exp import LOWEST
from fastcands.simd.gemm import gemm_nt
from fastcands.simd.target import MR
from fastcands.simd.vector import address, fetch_add

__all__ = ["ranks_and_sums", "true_scores"]


@parallel_kernel
def true_scores(
    addresses: Any, table: Any, label_offsets: Any, packed_inputs: Any, labels: Any, scratch: Any, scores: Any,
    best_scores: Any, best_ids: Any, num_threads: int,
) -> None:  # fmt: skip
    """Compute the scores of the true classes and choose the best of each example. Parallel over panels.

    IN
        addresses : (B, T) int64, where the row of each label starts
        table : TableView
        label_offsets : (B, T), biases
        packed_inputs : (panels, depth, NR): the packed inputs
        labels : (B, T) int64; below 0 for no class
        num_threads : int
    SCRATCH
        scratch : (rows, tiles, offsets); rows (num_threads, MR, depth); tiles (num_threads, MR, NR); offsets
            (num_threads, MR)
    OUT
        scores : (B, T); 0 for no class
        best_scores : (panels NR,), NaN beyond B and for examples without a class
        best_ids : (panels NR,) int64, -1 beyond B and for examples without a class
    """
    rows, tiles, offsets = scratch
    panels, depth, nr = packed_inputs.shape
    examples, num_true = labels.shape
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
            first = j * nr
            last = min(first + nr, examples)
            for i in range(first, first + nr):
                best_scores[i] = np.nan
                best_ids[i] = -1
            for start in range(first * num_true, last * num_true, MR):
                stop = min(start + MR, last * num_true)
                for n in range(start, start + MR):
                    r = n - start
                    if n < stop and labels[n // num_true, n % num_true] >= 0:
                        read_row(addresses[n // num_true, n % num_true], table, rows[worker], r)
                        offsets[worker, r] = label_offsets[n // num_true, n % num_true]
                    else:
                        for d in range(depth):
                            rows[worker, r, d] = 0
                        offsets[worker, r] = 0
                # all scores of these rows and the panel; only those of the labels' own examples are used
                gemm_nt(
                    address(rows, worker * MR * depth), depth, packed_inputs, j * depth * nr, depth,
                    address(offsets, worker * MR), address(tiles, worker * MR * nr),
                )  # fmt: skip
                for n in range(start, stop):
                    i, t = n // num_true, n % num_true
                    if labels[i, t] < 0:
                        scores[i, t] = 0
                        continue
                    score = tiles[worker, n - start, i - first]
                    scores[i, t] = score
                    if best_ids[i] < 0 or comes_before(score, labels[i, t], best_scores[i], best_ids[i]):
                        best_scores[i] = score
                        best_ids[i] = labels[i, t]
        restore_denormals(mode)


@parallel_kernel
def ranks_and_sums(
    table: Any, offsets: Any, packed_inputs: Any, best: Any, scratch: Any, chunk_max: Any, chunk_sum: Any, before: Any,
    num_classes: int, with_ranks: bool, accumulate: int, counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Sum the exponentials of all scores, and count classes that come before the best true one. Parallel over chunks.

    IN
        table : TableView of one shard
        offsets : (V rounded up to MR,), biases; -inf beyond V
        packed_inputs : (panels, depth, NR): the packed inputs
        best : (scores, ids), each (panels NR,), see `true_scores`
        num_classes : V
        with_ranks : whether to count; otherwise `before` is only set to 0
        accumulate : address of a softmax's tile function, see `Epilogue.emit_accumulate`
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, tiles, positions); addresses (num_threads, block) int64; rows (num_threads, block,
            depth); tiles (num_threads, block, NR); positions (num_threads, 2, NR), integers as wide as the scores
    OUT
        chunk_max, chunk_sum : (chunks, panels, NR), maxima, and sums of e^(score - chunk_max)
        before : (chunks, panels, NR) int64, classes that come before the best true class
    """
    best_scores, best_ids = best
    addresses, rows, tiles, positions = scratch
    chunks, panels, nr = chunk_sum.shape
    depth = packed_inputs.shape[1]
    block = tiles.shape[1]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        tile = tiles[worker]
        position, count = positions[worker, 0], positions[worker, 1]
        while True:
            c = fetch_add(counter)
            if c >= chunks:
                break
            for j in range(panels):
                for e in range(nr):
                    chunk_max[c, j, e] = LOWEST
                    chunk_sum[c, j, e] = 0
                    before[c, j, e] = 0
            for b in range(c * blocks // chunks, (c + 1) * blocks // chunks):
                first, last = b * block, min((b + 1) * block, num_classes)
                padded = (last - first + MR - 1) // MR * MR
                at, stride = rows_at(table, first, last, addresses[worker], rows[worker])
                for j in range(panels):
                    for r in range(0, padded, MR):
                        gemm_nt(
                            at + r * stride * tiles.itemsize, stride, packed_inputs, j * depth * nr, depth,
                            address(offsets, first + r), address(tile, r * nr),
                        )  # fmt: skip
                    at_example = (c * panels + j) * nr
                    call(accumulate, (
                        address(tile, 0), last - first, 0, 0, 0, address(chunk_max, at_example),
                        address(chunk_sum, at_example), 0,
                    ))  # fmt: skip
                    if not with_ranks:
                        continue
                    for e in range(nr):
                        position[e] = min(max(best_ids[j * nr + e] - first, 0), last - first)
                    count_before(
                        tile, address(tile, 0), last - first, address(best_scores, j * nr), address(position, 0),
                        address(count, 0),
                    )  # fmt: skip
                    for e in range(nr):
                        before[c, j, e] += count[e]
                        score = best_scores[j * nr + e]
                        if score != score and best_ids[j * nr + e] >= 0:  # NaN: all numbers come before it
                            for r in range(last - first):
                                if tile[r, e] == tile[r, e] or r < position[e]:
                                    before[c, j, e] += 1
        restore_denormals(mode)
