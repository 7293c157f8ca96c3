"""What exact losses share: passes over every class of a table, shard by shard."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients, RowGradient
from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.full_loss.all_classes import class_gradients, class_sums
from fastcands.kernels.full_loss.job import FullLossJob, FullLossSizes, FullLossWorkspace
from fastcands.losses.batch import Batch
from fastcands.losses.sampled_step import Spread
from fastcands.stages import StagedKernel, Workspace
from fastcands.threads import threads_for
from fastcands.workspace import new_results, scratch, shared_fields

__all__ = ["AllClasses"]

_MOST_CHUNKS = 64
_INPUT_SUMS_BYTES = 8 << 20
"""Largest size of all chunks' shares of the input gradient, unless there would be fewer than four chunks."""


class _ShardLabels(NamedTuple):
    """The true classes that are rows of a shard."""

    rows: NDArray[np.int64]
    """Ordered by block of classes, then by panel of their example, then by position in the labels."""
    examples: NDArray[np.int64]
    starts: NDArray[np.int64]
    """Where the labels of each block start."""
    order: NDArray[np.int64]
    """Their positions in the flattened labels."""


class AllClasses:
    """A batch against every class of its table.

    Parameters
    ----------
    batch : Batch
        At least one example.
    epilogue : Epilogue
        Of the loss.
    needs_grad : bool
        Whether gradients are computed.
    """

    def __init__(self, batch: Batch, epilogue: Epilogue, *, needs_grad: bool) -> None:
        work = batch.inputs.size * batch.weights.total
        self.batch, self.epilogue, self.threads, self.dtype = batch, epilogue, threads_for(work), batch.inputs.dtype
        sizes = self._sizes(0, 1, 0, needs_grad=needs_grad)
        self._block, self._panels, self._nr = sizes.block, sizes.panels, sizes.nr
        self._packed = self._pack(sizes)

    def _sizes(self, shard: int, chunks: int, labels: int, *, needs_grad: bool) -> Any:
        """Return the sizes of a pass over a shard."""
        rows, (examples, width) = len(self.batch.weights.arrays[shard]), self.batch.inputs.shape
        return FullLossSizes(self.dtype, rows, examples, width, labels, chunks, needs_grad, self.threads)

    def _pack(self, sizes: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the inputs packed along features, and along examples if gradients are computed."""
        return self.batch.packed(along_examples=sizes.needs_grad)

    def _workspace(self, sizes: Any) -> Workspace:
        return shared_fields(FullLossWorkspace, sizes, Workspace)

    def padded(self, values: NDArray[Any] | float) -> NDArray[Any]:
        """Return the given numbers, one for each example, padded with zeros to whole panels."""
        numbers = np.zeros(self._panels * self._nr, self.dtype)
        numbers[: len(self.batch.inputs)] = values
        return numbers

    def true_logits(self) -> NDArray[Any]:
        """Return the logits of the true classes, (B, T); -inf for labels that are no class."""
        offsets = np.zeros(self.batch.labels.size, self.dtype) + self.batch.bias_of(self.batch.labels.reshape(-1))
        self._label_weights, logits = self.batch.label_weights_and_logits(offsets.reshape(self.batch.labels.shape))
        return logits

    def _offsets(self, shard: int, padded: int) -> NDArray[Any]:
        """Return the biases of a shard, padded with -inf to whole tiles."""
        weights, biases = self.batch.weights, self.batch.biases
        count = len(weights.arrays[shard])
        offsets = scratch("offsets", (padded,), self.dtype)
        offsets[count:] = -np.inf
        if biases is None:
            offsets[:count] = 0
        elif len(weights.arrays) == len(biases.arrays) == 1:
            offsets[:count] = biases.arrays[0]
        else:
            offsets[:count] = biases.take(weights.ids_of(shard), self.dtype)
        if self.batch.temperature != 1.0:
            offsets /= self.dtype.type(self.batch.temperature)
        return offsets

    def _num_chunks(self, shard: int, most: int = _MOST_CHUNKS) -> int:
        return int(min(most, -(-len(self.batch.weights.arrays[shard]) // self._block)))

    def _labels(self, shard: int) -> _ShardLabels:
        """Return the true classes in a shard, in the order in which the passes use them."""
        batch, count = self.batch, len(self.batch.weights.arrays[shard])
        owner, rows = batch.weights.locate(batch.labels.reshape(-1))
        in_shard = owner == shard
        if batch.present is not None:
            in_shard &= batch.present.reshape(-1)
        examples = np.arange(len(rows)) // batch.labels.shape[1]
        blocks = rows // self._block
        order = np.lexsort((examples // self._nr, blocks))
        order = order[in_shard[order]]
        starts = np.searchsorted(blocks[order], np.arange(-(-count // self._block) + 1))
        return _ShardLabels(rows[order], examples[order], starts, order)

    _masks_labels = False
    """Whether the passes mask true classes; if not, only gradients use labels."""

    def _no_labels(self, shard: int) -> _ShardLabels:
        none = np.zeros(0, np.int64)
        return _ShardLabels(
            none, none, np.zeros(-(-len(self.batch.weights.arrays[shard]) // self._block) + 1, np.int64), none
        )

    def _run(
        self, kernel: StagedKernel, shard: int, chunks: int, *, needs_grad: bool, shifts: NDArray[Any],
        factors: NDArray[Any], shares: NDArray[Any], **results: NDArray[Any],
    ) -> dict[str, NDArray[Any]]:  # fmt: skip
        """Run a pass over a shard; return its results, in the given arrays or in new ones."""
        labels = self._labels(shard) if needs_grad or self._masks_labels else self._no_labels(shard)
        sizes = self._sizes(shard, chunks, len(labels.rows), needs_grad=needs_grad)
        workspace = self._workspace(sizes)
        results = new_results(FullLossJob, sizes, made=results)
        packed_inputs, packed_inputs_t = self._packed
        job = FullLossJob(
            table=self.batch.weights.view_of(shard),
            functions=self._functions(),
            workspace=workspace.address,
            offsets=self._offsets(shard, sizes.padded),
            inputs=self.batch.inputs,
            packed_inputs=packed_inputs,
            packed_inputs_t=packed_inputs_t if needs_grad else packed_inputs_t[:0],
            label_rows=labels.rows,
            label_examples=labels.examples,
            label_starts=labels.starts,
            label_shares=shares.reshape(-1)[labels.order] if needs_grad else shares,
            shifts=shifts,
            factors=factors,
            **results,
        )
        kernel(job, workspace, self.threads)
        return results

    def _functions(self) -> Any:
        return self.epilogue.full_functions(self.dtype)

    def sums(self, shifts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the chunks' maxima and sums, each (chunks, examples of whole panels); see `FullLossJob`."""
        chunks = [self._num_chunks(shard) for shard in range(len(self.batch.weights.arrays))]
        chunk_max, chunk_sum = scratch("chunk_sums", (2, sum(chunks), self._panels, self._nr), self.dtype)
        none = np.zeros(0, self.dtype)
        first = 0
        for shard, count in enumerate(chunks):
            here = slice(first, first + count)
            self._run(
                self._sums_kernel, shard, count, needs_grad=False, shifts=shifts, factors=none, shares=none,
                chunk_max=chunk_max[here], chunk_sum=chunk_sum[here],
            )  # fmt: skip
            first += count
        return chunk_max.reshape(first, -1), chunk_sum.reshape(first, -1)

    _sums_kernel, _gradients_kernel = class_sums, class_gradients

    def gradients(
        self, *, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any], spread: Spread | None = None
    ) -> tuple[Gradients, NDArray[np.float64]]:
        """Return the gradients, and the sums of a loss of single logits for each example of whole panels.

        `shares` (B, T) is subtracted from the gradient of each true class's logit, `spread` from that of every logit.
        """
        batch, (examples, width) = self.batch, self.batch.inputs.shape
        inputs = np.zeros((examples, width), self.dtype)
        losses = np.zeros(self._panels * self._nr)
        shards = []
        for shard, array in enumerate(batch.weights.arrays):
            total, chunk_sum, weight_rows, bias_rows = self._shard_gradients(shard, shifts, factors, shares)
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
        self, shard: int, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return a shard's part of the input gradient and of the losses, and its rows of gradients, perhaps padded."""
        shape = self._sizes(shard, 1, 0, needs_grad=True).input_sums_shape
        bytes_a_chunk = math.prod(shape) * self.dtype.itemsize
        chunks = self._num_chunks(shard, min(_MOST_CHUNKS, max(4, _INPUT_SUMS_BYTES // bytes_a_chunk)))
        shape = self._sizes(shard, chunks, 0, needs_grad=True).input_sums_shape
        chunk_sum = scratch("chunk_sums", (chunks, self._panels, self._nr), self.dtype)
        done = self._run(
            self._gradients_kernel, shard, chunks, needs_grad=True, shifts=shifts, factors=factors, shares=shares,
            chunk_max=chunk_sum, chunk_sum=chunk_sum, input_sums=scratch("input_sums", shape, self.dtype),
        )  # fmt: skip
        return self._input_part(shard, done["input_sums"]), chunk_sum, done["weight_rows"], done["bias_rows"]

    def _input_part(self, shard: int, input_sums: NDArray[Any]) -> NDArray[Any]:
        """Return a shard's part of the gradient of the inputs, (at least B, at least D)."""
        return np.asarray(input_sums.sum(axis=0).transpose(0, 2, 1).reshape(-1, input_sums.shape[2]))

    def _collect(self, inputs: NDArray[Any], shards: list[tuple[NDArray[Any], NDArray[Any]]]) -> Gradients:
        """Return the gradients for the caller, from those of each shard."""
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
