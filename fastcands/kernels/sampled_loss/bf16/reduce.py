"""The loss of packed blocks, from sums of tiles and true classes, and the factors of the gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.bf16.logits import read_references
from fastcands.kernels.sampled_loss.bf16.prologue import pack_scaled_inputs
from fastcands.kernels.sampled_loss.reduce import add_terms, normalize, target_of
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot.blocks import SIDE

__all__ = ["reduce_normalized", "reduce_per_logit"]


@kernel
def _normalize_by_references(job: Any, j: int, blocks: int, worker: int) -> None:
    """``loss = logsumexp(all logits) - sum(targets * true logits)`` of one panel, from exponentials with references."""
    tile_sum, true_logits, references = job.tile_sum, job.true_logits, job.references
    examples, num_true = true_logits.shape
    read_references(job, j, worker)
    for e in range(min(SIDE, examples - j * SIDE)):
        i = j * SIDE + e
        reference = np.float64(references[worker, 0, e])
        total = 0.0
        for b in range(blocks):
            total += np.float64(tile_sum[b, j, e])
        mean = 0.0
        for t in range(num_true):
            total += math.exp(np.float64(true_logits[i, t]) - reference)
            target = target_of(job.present, i, t, num_true)
            if target != 0:
                mean += target * (np.float64(true_logits[i, t]) - reference)
        log_normalizer = math.log(total)
        job.loss[i] = log_normalizer - mean
        upstream = np.float64(job.upstream[i])
        for t in range(num_true):
            share = math.exp(np.float64(true_logits[i, t]) - reference - log_normalizer)
            job.true_gradient[i, t] = upstream * (share - target_of(job.present, i, t, num_true))
        # total is 0 if there is no class and all exponentials underflow; then there are no gradients
        job.factors[i] = 0.0 if total == 0 else upstream / total


@kernel
def _blocks(job: Any) -> Any:
    """Return the number of blocks of candidates."""
    block = job.packed_rows.shape[1] * SIDE
    return (job.sizes[0] + block - 1) // block


@kernel
def _finish_panel(job: Any, j: int, worker: int) -> None:
    """Set the factors beyond the examples to zero, and pack the inputs of a panel times their factors."""
    for i in range(job.inputs.shape[0], (j + 1) * SIDE):
        job.factors[i] = 0
    if job.needs_grad:
        pack_scaled_inputs(job, j, worker)


def reduce_normalized(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Compute loss and gradient of the true logits of a softmax, and pack each example's inputs times its factor.

    IN
        worker, num_threads : who of how many
        counter : not used
        job : SampledLossJob with a Bf16Workspace
    """
    panels = job.packed_inputs.shape[0]
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        if job.needs_grad:
            _normalize_by_references(job, j, _blocks(job), worker)
        else:
            normalize(job, job.sums[worker], j, _blocks(job))
        _finish_panel(job, j, worker)
    restore_denormals(mode)


def reduce_per_logit(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Do the same as `reduce_normalized` for a loss of single logits.

    IN
        worker, num_threads : who of how many
        counter : not used
        job : SampledLossJob with a Bf16Workspace
    """
    panels, examples = job.packed_inputs.shape[0], job.inputs.shape[0]
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        add_terms(job, j, _blocks(job))
        for i in range(j * SIDE, min(examples, (j + 1) * SIDE)):
            job.factors[i] = job.upstream[i]
        _finish_panel(job, j, worker)
    restore_denormals(mode)
