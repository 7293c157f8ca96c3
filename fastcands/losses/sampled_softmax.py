"""Softmax cross-entropy over the true classes and a sample of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.candidate_plan import plan_candidates
from fastcands.kernels.shapes import TILE_ROWS, panel_lanes, panels_for, whole_tiles
from fastcands.kernels.softmax import (
    add_label_rows,
    input_gradients,
    normalise,
    softmax_tiles,
    weight_gradients,
)
from fastcands.losses.batch import Batch, as_upstream, no_gradients
from fastcands.losses.sampled_values import Sampler, as_sampled_values
from fastcands.losses.workspace import scratch
from fastcands.threads import get_num_threads
from fastcands.validation import as_size
from fastcands.values import Gradients, SampledValues

__all__ = ["SampledSoftmaxLoss", "sampled_softmax"]


class _Plan(NamedTuple):
    """Candidates, each once and sorted, and where gradients go; see `kernels.candidate_plan`."""

    classes: NDArray[np.int64]
    offsets: NDArray[Any]
    class_rows: NDArray[np.int64]
    label_positions: NDArray[np.int64]
    label_order: NDArray[np.int64]
    label_starts: NDArray[np.int64]
    label_rows: NDArray[np.int64]
    ids: NDArray[np.int64]


def _plan(batch: Batch, values: SampledValues) -> _Plan:
    sampled, labels = values.sampled_candidates, batch.labels.reshape(-1)
    n, s = len(labels), len(sampled)
    label_order = np.argsort(labels, kind="stable")
    # one allocation for all integer results
    integers = np.empty(3 * s + 4 * n + 1 + TILE_ROWS, np.int64)
    classes, class_rows, ids, positions, starts, rows = np.split(
        integers, np.cumsum([s, s + TILE_ROWS, s + n, n, n + 1])
    )
    log_weights = np.empty(s)
    unique, groups, results = plan_candidates(
        sampled, np.argsort(sampled), np.log(values.sampled_expected_count), labels, label_order,
        classes, log_weights, class_rows, positions, starts, rows, ids,
    )  # fmt: skip
    padded = whole_tiles(unique)
    offsets = np.full(padded, -np.inf, batch.inputs.dtype)
    offsets[:unique] = log_weights[:unique] + batch.bias_of(classes[:unique])
    class_rows[unique:padded] = results  # rows of padding go to a spare row behind the last
    return _Plan(
        classes[:unique], offsets, class_rows[:padded], positions, label_order, starts[: groups + 1], rows[:groups],
        ids[:results].copy(),
    )  # fmt: skip


def _block_rows(candidates: int) -> int:
    """Candidates in a tile: 128 rows of a table stay in the second-level cache; fewer, so that each thread has some."""
    return 128 if candidates >= 1024 else 64 if candidates >= 256 else 32


def sampled_softmax(
    batch: Batch, values: SampledValues, *, remove_accidental_hits: bool, upstream: NDArray[Any] | None
) -> tuple[NDArray[Any], Gradients | None]:
    """Return the loss of each row and, when `upstream` is given, the gradients."""
    dtype, examples, num_true = batch.inputs.dtype, *batch.labels.shape
    threads = get_num_threads()
    plan = _plan(batch, values)
    true_offsets = (batch.bias_of(batch.labels.reshape(-1)) - np.log(values.true_expected_count).reshape(-1)).reshape(
        examples, num_true
    )
    label_weights, true_logits = batch.label_rows(true_offsets.astype(dtype))
    if examples == 0:
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)

    keep = upstream is not None
    lanes, block = panel_lanes(dtype), _block_rows(len(plan.classes))
    panels, blocks = panels_for(examples, dtype), (len(plan.classes) + block - 1) // block
    hits = np.full((panels * lanes, num_true if remove_accidental_hits else 0), -1, np.int32)
    if remove_accidental_hits:
        hits[:examples] = plan.label_positions.reshape(examples, num_true)
    by_example, by_feature = batch.packed(by_feature=keep)
    rows = scratch("rows", (blocks if keep else threads, block, batch.depth), dtype)
    tiles = scratch("tiles", (blocks, panels, block, lanes) if keep else (threads, 1, block, lanes), dtype)
    peaks, totals = scratch("peaks", (2, blocks, panels, lanes), dtype)
    softmax_tiles(
        batch.weights.layout, batch.weights.addresses(plan.classes), plan.offsets, hits, by_example, rows, tiles,
        peaks, totals, keep, np.zeros(1, np.int64), threads,
    )  # fmt: skip
    loss = np.empty(examples, dtype)
    true_gradient = np.empty((examples, num_true), dtype)
    normalise(
        true_logits, np.ones(examples, dtype) if upstream is None else upstream, peaks, totals, loss, true_gradient,
        threads,
    )  # fmt: skip
    loss = loss.astype(batch.given_dtype, copy=False)
    if upstream is None:
        return loss, None

    width = batch.inputs.shape[1]
    weight_rows = np.empty((len(plan.ids) + 1, width), dtype)
    bias_rows = np.empty(len(plan.ids) + 1, dtype)
    weight_gradients(
        tiles, peaks, by_feature, plan.class_rows, scratch("sums", (threads, block, lanes // 2), dtype), weight_rows,
        bias_rows, np.zeros(1, np.int64), threads,
    )  # fmt: skip
    d_inputs = np.empty((examples, width), dtype)
    input_gradients(
        tiles, rows, len(plan.offsets), true_gradient, label_weights,
        scratch("sums", (threads, batch.depth, lanes), dtype), d_inputs, np.zeros(1, np.int64), threads,
    )  # fmt: skip
    add_label_rows(
        plan.label_order, plan.label_starts, plan.label_rows, true_gradient, batch.inputs, weight_rows, bias_rows,
        threads,
    )  # fmt: skip
    return loss, Gradients(
        d_inputs.astype(batch.given_dtype, copy=False),
        batch.weights.gradient(plan.ids, weight_rows[:-1]),
        None if batch.biases is None else batch.biases.gradient(plan.ids, bias_rows[:-1]),
    )


@dataclass(frozen=True)
class SampledSoftmaxLoss:
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

    Raises
    ------
    TypeError
        If `num_sampled` is not an integer or `sampler` draws nothing.
    ValueError
        If `num_sampled` is below 1, or above the number of classes while `unique`.

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

    sampler: Sampler
    num_sampled: int
    unique: bool = field(default=True, kw_only=True)
    remove_accidental_hits: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(getattr(self.sampler, "sample", None)):
            raise TypeError(f"sampler must have a sample method, got {type(self.sampler).__name__}")
        object.__setattr__(self, "num_sampled", as_size(self.num_sampled, "num_sampled"))
        if self.unique and self.num_sampled > self.sampler.num_classes:
            raise ValueError(
                f"num_sampled must be at most the sampler's {self.sampler.num_classes} classes when unique, got "
                f"{self.num_sampled}"
            )

    def _draw(self, batch: Batch) -> SampledValues:
        if self.sampler.num_classes != batch.weights.total:
            raise ValueError(
                f"sampler must draw from the {batch.weights.total} classes of weights, got "
                f"{self.sampler.num_classes} classes"
            )
        drawn = self.sampler.sample(batch.labels, self.num_sampled, unique=self.unique)
        return as_sampled_values(drawn, batch.labels, batch.weights.total)

    def value(self, weights: Any, biases: Any, labels: Any, inputs: Any) -> NDArray[Any]:
        """Return the loss of each row.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V).
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.

        Returns
        -------
        array, shape (B,)
            In the dtype of `inputs`.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), or the sampler has another number of classes.
        """
        batch = Batch.of(weights, biases, labels, inputs)
        values = self._draw(batch)
        return sampled_softmax(batch, values, remove_accidental_hits=self.remove_accidental_hits, upstream=None)[0]

    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None
    ) -> tuple[NDArray[Any], Gradients]:
        """Return the loss of each row and the gradients of ``sum(upstream * loss)``.

        Parameters
        ----------
        weights : array, shape (V, D), or list of shards
            Class weights: float32, float64, float16 or bfloat16, any strides.
        biases : array, shape (V,), list of shards, or None
            Class biases.
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, V).
        inputs : float array, shape (B, D)
            What the class weights are multiplied with.
        upstream : array, shape (B,), optional
            Weight of each row in the gradients; ones by default.

        Returns
        -------
        loss : array, shape (B,)
            In the dtype of `inputs`, not multiplied by `upstream`.
        gradients : Gradients
            With respect to inputs, weights and biases. Labels, candidates and counts have none.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree, a label is outside [0, V), or the sampler has another number of classes.
        """
        batch = Batch.of(weights, biases, labels, inputs)
        given = as_upstream(upstream, len(batch.inputs), batch.inputs.dtype)
        values = self._draw(batch)
        loss, gradients = sampled_softmax(
            batch, values, remove_accidental_hits=self.remove_accidental_hits, upstream=given
        )
        assert gradients is not None  # they were asked for
        return loss, gradients
