"""What sampled losses share: the job that their kernel works on, and gradients from its results."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastcands.kernels.sampled_loss.bf16.job import Bf16Workspace
from fastcands.kernels.sampled_loss.bf16.stages import STAGES, bf16_stages
from fastcands.kernels.sampled_loss.gradients import FEATURE_CHUNK, INPUT_PANELS
from fastcands.kernels.sampled_loss.job import SampledLossJob, SampledLossWorkspace
from fastcands.kernels.sampled_loss.stages import sampled_loss_stages
from fastcands.kernels.table.blocking import MR, panel_lanes, panels_for, whole_tiles
from fastcands.losses.batch import Batch
from fastcands.losses.bf16_sampled_step import bf16_workspace
from fastcands.stages import Workspace
from fastcands.threads import threads_for
from fastcands.values import Gradients, SampledValues
from fastcands.workspace import aligned, carve

__all__ = ["SampledLossStep", "Spread"]

_NONE_ABSENT = np.zeros((0, 0), bool)
_DIGITS = 2048
_LARGE = 1 << 16
"""Numbers of a gradient from which on it pays to align it to a cache line: vectors that cross lines take a third longer
to store."""


class Spread(NamedTuple):
    """Target probability that goes to every candidate alike."""

    shares: NDArray[Any]
    """What each copy of a candidate gets in a row, times the weight of the row, (B,)."""
    row_sum: NDArray[Any]
    """Sum of the candidates' rows, each as often as it was drawn, (D,)."""


def _block_rows(candidates: int) -> int:
    """Candidates in a tile: 128 rows of a table stay in the second-level cache; fewer, so that each thread has some."""
    return 128 if candidates >= 1024 else 64 if candidates >= 256 else 32


def _row_stride(depth: int, dtype: np.dtype[Any]) -> int:
    """Numbers from row to row: a cache line more where a few columns of all rows would share few sets of the cache."""
    line = 64 // dtype.itemsize
    return depth + line if depth % (4 * line) == 0 else depth


def _input_piece(panels: int, depth: int, threads: int) -> tuple[int, int]:
    """Panels and features of one piece of the inputs' gradient: the largest that leave something for every thread.

    A tile is read once for all features of a piece, the candidates' rows once for all of its panels. With 32 features
    the tiles, which no second-level cache holds, were read so often that the stage took a third longer.
    """
    group, chunk = min(panels, INPUT_PANELS), min(depth, FEATURE_CHUNK)
    while -(-panels // group) * -(-depth // chunk) < threads and (group > 1 or chunk > MR):
        if group > 1:
            group = -(-group // 2)
        else:
            chunk = whole_tiles(-(-chunk // 2))
    return group, chunk


def _scratch(
    dtype: np.dtype[Any], examples: int, num_true: int, candidates: int, width: int, needs_grad: bool, threads: int
) -> Iterator[tuple[tuple[int, ...], DTypeLike]]:
    """Yield shape and dtype of the scratch arrays, in their order."""
    labels, padded, depth = examples * num_true, whole_tiles(candidates), whole_tiles(width)
    lanes, block = panel_lanes(dtype), _block_rows(candidates)
    panels, blocks = panels_for(examples, dtype), -(-candidates // block)
    slots = blocks if needs_grad else threads
    yield (5,), np.int64  # counters
    yield (4,), np.int64  # sizes
    yield (candidates,), np.int64  # classes
    yield (candidates,), np.int64  # addresses
    yield (padded,), dtype  # offsets
    yield (padded,), dtype  # copies
    yield (padded,), np.int64  # gradient_rows
    yield (labels,), np.int64  # label_candidates
    yield (labels,), np.int64  # label_order
    yield (labels + 1,), np.int64  # label_starts
    yield (labels,), np.int64  # label_gradient_rows
    yield (candidates,), np.float64  # log_counts
    yield (labels,), np.float64  # true_log_counts
    yield (candidates,), np.float64  # log_weights
    yield (2, max(candidates, labels)), np.int64  # orders
    yield (_DIGITS,), np.int64  # digits
    yield (panels, depth, lanes), dtype  # by_example
    yield (panels_for(width, dtype) if needs_grad else 0, panels * lanes, lanes), dtype  # by_feature
    yield (labels, depth), dtype  # label_weights
    yield (examples,), dtype  # log_normalizer
    yield (panels * lanes,), dtype  # shifts
    yield (panels * lanes,), dtype  # padded_upstream
    yield (slots, block, _row_stride(depth, dtype)), dtype  # rows
    yield (slots, panels if needs_grad else 1, block, lanes), dtype  # tiles
    yield (blocks, panels, lanes), dtype  # tile_max
    yield (blocks, panels, lanes), dtype  # tile_sum
    yield (threads, max(block * lanes // 2, math.prod(_input_piece(panels, depth, threads)) * lanes)), dtype  # sums
    yield (examples, num_true), dtype  # true_logits
    yield (examples, num_true), dtype  # true_gradient


def _place(
    dtype: np.dtype[Any], examples: int, num_true: int, candidates: int, width: int, needs_grad: bool, threads: int
) -> Workspace:
    """Return the scratch of one call, laid down."""
    shapes = dtype, examples, num_true, candidates, width, needs_grad, threads
    piece = _input_piece(panels_for(examples, dtype), whole_tiles(width), threads)
    return carve(
        shapes, lambda: _scratch(*shapes), lambda arrays: Workspace(SampledLossWorkspace._make((*arrays, piece)))
    )


class SampledLossStep:
    """One call of a sampled loss.

    Parameters
    ----------
    batch : Batch
        At least one example.
    values : SampledValues
        Checked; candidates (S,).
    logistic, subtract_log_q, remove_hits, merge : bool
        See `SampledLossJob`.
    log_normalizer : float or array of shape (B,)
        What a logistic loss subtracts from an example's logits.
    upstream : array, shape (B,), or None
        Weight of each row in the gradients; None for the value alone.

    Attributes
    ----------
    job : SampledLossJob
        Of this call alone.
    scratch : SampledLossWorkspace or Bf16Workspace
        Holds until the next step of this thread.
    """

    def __init__(
        self,
        batch: Batch,
        values: SampledValues,
        *,
        logistic: bool,
        subtract_log_q: bool,
        remove_hits: bool,
        merge: bool,
        log_normalizer: NDArray[Any] | float = 0.0,
        upstream: NDArray[Any] | None,
    ) -> None:
        dtype, (examples, num_true) = batch.inputs.dtype, batch.labels.shape
        candidates, width = len(values.sampled_candidates), batch.inputs.shape[1]
        self.batch, needs_grad = batch, upstream is not None
        self.threads = threads_for(examples * candidates * width)
        sizes = examples, num_true, candidates, width, needs_grad, self.threads
        self._on_tiles = batch.precision != "highest"
        placed = bf16_workspace(*sizes, batch.precision == "high") if self._on_tiles else _place(dtype, *sizes)
        self.scratch: SampledLossWorkspace | Bf16Workspace = placed.fields
        self.scratch.counters.fill(0)
        self.scratch.log_normalizer[:] = log_normalizer
        most = candidates + examples * num_true if needs_grad else 0
        self._placed = placed
        new = aligned if (most + 1) * width >= _LARGE else np.empty
        self.job = SampledLossJob._make((
            batch.weights.view, batch.bias_view, batch.inputs, batch.labels,
            _NONE_ABSENT if batch.present is None else batch.present,
            values.true_expected_count, values.sampled_candidates, values.sampled_expected_count,
            np.ones(examples, dtype) if upstream is None else upstream, batch.temperature,
            logistic, subtract_log_q, remove_hits, merge, needs_grad, placed.address,
            np.empty(examples, dtype), np.empty((examples if needs_grad else 0, width), dtype),
            np.empty(candidates + examples * num_true, np.int64), new((most + 1, width), dtype),
            np.empty(most + 1, dtype),
        ))  # fmt: skip

    def run(self, stages: tuple[int, int]) -> None:
        """Run some of the stages of `kernels.sampled_loss.stages`, or their counterparts on packed bfloat16 blocks."""
        if self._on_tiles:
            bf16_stages(self.job, self._placed, self.threads, STAGES[stages[0]], STAGES[stages[1]])
        else:
            sampled_loss_stages(self.job, self._placed, self.threads, *stages)

    def gradients(self, spread: Spread | None = None) -> Gradients:
        """Return the gradients, all stages done.

        `spread` is what the gradient of every candidate's logit is less, in each row.
        """
        job, scratch, batch = self.job, self.scratch, self.batch
        columns, _, results, further = scratch.sizes.tolist()
        ids, d_inputs = job.ids[:results], job.d_inputs
        weight_rows, bias_rows = job.weight_rows[:results], job.bias_rows[:results]
        if further:
            of_row = scratch.gradient_rows[:columns]
            first = np.searchsorted(ids, scratch.classes[:columns][of_row > results])
            np.add.at(weight_rows, first, job.weight_rows[results + 1 : results + 1 + further])
            np.add.at(bias_rows, first, job.bias_rows[results + 1 : results + 1 + further])
        if spread is not None:
            d_inputs -= spread.shares[:, None] * spread.row_sum
            rows, copies = scratch.gradient_rows[:columns], scratch.copies[:columns]
            weight_rows[rows] -= copies[:, None] * (spread.shares @ batch.inputs)
            bias_rows[rows] -= copies * spread.shares.sum()
        return batch.gradients(ids, d_inputs, weight_rows, bias_rows)
