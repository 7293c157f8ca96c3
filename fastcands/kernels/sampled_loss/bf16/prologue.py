"""First stage of a sampled loss on packed blocks: the plan, the packed inputs, the true classes' rows and logits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.prologue import look_up_labels, plan
from fastcands.simd.bf16.packing import pack_right, pack_right_transposed
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.vector import address, fetch_add

__all__ = ["bf16_prologue", "copy_block", "pack_scaled_inputs"]


@kernel
def copy_block(inputs: Any, first: int, begin: int, tile: Any, w: int) -> None:
    """``tile[w] = inputs[first:first + 32, begin:begin + 32]``, zero beyond them.

    IN
        inputs : (B, D) float32
        first, begin : first example and feature
        w : which tile
    OUT
        tile : (workers, 32, 32)
    """
    examples, features = min(SIDE, inputs.shape[0] - first), min(SIDE, inputs.shape[1] - begin)
    for i in range(examples):
        for d in range(features):
            tile[w, i, d] = inputs[first + i, begin + d]
        for d in range(features, SIDE):
            tile[w, i, d] = 0
    for i in range(examples, SIDE):
        for d in range(SIDE):
            tile[w, i, d] = 0


@kernel
def pack_scaled_inputs(job: Any, j: int, worker: int) -> None:
    """Pack the inputs of a panel times `factors`, examples along k.

    IN
        job : SampledLossJob
        j : panel
        worker : whose tile is used
    """
    tile, factors, out = job.tile, job.factors, job.packed_inputs_t
    steps, panels, words = out.shape
    for s in range(steps):
        copy_block(job.inputs, j * SIDE, s * SIDE, tile, worker)
        for i in range(SIDE):
            for d in range(SIDE):
                tile[worker, i, d] *= factors[j * SIDE + i]
        where = address(tile, worker * SIDE * SIDE)
        pack_right(where, SIDE, job.split, address(out, (s * panels + j) * words))


@kernel
def _pack_inputs(job: Any, j: int, worker: int) -> None:
    """Pack the inputs of a panel, features along k."""
    tile, out = job.tile, job.packed_inputs
    steps, words = out.shape[1:]
    for s in range(steps):
        copy_block(job.inputs, j * SIDE, s * SIDE, tile, worker)
        where = address(tile, worker * SIDE * SIDE)
        pack_right_transposed(where, SIDE, job.split, address(out, (j * steps + s) * words))


@kernel
def _choose_references(job: Any, first: int, last: int) -> None:
    """Take the highest true logit of each example as the reference of its exponentials; 0 without one."""
    true_logits, shifts = job.true_logits, job.shifts
    for i in range(first, last):
        highest = -math.inf
        for t in range(true_logits.shape[1]):
            logit = np.float64(true_logits[i, t])
            if logit < math.inf:
                highest = max(highest, logit)
        shifts[i] = highest if highest > -math.inf else 0.0


def bf16_prologue(worker: int, num_threads: int, job: Any) -> None:
    """Plan, on the first worker; then pack panels of examples and look up their true classes.

    IN
        worker, num_threads : who of how many
        job : SampledLossJob with a Bf16Workspace
    """
    if worker == 0:
        plan(job)
        job.exceeded[0] = 0
        candidates, results = job.sizes[0], job.sizes[2]
        for c in range(candidates, (candidates + SIDE - 1) // SIDE * SIDE):
            job.offsets[c], job.copies[c], job.gradient_rows[c] = -math.inf, 1, results
    examples, panels = job.inputs.shape[0], job.packed_inputs.shape[0]
    counter = job.counters[0:]
    while True:
        j = fetch_add(counter)
        if j >= panels:
            break
        first, last = j * SIDE, min(examples, (j + 1) * SIDE)
        look_up_labels(job, first, last, first + SIDE)
        if job.needs_grad and not job.logistic:
            _choose_references(job, first, last)
        _pack_inputs(job, j, worker)
