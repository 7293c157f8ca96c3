"""What the losses of this package share: the checks of their arguments, and the default sampler."""

from __future__ import annotations

from typing import Any

from fastcands.losses.batch import Batch
from fastcands.losses.sampled_values import as_sampled_values
from fastcands.nn.shared import shared_sampler
from fastcands.validation.losses import check_num_candidates, check_rows_of_weights
from fastcands.validation.numbers import as_size
from fastcands.values import SampledValues

__all__ = ["checked_batch", "checked_values"]


def checked_batch(
    weights: Any, biases: Any, labels: Any, inputs: Any, num_classes: int | None, num_true: int, strategy: str
) -> Batch:
    """Return the arguments of a loss, checked."""
    batch = Batch.of(weights, biases, labels, inputs, num_true=as_size(num_true, "num_true"), strategy=strategy)
    if num_classes is not None:
        check_rows_of_weights(num_classes, batch.weights.total)
    return batch


def checked_values(
    batch: Batch, sampled_values: Any, op: str, num_sampled: int, num_classes: int, seed: int | None
) -> SampledValues:
    """Return the given candidates, or those of the default sampler's next draw."""
    count = as_size(num_sampled, "num_sampled")
    if sampled_values is not None:
        values = as_sampled_values(sampled_values, batch.labels, batch.weights.total)
        check_num_candidates(count, len(values.sampled_candidates))
        return values
    sampler = shared_sampler(
        op, range_max=num_classes, num_true=batch.labels.shape[1], num_sampled=count, unique=True, seed=seed
    )
    if int(num_classes) == batch.weights.total:  # then the labels are checked already
        draw = sampler.sample_checked(batch.labels, count, True, "tensorflow", "num_classes")
    else:
        draw = sampler.sample(batch.labels, count)
    return as_sampled_values(draw, batch.labels, batch.weights.total)
