"""Everything that the stages of a sampled loss on packed bfloat16 blocks share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.sampled_loss.job import SharedFields
from fastcands.kernels.table.blocking import BLOCK_WORDS, SIDE, whole_tiles
from fastcands.workspace import concatenated, number, shared

__all__ = ["PANELS_AT_ONCE", "TWINS", "Bf16SampledLossSizes", "Bf16Workspace"]

TWINS = 2
"""Blocks that are one panel in the gradient of the inputs, so that sums are loaded and stored half as often."""
PANELS_AT_ONCE = 32
"""Steps of one call of a product in weight gradients: as many as fit in the second-level cache."""
_TASK_PANELS, _TASK_STEPS = 8, 8
"""Largest number of panels and of steps of one task of `input_gradients`."""
_WORDS = np.uint16
_FORWARD = "logits exceeding"


def _whole(count: int) -> int:
    return -(-count // SIDE)


class Bf16SampledLossSizes(NamedTuple):
    """Sizes of a call: B, T, S and D, and the sizes that follow from them.

    Examples are divided into panels of 32, candidates into blocks of some panels of 32, and features into steps of 32.
    Products read packed blocks of 32 x 32 bfloat16 (`fastcands.simd.dot.blocks`).
    """

    dtype: np.dtype[Any]
    """Of all arrays that are not packed: float32."""
    examples: int
    num_true: int
    candidates: int
    width: int
    needs_grad: bool
    threads: int
    split: int
    """1 where factors have a hi and a lo part, else 0."""

    @property
    def labels(self) -> int:
        """N = B T."""
        return self.examples * self.num_true

    @property
    def most_rows(self) -> int:
        """Largest number of rows of the table's gradient."""
        return self.candidates + self.labels if self.needs_grad else 0

    @property
    def padded(self) -> int:
        """S rounded up to 32."""
        return _whole(self.candidates) * SIDE

    @property
    def depth(self) -> int:
        """D rounded up to MR."""
        return whole_tiles(self.width)

    @property
    def nr(self) -> int:
        """Examples of a panel."""
        return SIDE

    @property
    def panels(self) -> int:
        """Panels of examples."""
        return _whole(self.examples)

    @property
    def steps(self) -> int:
        """Steps of features."""
        return _whole(self.width)

    @property
    def words(self) -> int:
        """Words of a packed block."""
        return BLOCK_WORDS * (1 + self.split)

    @property
    def row_panels(self) -> int:
        """Panels of candidates of a block: 256 packed rows stay in the second-level cache."""
        return 8 if self.candidates >= 2048 else 4 if self.candidates >= 512 else 2 if self.candidates >= 128 else 1

    @property
    def blocks(self) -> int:
        """Blocks of candidates."""
        return -(-self.candidates // (self.row_panels * SIDE))

    @property
    def kept_blocks(self) -> int:
        """Blocks whose gradients are stored for the backward pass."""
        return self.blocks if self.needs_grad else 0

    @property
    def input_task(self) -> tuple[int, int]:
        """Panels and steps of one task of `input_gradients`: the largest that leave work for each thread."""
        panels, steps = min(self.panels, _TASK_PANELS), min(self.steps, _TASK_STEPS)
        while -(-self.panels // panels) * -(-self.steps // steps) < self.threads and (panels > 1 or steps > 1):
            if panels > 1:
                panels = -(-panels // 2)
            else:
                steps = -(-steps // 2)
        return panels, steps

    @property
    def sums(self) -> int:
        """Numbers of a worker's `sums`."""
        of_block = self.row_panels * self.steps if self.panels > PANELS_AT_ONCE else 1
        panels, steps = self.input_task
        return max(of_block, panels * steps) * SIDE * SIDE


class _Bf16Fields(NamedTuple):
    """Further workspace for products of packed blocks. The blocks of a panel follow each other along k."""

    # operands of products
    packed_inputs: Any = shared(
        lambda n: (n.panels, n.steps, n.words),
        _WORDS,
        written="prologue",
        read=f"prologue {_FORWARD} reduce input_gradients",
    )
    """Inputs as right panels, k along features."""
    packed_inputs_t: Any = shared(
        lambda n: (n.steps if n.needs_grad else 0, n.panels, n.words), _WORDS, written="reduce", read="weight_gradients"
    )
    """Inputs times `factors` as right panels, k along examples; none for the value alone."""
    packed_rows: Any = shared(
        lambda n: (n.threads, n.row_panels, n.steps, n.words),
        _WORDS,
        written=_FORWARD,
        read=f"{_FORWARD} reduce input_gradients",
    )
    """Each worker's block of rows of the table as left panels, k along features."""
    packed_rows_t: Any = shared(
        lambda n: (-(-n.kept_blocks // TWINS), n.steps, TWINS * n.row_panels, n.words),
        _WORDS,
        written=_FORWARD,
        read="input_gradients",
    )
    """The same as left panels, k along candidates."""
    packed_gradients: Any = shared(
        lambda n: (n.kept_blocks, n.row_panels, n.panels, n.words),
        _WORDS,
        written=_FORWARD,
        read="weight_gradients input_gradients",
    )
    """Gradients of logits, not yet multiplied by `factors`, as left panels, k along examples."""

    exceeded: Any = shared(lambda n: (1,), np.int64, written="prologue logits", read="exceeding")
    """Whether a logit was too far above its reference."""
    factors: Any = shared(
        lambda n: (n.panels * SIDE,), written="reduce", read="reduce weight_gradients input_gradients"
    )
    """For each example, the factor that turns its numbers of a block into gradients of logits."""

    # of each worker
    rows: Any = shared(lambda n: (n.threads * SIDE, n.steps * SIDE + 16), written=_FORWARD, read=_FORWARD)
    """Rows of the table before they are packed; the stride has an extra line, so that it is no power of two."""
    tile: Any = shared(
        lambda n: (3 * n.threads, SIDE, SIDE), written=f"prologue {_FORWARD} reduce", read=f"prologue {_FORWARD} reduce"
    )
    """Two blocks of logits in the first-level cache, and one for results that are not used."""
    packed_gradients_t: Any = shared(
        lambda n: (n.threads if n.needs_grad else 0, TWINS * n.row_panels, n.words),
        _WORDS,
        written="input_gradients",
        read="input_gradients",
    )
    """Gradients of one panel of examples and TWINS blocks as a right panel, k along candidates."""
    references: Any = shared(lambda n: (n.threads, 2, SIDE), written="exceeding reduce", read=f"{_FORWARD} reduce")
    """References of a panel that is computed again, and its maxima, which are not used."""

    split: Any = number(lambda n: n.split, read=f"prologue {_FORWARD} reduce weight_gradients input_gradients")
    """1 where factors have a hi and a lo part, else 0."""
    input_task: Any = number(lambda n: n.input_task, read="input_gradients")
    """Panels and steps of one task of `input_gradients`."""


Bf16Workspace = concatenated("Bf16Workspace", __name__, SharedFields, _Bf16Fields)
"""Workspace of one call, reused by calls of the same sizes.

`shifts` is subtracted from the logits of an example: `log_normalizer`, or the reference of a softmax. `tile_max` is the
maximum after that.
"""
