"""Softmax cross-entropy over every class: what sampled softmax estimates, and what models are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.kernels.full_softmax import CLASS_BLOCK, PANEL_GROUP, full_softmax_gradients, full_softmax_sums
from fastcands.kernels.shapes import whole_tiles
from fastcands.losses.batch import Batch, as_upstream, no_gradients
from fastcands.losses.workspace import scratch
from fastcands.threads import get_num_threads
from fastcands.values import Gradients, RowGradient

__all__ = ["SoftmaxLoss", "full_softmax"]

_MOST_CHUNKS = 64
_INPUT_SUMS_BYTES = 8 << 20
"""What the chunks' shares of the input gradient may take together, unless that leaves fewer than four chunks."""


def _num_chunks(num_classes: int, most: int = _MOST_CHUNKS) -> int:
    return min(most, (num_classes + CLASS_BLOCK - 1) // CLASS_BLOCK)


class _Table:
    """One shard as the kernels read it, with scratch for each worker."""

    def __init__(self, batch: Batch, shard: int) -> None:
        array = batch.weights.arrays[shard]
        dtype, threads = batch.inputs.dtype, get_num_threads()
        self.num_classes = len(array)
        padded = whole_tiles(self.num_classes)
        self.offsets = scratch("offsets", (padded,), dtype)
        self.offsets[: self.num_classes] = _biases(batch, shard)
        self.offsets[self.num_classes :] = -np.inf
        self.place = array.__array_interface__["data"][0], array.strides[0], batch.weights.layout
        self.addresses = scratch("addresses", (threads, CLASS_BLOCK), np.int64)
        self.rows = scratch("rows", (threads, CLASS_BLOCK, batch.depth), dtype)


def _biases(batch: Batch, shard: int) -> NDArray[Any] | float:
    """Return the biases of a shard's classes, in the order of its rows."""
    if batch.biases is None:
        return 0.0
    if len(batch.weights.arrays) == len(batch.biases.arrays) == 1:
        return batch.biases.arrays[0]
    return batch.biases.take(batch.weights.ids_of(shard), batch.inputs.dtype)


def _normalise(batch: Batch, by_example: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the largest logit and the sum of e^(logit - largest), both for each lane of the panels."""
    dtype, threads = batch.inputs.dtype, get_num_threads()
    panels, _, lanes = by_example.shape
    chunks = [_num_chunks(len(array)) for array in batch.weights.arrays]
    peaks, totals = scratch("peaks", (2, sum(chunks), panels, lanes), dtype)
    tile = scratch("tiles", (threads, CLASS_BLOCK, lanes), dtype)
    first = 0
    for shard, count in enumerate(chunks):
        table = _Table(batch, shard)
        full_softmax_sums(
            *table.place, table.offsets, by_example, table.addresses, table.rows, tile, peaks[first : first + count],
            totals[first : first + count], table.num_classes, np.zeros(1, np.int64), threads,
        )  # fmt: skip
        first += count
    highest = peaks.max(axis=0)
    wide = totals.astype(np.float64) * np.exp(peaks.astype(np.float64) - highest)
    return highest.reshape(-1), wide.sum(axis=0).reshape(-1)


def full_softmax(batch: Batch, upstream: NDArray[Any] | None) -> tuple[NDArray[Any], Gradients | None]:
    """Return the loss of each row and, when `upstream` is given, the gradients."""
    dtype, (examples, num_true) = batch.inputs.dtype, batch.labels.shape
    if examples == 0:
        return np.zeros(0, batch.given_dtype), None if upstream is None else no_gradients(batch)
    offsets = np.zeros(batch.labels.shape, dtype)
    offsets += np.reshape(batch.bias_of(batch.labels.reshape(-1)), (-1, num_true) if batch.biases else ())
    true_logits = batch.label_rows(offsets)[1]
    by_example, by_feature = batch.packed(by_feature=upstream is not None)
    highest, totals = _normalise(batch, by_example)
    with np.errstate(invalid="ignore"):  # NaN and infinite logits give a NaN loss, not a warning
        excess = true_logits.astype(np.float64) - highest[:examples, None]
        loss = (np.log(totals[:examples]) - excess.mean(axis=1)).astype(batch.given_dtype)
    if upstream is None:
        return loss, None
    factors = np.zeros(len(highest), dtype)
    factors[:examples] = upstream / totals[:examples]
    inputs, shards = _gradients(batch, by_example, by_feature, highest, factors, upstream / num_true)
    weights = [
        RowGradient(np.arange(len(rows)), rows.astype(batch.weights.dtype, copy=False), len(rows)) for rows, _ in shards
    ]
    return loss, Gradients(
        inputs.astype(batch.given_dtype, copy=False),
        weights if batch.weights.listed else weights[0],
        _bias_gradient(batch, [biases for _, biases in shards]),
    )


def _gradients(
    batch: Batch,
    by_example: NDArray[Any],
    by_feature: NDArray[Any],
    highest: NDArray[Any],
    factors: NDArray[Any],
    shares: NDArray[Any],
) -> tuple[NDArray[Any], list[tuple[NDArray[Any], NDArray[Any]]]]:
    """Return the gradient of the inputs, and those of weights and biases for each shard."""
    dtype, threads, examples = batch.inputs.dtype, get_num_threads(), len(batch.inputs)
    panels, depth, lanes = by_example.shape
    most = max(4, _INPUT_SUMS_BYTES // (by_example.nbytes or 1))
    tiles = scratch("tiles", (threads, min(panels, PANEL_GROUP), CLASS_BLOCK, lanes), dtype)
    sums = scratch("sums", (threads, CLASS_BLOCK, lanes // 2), dtype)
    total = np.zeros((panels, depth, lanes), dtype)
    shards = []
    for shard, array in enumerate(batch.weights.arrays):
        table = _Table(batch, shard)
        input_sums = scratch(
            "input_sums", (_num_chunks(len(array), min(most, _MOST_CHUNKS)), panels, depth, lanes), dtype
        )
        weight_rows = np.empty((len(table.offsets), batch.inputs.shape[1]), dtype)
        bias_rows = np.empty(len(table.offsets), dtype)
        labels = batch.labels
        if len(batch.weights.arrays) > 1:
            owner, row = batch.weights.locate(labels)
            labels = np.where(owner == shard, row, -1)
        full_softmax_gradients(
            *table.place, table.offsets, by_example, by_feature, labels, highest, factors, shares, table.addresses,
            table.rows, tiles, sums, input_sums, weight_rows, bias_rows, table.num_classes, np.zeros(1, np.int64),
            threads,
        )  # fmt: skip
        total += input_sums.sum(axis=0)
        shards.append((weight_rows[: len(array)], bias_rows[: len(array)]))
    inputs = total.transpose(0, 2, 1).reshape(panels * lanes, depth)[:examples, : batch.inputs.shape[1]]
    return np.ascontiguousarray(inputs), shards


def _bias_gradient(batch: Batch, shards: list[NDArray[Any]]) -> RowGradient | list[RowGradient] | None:
    if batch.biases is None:
        return None
    dense = np.empty(batch.weights.total, batch.inputs.dtype)
    for shard, part in enumerate(shards):
        dense[batch.weights.ids_of(shard)] = part
    return batch.biases.gradient(np.arange(batch.weights.total), dense)


@dataclass(frozen=True)
class SoftmaxLoss:
    """Softmax cross-entropy over all classes, without an array of examples x classes.

    With z = ``inputs @ weights.T + biases`` and T true classes a row::

        loss[i] = logsumexp(z[i]) - z[i, labels[i]].mean()

    that is, cross-entropy against targets of 1/T for each true class.

    Notes
    -----
    Time O(B V D), memory a few MiB beyond inputs and outputs. The gradient of the weights has all V rows. The same
    bits for any number of threads.

    References
    ----------
    Wijmans et al.: Cut Your Losses in Large-Vocabulary Language Models. ICLR 2025, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> weights, inputs = np.zeros((50, 4), np.float32), np.ones((2, 4), np.float32)
    >>> value, gradients = fc.SoftmaxLoss().value_and_grad(weights, None, [3, 7], inputs)
    >>> np.allclose(value, np.log(50)), gradients.weights.rows.shape
    (True, (50, 4))
    """

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
            If shapes disagree or a label is outside [0, V).
        """
        return full_softmax(Batch.of(weights, biases, labels, inputs), None)[0]

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
            With respect to inputs, weights and biases; every class has a row.

        Raises
        ------
        TypeError
            If an array has a dtype that its argument cannot have.
        ValueError
            If shapes disagree or a label is outside [0, V).
        """
        batch = Batch.of(weights, biases, labels, inputs)
        loss, gradients = full_softmax(batch, as_upstream(upstream, len(batch.inputs), batch.inputs.dtype))
        assert gradients is not None  # they were asked for
        return loss, gradients
