"""Scores of all classes for a batch of inputs: the best ones, or sums and ranks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.kernels.full_loss.job import CLASS_BLOCK
from fastcands.kernels.full_loss.ranks import ranks_and_sums, true_scores
from fastcands.kernels.full_loss.top_k import merge_top_classes, top_classes
from fastcands.kernels.table.blocking import MR, panel_width, panels_for, whole_tiles
from fastcands.kernels.table.packing import pack_inputs
from fastcands.losses.shards import as_inputs, as_weights
from fastcands.threads import get_num_threads
from fastcands.validation.arrays import as_array
from fastcands.workspace import scratch

__all__ = ["Scores"]

_CHUNKS = 64
"""Number of chunks of the table; their sums are added in order, for any number of threads."""


class _LossesAndRanks(NamedTuple):
    """Loss and rank of each example."""

    losses: NDArray[np.float64]
    ranks: NDArray[np.int64]


class Scores:
    """The table as kernels see it, and the inputs to score.

    Arithmetic is float64 if weights, biases or inputs are, else float32. The bits of a score depend only on its
    class and its input, not on the batch, the threads or the position in a tile.

    Parameters
    ----------
    weights : array, shape (V, D)
        Float32, float64 or bfloat16, any strides.
    biases : array, shape (V,), or None
        Float32, float64 or bfloat16.
    inputs : array, shape (N, D)
        Checked here.
    examples : int, optional
        N, as other arguments have it.
    """

    def __init__(
        self, weights: NDArray[Any], biases: NDArray[Any] | None, inputs: Any, examples: int | None = None
    ) -> None:
        table = as_weights(weights)
        given = as_array(inputs, "inputs")
        self.inputs = as_inputs(given, table, len(given) if examples is None and given.ndim else examples or 0)
        wide = any(a is not None and a.dtype == np.float64 for a in (weights, biases, self.inputs))
        self.dtype = np.dtype(np.float64 if wide else np.float32)
        self.num_classes, self._width = weights.shape
        self._depth = whole_tiles(self._width)
        self._threads = get_num_threads()
        self._shards, self._biases = table, biases
        self._view = table.view
        self._offsets = np.zeros(whole_tiles(self.num_classes), self.dtype)
        self._offsets[self.num_classes :] = -np.inf
        if biases is not None:
            self._offsets[: self.num_classes] = biases

    def _packed(self, examples: slice) -> NDArray[Any]:
        inputs = np.ascontiguousarray(self.inputs[examples], self.dtype)
        if not inputs.flags.writeable:  # writable, so that kernels have one signature
            inputs = inputs.copy()
        nr = panel_width(self.dtype)
        packed = scratch("packed", (panels_for(len(inputs), self.dtype), self._depth, nr), self.dtype)
        pack_inputs(inputs, packed, np.empty((0, len(packed) * nr, nr), self.dtype), self._threads)
        return packed

    def _blocks(self, packed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return each worker's addresses, rows and tile."""
        nr = packed.shape[2]
        return (
            scratch("addresses", (self._threads, CLASS_BLOCK), np.int64),
            scratch("rows", (self._threads, CLASS_BLOCK, self._depth), self.dtype),
            scratch("tiles", (self._threads, CLASS_BLOCK, nr), self.dtype),
        )

    def top(self, examples: slice, ids: NDArray[np.int64], scores: NDArray[Any]) -> None:
        """Write the best classes of some examples, and their scores, (examples, k); at least one example."""
        packed = self._packed(examples)
        panels, _, nr = packed.shape
        limits = scratch("limits", (self._threads, panels * nr), self.dtype)
        found_scores = scratch("found_scores", (self._threads, *ids.shape), self.dtype)
        found_ids = scratch("found_ids", (self._threads, *ids.shape), np.int64)
        sizes = np.zeros((self._threads, len(ids)), np.int64)
        top_classes(
            self._view, self._offsets, packed, (*self._blocks(packed), limits), found_scores, found_ids,
            sizes, self.num_classes, np.zeros(1, np.int64), self._threads,
        )  # fmt: skip
        merge_top_classes(found_scores, found_ids, sizes, scores, ids, self._threads)

    def losses_and_ranks(self, examples: slice, labels: NDArray[np.int64], *, with_ranks: bool) -> _LossesAndRanks:
        """Return softmax loss and rank of some examples; at least one.

        `labels` (examples, T) are below 0 for no class; each example has at least one class. Without `with_ranks`,
        ranks are 1.
        """
        packed = self._packed(examples)
        panels, _, nr = packed.shape
        true, best = self._true_scores(packed, labels)
        chunks = min(_CHUNKS, -(-self.num_classes // CLASS_BLOCK))
        chunk_max, chunk_sum = scratch("chunk_max_and_sum", (2, chunks, panels, nr), self.dtype)
        before = scratch("before", (chunks, panels, nr), np.int64)
        integer = np.dtype(f"int{8 * self.dtype.itemsize}")
        places = scratch("places", (self._threads, 2, nr), integer)
        ranks_and_sums(
            self._view, self._offsets, packed, best, (*self._blocks(packed), places), chunk_max, chunk_sum,
            before, self.num_classes, with_ranks, SOFTMAX.tile_function("accumulate", self.dtype),
            np.zeros(1, np.int64), self._threads,
        )  # fmt: skip
        count = len(labels)
        wide_max = chunk_max.reshape(chunks, -1)[:, :count].astype(np.float64)
        highest = wide_max.max(axis=0)
        present = labels >= 0
        with np.errstate(invalid="ignore"):  # infinite and NaN scores give a NaN loss, not a warning
            sums = (chunk_sum.reshape(chunks, -1)[:, :count] * np.exp(wide_max - highest)).sum(axis=0)
            excess = np.where(present, true.astype(np.float64) - highest[:, None], 0)
            losses = np.log(sums) - excess.sum(axis=1) / present.sum(axis=1)
        return _LossesAndRanks(losses, before.reshape(chunks, -1)[:, :count].sum(axis=0) + 1)

    def _true_scores(
        self, packed: NDArray[Any], labels: NDArray[np.int64]
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], NDArray[np.int64]]]:
        """Return the scores of the true classes, and score and id of each example's best, padded to whole panels."""
        panels, depth, nr = packed.shape
        classes = np.maximum(labels, 0)
        offsets = np.zeros(labels.shape, self.dtype)
        if self._biases is not None:
            offsets[...] = self._biases[classes]
        work = (
            scratch("label_weights", (self._threads, MR, depth), self.dtype),
            scratch("label_tiles", (self._threads, MR, nr), self.dtype),
            scratch("label_offsets", (self._threads, MR), self.dtype),
        )
        true = np.empty(labels.shape, self.dtype)
        best = np.empty(panels * nr, self.dtype), np.empty(panels * nr, np.int64)
        addresses = self._shards.addresses(classes)
        true_scores(addresses, self._view, offsets, packed, labels, work, true, *best, self._threads)
        return true, best
