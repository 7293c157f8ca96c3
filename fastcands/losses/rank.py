"""Sampled softmax over those candidates to which the model gives the highest scores (TAPAS)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.kernels.table.blocking import whole_tiles
from fastcands.kernels.table.gather import gather_rows
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.batch import Batch, no_gradients
from fastcands.losses.interface import Result, SampledLoss
from fastcands.losses.sampled_softmax import sampled_softmax
from fastcands.losses.shards import Shards
from fastcands.threads import get_num_threads
from fastcands.validation.losses import as_num_resampled
from fastcands.validation.numbers import as_flag
from fastcands.values import SampledValues

__all__ = ["RankSampledSoftmaxLoss", "rank_sampled_softmax"]

_EXAMPLES_AT_ONCE = 256
"""Examples whose scores are computed at once, with candidates for each example."""


def _candidate_rows(batch: Batch, classes: NDArray[np.int64]) -> NDArray[Any]:
    rows = np.empty((len(classes), batch.inputs.shape[1]), batch.inputs.dtype)
    gather_rows(batch.weights.addresses(classes), batch.weights.view, rows, get_num_threads())
    return rows


def _batch_scores(
    batch: Batch, classes: NDArray[np.int64], rows: NDArray[Any], temperature: float
) -> NDArray[np.float64]:
    """Return log sum_j exp((w_c . x_j + b_c) / temperature) for each candidate c, over the examples j with a class.

    Examples and classes are swapped: the inputs are the table, and the candidates' rows are its inputs.
    """
    empty = batch.empty_examples
    inputs = batch.inputs if empty is None else batch.inputs[~empty]
    if not len(inputs):  # no example, so any choice will do
        return np.zeros(len(rows))
    inputs = inputs / inputs.dtype.type(temperature)
    table = Shards([inputs], len(inputs), "mod", listed=False)
    none = np.zeros((len(rows), 1), np.int64)
    swapped = Batch(table, None, none, rows, rows.dtype, whole_tiles(rows.shape[1]))
    classes_pass = AllClasses(swapped, SOFTMAX, needs_grad=False)
    chunk_max, chunk_sum = classes_pass.sums(classes_pass.padded(0.0))
    highest = chunk_max.max(axis=0).astype(np.float64)
    with np.errstate(invalid="ignore"):  # inputs that are not finite give scores of NaN, not a warning
        sums = (chunk_sum * np.exp(chunk_max - highest)).sum(axis=0)
        scores = (highest + np.log(sums))[: len(rows)]
    return np.asarray(scores + np.asarray(batch.bias_of(classes), np.float64) / temperature)


def _true_classes(batch: Batch) -> NDArray[np.int64]:
    return batch.labels.reshape(-1) if batch.present is None else batch.labels[batch.present]


def _best(scores: NDArray[Any], hits: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """Return the positions of the `count` highest scores of each row; hits and NaN last, ties to the lower position."""
    ranked = np.where(hits | np.isnan(scores), -np.inf, scores)
    threshold = -np.partition(-ranked, count - 1, axis=1)[:, count - 1, None]
    above = ranked > threshold
    level = ranked == threshold
    chosen = above | (level & (np.cumsum(level, axis=1) <= count - above.sum(axis=1, keepdims=True)))
    return np.nonzero(chosen)[1].reshape(len(scores), count)


def _example_choices(
    batch: Batch, classes: NDArray[np.int64], rows: NDArray[Any], count: int, exclude_hits: bool
) -> Iterator[NDArray[np.int64]]:
    """Yield the positions of each example's own highest logits, some examples at a time."""
    biases = batch.bias_of(classes)
    for first in range(0, len(batch.inputs), _EXAMPLES_AT_ONCE):
        here = slice(first, first + _EXAMPLES_AT_ONCE)
        scores = batch.inputs[here] @ rows.T + biases
        hits = np.zeros(scores.shape, bool)
        if exclude_hits:
            for t in range(batch.labels.shape[1]):
                same = batch.labels[here, t, None] == classes
                hits |= same if batch.present is None else same & batch.present[here, t, None]
        yield _best(scores, hits, count)


def _resample(
    batch: Batch,
    values: SampledValues,
    count: int,
    *,
    temperature: float,
    exclude_hits: bool = False,
    per_example: bool = False,
) -> SampledValues:
    """Return the candidates with the highest scores, with the expected counts of the first draw."""
    classes, true_counts, counts = values
    rows = _candidate_rows(batch, classes)
    if per_example:  # the temperature does not change the order within an example
        chosen = np.concatenate(list(_example_choices(batch, classes, rows, count, exclude_hits)))
        return SampledValues(classes[chosen], true_counts, counts[chosen])
    scores = _batch_scores(batch, classes, rows, temperature)
    hits = np.isin(classes, _true_classes(batch)) if exclude_hits else np.zeros(len(classes), bool)
    chosen = _best(scores[None], hits[None], count)[0]
    return SampledValues(classes[chosen], true_counts, counts[chosen])


def rank_sampled_softmax(
    batch: Batch,
    values: SampledValues,
    num_resampled: int,
    *,
    temperature: float,
    remove_accidental_hits: bool,
    exclude_hits: bool = False,
    per_example: bool = False,
    upstream: NDArray[Any] | None,
) -> Result:
    """Return the loss of each example and, when `upstream` is given, the gradients."""
    if not len(batch.inputs):
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    chosen = _resample(
        batch, values, num_resampled, temperature=temperature, exclude_hits=exclude_hits, per_example=per_example
    )
    return sampled_softmax(batch, chosen, remove_accidental_hits=remove_accidental_hits, upstream=upstream)


@dataclass(frozen=True)
class RankSampledSoftmaxLoss(SampledLoss):
    """Sampled softmax in two passes: draw many candidates, then use those with the highest scores (TAPAS).

    The score of a candidate c is a sum over the examples of the batch, with the temperature t::

        score[c] = logsumexp((inputs @ weights[c] + biases[c]) / t)

    The `num_resampled` highest are the candidates of a `SampledSoftmaxLoss`, with the expected counts of the draw. A
    low temperature prefers candidates that are likely for some example, a high one those that are likely on average.
    The choice has no gradient.

    Parameters
    ----------
    sampler : sampler
        Draws candidates from the table's classes. Its state moves at each call.
    num_sampled : int
        Candidates drawn a call.
    num_resampled : int
        Candidates used in the loss, fewer than `num_sampled`.
    unique : bool, default True
        Whether a class is drawn at most once a call.
    in_batch : sampler, optional
        Adds the true classes of the whole batch to the candidates. They are corrected by the `probability` that this
        sampler gives them as labels. `num_sampled` may then be 0.
    temperature : float, default 1.0
        What the scores are divided by; the loss's own logits are not.
    ignore_index : int, optional
        A label that stands for no class. It is ignored; an example with no other label has loss and gradient 0.
    precision : {'highest', 'high', 'medium'}, optional
        How precisely float32 matrices are multiplied in the loss, see `set_matmul_precision`; the setting by default.
        The scores are always 'highest'.
    remove_accidental_hits : bool, default True
        Whether candidates that are true classes of an example are masked for it.
    exclude_hits : bool, default False
        Whether true classes of the batch (of the example, with `per_example`) are chosen only if there are too few
        other candidates. Otherwise they may be chosen, and are then masked as accidental hits.
    per_example : bool, default False
        Whether the candidates are chosen for each example, by its own scores.

    Raises
    ------
    TypeError
        If an option is of the wrong type or `sampler` draws nothing.
    ValueError
        If `num_resampled` is not below `num_sampled`, `num_sampled` is out of range, or `temperature` is not positive
        and finite.

    Notes
    -----
    TensorFlow had this loss as ``tf.contrib.nn.rank_sampled_softmax_loss``; `exclude_hits` and `per_example` go beyond
    it.

    References
    ----------
    Bai, Goldman, Zhang: TAPAS: Two-pass Approximate Adaptive Sampling for Softmax. arXiv 1707.03073 (2017).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> rng = np.random.default_rng(0)
    >>> weights, biases = rng.normal(size=(1000, 8)).astype(np.float32), np.zeros(1000, np.float32)
    >>> loss = fc.RankSampledSoftmaxLoss(fc.LogUniformSampler(1000, seed=1), 256, 32)
    >>> value, gradients = loss.value_and_grad(weights, biases, [3, 141], rng.normal(size=(2, 8)).astype(np.float32))
    >>> value.shape, len(gradients.weights.ids) <= 32 + 2
    ((2,), True)
    """

    num_resampled: int
    remove_accidental_hits: bool = field(default=True, kw_only=True)
    exclude_hits: bool = field(default=False, kw_only=True)
    per_example: bool = field(default=False, kw_only=True)

    _divides_logits: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "num_resampled", as_num_resampled(self.num_resampled, self.num_sampled))
        for name in ("remove_accidental_hits", "exclude_hits", "per_example"):
            as_flag(getattr(self, name), name)

    def _evaluate(self, batch: Batch, values: SampledValues, upstream: NDArray[Any] | None) -> Result:
        if values.sampled_candidates.ndim != 1 or len(values.sampled_candidates) <= self.num_resampled:
            raise ValueError(
                f"sampled_candidates must be one set of more than num_resampled = {self.num_resampled} candidates, got "
                f"shape {values.sampled_candidates.shape}"
            )
        return rank_sampled_softmax(
            batch, values, self.num_resampled, temperature=self.temperature,
            remove_accidental_hits=self.remove_accidental_hits, exclude_hits=self.exclude_hits,
            per_example=self.per_example, upstream=upstream,
        )  # fmt: skip
