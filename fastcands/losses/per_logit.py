"""Losses that are a sum over single logits, whatever their formula: sampled and exact."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.epilogues.per_logit import PerLogit, terms_of_all
from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.exact_classes import exact_classes
from fastcands.losses.interface import Result
from fastcands.losses.per_example import per_example_loss
from fastcands.losses.sampled_step import SampledLossStep
from fastcands.losses.smoothing import is_first_label
from fastcands.values import SampledValues

__all__ = ["full_per_logit", "sampled_per_logit"]


def sampled_per_logit(
    batch: Batch,
    values: SampledValues,
    epilogue: PerLogit,
    *,
    subtract_log_q: bool,
    remove_accidental_hits: bool,
    log_normalizer: NDArray[Any] | float = 0.0,
    upstream: NDArray[Any] | None,
) -> Result:
    """Return the loss of each example and, when `upstream` is given, the gradients, over true classes and candidates.

    Targets are 1/T for each of T true classes and 0 for candidates.
    """
    if not len(batch.inputs):
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    if values.sampled_candidates.ndim == 2:
        return per_example_loss(
            batch, values, epilogue, subtract_log_q=subtract_log_q, remove_hits=remove_accidental_hits,
            log_normalizer=log_normalizer, upstream=upstream,
        )  # fmt: skip
    step = SampledLossStep(
        batch, values, epilogue, subtract_log_q=subtract_log_q, remove_hits=remove_accidental_hits,
        log_normalizer=log_normalizer, upstream=upstream,
    )  # fmt: skip
    step.run(last="reduce" if upstream is None else None)
    loss = step.job.loss.astype(batch.given_dtype, copy=False)
    return loss, None if upstream is None else step.gradients()


def full_per_logit(batch: Batch, epilogue: PerLogit, upstream: NDArray[Any] | None) -> Result:
    """Return the loss of each example over all classes and, when `upstream` is given, the gradients.

    Targets are 1 for the true classes of an example, each counted once, and 0 for all others.
    """
    examples, labels = len(batch.inputs), batch.labels
    if not examples:
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    present = np.ones(labels.shape, bool) if batch.present is None else batch.present
    targets = np.asarray(is_first_label(labels, present) & present, batch.inputs.dtype)
    classes = exact_classes(batch, epilogue, needs_grad=upstream is not None)
    true_logits = classes.true_logits().astype(np.float64)
    terms = np.empty((4, labels.size))
    terms_of_all(epilogue.terms, true_logits.reshape(-1), targets.astype(np.float64).reshape(-1), terms)
    corrections, changes = terms[2:].reshape(2, *labels.shape)
    unshifted = classes.padded(0.0)
    gradients = None
    if upstream is None:
        losses = classes.sums(unshifted)[1].astype(np.float64).sum(axis=0)
    else:
        shares = np.asarray(upstream[:, None] * -changes, upstream.dtype)
        gradients, losses = classes.gradients(shifts=unshifted, factors=classes.padded(upstream), shares=shares)
    with np.errstate(invalid="ignore"):  # NaN and infinite logits give a NaN loss, not a warning
        return (losses[:examples] + corrections.sum(axis=1)).astype(batch.given_dtype), gradients
