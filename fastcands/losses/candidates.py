"""What sampled losses share: candidates each once, tiles of logits, and gradients from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.candidate_gradients import (
    FEATURE_CHUNK,
    INPUT_PANELS,
    add_label_rows,
    input_gradients,
    weight_gradients,
)
from fastcands.kernels.candidate_plan import plan_candidates
from fastcands.kernels.candidate_tiles import candidate_tiles
from fastcands.kernels.shapes import TILE_ROWS, panel_lanes, panels_for, whole_tiles
from fastcands.losses.batch import Batch
from fastcands.losses.workspace import scratch
from fastcands.threads import get_num_threads
from fastcands.values import Gradients, SampledValues

__all__ = ["CandidateTiles", "Plan", "Spread"]


class Plan(NamedTuple):
    """Columns of the tiles, sorted by class, and where gradients go; see `kernels.candidate_plan`."""

    classes: NDArray[np.int64]
    offsets: NDArray[Any]
    copies: NDArray[Any]
    class_rows: NDArray[np.int64]
    further: NDArray[np.int64]
    """Columns of a class beyond its first; their rows stand behind the spare row and are added to the first's."""
    label_positions: NDArray[np.int64]
    label_order: NDArray[np.int64]
    label_starts: NDArray[np.int64]
    label_rows: NDArray[np.int64]
    ids: NDArray[np.int64]


class Spread(NamedTuple):
    """Target probability that goes to every candidate alike."""

    shares: NDArray[Any]
    """What each copy of a candidate gets in a row, times the weight of the row, (B,)."""
    row_sum: NDArray[Any]
    """Sum of the candidates' rows, each as often as it was drawn, (D,)."""


def _plan(batch: Batch, values: SampledValues, log_counts: NDArray[np.float64], merge: bool) -> Plan:
    sampled, labels = values.sampled_candidates, batch.labels.reshape(-1)
    n, s = len(labels), len(sampled)
    label_order = np.argsort(labels, kind="stable")
    # one allocation for all integer results
    integers = np.empty(3 * s + 4 * n + 1 + TILE_ROWS, np.int64)
    classes, class_rows, ids, positions, starts, rows = np.split(
        integers, np.cumsum([s, s + TILE_ROWS, s + n, n, n + 1])
    )
    log_weights, copies = np.empty((2, s))
    count, groups, results = plan_candidates(
        sampled, np.argsort(sampled), log_counts, labels, label_order, merge, classes, log_weights, copies,
        class_rows, positions, starts, rows, ids,
    )  # fmt: skip
    padded = whole_tiles(count)
    offsets = np.full(padded, -np.inf, batch.inputs.dtype)
    offsets[:count] = log_weights[:count] + batch.bias_of(classes[:count])
    wide_copies = np.ones(padded, batch.inputs.dtype)
    wide_copies[:count] = copies[:count]
    class_rows[count:padded] = results  # rows of padding go to a spare row behind the last
    further = np.zeros(0, np.int64) if merge else np.flatnonzero(class_rows[:count] < 0)
    class_rows[further] = results + 1 + np.arange(len(further))
    return Plan(
        classes[:count], offsets, wide_copies, class_rows[:padded], further, positions, label_order,
        starts[: groups + 1], rows[:groups], ids[:results].copy(),
    )  # fmt: skip


def _block_rows(candidates: int) -> int:
    """Candidates in a tile: 128 rows of a table stay in the second-level cache; fewer, so that each thread has some."""
    return 128 if candidates >= 1024 else 64 if candidates >= 256 else 32


class CandidateTiles:
    """The forward pass of one call, and what its backward pass needs.

    Parameters
    ----------
    batch : Batch
        At least one example.
    values : SampledValues
        Checked.
    subtract_log_q : bool
        Whether logits are corrected for how candidates were drawn.
    remove_hits : bool
        Whether accidental hits are left out.
    merge : bool
        Whether copies of a candidate become one column whatever their expected counts, as a softmax allows.
    keep : bool
        Whether there will be a backward pass.

    Attributes
    ----------
    true_logits : array, shape (B, T)
        Corrected logits of the true classes.
    peaks, totals : arrays, shape (blocks, panels, PANEL)
        What `run` leaves, see `kernels.candidate_tiles`; `peaks` has to become the factors of the gradients.
    """

    def __init__(
        self, batch: Batch, values: SampledValues, *, subtract_log_q: bool, remove_hits: bool, merge: bool, keep: bool
    ) -> None:
        dtype, examples, num_true = batch.inputs.dtype, *batch.labels.shape
        self.batch, self._keep, self.threads = batch, keep, get_num_threads()
        true_offsets = np.zeros(batch.labels.size) + batch.bias_of(batch.labels.reshape(-1))
        log_counts = np.zeros(len(values.sampled_candidates))
        if subtract_log_q:
            true_offsets -= np.log(values.true_expected_count).reshape(-1)
            log_counts = np.log(values.sampled_expected_count)
        self.plan = plan = _plan(batch, values, log_counts, merge)
        self._label_weights, self.true_logits = batch.label_rows(true_offsets.reshape(examples, num_true).astype(dtype))
        lanes, block = panel_lanes(dtype), _block_rows(len(plan.classes))
        panels, blocks = panels_for(examples, dtype), -(-len(plan.classes) // block)
        self._by_example, self._by_feature = batch.packed(by_feature=keep)
        self._hits = self._hit_columns(panels * lanes) if remove_hits else np.zeros((panels * lanes, 0), np.int32)
        self._rows = scratch("rows", (blocks if keep else self.threads, block, batch.depth), dtype)
        shape = (blocks, panels, block, lanes) if keep else (self.threads, 1, block, lanes)
        self._tiles = scratch("tiles", shape, dtype)
        self.peaks, self.totals = scratch("peaks", (2, blocks, panels, lanes), dtype)

    def _hit_columns(self, lanes: int) -> NDArray[np.int32]:
        """Return the columns to leave out for each example, -1 for none; a class may have several columns."""
        plan, (examples, num_true) = self.plan, self.batch.labels.shape
        positions = plan.label_positions.reshape(examples, num_true)
        if self.batch.present is not None:
            positions = np.where(self.batch.present, positions, -1)
        if len(plan.further):
            last = np.searchsorted(plan.classes, plan.classes, side="right") - np.arange(len(plan.classes))
            reach = np.arange(int(last.max()))
            spans = np.where(positions >= 0, last[positions], 0)[:, :, None]
            positions = np.where(reach < spans, positions[:, :, None] + reach, -1).reshape(examples, -1)
        hits = np.full((lanes, positions.shape[1]), -1, np.int32)
        hits[:examples] = positions
        return hits

    def run(self, *, logistic: bool, shifts: NDArray[Any], upstream: NDArray[Any]) -> None:
        """Fill the tiles; `shifts` and `upstream`, (panels PANEL,), are read by a logistic loss."""
        batch, plan = self.batch, self.plan
        candidate_tiles(
            batch.weights.layout, (batch.weights.addresses(plan.classes), plan.offsets, plan.copies),
            (self._by_example, self._hits, shifts, upstream), self._rows, self._tiles, self.peaks, self.totals,
            logistic, self._keep, np.zeros(1, np.int64), self.threads,
        )  # fmt: skip

    def per_lane(self, values: NDArray[Any] | float) -> NDArray[Any]:
        """Return a number for each lane of the panels: those of the examples, then zeros."""
        lanes = np.zeros(self.peaks.shape[1] * self.peaks.shape[2], self.batch.inputs.dtype)
        lanes[: len(self.batch.inputs)] = values
        return lanes

    def gradients(self, true_gradient: NDArray[Any], spread: Spread | None = None) -> Gradients:
        """Return the gradients, from the tiles, their factors and the gradient of the true logits.

        `spread` is what the gradient of every candidate's logit is less, in each row.
        """
        batch, plan, threads = self.batch, self.plan, self.threads
        (examples, width), dtype = batch.inputs.shape, batch.inputs.dtype
        block, lanes = self._tiles.shape[2:]
        results = len(plan.ids)
        weight_rows = np.empty((results + 1 + len(plan.further), width), dtype)
        bias_rows = np.empty(len(weight_rows), dtype)
        weight_gradients(
            self._tiles, self.peaks, self._by_feature, plan.class_rows,
            scratch("sums", (threads, block, lanes // 2), dtype), weight_rows, bias_rows, np.zeros(1, np.int64),
            threads,
        )  # fmt: skip
        if len(plan.further):
            first = np.searchsorted(plan.ids, plan.classes[plan.further])
            np.add.at(weight_rows, first, weight_rows[results + 1 :])
            np.add.at(bias_rows, first, bias_rows[results + 1 :])
        d_inputs = np.empty((examples, width), dtype)
        input_gradients(
            self._tiles, self._rows, len(plan.offsets), true_gradient, self._label_weights,
            scratch("sums", (threads, INPUT_PANELS, FEATURE_CHUNK, lanes), dtype), d_inputs, np.zeros(1, np.int64),
            threads,
        )  # fmt: skip
        add_label_rows(
            plan.label_order, plan.label_starts, plan.label_rows, true_gradient, batch.inputs, weight_rows, bias_rows,
            threads,
        )  # fmt: skip
        if spread is not None:
            d_inputs -= spread.shares[:, None] * spread.row_sum
            rows, copies = plan.class_rows[: len(plan.classes)], plan.copies[: len(plan.classes)]
            weight_rows[rows] -= copies[:, None] * (spread.shares @ batch.inputs)
            bias_rows[rows] -= copies * spread.shares.sum()
        return batch.gradients(plan.ids, d_inputs, weight_rows[:results], bias_rows[:results])
