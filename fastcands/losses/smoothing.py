"""Label smoothing: a share of each example's target is divided equally among its logits."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.table.gather import gather_rows
from fastcands.losses.batch import Batch
from fastcands.losses.sampled_step import Spread
from fastcands.threads import get_num_threads
from fastcands.values import SampledValues

__all__ = ["is_first_label", "smooth_sampled", "table_sums"]

_ROWS_AT_ONCE = 1 << 14


class _Smoothing(NamedTuple):
    """What label smoothing adds to a loss and to its gradients."""

    loss: NDArray[np.float64]
    """Added to the loss of each example, (B,)."""
    true_share: NDArray[np.float64]
    """Added to the gradient of each true logit, times the weight of the example, (B, T)."""
    uniform_share: NDArray[np.float64]
    """Subtracted from the gradient of every candidate's logit, times the weight of the example, (B,)."""
    row_sum: NDArray[Any]
    """Sum of the candidates' rows, (D,)."""

    def spread(self, upstream: NDArray[Any]) -> Spread:
        """Return the candidates' part of the gradient."""
        shares = np.asarray(self.uniform_share * upstream, upstream.dtype)
        return Spread(shares, self.row_sum.astype(upstream.dtype))


def is_first_label(labels: NDArray[np.int64], present: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which labels are the first of their class in their row; labels that are no class do not count."""
    before = np.tril(labels[:, :, None] == labels[:, None, :], -1) & present[:, None, :]
    return np.asarray(~before.any(axis=2))


def smooth_sampled(
    batch: Batch,
    values: SampledValues,
    workspace: Any,
    epsilon: float,
    remove_hits: bool,
) -> _Smoothing:
    """Return the terms that divide `epsilon` of an example's target equally among its true and candidate logits.

    With n logits that are not masked, a true class has the target ``(1 - epsilon) / T + epsilon / n`` and a candidate
    ``epsilon / n``. The sum of an example's candidate logits is one product with the sum of their table rows.
    """
    candidates = int(workspace.sizes[0])
    classes, copies = workspace.classes[:candidates], workspace.copies[:candidates].astype(np.float64)
    corrections = np.zeros(len(classes))
    np.subtract.at(
        corrections, np.searchsorted(classes, values.sampled_candidates), np.log(values.sampled_expected_count)
    )
    rows = np.empty((len(classes), batch.inputs.shape[1]), batch.inputs.dtype)
    gather_rows(batch.weights.addresses(classes), batch.weights.view, rows, get_num_threads())
    row_sum = copies @ rows
    constant = (copies * batch.bias_of(classes)).sum() + corrections.sum()

    present = np.ones(batch.labels.shape, bool) if batch.present is None else batch.present
    true_logits = np.where(present, workspace.true_logits, 0).astype(np.float64)
    positions = workspace.label_candidates.reshape(batch.labels.shape)
    hit = (positions >= 0) & present & is_first_label(batch.labels, present) if remove_hits else np.zeros_like(present)
    hit_copies = np.where(hit, copies[positions], 0)
    raw = true_logits + np.log(values.true_expected_count)  # without the correction of the true logits
    hit_logits = np.where(hit, hit_copies * raw + corrections[positions], 0).sum(axis=1)
    count = present.sum(axis=1) + copies.sum() - hit_copies.sum(axis=1)
    total = true_logits.sum(axis=1) + batch.inputs @ row_sum + constant - hit_logits
    share = epsilon / count
    targets = batch.targets
    return _Smoothing(
        epsilon * (targets * true_logits).sum(axis=1) - share * total,
        epsilon * targets - share[:, None] * (present - hit_copies),
        share,
        row_sum,
    )


def table_sums(batch: Batch) -> tuple[NDArray[np.float64], float]:
    """Return the sum of all rows of the weights, (D,), and of all biases, as the batch's logits use them."""
    total = np.zeros(batch.inputs.shape[1])
    for array in batch.weights.arrays:
        for first in range(0, len(array), _ROWS_AT_ONCE):
            total += array[first : first + _ROWS_AT_ONCE].astype(np.float64).sum(axis=0)
    if batch.biases is None:
        return total, 0.0
    biases = sum(float(array.astype(np.float64).sum()) for array in batch.biases.arrays)
    return total, biases / batch.temperature
