"""The classes of highest score for each example, without an array of examples x classes.

The table is read once, in blocks of rows that stay in the second-level cache while they are multiplied with all
examples. Most tiles have no score that belongs among the best. A vector comparison with the limits of the examples
shows that; only examples with a score above their limit are examined number by number.

A score depends only on its class and its example, and the order of classes (`class_order`) has no ties. So it does not
matter which worker takes which block: the best classes are among the workers' best.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.kernels.full_loss.all_classes import rows_at
from fastcands.kernels.full_loss.class_order import replace_worst, sort_best_first
from fastcands.simd.comparisons import examples_above
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.gemm import gemm_nt
from fastcands.simd.target import MR
from fastcands.simd.vector import address, fetch_add

__all__ = ["merge_top_classes", "top_classes"]


@kernel
def _take_example(tile: Any, e: int, count: int, first: int, scores: Any, ids: Any, size: int) -> int:
    """Add an example's scores in a tile to its best classes; return how many these are.

    IN
        tile : (block, NR)
        e : the example
        count : rows of the tile that are classes
        first : class of the first row
        size : how many best classes there are so far
    IN, OUT
        scores, ids : (k,), the best classes, see `class_order.replace_worst`
    """
    wanted = len(ids)
    for r in range(count):
        score = tile[r, e]
        # ids ascend, so a score equal to the worst of the best does not belong among them
        if size < wanted or not score <= scores[0]:
            size = replace_worst(scores, ids, size, score, first + r)
    return size


@parallel_kernel
def top_classes(
    table: Any, offsets: Any, packed_inputs: Any, scratch: Any, scores: Any, ids: Any, sizes: Any, num_classes: int,
    counter: Any, num_threads: int,
) -> None:  # fmt: skip
    """Find each worker's best classes for every example. Parallel over blocks of classes.

    IN
        table : TableView of one shard
        offsets : (V rounded up to MR,), biases
        packed_inputs : (panels, depth, NR): the packed inputs
        num_classes : V
        counter : (1,) int64, zero
        num_threads : int
    SCRATCH
        scratch : (addresses, rows, tiles, limits); addresses (num_threads, block) int64; rows (num_threads, block,
            depth); tiles (num_threads, block, NR); limits (num_threads, panels NR)
    OUT
        scores : (num_threads, B, k)
        ids : (num_threads, B, k) int64, heaps of the best classes
        sizes : (num_threads, B) int64, how many there are in each heap
    """
    addresses, rows, tiles, limits = scratch
    panels, depth, nr = packed_inputs.shape
    block = tiles.shape[1]
    examples, wanted = ids.shape[1:]
    blocks = (num_classes + block - 1) // block
    for index in prange(num_threads):
        worker = np.int64(index)
        mode = flush_denormals()
        tile = tiles[worker]
        for i in range(examples):
            sizes[worker, i] = 0
        for i in range(panels * nr):  # beyond the examples nothing exceeds the limit
            limits[worker, i] = -np.inf if i < examples else np.inf
        while True:
            b = fetch_add(counter)
            if b >= blocks:
                break
            first, last = b * block, min((b + 1) * block, num_classes)
            padded = (last - first + MR - 1) // MR * MR
            at, stride = rows_at(table, first, last, addresses[worker], rows[worker])
            for j in range(panels):
                for r in range(0, padded, MR):
                    gemm_nt(
                        at + r * stride * tiles.itemsize, stride, packed_inputs, j * depth * nr, depth,
                        address(offsets, first + r), address(tile, r * nr),
                    )  # fmt: skip
                first_example = j * nr
                above = examples_above(
                    tile, address(tile, 0), last - first, address(limits, worker * panels * nr + first_example)
                )
                here = min(nr, examples - first_example)
                for e in range(here):
                    i = first_example + e
                    # NaN is no limit: any number comes before it
                    full = sizes[worker, i] == wanted and scores[worker, i, 0] == scores[worker, i, 0]
                    if full and (above >> e) & 1 == 0:
                        continue
                    size = _take_example(
                        tile, e, last - first, first, scores[worker, i], ids[worker, i], sizes[worker, i]
                    )
                    sizes[worker, i] = size
                    if size == wanted and scores[worker, i, 0] == scores[worker, i, 0]:
                        limits[worker, i] = scores[worker, i, 0]
        restore_denormals(mode)


@parallel_kernel
def merge_top_classes(scores: Any, ids: Any, sizes: Any, top_scores: Any, top_ids: Any, num_threads: int) -> None:
    """Merge the workers' best classes, the best first. Parallel over examples.

    IN
        scores : (workers, B, k)
        ids : (workers, B, k) int64
        sizes : (workers, B) int64, see `top_classes`; at least k in all for each example
        num_threads : int
    OUT
        top_scores : (B, k)
        top_ids : (B, k) int64
    """
    workers, examples, _ = ids.shape
    for index in prange(num_threads):
        share = np.int64(index)
        for i in range(share * examples // num_threads, (share + 1) * examples // num_threads):
            size = 0
            for worker in range(workers):
                for n in range(sizes[worker, i]):
                    size = replace_worst(top_scores[i], top_ids[i], size, scores[worker, i, n], ids[worker, i, n])
            sort_best_first(top_scores[i], top_ids[i], size)
