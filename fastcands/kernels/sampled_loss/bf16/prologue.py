"""First stage of a sampled loss on packed blocks: as in float32, with packed blocks of inputs and with references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.prologue import look_up_labels, merge
from fastcands.kernels.table.packing import copy_block
from fastcands.simd.bf16.packing import pack_right, pack_right_transposed
from fastcands.simd.dot.blocks import SIDE
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = ["pack_scaled_inputs", "prologue", "prologue_with_references"]


@kernel
def pack_scaled_inputs(job: Any, j: int, worker: int) -> None:
    """Pack the inputs of a panel times `factors`, k along examples.

    IN
        job : SampledLossJob
        j : panel
        worker : its tile is used
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
    """Pack the inputs of a panel, k along features."""
    tile, out = job.tile, job.packed_inputs
    steps, words = out.shape[1:]
    for s in range(steps):
        copy_block(job.inputs, j * SIDE, s * SIDE, tile, worker)
        where = address(tile, worker * SIDE * SIDE)
        pack_right_transposed(where, SIDE, job.split, address(out, (j * steps + s) * words))


@kernel
def _choose_references(job: Any, first: int, last: int) -> None:
    """Write the references of exponentials: the highest true logit of each example, 0 if it has none."""
    true_logits, shifts = job.true_logits, job.shifts
    for i in range(first, last):
        highest = -math.inf
        for t in range(true_logits.shape[1]):
            logit = np.float64(true_logits[i, t])
            if logit < math.inf:
                highest = max(highest, logit)
        shifts[i] = highest if highest > -math.inf else 0.0


@kernel
def _prologue(worker: int, counter: int, job: Any, with_references: bool) -> None:
    """Merge candidates and labels, on the first worker; pack panels of examples and look up their true classes."""
    if worker == 0:
        merge(job)
        job.exceeded[0] = 0
        candidates, results = job.sizes[0], job.sizes[2]
        for c in range(candidates, (candidates + SIDE - 1) // SIDE * SIDE):
            job.offsets[c], job.copies[c], job.gradient_rows[c] = -math.inf, 1, results
    examples, panels = job.inputs.shape[0], job.packed_inputs.shape[0]
    while True:
        j = next_task(counter)
        if j >= panels:
            break
        first, last = j * SIDE, min(examples, (j + 1) * SIDE)
        look_up_labels(job, first, last, first + SIDE)
        if with_references:
            _choose_references(job, first, last)
        _pack_inputs(job, j, worker)


def prologue(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Merge candidates and labels, pack panels of examples and look up their true classes.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    _prologue(worker, counter, job, False)


def prologue_with_references(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Do the same as `prologue`, and choose references for exponentials if gradients are computed.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob with a Bf16Workspace
    """
    _prologue(worker, counter, job, job.needs_grad)
