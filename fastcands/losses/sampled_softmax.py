"""Softmax cross-entropy over the true classes and a sample of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.softmax import normalise
from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.candidates import CandidateTiles
from fastcands.losses.interface import Result, SampledLoss
from fastcands.losses.options import as_flag, as_label_smoothing
from fastcands.losses.per_example import per_example_loss
from fastcands.losses.smoothing import smooth_sampled
from fastcands.values import SampledValues

__all__ = ["SampledSoftmaxLoss", "sampled_softmax"]


def sampled_softmax(
    batch: Batch,
    values: SampledValues,
    *,
    remove_accidental_hits: bool,
    label_smoothing: float = 0.0,
    upstream: NDArray[Any] | None,
) -> Result:
    """Return the loss of each row and, when `upstream` is given, the gradients."""
    if not len(batch.inputs):
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    if values.sampled_candidates.ndim == 2:
        if label_smoothing:
            raise ValueError("label_smoothing must be 0 when sampled_candidates are (B, S), got candidates per example")
        return per_example_loss(
            batch, values, logistic=False, subtract_log_q=True, remove_hits=remove_accidental_hits, upstream=upstream
        )
    tiles = CandidateTiles(
        batch, values, subtract_log_q=True, remove_hits=remove_accidental_hits, merge=True, keep=upstream is not None
    )
    unused = tiles.per_lane(0.0)
    tiles.run(logistic=False, shifts=unused, upstream=unused)
    loss = np.empty(len(batch.inputs), batch.inputs.dtype)
    true_gradient = np.empty_like(tiles.true_logits)
    weights = np.ones_like(loss) if upstream is None else upstream
    normalise(tiles.true_logits, batch.targets, weights, tiles.peaks, tiles.totals, loss, true_gradient, tiles.threads)
    spread = None
    if label_smoothing:
        smoothing = smooth_sampled(batch, values, tiles, label_smoothing, remove_accidental_hits)
        loss += smoothing.loss
        true_gradient += weights[:, None] * smoothing.true_share
        spread = smoothing.spread(weights)
    loss = loss.astype(batch.given_dtype, copy=False)
    return loss, None if upstream is None else tiles.gradients(true_gradient, spread)


@dataclass(frozen=True)
class SampledSoftmaxLoss(SampledLoss):
    """Softmax cross-entropy over the true classes and classes drawn anew at each call.

    With o = ``inputs @ weights.T + biases`` and Q a class's expected count, row i has T true logits
    ``o - log Q`` and S candidate logits ``o - log Q``, shared by the rows of a batch::

        loss[i] = logsumexp(true logits[i], candidate logits[i]) - mean(true logits[i])

    A candidate that is a true class of the row (an accidental hit) is left out of that row, every copy of it.

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes, for instance `LogUniformSampler`. Its state moves at each call.
    num_sampled : int
        S, candidates a call.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    remove_accidental_hits : bool, default True
        Whether candidates that are true classes of a row are left out there.
    label_smoothing : float, default 0.0
        Share of a row's target, in [0, 1), that goes to all of its logits alike, true ones and candidates.
    temperature : float, default 1.0
        What the logits o are divided by, before they are corrected.
    ignore_index : int, optional
        A label that stands for no class: it counts for nothing, and a row of them has no loss and no gradient.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`, or `temperature` is not positive and
        finite.

    Notes
    -----
    Time O(B (S + T) D). `value_and_grad` holds B S numbers while it runs, `value` none. The same bits for any number
    of threads.

    References
    ----------
    Jean, Cho, Memisevic, Bengio: On Using Very Large Target Vocabulary for Neural Machine Translation. ACL 2015,
    section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> rng = np.random.default_rng(0)
    >>> weights, biases = rng.normal(size=(1000, 8)).astype(np.float32), np.zeros(1000, np.float32)
    >>> loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(1000, seed=1), num_sampled=64)
    >>> labels, inputs = np.array([3, 141]), rng.normal(size=(2, 8)).astype(np.float32)
    >>> value, gradients = loss.value_and_grad(weights, biases, labels, inputs)
    >>> value.shape, gradients.inputs.shape, len(gradients.weights.ids) <= 64 + 2
    ((2,), (2, 8), True)
    """

    remove_accidental_hits: bool = field(default=True, kw_only=True)
    label_smoothing: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        as_label_smoothing(self.label_smoothing)
        as_flag(self.remove_accidental_hits, "remove_accidental_hits")

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        return sampled_softmax(
            batch, values, remove_accidental_hits=self.remove_accidental_hits, label_smoothing=self.label_smoothing,
            upstream=upstream,
        )  # fmt: skip
