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
"""Classes of a block: their rows stay in the second-level cache while they are multiplied with all examples."""
_PANELS_AT_ONCE = 32
"""Largest number of panels of examples whose tiles are stored at once, with gradients."""


class FullLossSizes(NamedTuple):
    """Sizes of a pass over one shard: V, B, D, and the sizes that follow from them."""

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
        """Panels of features; 0 without gradients."""
        return panels_for(self.width, self.dtype) if self.needs_grad else 0

    @property
    def kept_panels(self) -> int:
        """Panels whose tiles are stored at once."""
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
    """Workspace of each worker."""

    addresses: Any = shared(lambda n: (n.threads, n.block), np.int64, written="sums gradients", read="sums gradients")
    """Addresses of rows that are copied before products read them."""
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
    """One pass over a shard of a table with all examples: arguments and results."""

    table: TableView
    """The shard: V rows."""
    functions: FullFunctions
    """The epilogue."""
    workspace: int
    """Address of the workspace."""
    offsets: Any = given(lambda n: (n.padded,), read="sums gradients")
    """Biases; -inf beyond V."""
    inputs: Any = given(lambda n: (n.examples, n.width), read="gradients")
    packed_inputs: Any = given(lambda n: n.packed_shape, "packed_dtype", read="sums gradients")
    """Panels of examples along features."""
    packed_inputs_t: Any = given(lambda n: n.packed_t_shape, "packed_dtype", read="gradients")
    """Panels of features along examples; none without gradients."""
    label_rows: Any = given(lambda n: (n.labels,), np.int64, read="sums gradients")
    """Row of the shard of each true class, ordered by block, then by panel of its example."""
    label_examples: Any = given(lambda n: (n.labels,), np.int64, read="sums gradients")
    """The example of each."""
    label_starts: Any = given(lambda n: (n.blocks + 1,), np.int64, read="sums gradients")
    """Where the labels of each block start."""
    label_shares: Any = given(lambda n: (n.labels if n.needs_grad else 0,), read="gradients")
    """Subtracted from the gradient of each true class's logit; in bfloat16, where true classes are masked, added."""
    shifts: Any = given(lambda n: (n.panels * n.nr,), read="sums gradients")
    """Subtracted from the logits of an example."""
    factors: Any = given(lambda n: (n.panels * n.nr if n.needs_grad else 0,), read="gradients")
    """Factors that turn results of the epilogue into gradients; 0 beyond B."""
    chunk_max: Any = result(lambda n: (n.chunks, n.panels, n.nr), written="sums")
    """Maxima of each example; written only for the value of a softmax."""
    chunk_sum: Any = result(lambda n: (n.chunks, n.panels, n.nr), written="sums gradients")
    """Sums of e^(logit - chunk_max), or of the losses of single logits with target 0."""
    input_sums: Any = result(lambda n: n.input_sums_shape, written="gradients")
    """Each chunk's share of the gradient of the inputs."""
    weight_rows: Any = result(
        lambda n: (n.padded if n.needs_grad else 0, n.width), written="gradients", on_cache_lines=True
    )
    """Gradient of the table."""
    bias_rows: Any = result(lambda n: (n.padded if n.needs_grad else 0,), written="gradients")
    """Gradient of the biases."""
