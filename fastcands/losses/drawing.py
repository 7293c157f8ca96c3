"""Candidates of a loss from its samplers: labels checked before the draw, draws back in their examples' places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.losses.batch import Batch
from fastcands.losses.in_batch import Frequencies, add_batch_classes
from fastcands.losses.sampled_values import as_sampled_values
from fastcands.validation.losses import check_drawable
from fastcands.values import SampledValues

__all__ = ["draw_candidates"]


def draw_candidates(
    sampler: Any, in_batch: Frequencies | None, batch: Batch, num_sampled: int, unique: bool
) -> SampledValues:
    """Return candidates and expected counts for all labels of a batch, checked.

    Labels that are no classes are not counted, nor learned from: samplers do not see them.
    """
    labels = batch.labels if batch.present is None else batch.labels[batch.present][:, None]
    _check_labels(sampler if num_sampled else None, in_batch, batch, labels)
    drawn = _draw(sampler, labels, num_sampled, unique) if num_sampled else None
    if in_batch is not None:
        drawn = add_batch_classes(in_batch, labels, drawn, unique)
    values = as_sampled_values(drawn, labels, batch.weights.total, per_example=True, source="the sampler's ")
    return values if batch.present is None else _in_place(values, batch.present)


def _draw(sampler: Any, labels: NDArray[np.int64], num_sampled: int, unique: bool) -> SampledValues:
    if getattr(sampler.sample, "is_checks_only", False):  # labels, size and flag are checked already
        drawn: SampledValues = sampler.sample_checked(labels, num_sampled, unique, "tensorflow", "num_classes")
        return drawn
    result: SampledValues = sampler.sample(labels, num_sampled, unique=unique)
    return result


def _check_labels(sampler: Any, in_batch: Frequencies | None, batch: Batch, labels: NDArray[np.int64]) -> None:
    """Refuse classes that no source of candidates can draw, whose expected count would be 0, before any moves."""
    never = None
    if sampler is not None:
        ask = getattr(sampler, "never_drawn", None)  # samplers of the user's need not have it
        never = None if ask is None else ask(labels)
        if never is None:
            return  # the usual case
    if in_batch is not None:
        unlikely = np.asarray(in_batch.probability(labels)) == 0
        never = unlikely if never is None else never & unlikely
    if never is not None and never.any():
        check_drawable(never, labels, batch.present, "in_batch" if sampler is None else "the sampler")


def _in_place(values: SampledValues, present: NDArray[np.bool_]) -> SampledValues:
    """Return what was drawn for the labels that are classes, (N, 1), in the places of all labels (B, T)."""
    sampled, true_counts, sampled_counts = values
    all_counts = np.ones(present.shape)
    all_counts[present] = true_counts[:, 0]
    if sampled.ndim == 1:
        return SampledValues(sampled, all_counts, sampled_counts)
    if present.shape[1] != 1:
        raise ValueError(
            f"the sampler must draw one set of candidates for all examples where some labels of shape {present.shape} "
            f"are no classes (ignore_index, ragged), got one for each of the {len(sampled)} labels that are"
        )
    # an example without a class gets the candidates of another: they touch no further row of the table
    source = np.maximum(np.cumsum(present[:, 0]) - 1, 0)
    if not len(sampled):
        width = sampled.shape[1]
        return SampledValues(np.zeros((len(present), width), np.int64), all_counts, np.ones((len(present), width)))
    return SampledValues(sampled[source], all_counts, sampled_counts[source])
