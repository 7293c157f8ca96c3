"""Sums of tiles of packed blocks joined with the true classes: the loss, and the factors of the gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.bf16.logits import read_references
from fastcands.kernels.sampled_loss.bf16.prologue import pack_scaled_inputs
from fastcands.kernels.sampled_loss.reduce import join_logistic, join_softmax, target_of
from fastcands.simd.denormals import flush_denormals, restore_denormals
from fastcands.simd.dot.blocks import SIDE

__all__ = ["bf16_reduce"]


@kernel
def _join_referred(job: Any, j: int, blocks: int, worker: int) -> None:
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
        normaliser = math.log(total)
        job.loss[i] = normaliser - mean
        upstream = np.float64(job.upstream[i])
        for t in range(num_true):
            share = math.exp(np.float64(true_logits[i, t]) - reference - normaliser)
            job.true_gradient[i, t] = upstream * (share - target_of(job.present, i, t, num_true))
        # without a class, and with candidates too far below 0 to count, there is nothing to share
        job.factors[i] = 0.0 if total == 0 else upstream / total


def bf16_reduce(worker: int, num_threads: int, job: Any) -> None:
    """Fourth stage: the loss of each example, the gradient of its true logits, and its inputs times its factor, packed.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob with a Bf16Workspace
    """
    row_panels, panels = job.packed_rows.shape[1], job.packed_inputs.shape[0]
    block, examples = row_panels * SIDE, job.inputs.shape[0]
    blocks = (job.sizes[0] + block - 1) // block
    mode = flush_denormals()
    for j in range(worker * panels // num_threads, (worker + 1) * panels // num_threads):
        if job.logistic:
            join_logistic(job, j, blocks)
            for i in range(j * SIDE, min(examples, (j + 1) * SIDE)):
                job.factors[i] = job.upstream[i]
        elif job.needs_grad:
            _join_referred(job, j, blocks, worker)
        else:
            join_softmax(job, job.sums[worker], j, blocks)
        for i in range(examples, (j + 1) * SIDE):
            job.factors[i] = 0
        if job.needs_grad:
            pack_scaled_inputs(job, j, worker)
    restore_denormals(mode)
