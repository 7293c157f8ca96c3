"""The arguments every loss shares, checked once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.gather import gather_rows
from fastcands.kernels.label_logits import label_logits
from fastcands.kernels.packing import pack_inputs
from fastcands.kernels.shapes import panel_lanes, panels_for, whole_tiles
from fastcands.losses.class_rows import Shards, as_biases, as_inputs, as_weights
from fastcands.losses.workspace import scratch
from fastcands.threads import get_num_threads
from fastcands.validation import as_labels
from fastcands.values import Gradients

__all__ = ["Batch", "as_upstream", "no_gradients"]


def as_upstream(upstream: Any, examples: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the weights of the rows, (B,); ones for None."""
    if upstream is None:
        return np.ones(examples, dtype)
    array = np.asarray(upstream)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise TypeError(f"upstream must be numbers, got {array.dtype}")
    if array.shape != (examples,):
        raise ValueError(f"upstream must have shape ({examples},) as labels have rows, got {array.shape}")
    return np.array(array, dtype, order="C")


class Batch(NamedTuple):
    """Checked arguments of one call, in the dtype of its arithmetic."""

    weights: Shards
    biases: Shards | None
    labels: NDArray[np.int64]
    inputs: NDArray[Any]
    given_dtype: np.dtype[Any]
    """The dtype of the inputs as they came: that of the loss and of their gradient."""
    depth: int
    """D rounded up to the rows of a register tile."""

    @classmethod
    def of(
        cls,
        weights: Any,
        biases: Any,
        labels: Any,
        inputs: Any,
        num_true: int | None = None,
        strategy: str = "mod",
    ) -> Batch:
        """Check the arguments; float64 arithmetic when any of them is float64, else float32."""
        table = as_weights(weights, strategy)
        bias = as_biases(biases, strategy, table.total)
        ids = as_labels(labels, num_true=num_true, num_classes=table.total)
        given = as_inputs(inputs, table, len(ids))
        wide = any(part is not None and part.dtype == np.float64 for part in (table, bias, given))
        dtype = np.dtype(np.float64 if wide else np.float32)
        # a writable copy of a read-only array keeps kernels to one signature
        array = np.ascontiguousarray(given, dtype)
        if not array.flags.writeable:
            array = array.copy()
        width = given.shape[1]
        return cls(table, bias, ids, array, given.dtype, whole_tiles(width))

    def packed(self, by_feature: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the inputs in panels of examples and, when wanted, in panels of features."""
        examples, width = self.inputs.shape
        dtype = self.inputs.dtype
        lanes = panel_lanes(dtype)
        panels = panels_for(examples, dtype)
        feature_panels = panels_for(width, dtype) if by_feature else 0
        first = scratch("by_example", (panels, self.depth, lanes), dtype)
        second = scratch("by_feature", (feature_panels, panels * lanes, lanes), dtype)
        pack_inputs(self.inputs, first, second, get_num_threads())
        return first, second

    def bias_of(self, ids: NDArray[np.int64]) -> NDArray[Any] | float:
        """Return the biases of some classes; 0 when there are none."""
        return 0.0 if self.biases is None else self.biases.take(ids, self.inputs.dtype)

    def label_rows(self, offsets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the rows of the true classes (B T, depth) and their logits (B, T), offsets added."""
        flat = self.labels.reshape(-1)
        column_stride, storage, width = self.weights.layout
        rows = scratch("label_rows", (len(flat), self.depth), self.inputs.dtype)
        gather_rows(self.weights.addresses(flat), column_stride, storage, width, rows, get_num_threads())
        logits = np.empty(self.labels.shape, self.inputs.dtype)
        label_logits(self.inputs, rows, offsets, logits, get_num_threads())
        return rows, logits


def no_gradients(batch: Batch) -> Gradients:
    """Return the gradients of a batch without rows: no row of the table is touched."""
    ids, dtype, width = np.zeros(0, np.int64), batch.inputs.dtype, batch.inputs.shape[1]
    return Gradients(
        np.zeros((0, width), batch.given_dtype),
        batch.weights.gradient(ids, np.zeros((0, width), dtype)),
        None if batch.biases is None else batch.biases.gradient(ids, np.zeros(0, dtype)),
    )
