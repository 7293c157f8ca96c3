"""Everything that a pass of an exact loss over a table shares, with packed bfloat16 blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.table.blocking import BLOCK_WORDS, SIDE
from fastcands.workspace import number, shared

__all__ = ["Bf16FullLossSizes", "Bf16FullLossWorkspace"]

_PANELS_AT_ONCE = 32
"""Largest number of panels of examples whose packed gradients are stored at once."""
_TILE_PANELS = 4
"""Blocks of 32 x 32 logits that are reduced at once: 16 KiB of the first-level cache."""
_WORDS = np.uint16


class Bf16FullLossSizes(NamedTuple):
    """Sizes of a pass over one shard: V, B, D, and the sizes that follow from them.

    Examples are divided into panels of 32, classes into blocks of some panels of 32, and features into steps of 32.
    Products read packed blocks of 32 x 32 bfloat16 (`fastcands.simd.dot.blocks`).
    """

    dtype: np.dtype[Any]
    """Of all arrays that are not packed: float32."""
    num_classes: int
    examples: int
    width: int
    labels: int
    """True classes that are rows of this shard."""
    chunks: int
    """Runs of blocks of classes; each has sums of its own."""
    needs_grad: bool
    threads: int
    split: int
    """1 where factors have a hi and a lo part, else 0."""
    row_panels: int
    """Panels of classes of a block."""

    @property
    def padded(self) -> int:
        """V rounded up to 32."""
        return -(-self.num_classes // SIDE) * SIDE

    @property
    def nr(self) -> int:
        """Examples of a panel."""
        return SIDE

    @property
    def panels(self) -> int:
        """Panels of examples."""
        return -(-self.examples // SIDE)

    @property
    def steps(self) -> int:
        """Steps of features."""
        return -(-self.width // SIDE)

    @property
    def words(self) -> int:
        """Words of a packed block."""
        return BLOCK_WORDS * (1 + self.split)

    @property
    def block(self) -> int:
        """Classes of a block."""
        return self.row_panels * SIDE

    @property
    def blocks(self) -> int:
        """Blocks of classes."""
        return -(-self.num_classes // self.block)

    @property
    def workers(self) -> int:
        """Workers that compute gradients."""
        return self.threads if self.needs_grad else 0

    @property
    def kept_panels(self) -> int:
        """Panels of examples whose packed gradients are stored at once."""
        return min(self.panels, _PANELS_AT_ONCE)

    @property
    def tiles(self) -> tuple[int, int, int]:
        """Shape of `tile`: for each worker one tile for the value alone, two with gradients."""
        if self.needs_grad:
            return 2 * self.threads, SIDE, SIDE
        return self.threads, min(_TILE_PANELS, self.row_panels) * SIDE, SIDE

    @property
    def sums(self) -> int:
        """Numbers of a worker's `sums`; 0 if the width is a multiple of 32."""
        return 0 if self.width % SIDE == 0 else self.row_panels * self.steps * SIDE * SIDE

    @property
    def packed_dtype(self) -> np.dtype[Any]:
        """Dtype of packed inputs."""
        return np.dtype(_WORDS)

    @property
    def packed_shape(self) -> tuple[int, ...]:
        """Shape of `packed_inputs`."""
        return self.panels, self.steps, self.words

    @property
    def packed_t_shape(self) -> tuple[int, ...]:
        """Shape of `packed_inputs_t`."""
        return (self.steps if self.needs_grad else 0), self.panels, self.words

    @property
    def input_sums_shape(self) -> tuple[int, ...]:
        """Shape of `input_sums`, features x examples; without the share of the true classes."""
        return (self.chunks if self.needs_grad else 0), self.panels, self.steps, SIDE, SIDE


class Bf16FullLossWorkspace(NamedTuple):
    """Workspace of each worker. Packed inputs are right panels; rows and gradients are left panels, unless noted."""

    addresses: Any = shared(lambda n: (n.threads, SIDE), np.int64, written="sums gradients", read="sums gradients")
    """Addresses of rows that are copied before they are packed."""
    rows: Any = shared(
        lambda n: (n.threads * SIDE, n.steps * SIDE + 16), written="sums gradients", read="sums gradients"
    )
    """Such rows; the stride has an extra line, because rows a power of two apart would share few sets of the cache."""
    packed_rows: Any = shared(
        lambda n: (n.threads, n.row_panels, n.steps, n.words), _WORDS, written="sums gradients", read="sums gradients"
    )
    """A block's rows of the table as left panels, k along features."""
    packed_rows_t: Any = shared(
        lambda n: (n.workers, n.steps, n.row_panels, n.words), _WORDS, written="sums gradients", read="gradients"
    )
    """The same as left panels, k along classes; none for the value alone."""
    tile: Any = shared(lambda n: n.tiles, written="sums gradients", read="sums gradients")
    """Logits, classes x examples, in the first-level cache."""
    packed_gradients: Any = shared(
        lambda n: (n.workers, n.row_panels, n.kept_panels, n.words), _WORDS, written="gradients", read="gradients"
    )
    """Gradients of logits as left panels, k along examples."""
    packed_gradients_t: Any = shared(
        lambda n: (n.workers, n.row_panels, n.words), _WORDS, written="gradients", read="gradients"
    )
    """Gradients of one panel of examples as a right panel, k along classes."""
    row_sums: Any = shared(lambda n: (n.workers, n.block, 16), written="gradients", read="gradients")
    """Sums of the gradients of each class's logits."""
    sums: Any = shared(lambda n: (n.workers, n.sums), written="gradients", read="gradients")
    """Sums for the gradient of the table."""
    split: Any = number(lambda n: n.split, read="sums gradients")
    """1 where factors have a hi and a lo part, else 0."""
