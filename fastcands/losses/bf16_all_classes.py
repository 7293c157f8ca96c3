"""Exact losses by bfloat16 products: the passes over a table in the tiers 'high' and 'medium'."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients
from fastcands.kernels.epilogues.per_logit import terms_of_all
from fastcands.kernels.full_loss.bf16.all_classes import class_gradients, class_sums
from fastcands.kernels.full_loss.bf16.class_blocks import bf16_pack_inputs
from fastcands.kernels.full_loss.bf16.job import Bf16FullLossSizes, Bf16FullLossWorkspace
from fastcands.kernels.table.blocking import SIDE
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.smoothing import is_first_label
from fastcands.stages import Workspace
from fastcands.workspace import scratch, shared_fields

__all__ = ["Bf16AllClasses"]


def _row_panels(num_classes: int, width: int) -> int:
    """Return the panels of 32 classes of a block; its packed rows and gradients stay in the second-level cache."""
    if num_classes < 2048:
        return 1
    return 4 if num_classes < 16_384 or width > 512 else 8


class Bf16AllClasses(AllClasses):
    """A batch against every class of its table, by bfloat16 products.

    The sums for each example and chunk of classes are as in float32. The true classes are one more chunk.
    """

    _masks_labels = True
    _sums_kernel, _gradients_kernel = class_sums, class_gradients

    def _sizes(self, shard: int, chunks: int, labels: int, *, needs_grad: bool) -> Any:
        arrays, (examples, width) = self.batch.weights.arrays, self.batch.inputs.shape
        return Bf16FullLossSizes(
            self.dtype, len(arrays[shard]), examples, width, labels, chunks, needs_grad, self.threads,
            int(self.batch.precision == "high"), _row_panels(len(arrays[0]), width),
        )  # fmt: skip

    def _pack(self, sizes: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        packed = scratch("packed_inputs", sizes.packed_shape, np.uint16)
        packed_t = scratch("packed_inputs_t", sizes.packed_t_shape, np.uint16)
        tile = scratch("bf16_tile", (self.threads, SIDE, SIDE), np.float32)
        bf16_pack_inputs(self.batch.inputs, tile, sizes.split, packed, packed_t, self.threads)
        return packed, packed_t

    def _workspace(self, sizes: Any) -> Workspace:
        return shared_fields(Bf16FullLossWorkspace, sizes, Workspace)

    def _functions(self) -> Any:
        return self.epilogue.bf16_full_functions()

    def true_logits(self) -> NDArray[Any]:
        """Return the logits of the true classes, (B, T); -inf for labels that are no class."""
        batch = self.batch
        logits = super().true_logits()
        present = np.ones(batch.labels.shape, bool) if batch.present is None else batch.present
        self._logits, self._counted = logits.astype(np.float64), present & is_first_label(batch.labels, present)
        return logits

    def _negative_terms(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the losses of single logits of the true classes, with target 0, and their derivatives."""
        logits, terms = self._logits, np.empty((4, self._logits.size))
        terms_of_all(self.epilogue.terms, logits.reshape(-1), np.zeros(logits.size), terms)
        return terms[0].reshape(logits.shape), terms[1].reshape(logits.shape)

    def sums(self, shifts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return maxima and sums of chunks, each (chunks + 1, examples): the true classes are the last one."""
        chunk_max, chunk_sum = super().sums(shifts)
        logits, counted = self._logits, self._counted
        with np.errstate(invalid="ignore", over="ignore"):
            if not self.epilogue.is_normalized:
                own = np.where(counted, self._negative_terms()[0], 0).sum(axis=1)
                return chunk_max, np.vstack([chunk_sum, self.padded(own)])
            highest = np.where(counted, logits, -np.inf).max(axis=1)
            highest = np.maximum(highest, chunk_max.max(axis=0)[: len(logits)])
            own = np.where(counted, np.exp(logits - highest[:, None]), 0).sum(axis=1)
        return np.vstack([chunk_max, self.padded(highest)]), np.vstack([chunk_sum, self.padded(own)])

    def gradients(
        self, *, shifts: NDArray[Any], factors: NDArray[Any], shares: NDArray[Any], spread: Any = None
    ) -> tuple[Gradients, NDArray[np.float64]]:
        """Return the gradients, and the sums of a loss of single logits for each example; see `AllClasses.gradients`.

        The passes mask true classes; the gradients of their logits are added in full precision.
        """
        logits, counted, count = self._logits, self._counted, len(self._logits)
        own = np.zeros(logits.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            if self.epilogue.is_normalized:
                slopes = np.exp(logits - shifts[:count, None])
            else:
                own, slopes = self._negative_terms()
            full = np.where(counted, slopes * factors[:count, None], 0) - shares
        self._own = full.astype(np.float32)
        gradients, losses = super().gradients(shifts=shifts, factors=factors, shares=self._own, spread=spread)
        losses[:count] += np.where(counted, own, 0).sum(axis=1)
        return gradients, losses

    def _input_part(self, shard: int, input_sums: NDArray[Any]) -> NDArray[Any]:
        inputs = input_sums.sum(axis=0).transpose(0, 3, 1, 2).reshape(self._panels * SIDE, -1)
        if shard == 0:
            examples, width = self.batch.inputs.shape
            inputs[:examples, :width] += self._label_part(self._own)
        return np.asarray(inputs)

    def _label_part(self, shares: NDArray[np.float32]) -> NDArray[Any]:
        """Return the true classes' part of the gradient of the inputs, (B, D)."""
        batch = self.batch
        rows = self._label_weights.reshape(*batch.labels.shape, -1)[:, :, : batch.inputs.shape[1]]
        if batch.present is not None:
            rows[~batch.present] = 0  # labels that are no class have the row of a substitute
        part: NDArray[Any] = np.einsum("bt,btd->bd", shares, rows)
        return part
