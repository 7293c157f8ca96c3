"""Exact losses by bfloat16 products: the passes over a table in the tiers 'high' and 'medium'."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.full_loss.bf16.all_classes import bf16_class_gradients, bf16_class_sums
from fastcands.kernels.full_loss.bf16.class_blocks import bf16_pack_inputs
from fastcands.kernels.full_loss.bf16.job import FullLossJob, FullLossWorkspace
from fastcands.kernels.table.blocking import BLOCK_WORDS, SIDE
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.batch import Batch
from fastcands.losses.smoothing import first_of_row
from fastcands.stages import Workspace
from fastcands.values import Gradients
from fastcands.workspace import aligned, scratch

__all__ = ["Bf16AllClasses", "exact_classes"]

_FEWEST_EXAMPLES, _WORTH_ROUNDING = 16, 1 << 26
"""Examples, and multiplications a product, below which rounding the table takes longer than its products save."""
_MOST_CHUNKS = 64
_INPUT_SUMS_BYTES = 8 << 20
_NONE, _NO_ROWS = np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
_TILE_PANELS = 4
"""Blocks of 32 x 32 logits that are reduced at once: 16 KiB of the first-level cache."""
_PANEL_GROUP = 32
"""Panels of examples whose gradients are packed at once, to be multiplied with their inputs."""


def _row_panels(num_classes: int, width: int) -> int:
    """Return panels of 32 classes in a block: its packed rows and gradients stay in the second-level cache."""
    if num_classes < 2048:
        return 1
    return 4 if num_classes < 16_384 or width > 512 else 8


class Bf16AllClasses(AllClasses):
    """A batch against every class of its table, by bfloat16 products.

    What is kept for each example, and for each chunk of classes, is as in float32. The true classes are one more chunk.
    """

    _side = SIDE

    def _prepare(self, needs_grad: bool) -> None:
        inputs, weights = self.batch.inputs, self.batch.weights
        examples, width = inputs.shape
        self._split = int(self.batch.precision == "high")
        self._panels, self._steps, self._lanes = -(-examples // SIDE), -(-width // SIDE), SIDE
        self._words = BLOCK_WORDS * (1 + self._split)
        self._row_panels_a_block = _row_panels(len(weights.arrays[0]), width)
        self._block = self._row_panels_a_block * SIDE
        self._packed_inputs = scratch("packed_inputs", (self._panels, self._steps, self._words), np.uint16)
        self._packed_inputs_t = scratch(
            "packed_inputs_t", (self._steps if needs_grad else 0, self._panels, self._words), np.uint16
        )
        tile = scratch("bf16_tile", (self.threads, SIDE, SIDE), np.float32)
        bf16_pack_inputs(inputs, tile, self._split, self._packed_inputs, self._packed_inputs_t, self.threads)

    def _place(self, height: int, needs_grad: bool) -> Workspace:
        """Return the scratch of a pass, with tiles of so many panels of classes, laid down."""
        workers, row_panels, steps, words = self.threads, self._row_panels_a_block, self._steps, self._words
        kept = workers if needs_grad else 0
        at_once = self.batch.inputs.shape[1] % SIDE == 0
        together = min(self._panels, _PANEL_GROUP)
        return Workspace(
            FullLossWorkspace(
                counter=np.zeros(1, np.int64),
                packed_inputs=self._packed_inputs,
                packed_inputs_t=self._packed_inputs_t,
                addresses=scratch("addresses", (workers, SIDE), np.int64),
                # a line more, as rows a power of two apart would share few sets of the cache
                rows=scratch("rows", (workers * SIDE, steps * SIDE + 16), np.float32),
                packed_rows=scratch("packed_rows", (workers, row_panels, steps, words), np.uint16),
                packed_rows_t=scratch("packed_rows_t", (kept, steps, row_panels, words), np.uint16),
                tile=scratch("bf16_tile", (2 * workers if needs_grad else workers, height * SIDE, SIDE), np.float32),
                packed_gradients=scratch("packed_gradients", (kept, row_panels, together, words), np.uint16),
                packed_gradients_t=scratch("packed_gradients_t", (kept, row_panels, words), np.uint16),
                row_sums=scratch("row_sums", (kept, row_panels * SIDE, 16), np.float32),
                sums=scratch("sums", (kept, 0 if at_once else row_panels * steps * SIDE * SIDE), np.float32),
            )
        )

    def true_logits(self) -> NDArray[Any]:
        """Return the logits of the true classes, (B, T); -inf where there is none."""
        batch = self.batch
        logits = super().true_logits()
        present = np.ones(batch.labels.shape, bool) if batch.present is None else batch.present
        self._logits, self._counted = logits.astype(np.float64), present & first_of_row(batch.labels, present)
        return logits

    def _ordered_labels(
        self, shard: int, num_classes: int
    ) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]:
        """Return the true classes in a shard as its kernels take them, and which of all (B T) labels they are."""
        rows = self._labels(shard).reshape(-1)
        examples = np.arange(len(rows)) // self.batch.labels.shape[1]
        mine = rows >= 0
        if self.batch.present is not None:
            mine &= self.batch.present.reshape(-1)
        blocks = rows // self._block
        order = np.lexsort((examples // SIDE, blocks))
        order = order[mine[order]]
        starts = np.searchsorted(blocks[order], np.arange(-(-num_classes // self._block) + 1))
        return (rows[order], examples[order], starts), order

    def sums(self, *, logistic: bool, shifts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return maxima and sums of chunks, each (chunks + 1, lanes): the true classes are the last one."""
        chunk_max, chunk_sum = super().sums(logistic=logistic, shifts=shifts)
        logits, counted = self._logits, self._counted
        with np.errstate(invalid="ignore", over="ignore"):
            if logistic:
                own = np.where(counted, np.logaddexp(0, logits), 0).sum(axis=1)
                return chunk_max, np.vstack([chunk_sum, self.per_lane(own)])
            highest = np.where(counted, logits, -np.inf).max(axis=1)
            highest = np.maximum(highest, chunk_max.max(axis=0)[: len(logits)])
            own = np.where(counted, np.exp(logits - highest[:, None]), 0).sum(axis=1)
        return np.vstack([chunk_max, self.per_lane(highest)]), np.vstack([chunk_sum, self.per_lane(own)])

    def _sum_shard(
        self, shard: int, chunk_max: NDArray[Any], chunk_sum: NDArray[Any], logistic: bool, shifts: NDArray[Any]
    ) -> None:
        place, offsets, num_classes = self._shard(shard)
        placed = self._place(min(_TILE_PANELS, self._row_panels_a_block), needs_grad=False)
        job = FullLossJob(
            *place, num_classes, offsets, self.batch.inputs, *self._ordered_labels(shard, num_classes)[0],
            _NONE, _NONE, _NONE, logistic, self._split, chunk_max, chunk_sum,
            input_sums=np.zeros((0, 0, 0, SIDE, SIDE), np.float32), weight_rows=_NO_ROWS, bias_rows=_NONE,
            scratch=placed.address,
        )  # fmt: skip
        bf16_class_sums(job, placed, self.threads)

    def gradients(
        self, *, logistic: bool, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any], spread: Any = None
    ) -> tuple[Gradients, NDArray[np.float64]]:
        """Return the gradients, and the sums of a logistic loss for each lane; see `AllClasses.gradients`."""
        logits, counted, count = self._logits, self._counted, len(self._logits)
        own = self._logits
        with np.errstate(invalid="ignore", over="ignore"):
            if logistic:
                probabilities = 1 / (1 + np.exp(-logits))
                own = np.where(counted, np.logaddexp(0, logits), 0).sum(axis=1)
            else:
                probabilities = np.exp(logits - shifts[:count, None])
            self._shares = np.where(counted, probabilities * factors[:count, None], 0) - shares
        gradients, losses = super().gradients(
            logistic=logistic, shifts=shifts, factors=factors, shares=shares, spread=spread
        )
        if logistic:
            losses[:count] += own
        return gradients, losses

    def _shard_gradients(
        self, shard: int, logistic: bool, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
        place, offsets, num_classes = self._shard(shard)
        labels, order = self._ordered_labels(shard, num_classes)
        own = self._shares.astype(np.float32)
        steps, panels, width = self._steps, self._panels, self.batch.inputs.shape[1]
        size = panels * steps * SIDE * SIDE * own.itemsize
        chunks = self._num_chunks(shard, min(_MOST_CHUNKS, max(4, _INPUT_SUMS_BYTES // size)))
        input_sums = scratch("input_sums", (chunks, panels, steps, SIDE, SIDE), np.float32)
        chunk_sum = scratch("chunk_sum", (chunks, panels, SIDE), np.float32)
        weight_rows = aligned((len(offsets), width), np.float32)
        bias_rows = np.empty(len(offsets), np.float32)
        placed = self._place(1, needs_grad=True)
        job = FullLossJob(
            *place, num_classes, offsets, self.batch.inputs, *labels, own.reshape(-1)[order], shifts, factors, logistic,
            self._split, chunk_sum, chunk_sum, input_sums, weight_rows, bias_rows, placed.address,
        )  # fmt: skip
        bf16_class_gradients(job, placed, self.threads)
        inputs = input_sums.sum(axis=0).transpose(0, 3, 1, 2).reshape(panels * SIDE, steps * SIDE)
        if shard == 0:
            inputs[: len(own), :width] += self._label_part(own)
        return inputs, chunk_sum, weight_rows, bias_rows

    def _label_part(self, shares: NDArray[np.float32]) -> NDArray[Any]:
        """Return the true classes' part of the gradient of the inputs, (B, D)."""
        batch = self.batch
        rows = self._label_rows.reshape(*batch.labels.shape, -1)[:, :, : batch.inputs.shape[1]]
        if batch.present is not None:
            rows[~batch.present] = 0  # of a class that nobody named
        part: NDArray[Any] = np.einsum("bt,btd->bd", shares, rows)
        return part


def exact_classes(batch: Batch, *, needs_grad: bool) -> AllClasses:
    """Return what makes the passes over the table, in the tier of the batch where that pays; see `AllClasses`."""
    small = len(batch.inputs) < _FEWEST_EXAMPLES or batch.inputs.size * batch.weights.total < _WORTH_ROUNDING
    return (AllClasses if small or batch.precision == "highest" else Bf16AllClasses)(batch, needs_grad=needs_grad)
