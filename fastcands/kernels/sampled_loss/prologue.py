"""First stage of a sampled loss: merge candidates and labels, pack inputs, gather the true classes' rows and logits."""

from __future__ import annotations

import math
from typing import Any

from fastcands.jit import kernel
from fastcands.kernels.sampled_loss.merge_candidates import merge_candidates
from fastcands.kernels.table.gather import read_row
from fastcands.kernels.table.label_logits import dot
from fastcands.kernels.table.packing import pack_panel
from fastcands.kernels.table.radix_sort import sort_by_id
from fastcands.kernels.table.view import bias_of, row_address
from fastcands.simd.log import log_vectors
from fastcands.simd.memory import prefetch
from fastcands.simd.target import MR
from fastcands.simd.vector import address
from fastcands.stages import next_task

__all__ = ["look_up_labels", "merge", "prologue"]

_READ_AHEAD = 4


@kernel
def _write_logs(counts: Any, needed: bool, logs: Any) -> None:
    """Write ``logs = log(counts)`` if that is needed, else 0.

    IN
        counts : (n,) float64
        needed : bool
    OUT
        logs : (n,) float64
    """
    for k in range(len(counts)):
        logs[k] = counts[k] if needed else 1.0
    log_vectors(logs, address(logs, 0), len(logs))


@kernel
def merge(job: Any) -> None:
    """Sort and merge candidates and labels; find the rows to use, each once, and where their gradients go.

    IN
        job : SampledLossJob
    """
    sampled, labels, gradient_rows = job.sampled, job.labels.reshape(-1), job.gradient_rows
    count = len(sampled)
    order, workspace = job.orders[0, :count], job.orders[1]
    sort_by_id(sampled, order, workspace, job.digits)
    sort_by_id(labels, job.label_order, workspace, job.digits)
    _write_logs(job.sampled_counts, job.subtract_log_q, job.log_counts)
    num_candidates, num_labels, num_rows = merge_candidates(
        sampled, order, job.log_counts, labels, job.label_order, job.merge, job.classes, job.log_weights,
        job.copies, gradient_rows, job.label_candidates, job.label_starts, job.label_gradient_rows, job.ids,
    )  # fmt: skip
    further = 0
    for c in range(num_candidates):
        if gradient_rows[c] < 0:
            further += 1
            gradient_rows[c] = num_rows + further
    for c in range(num_candidates, (num_candidates + MR - 1) // MR * MR):
        job.offsets[c], job.copies[c], gradient_rows[c] = -math.inf, 1, num_rows
    if len(job.present):
        present = job.present.reshape(-1)
        for k in range(len(present)):
            if not present[k]:
                job.label_candidates[k] = -1
    sizes = job.sizes
    sizes[0], sizes[1], sizes[2], sizes[3] = num_candidates, num_labels, num_rows, further


@kernel
def look_up_labels(job: Any, first: int, last: int, end: int) -> None:
    """Compute the true logits of a panel of examples, and copy what is padded to whole panels.

    IN
        job : SampledLossJob
        first, last : examples
        end : where the padding, which begins at `last`, ends
    """
    table, label_weights, labels = job.weights, job.label_weights, job.labels
    true_counts, true_log_counts = job.true_counts.reshape(-1), job.true_log_counts
    num_true, span = labels.shape[1], min(table.width * 4, 1024)
    labels_here = slice(first * num_true, last * num_true)
    _write_logs(true_counts[labels_here], job.subtract_log_q, true_log_counts[labels_here])
    for i in range(first, last):
        job.shifts[i], job.padded_upstream[i] = job.log_normalizer[i], job.upstream[i]
        for t in range(num_true):
            if i + _READ_AHEAD < last:
                ahead = row_address(table, labels[i + _READ_AHEAD, t])
                for offset in range(0, span, 64):
                    prefetch(ahead + offset)
            k = i * num_true + t
            read_row(row_address(table, labels[i, t]), table, label_weights, k)
            correction = bias_of(job.biases, labels[i, t], job.temperature) - true_log_counts[k]
            absent = len(job.present) > 0 and not job.present[i, t]
            product = dot(job.inputs, i, label_weights, k, table.width)
            job.true_logits[i, t] = -math.inf if absent else product + correction
    for i in range(last, end):
        job.shifts[i], job.padded_upstream[i] = 0, 0


def prologue(worker: int, num_threads: int, counter: int, job: Any) -> None:
    """Merge candidates and labels, on the first worker; pack panels of examples and look up their true classes.

    Denormal numbers are not flushed here: an expected count may be one, and its logarithm must not be that of 0.
    Workers take panels one by one; the others do so while the first worker merges.

    IN
        worker, num_threads : who of how many
        counter : of the stage's tasks
        job : SampledLossJob
    """
    if worker == 0:
        merge(job)
    examples = job.inputs.shape[0]
    panels, _, nr = job.packed_inputs.shape
    while True:
        j = next_task(counter)
        if j >= panels:
            break
        pack_panel(job.inputs, j, job.packed_inputs, job.packed_inputs_t)
        look_up_labels(job, j * nr, min(examples, (j + 1) * nr), (j + 1) * nr)
