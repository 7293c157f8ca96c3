"""What exact losses share: passes over every class of a table, shard by shard."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients, RowGradient
from fastcands.kernels.full_loss.all_classes import CLASS_BLOCK, PANEL_GROUP, all_class_gradients, all_class_sums
from fastcands.kernels.table.blocking import MR
from fastcands.losses.batch import Batch
from fastcands.losses.sampled_step import Spread
from fastcands.threads import threads_for
from fastcands.workspace import scratch

__all__ = ["AllClasses"]

_MOST_CHUNKS = 64
_INPUT_SUMS_BYTES = 8 << 20
"""What the chunks' shares of the input gradient may take together, unless that leaves fewer than four chunks."""


class AllClasses:
    """A batch against every class of its table.

    Parameters
    ----------
    batch : Batch
        At least one example.
    needs_grad : bool
        Whether there will be a backward pass.
    """

    _side = MR
    """Rows of the table are read in groups of so many."""

    def __init__(self, batch: Batch, *, needs_grad: bool) -> None:
        work = batch.inputs.size * batch.weights.total
        self.batch, self.threads, self.dtype = batch, threads_for(work), batch.inputs.dtype
        self._prepare(needs_grad)

    def _prepare(self, needs_grad: bool) -> None:
        """Pack the inputs, and lay out what every pass over the table needs."""
        self._block = CLASS_BLOCK
        self._by_example, self._by_feature = self.batch.packed(by_feature=needs_grad)
        self._panels, self._depth, self._lanes = self._by_example.shape
        self._ones = np.ones(max(CLASS_BLOCK, self._panels * self._lanes), self.dtype)
        self._addresses = scratch("addresses", (self.threads, CLASS_BLOCK), np.int64)
        self._rows = scratch("rows", (self.threads, CLASS_BLOCK, self._depth), self.dtype)

    def per_lane(self, values: NDArray[Any] | float) -> NDArray[Any]:
        """Return a number for each lane of the panels: those of the examples, then zeros."""
        lanes = np.zeros(self._panels * self._lanes, self.dtype)
        lanes[: len(self.batch.inputs)] = values
        return lanes

    def true_logits(self) -> NDArray[Any]:
        """Return the logits of the true classes, (B, T); -inf where there is none."""
        offsets = np.zeros(self.batch.labels.size, self.dtype) + self.batch.bias_of(self.batch.labels.reshape(-1))
        self._label_rows, logits = self.batch.label_rows(offsets.reshape(self.batch.labels.shape))
        return logits

    def _shard(self, shard: int) -> tuple[tuple[int, int, tuple[int, int, int]], NDArray[Any], int]:
        """Return where a shard lies, its biases in whole tiles, and its number of classes."""
        weights, biases = self.batch.weights, self.batch.biases
        array = weights.arrays[shard]
        offsets = scratch("offsets", (-(-len(array) // self._side) * self._side,), self.dtype)
        offsets[len(array) :] = -np.inf
        if biases is None:
            offsets[: len(array)] = 0
        elif len(weights.arrays) == len(biases.arrays) == 1:
            offsets[: len(array)] = biases.arrays[0]
        else:
            offsets[: len(array)] = biases.take(weights.ids_of(shard), self.dtype)
        if self.batch.temperature != 1.0:
            offsets /= self.dtype.type(self.batch.temperature)
        place = array.__array_interface__["data"][0], array.strides[0], weights.layout
        return place, offsets, len(array)

    def _num_chunks(self, shard: int, most: int = _MOST_CHUNKS) -> int:
        return min(most, -(-len(self.batch.weights.arrays[shard]) // self._block))

    def _labels(self, shard: int) -> NDArray[np.int64]:
        """Return the labels as rows of a shard, (B, T); outside of it where they are of another."""
        batch = self.batch
        if len(batch.weights.arrays) == 1:
            return batch.labels
        owner, row = batch.weights.locate(batch.labels)
        return np.where(owner == shard, row, -1)

    def sums(self, *, logistic: bool, shifts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the chunks' maxima and sums, each (chunks, lanes); see `kernels.full_loss.all_classes`."""
        chunks = [self._num_chunks(shard) for shard in range(len(self.batch.weights.arrays))]
        chunk_max, chunk_sum = scratch("chunk_max", (2, sum(chunks), self._panels, self._lanes), self.dtype)
        first = 0
        for shard, count in enumerate(chunks):
            here = slice(first, first + count)
            self._sum_shard(shard, chunk_max[here], chunk_sum[here], logistic, shifts)
            first += count
        return chunk_max.reshape(first, -1), chunk_sum.reshape(first, -1)

    def _sum_shard(
        self, shard: int, chunk_max: NDArray[Any], chunk_sum: NDArray[Any], logistic: bool, shifts: NDArray[Any]
    ) -> None:
        """Write maxima and sums of the chunks of one shard, each (chunks, panels, lanes)."""
        place, offsets, num_classes = self._shard(shard)
        tiles = scratch("tiles", (self.threads, 1, CLASS_BLOCK, self._lanes), self.dtype)
        all_class_sums(
            place, offsets, (self._by_example, shifts, self._ones), (self._addresses, self._rows, tiles), chunk_max,
            chunk_sum,
            num_classes, logistic, np.zeros(1, np.int64), self.threads,
        )  # fmt: skip

    def gradients(
        self,
        *,
        logistic: bool,
        shifts: NDArray[Any],
        factors: NDArray[Any],
        shares: NDArray[Any],
        spread: Spread | None = None,
    ) -> tuple[Gradients, NDArray[np.float64]]:
        """Return the gradients, and the sums of a logistic loss for each lane.

        `spread` is what the gradient of every logit is less, in each row.
        """
        batch, (examples, width) = self.batch, self.batch.inputs.shape
        inputs = np.zeros((examples, width), self.dtype)
        losses = np.zeros(self._panels * self._lanes)
        shards = []
        for shard, array in enumerate(batch.weights.arrays):
            total, chunk_sum, weight_rows, bias_rows = self._shard_gradients(shard, logistic, shifts, factors, shares)
            inputs += total[:examples, :width]
            losses += chunk_sum.astype(np.float64).sum(axis=0).reshape(-1)
            if spread is not None:
                weight_rows -= spread.shares @ batch.inputs
                bias_rows -= spread.shares.sum()
            shards.append((weight_rows[: len(array)], bias_rows[: len(array)]))
        if spread is not None:
            inputs -= spread.shares[:, None] * spread.row_sum
        return self._collect(inputs, shards), losses

    def _shard_gradients(
        self, shard: int, logistic: bool, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return a shard's part of the gradient of the inputs, of logistic losses, and its rows; at least that many."""
        place, offsets, num_classes = self._shard(shard)
        chunks = self._num_chunks(shard, min(_MOST_CHUNKS, max(4, _INPUT_SUMS_BYTES // self._by_example.nbytes)))
        group = min(self._panels, PANEL_GROUP)
        tiles = scratch("tiles", (self.threads, group, CLASS_BLOCK, self._lanes), self.dtype)
        sums = scratch("sums", (self.threads, CLASS_BLOCK, self._lanes // 2), self.dtype)
        input_sums = scratch("input_sums", (chunks, self._panels, self._depth, self._lanes), self.dtype)
        chunk_sum = scratch("chunk_sum", (chunks, self._panels, self._lanes), self.dtype)
        weight_rows = np.empty((len(offsets), self.batch.inputs.shape[1]), self.dtype)
        bias_rows = np.empty(len(offsets), self.dtype)
        all_class_gradients(
            place, offsets, (self._by_example, self._by_feature, shifts, factors, self._ones), self._labels(shard),
            shares, (self._addresses, self._rows, tiles, sums), input_sums, chunk_sum, weight_rows, bias_rows,
            num_classes,
            logistic, np.zeros(1, np.int64), self.threads,
        )  # fmt: skip
        inputs = input_sums.sum(axis=0).transpose(0, 2, 1).reshape(-1, self._depth)
        return inputs, chunk_sum, weight_rows, bias_rows

    def _collect(self, inputs: NDArray[Any], shards: list[tuple[NDArray[Any], NDArray[Any]]]) -> Gradients:
        """Return gradients as callers get them, from those of each shard."""
        batch, weights = self.batch, self.batch.weights
        if len(shards) == 1:
            return batch.gradients(np.arange(weights.total), inputs, *shards[0])
        if batch.temperature != 1.0:
            inputs /= self.dtype.type(batch.temperature)
        parts = [
            RowGradient(np.arange(len(rows)), rows.astype(weights.gradient_dtype, copy=False), len(rows))
            for rows, _ in shards
        ]
        biases = None
        if batch.biases is not None:
            dense = np.empty(weights.total, self.dtype)
            for shard, (_, part) in enumerate(shards):
                dense[weights.ids_of(shard)] = part / self.dtype.type(batch.temperature)
            biases = batch.biases.gradient(np.arange(weights.total), dense)
        return Gradients(inputs.astype(batch.given_dtype, copy=False), parts, biases)
