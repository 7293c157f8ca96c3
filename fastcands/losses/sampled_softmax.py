"""Softmax cross-entropy over the true classes and a sample of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.kernels.table.blocking import LOWEST
from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.interface import Result, SampledLoss
from fastcands.losses.per_example import per_example_loss
from fastcands.losses.sampled_step import SampledLossStep
from fastcands.losses.smoothing import smooth_sampled
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_flag, as_fraction
from fastcands.values import SampledValues

__all__ = ["Diagnostics", "SampledSoftmaxLoss", "sampled_softmax"]


def sampled_softmax(
    batch: Batch,
    values: SampledValues,
    *,
    remove_accidental_hits: bool,
    label_smoothing: float = 0.0,
    upstream: NDArray[Any] | None,
) -> Result:
    """Return the loss of each example and, when `upstream` is given, the gradients."""
    if not len(batch.inputs):
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    if values.sampled_candidates.ndim == 2:
        if label_smoothing:
            raise ValueError("label_smoothing must be 0 when sampled_candidates are (B, S), got candidates per example")
        return per_example_loss(
            batch, values, SOFTMAX, subtract_log_q=True, remove_hits=remove_accidental_hits, upstream=upstream
        )
    step = SampledLossStep(
        batch, values, SOFTMAX, subtract_log_q=True, remove_hits=remove_accidental_hits, upstream=upstream
    )
    job, spread = step.job, None
    if label_smoothing:
        step.run(last="reduce")
        smoothing = smooth_sampled(batch, values, step.workspace, label_smoothing, remove_accidental_hits)
        np.add(job.loss, smoothing.loss, out=job.loss)
        true_gradient = step.workspace.true_gradient
        np.add(true_gradient, job.upstream[:, None] * smoothing.true_share, out=true_gradient)
        spread = smoothing.spread(job.upstream)
        if upstream is not None:
            step.run(after="reduce")
    else:
        step.run(last="reduce" if upstream is None else None)
    loss = job.loss.astype(batch.given_dtype, copy=False)
    return loss, None if upstream is None else step.gradients(spread)


class Diagnostics(NamedTuple):
    """Intermediate results of a softmax over the true classes and sampled candidates.

    Attributes
    ----------
    log_normalizer : array, shape (B,)
        logsumexp of the example's corrected logits, of true classes and candidates.
    true_logits : array, shape (B, T)
        Corrected logits of the true classes; -inf for labels that are no class.
    highest_candidate : array, shape (B,)
        The largest corrected logit of a candidate that is not masked; -inf if there is none.
    accuracy : float
        Share of the examples with a class in which a true class has a higher logit than every candidate.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> loss = fc.SampledSoftmaxLoss(fc.UniformSampler(100, seed=1), num_sampled=10)
    >>> loss.diagnose(np.eye(100, dtype=np.float32), None, [7], 9 * np.eye(100, dtype=np.float32)[[7]]).accuracy
    1.0
    """

    log_normalizer: NDArray[Any]
    true_logits: NDArray[Any]
    highest_candidate: NDArray[Any]
    accuracy: float


def _forward(batch: Batch, values: SampledValues, remove_accidental_hits: bool, merge: bool) -> SampledLossStep:
    step = SampledLossStep(
        batch, values, SOFTMAX, subtract_log_q=True, remove_hits=remove_accidental_hits, merge=merge, upstream=None
    )
    step.run(last="logits")
    return step


def _highest_candidates(step: SampledLossStep) -> NDArray[Any]:
    """Return the highest logit of a candidate for each example."""
    blocks = -(-int(step.workspace.sizes[0]) // step.workspace.rows.shape[1])
    return np.asarray(step.workspace.tile_max[:blocks].max(axis=0).reshape(-1)[: len(step.job.loss)])


def _diagnose(batch: Batch, values: SampledValues, remove_accidental_hits: bool) -> Diagnostics:
    # copies of a candidate are not merged here: a merged candidate would have a higher logit
    tile_max = _highest_candidates(_forward(batch, values, remove_accidental_hits, merge=False))
    highest = np.where(tile_max > LOWEST, tile_max, -np.inf)
    step = _forward(batch, values, remove_accidental_hits, merge=True)
    merged = _highest_candidates(step)
    step.run(after="logits", last="reduce")
    loss, true_logits, targets = step.job.loss, step.workspace.true_logits.copy(), batch.targets
    finite = np.where(targets == 0, 0, true_logits)
    empty = np.zeros(len(loss), bool) if batch.empty_examples is None else batch.empty_examples
    log_normalizer = loss + np.where(empty, merged, (targets * finite).sum(axis=1))
    right = true_logits.max(axis=1) > highest
    return Diagnostics(
        log_normalizer, true_logits, highest, float(right[~empty].mean()) if not empty.all() else float("nan")
    )


@dataclass(frozen=True)
class SampledSoftmaxLoss(SampledLoss):
    """Softmax cross-entropy over the true classes and classes that are drawn at each call.

    With o = ``inputs @ weights.T + biases`` and Q the expected count of a class, example i has T true logits
    ``o - log Q`` and S candidate logits ``o - log Q``. The candidates are the same for all examples of a batch::

        loss[i] = logsumexp(true logits[i], candidate logits[i]) - mean(true logits[i])

    A candidate that is a true class of the example (an accidental hit) is masked for that example, in every copy.

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes, for instance `LogUniformSampler`. Its state moves at each call.
    num_sampled : int
        S, candidates a call.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    in_batch : sampler, optional
        Adds the true classes of the whole batch to the candidates. They are corrected by the `probability` that this
        sampler gives them as labels. `num_sampled` may then be 0.
    temperature : float, default 1.0
        What the logits o are divided by, before they are corrected.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied, see `set_matmul_precision`; the setting by default.
    remove_accidental_hits : bool, default True
        Whether candidates that are true classes of an example are masked for it.
    label_smoothing : float, default 0.0
        Share of an example's target, in [0, 1), that is divided equally among its logits, true ones and candidates.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`, or `temperature` is not positive and
        finite.

    Notes
    -----
    Time O(B (S + T) D). `value_and_grad` holds B S numbers while it runs, `value` does not. The same bits for any
    number of threads.

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
        as_fraction(self.label_smoothing, "label_smoothing")
        as_flag(self.remove_accidental_hits, "remove_accidental_hits")

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        return sampled_softmax(
            batch, values, remove_accidental_hits=self.remove_accidental_hits, label_smoothing=self.label_smoothing,
            upstream=upstream,
        )  # fmt: skip

    @own_error_state
    def diagnose(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, *, sampled_values: Any = None
    ) -> Diagnostics:
        """Return intermediate results of the loss of one batch: log_normalizer, logits and sampled accuracy.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V) or the loss's `ignore_index`; at least one example. Ragged as in `value`.
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.
        sampled_values : SampledValues or tuple of three arrays, optional
            Candidates (S,) to use in place of a draw, and their expected counts.

        Returns
        -------
        Diagnostics
            Without label smoothing: it changes the target, not the logits. Always in the highest precision.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, there is no example, a label is outside [0, V), or candidates are (B, S).
        """
        batch = self._batch(weights, biases, labels, inputs)._replace(precision="highest")
        if not len(batch.inputs):
            raise ValueError("labels must have at least one example, got none")
        batch, values = self._candidates(batch, sampled_values)
        if values.sampled_candidates.ndim != 1:
            raise ValueError(f"sampled_candidates must have 1 dimension, got shape {values.sampled_candidates.shape}")
        return _diagnose(batch, values, self.remove_accidental_hits)
