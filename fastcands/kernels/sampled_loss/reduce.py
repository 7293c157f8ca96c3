"""Third stage of a sampled loss: tiles and true classes joined, the loss, and what turns tiles into gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.simd.columns import exp_columns
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.target import VECTOR_BYTES
from fastcands.simd.vector import address

__all__ = ["join", "join_logistic", "join_softmax", "target_of"]


@kernel
def target_of(present: Any, i: int, t: int, num_true: int) -> float:
    """Return what a true class's probability should be: equal shares of 1 among those that are classes.

    IN
        present : (B, T) bool, or (0, 0) when all are
        i, t : which
        num_true : T
    """
    if not len(present):
        return 1 / num_true
    count = 0
    for k in range(num_true):
        count += present[i, k]
    return 1 / count if present[i, t] else 0.0


@kernel
def join_softmax(job: Any, highest: Any, j: int, blocks: int) -> None:
    """``loss = logsumexp(all logits) - sum(targets * true logits)`` for one panel; tile_max become factors.

    A tile holds e^(logit - peak). Its factor, upstream e^(peak - normaliser), makes that upstream times probability.
    Blocks outside and lanes inside, so that loops over all tiles are vector code.

    IN
        job : SampledLossJob
        j : panel
        blocks : blocks of candidates
    SCRATCH
        highest : (at least as many as a panel has examples,)
    """
    tile_max, tile_sum, true_logits, true_gradient = job.tile_max, job.tile_sum, job.true_logits, job.true_gradient
    panels, lanes = tile_max.shape[1:]
    examples, num_true = true_logits.shape
    for lane in range(lanes):
        highest[lane] = tile_max[0, j, lane]
    for b in range(1, blocks):
        for lane in range(lanes):
            highest[lane] = max(highest[lane], tile_max[b, j, lane])
    for lane in range(min(lanes, examples - j * lanes)):
        for t in range(num_true):
            highest[lane] = max(highest[lane], true_logits[j * lanes + lane, t])
    wide = 2 * VECTOR_BYTES // tile_max.itemsize  # a panel of packed blocks is wider where vectors are short
    for start in range(0, lanes, wide):
        exp_columns(tile_max, address(tile_max, j * lanes + start), blocks, panels * lanes, address(highest, start))
    sums = np.zeros(lanes)
    for b in range(blocks):
        for lane in range(lanes):
            sums[lane] += np.float64(tile_sum[b, j, lane]) * np.float64(tile_max[b, j, lane])
    for lane in range(lanes):
        i = j * lanes + lane
        if i >= examples:
            highest[lane] = 0
            continue
        total = sums[lane]
        high = np.float64(highest[lane])
        mean = 0.0
        for t in range(num_true):
            total += math.exp(np.float64(true_logits[i, t]) - high)
            target = target_of(job.present, i, t, num_true)
            if target != 0:
                mean += target * (np.float64(true_logits[i, t]) - high)
        normaliser = math.log(total)
        job.loss[i] = normaliser - mean
        upstream = job.upstream[i]
        for t in range(num_true):
            share = math.exp(np.float64(true_logits[i, t]) - high - normaliser)
            true_gradient[i, t] = upstream * (share - target_of(job.present, i, t, num_true))
        highest[lane] = upstream * math.exp(-normaliser)
    for b in range(blocks):
        for lane in range(lanes):
            tile_max[b, j, lane] *= highest[lane]


@kernel
def join_logistic(job: Any, j: int, blocks: int) -> None:
    """Add the losses of the tiles of one panel and of its true classes.

    A logit z with target y costs ``log(1 + e^z) - y z``, and its gradient is ``1 / (1 + e^-z) - y``.

    IN
        job : SampledLossJob
        j : panel
        blocks : blocks of candidates
    """
    tile_sum, true_logits = job.tile_sum, job.true_logits
    lanes = tile_sum.shape[2]
    examples, num_true = true_logits.shape
    for lane in range(min(lanes, examples - j * lanes)):
        i = j * lanes + lane
        total = 0.0
        for b in range(blocks):
            total += np.float64(tile_sum[b, j, lane])
        for t in range(num_true):
            z = np.float64(true_logits[i, t]) - np.float64(job.log_normalizer[i])
            small = math.exp(-abs(z))
            total += (0.0 if z <= 0 else z) + math.log1p(small)
            target = target_of(job.present, i, t, num_true)
            if target != 0:
                total -= target * z
            sigmoid = 1 / (1 + small) if z >= 0 else small / (1 + small)
            job.true_gradient[i, t] = job.upstream[i] * (sigmoid - target)
        job.loss[i] = total


def join(worker: int, num_threads: int, job: Any) -> None:
    """Compute the loss of each example, and the gradient of its true logits; a worker has a share of the panels.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob
    """
    panels = job.tile_max.shape[1]
    block = job.rows.shape[1]
    blocks = (job.sizes[0] + block - 1) // block
    highest = job.sums[worker]
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        if job.logistic:
            join_logistic(job, j, blocks)
        else:
            join_softmax(job, highest, j, blocks)
    restore_denormals(mode)
