"""Losses in which each example has its own candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients
from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.sampled_loss.gradients import add_label_gradients
from fastcands.kernels.sampled_loss.per_example import (
    example_input_gradients,
    example_logits,
    example_softmax,
    example_terms,
)
from fastcands.losses.batch import Batch
from fastcands.threads import get_num_threads
from fastcands.values import SampledValues
from fastcands.workspace import scratch

__all__ = ["per_example_loss"]


def per_example_loss(
    batch: Batch,
    values: SampledValues,
    epilogue: Epilogue,
    *,
    subtract_log_q: bool,
    remove_hits: bool,
    log_normalizer: NDArray[Any] | float = 0.0,
    upstream: NDArray[Any] | None,
) -> tuple[NDArray[Any], Gradients | None]:
    """Return the loss of each example and, when `upstream` is given, the gradients; `values` have ids (B, S)."""
    (examples, num_true), dtype, threads = batch.labels.shape, batch.inputs.dtype, get_num_threads()
    classes = np.concatenate([batch.labels, values.sampled_candidates], axis=1)
    offsets = np.zeros(classes.size) + batch.bias_of(classes.reshape(-1))
    offsets = offsets.reshape(classes.shape)
    if subtract_log_q:
        offsets -= np.log(np.concatenate([values.true_expected_count, values.sampled_expected_count], axis=1))
    if batch.present is not None:
        offsets[:, :num_true][~batch.present] = -np.inf
    if remove_hits:
        for t in range(num_true):
            hits = values.sampled_candidates == batch.labels[:, t, None]
            offsets[:, num_true:][hits if batch.present is None else hits & batch.present[:, t, None]] = -np.inf
    addresses = batch.weights.addresses(classes.reshape(-1)).reshape(classes.shape)
    rows = scratch("rows", (threads, classes.shape[1], batch.depth), dtype)
    logits, loss = np.empty(classes.shape, dtype), np.empty(examples, dtype)
    example_logits(batch.weights.view, addresses, batch.inputs, offsets.astype(dtype), rows, logits, threads)
    weights = np.ones(examples, dtype) if upstream is None else upstream
    if epilogue.is_normalized:
        example_softmax(logits, batch.targets, weights, loss, threads)
    else:
        shifts = np.zeros(examples, dtype) + np.asarray(log_normalizer, dtype)
        example_terms(logits, batch.targets, shifts, weights, epilogue.terms, loss, threads)
    loss = loss.astype(batch.given_dtype, copy=False)
    if upstream is None:
        return loss, None
    d_inputs = np.empty_like(batch.inputs)
    example_input_gradients(batch.weights.view, addresses, logits, rows, d_inputs, threads)
    ids, order, starts = _sort_by_class(classes.reshape(-1))
    weight_rows, bias_rows = np.empty((len(ids), batch.inputs.shape[1]), dtype), np.empty(len(ids), dtype)
    add_label_gradients(order, starts, -1 - np.arange(len(ids)), logits, batch.inputs, weight_rows, bias_rows, threads)
    return loss, batch.gradients(ids, d_inputs, weight_rows, bias_rows)


def _sort_by_class(classes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct classes, the positions sorted by class, and where each class starts among them."""
    order = np.argsort(classes, kind="stable")
    sorted_classes = classes[order]
    starts = np.flatnonzero(np.append(True, sorted_classes[1:] != sorted_classes[:-1]))
    return sorted_classes[starts], order, np.append(starts, len(classes))
