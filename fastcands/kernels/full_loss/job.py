"""Everything that a pass of an exact loss over a table shares."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.epilogues.interface import FullFunctions
from fastcands.kernels.table.blocking import panel_width, panels_for, whole_tiles
from fastcands.kernels.table.view import TableView
from fastcands.workspace import given, result, shared

__all__ = ["CLASS_BLOCK", "FullLossJob", "FullLossSizes", "FullLossWorkspace"]

CLASS_BLOCK = 128
"""Classes of a tile: their rows stay in the second-level cache while all examples pass over them."""
_PANELS_AT_ONCE = 32
"""Panels of examples whose tiles are held at once in the backward pass."""


class FullLossSizes(NamedTuple):
    """Sizes of a pass over one shard: V, B, D, and what follows from them."""

    dtype: np.dtype[Any]
    """Of the arithmetic."""
    num_classes: int
    examples: int
    width: int
    labels: int
    """True classes that are rows of this shard."""
    chunks: int
    """Runs of blocks of classes; each has sums of its own."""
    needs_grad: bool
    threads: int

    @property
    def padded(self) -> int:
        """V rounded up to MR."""
        return whole_tiles(self.num_classes)

    @property
    def depth(self) -> int:
        """D rounded up to MR."""
        return whole_tiles(self.width)

    @property
    def nr(self) -> int:
        """Examples of a panel."""
        return panel_width(self.dtype)

    @property
    def panels(self) -> int:
        """Panels of examples."""
        return panels_for(self.examples, self.dtype)

    @property
    def feature_panels(self) -> int:
        """Panels of features, none without a backward pass."""
        return panels_for(self.width, self.dtype) if self.needs_grad else 0

    @property
    def kept_panels(self) -> int:
        """Panels whose tiles are held at once."""
        return min(self.panels, _PANELS_AT_ONCE) if self.needs_grad else 1

    @property
    def block(self) -> int:
        """Classes of a block."""
        return CLASS_BLOCK

    @property
    def blocks(self) -> int:
        """Blocks of classes."""
        return -(-self.num_classes // self.block)

    @property
    def packed_dtype(self) -> np.dtype[Any]:
        """Dtype of packed inputs."""
        return self.dtype

    @property
    def packed_shape(self) -> tuple[int, ...]:
        """Shape of `packed_inputs`."""
        return self.panels, self.depth, self.nr

    @property
    def packed_t_shape(self) -> tuple[int, ...]:
        """Shape of `packed_inputs_t`."""
        return self.feature_panels, self.panels * self.nr, self.nr

    @property
    def input_sums_shape(self) -> tuple[int, ...]:
        """Shape of `input_sums`."""
        return (self.chunks if self.needs_grad else 0), self.panels, self.depth, self.nr


class FullLossWorkspace(NamedTuple):
    """Numbers of each worker's own."""

    addresses: Any = shared(lambda n: (n.threads, n.block), np.int64, written="sums gradients", read="sums gradients")
    """Where rows begin that are not read where they lie."""
    rows: Any = shared(lambda n: (n.threads, n.block, n.depth), written="sums gradients", read="sums gradients")
    """Such rows."""
    tiles: Any = shared(
        lambda n: (n.threads, n.kept_panels, n.block, n.nr), written="sums gradients", read="sums gradients"
    )
    """Logits, classes x examples, then their gradients."""
    ones: Any = shared(lambda n: (n.block,), written="prologue", read="sums gradients")
    row_numbers: Any = shared(lambda n: (n.block,), np.int64, written="prologue", read="gradients")
    """0, 1, 2, …"""
    row_sums: Any = shared(
        lambda n: (n.threads if n.needs_grad else 0, n.block, n.nr // 2), written="gradients", read="gradients"
    )
    """Sums of the gradients of each class's logits."""


class FullLossJob(NamedTuple):
    """One shard of a table, all examples, and what a pass makes of them."""

    table: TableView
    """The shard: V rows."""
    functions: FullFunctions
    """The epilogue."""
    workspace: int
    """Where the workspace lies."""
    offsets: Any = given(lambda n: (n.padded,), read="sums gradients")
    """Biases; -inf beyond V."""
    inputs: Any = given(lambda n: (n.examples, n.width), read="gradients")
    packed_inputs: Any = given(lambda n: n.packed_shape, "packed_dtype", read="sums gradients")
    """Panels of examples along features."""
    packed_inputs_t: Any = given(lambda n: n.packed_t_shape, "packed_dtype", read="gradients")
    """Panels of features along examples; none without a backward pass."""
    label_rows: Any = given(lambda n: (n.labels,), np.int64, read="sums gradients")
    """Row of each true class, ordered by block, then by panel of its example."""
    label_examples: Any = given(lambda n: (n.labels,), np.int64, read="sums gradients")
    """The example of each."""
    label_starts: Any = given(lambda n: (n.blocks + 1,), np.int64, read="sums gradients")
    """Where the labels of each block begin."""
    label_shares: Any = given(lambda n: (n.labels if n.needs_grad else 0,), read="gradients")
    """What the gradient of each true class's logit is less, or, where that is left out of its tile, is."""
    shifts: Any = given(lambda n: (n.panels * n.nr,), read="sums gradients")
    """What is subtracted from the logits of an example."""
    factors: Any = given(lambda n: (n.panels * n.nr if n.needs_grad else 0,), read="gradients")
    """What turns what the epilogue makes of a logit into a gradient; 0 beyond B."""
    chunk_max: Any = result(lambda n: (n.chunks, n.panels, n.nr), written="sums")
    """Maxima of each example; written for the value of a softmax alone."""
    chunk_sum: Any = result(lambda n: (n.chunks, n.panels, n.nr), written="sums gradients")
    """Sums of e^(logit - chunk_max), or of a loss of single logits against a target of 0."""
    input_sums: Any = result(lambda n: n.input_sums_shape, written="gradients")
    """Each chunk's share of the gradient of the inputs."""
    weight_rows: Any = result(lambda n: (n.padded if n.needs_grad else 0, n.width), written="gradients")
    """Gradient of the table."""
    bias_rows: Any = result(lambda n: (n.padded if n.needs_grad else 0,), written="gradients")
    """Gradient of the biases."""
