"""Third stage of a sampled loss: the loss, and the factors that turn tiles into gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.epilogues.per_logit import terms_of
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.target import VECTOR_BYTES
from fastcands.simd.tile import exp_tile
from fastcands.simd.vector import address

__all__ = ["add_terms", "normalize", "reduce_normalized", "reduce_per_logit", "target_of"]


@kernel
def target_of(present: Any, i: int, t: int, num_true: int) -> float:
    """Return the target of a true class: labels that are classes have equal shares of 1.

    IN
        present : (B, T) bool, which labels are classes; (0, 0) if all are
        i, t : example and true class
        num_true : T
    """
    if not len(present):
        return 1 / num_true
    count = 0
    for k in range(num_true):
        count += present[i, k]
    return 1 / count if present[i, t] else 0.0


@kernel
def normalize(job: Any, highest: Any, j: int, blocks: int) -> None:
    """``loss = logsumexp(all logits) - sum(targets * true logits)`` for one panel; `tile_max` becomes a factor.

    A tile holds e^(logit - tile_max). Times its factor, upstream e^(tile_max - log_normalizer), that is upstream times
    probability. In loops over all tiles the inner loop is over examples, so that it is vector code.

    IN
        job : SampledLossJob
        j : panel
        blocks : blocks of candidates
    SCRATCH
        highest : (at least NR,)
    """
    tile_max, tile_sum, true_logits, true_gradient = job.tile_max, job.tile_sum, job.true_logits, job.true_gradient
    panels, nr = tile_max.shape[1:]
    examples, num_true = true_logits.shape
    for e in range(nr):
        highest[e] = tile_max[0, j, e]
    for b in range(1, blocks):
        for e in range(nr):
            highest[e] = max(highest[e], tile_max[b, j, e])
    for e in range(min(nr, examples - j * nr)):
        for t in range(num_true):
            highest[e] = max(highest[e], true_logits[j * nr + e, t])
    wide = (
        2 * VECTOR_BYTES // tile_max.itemsize
    )  # with short vectors, panels of bfloat16 blocks are wider than two vectors
    for start in range(0, nr, wide):
        exp_tile(tile_max, address(tile_max, j * nr + start), blocks, panels * nr, address(highest, start))
    sums = np.zeros(nr)
    for b in range(blocks):
        for e in range(nr):
            sums[e] += np.float64(tile_sum[b, j, e]) * np.float64(tile_max[b, j, e])
    for e in range(nr):
        i = j * nr + e
        if i >= examples:
            highest[e] = 0
            continue
        total = sums[e]
        high = np.float64(highest[e])
        mean = 0.0
        for t in range(num_true):
            total += math.exp(np.float64(true_logits[i, t]) - high)
            target = target_of(job.present, i, t, num_true)
            if target != 0:
                mean += target * (np.float64(true_logits[i, t]) - high)
        log_normalizer = math.log(total)
        job.loss[i] = log_normalizer - mean
        upstream = job.upstream[i]
        for t in range(num_true):
            share = math.exp(np.float64(true_logits[i, t]) - high - log_normalizer)
            true_gradient[i, t] = upstream * (share - target_of(job.present, i, t, num_true))
        highest[e] = upstream * math.exp(-log_normalizer)
    for b in range(blocks):
        for e in range(nr):
            tile_max[b, j, e] *= highest[e]


@kernel
def add_terms(job: Any, j: int, blocks: int) -> None:
    """Add the losses of the tiles of one panel and of its true classes, for a loss of single logits.

    IN
        job : SampledLossJob
        j : panel
        blocks : blocks of candidates
    """
    tile_sum, true_logits, terms = job.tile_sum, job.true_logits, job.functions.terms
    nr = tile_sum.shape[2]
    examples, num_true = true_logits.shape
    for e in range(min(nr, examples - j * nr)):
        i = j * nr + e
        total = 0.0
        for b in range(blocks):
            total += np.float64(tile_sum[b, j, e])
        for t in range(num_true):
            z = np.float64(true_logits[i, t]) - np.float64(job.log_normalizer[i])
            loss, slope, more, change = terms_of(terms, z, target_of(job.present, i, t, num_true))
            total += loss
            total += more
            job.true_gradient[i, t] = job.upstream[i] * (slope + change)
        job.loss[i] = total


def reduce_normalized(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Compute loss and gradient of the true logits of a softmax; each worker has a share of the panels.

    IN
        worker, num_threads : who of how many
        counter : not used
        job : SampledLossJob
    """
    panels = job.tile_max.shape[1]
    block = job.rows.shape[1]
    blocks = (job.sizes[0] + block - 1) // block
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        normalize(job, job.sums[worker], j, blocks)
    restore_denormals(mode)


def reduce_per_logit(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Compute loss and gradient of the true logits of a loss of single logits; see `reduce_normalized`.

    IN
        worker, num_threads : who of how many
        counter : not used
        job : SampledLossJob
    """
    panels = job.tile_sum.shape[1]
    block = job.rows.shape[1]
    blocks = (job.sizes[0] + block - 1) // block
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        add_terms(job, j, blocks)
    restore_denormals(mode)
