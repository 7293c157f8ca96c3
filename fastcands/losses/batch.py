"""The arguments every loss shares, checked once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.gradients import Gradients
from fastcands.kernels.table.blocking import panel_width, panels_for, whole_tiles
from fastcands.kernels.table.gather import gather_rows
from fastcands.kernels.table.label_logits import label_logits
from fastcands.kernels.table.packing import pack_inputs
from fastcands.kernels.table.view import FLOAT32, TableView
from fastcands.losses.shards import Shards, as_biases, as_inputs, as_weights
from fastcands.precision import Precision, resolve
from fastcands.threads import get_num_threads
from fastcands.validation.arrays import as_array
from fastcands.validation.labels import as_labels_and_present
from fastcands.workspace import scratch

__all__ = ["Batch", "as_upstream", "no_gradients"]

_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_NO_BIASES = TableView(np.zeros(0, np.int64), np.zeros(0, np.int64), 0, FLOAT32, 1, 0, True)


def as_upstream(upstream: Any, examples: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the weights of the examples, (B,); ones for None."""
    if upstream is None:
        return np.ones(examples, dtype)
    array = as_array(upstream, "upstream")
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
    """The dtype of the given inputs: also that of the loss and of their gradient."""
    depth: int
    """D rounded up to a multiple of MR."""
    present: NDArray[np.bool_] | None = None
    """Which labels are classes, (B, T); None when all are."""
    temperature: float = 1.0
    precision: Precision = "highest"
    """The tier of matrix products: 'high' or 'medium' only if the arithmetic is float32 and bfloat16 products are
    usable."""

    @classmethod
    def of(
        cls,
        weights: Any,
        biases: Any,
        labels: Any,
        inputs: Any,
        *,
        num_true: int | None = None,
        strategy: str = "mod",
        temperature: float = 1.0,
        ignore_index: int | None = None,
        precision: str | None = None,
    ) -> Batch:
        """Check the arguments; float64 arithmetic when any of them is float64, else float32.

        Inputs and biases are divided by the temperature, so that logits are. None for `precision` is the setting.
        """
        table = as_weights(weights, strategy)
        bias = as_biases(biases, strategy, table.total)
        ids, present = as_labels_and_present(  # writable, as all arrays are: then kernels have one signature
            labels, ignore_index=ignore_index, num_classes=table.total, num_true=num_true, writable=True
        )
        given = as_inputs(inputs, table, len(ids))
        kinds = table.dtype.char, given.dtype.char, "" if bias is None else bias.dtype.char
        dtype = _FLOAT64 if "d" in kinds else _FLOAT32
        array: NDArray[Any] = np.ascontiguousarray(given, dtype)
        if temperature != 1.0:
            array = np.divide(array, dtype.type(temperature), dtype=dtype)
        elif not array.flags.writeable:  # as for labels
            array = array.copy()
        depth = whole_tiles(given.shape[1])
        tier = resolve(precision, dtype)
        return cls(table, bias, ids, array, given.dtype, depth, present, float(temperature), tier)

    @property
    def targets(self) -> NDArray[np.float64]:
        """The target of each true class, (B, T): labels that are classes have equal shares of 1."""
        if self.present is None:
            return np.full(self.labels.shape, 1 / self.labels.shape[1])
        counts = np.maximum(self.present.sum(axis=1, keepdims=True), 1)
        return np.asarray(self.present / counts)

    @property
    def empty_examples(self) -> NDArray[np.bool_] | None:
        """Which examples have no class at all, (B,); None when all labels are classes."""
        return None if self.present is None else np.asarray(~self.present.any(axis=1))

    def packed(self, along_examples: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the inputs packed along features and, if needed, along examples; see `kernels.table.packing`."""
        examples, width = self.inputs.shape
        dtype = self.inputs.dtype
        nr = panel_width(dtype)
        panels = panels_for(examples, dtype)
        feature_panels = panels_for(width, dtype) if along_examples else 0
        first = scratch("packed_inputs", (panels, self.depth, nr), dtype)
        second = scratch("packed_inputs_t", (feature_panels, panels * nr, nr), dtype)
        pack_inputs(self.inputs, first, second, get_num_threads())
        return first, second

    @property
    def bias_view(self) -> TableView:
        """The biases as kernels see them."""
        return _NO_BIASES if self.biases is None else self.biases.view

    def bias_of(self, ids: NDArray[np.int64]) -> NDArray[Any] | float:
        """Return the biases of some classes; 0 when there are none."""
        if self.biases is None:
            return 0.0
        taken = self.biases.take(ids, self.inputs.dtype)
        return taken if self.temperature == 1.0 else taken / self.inputs.dtype.type(self.temperature)

    def label_weights_and_logits(self, offsets: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the weights of the true classes (B T, depth) and their logits (B, T), with offsets added."""
        flat = self.labels.reshape(-1)
        rows = scratch("label_weights", (len(flat), self.depth), self.inputs.dtype)
        gather_rows(self.weights.addresses(flat), self.weights.view, rows, get_num_threads())
        logits = np.empty(self.labels.shape, self.inputs.dtype)
        label_logits(self.inputs, rows, offsets, logits, get_num_threads())
        if self.present is not None:
            logits[~self.present] = -np.inf
        return rows, logits

    def gradients(
        self, ids: NDArray[np.int64], inputs: NDArray[Any], weight_rows: NDArray[Any], bias_rows: NDArray[Any]
    ) -> Gradients:
        """Return the gradients for the caller, from those of the scaled inputs and of the rows of some classes."""
        if self.temperature != 1.0:
            inputs /= self.inputs.dtype.type(self.temperature)
            bias_rows /= self.inputs.dtype.type(self.temperature)
        return Gradients(
            inputs.astype(self.given_dtype, copy=False),
            self.weights.gradient(ids, weight_rows),
            None if self.biases is None else self.biases.gradient(ids, bias_rows),
        )


def no_gradients(batch: Batch) -> Gradients:
    """Return the gradients of a batch without examples: no row of the table has one."""
    dtype, width = batch.inputs.dtype, batch.inputs.shape[1]
    none = np.zeros((0, width), dtype)
    return batch.gradients(np.zeros(0, np.int64), none, none.copy(), np.zeros(0, dtype))
