"""What the stages of a sampled loss on packed bfloat16 blocks leave to each other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.sampled_loss.job import SharedFields
from fastcands.kernels.table.blocking import BLOCK_WORDS, SIDE, whole_tiles
from fastcands.workspace import joined, number, shared

__all__ = ["PANELS_AT_ONCE", "TWINS", "Bf16SampledLossSizes", "Bf16Workspace"]

TWINS = 2
"""Blocks whose candidates make one panel in the gradient of the inputs: sums are loaded and stored half as often."""
PANELS_AT_ONCE = 32
"""Steps of one call of a product in weight gradients; so long a block's gradients stay in the second-level cache."""
_TASK_PANELS, _TASK_STEPS = 8, 8
"""Panels and steps of features of one task of the stage `input_gradients`, at most."""
_WORDS = np.uint16
_FORWARD = "logits exceeding"


def _whole(count: int) -> int:
    return -(-count // SIDE)


class Bf16SampledLossSizes(NamedTuple):
    """Sizes of a call: B, T, S and D, and what follows from them.

    Examples come in panels of 32, candidates in panels of 32, some of them a block, and features in steps of 32.
    Whatever a product reads is in packed blocks of 32 x 32 bfloat16 (`fastcands.simd.dot.blocks`).
    """

    dtype: np.dtype[Any]
    """Of everything that is not packed: float32."""
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
        """Rows of the table's gradient, at most."""
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
        """Blocks whose gradients are kept for the backward pass."""
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
        """Numbers that a worker sums gradients in."""
        of_block = self.row_panels * self.steps if self.panels > PANELS_AT_ONCE else 1
        panels, steps = self.input_task
        return max(of_block, panels * steps) * SIDE * SIDE


class _Bf16Fields(NamedTuple):
    """What products of packed blocks need beside `SharedFields`. A left and a right panel run along k."""

    # what products read
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
    """A block's rows of the table as left panels, k along features; each worker's own."""
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
    """Gradients of logits, but for `factors`, as left panels, k along examples."""

    exceeded: Any = shared(lambda n: (1,), np.int64, written="prologue logits", read="exceeding")
    """Whether a logit was too far above its reference."""
    factors: Any = shared(
        lambda n: (n.panels * SIDE,), written="reduce", read="reduce weight_gradients input_gradients"
    )
    """What turns an example's part of a block into gradients of the logits."""

    # each worker's own
    rows: Any = shared(lambda n: (n.threads * SIDE, n.steps * SIDE + 16), written=_FORWARD, read=_FORWARD)
    """Rows of the table before they are packed, a line apart where their length is a power of two."""
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
    """References of a panel that is formed again, and its maxima, which are not used."""

    split: Any = number(lambda n: n.split, read=f"prologue {_FORWARD} reduce weight_gradients input_gradients")
    """1 where factors have a hi and a lo part, else 0."""
    input_task: Any = number(lambda n: n.input_task, read="input_gradients")
    """Panels and steps of one task of `input_gradients`."""


Bf16Workspace = joined("Bf16Workspace", __name__, SharedFields, _Bf16Fields)
"""What the stages of one call leave to each other; kept for calls of the same sizes.

`shifts` has what is subtracted from the logits of an example: `log_normalizer`, or the reference of a softmax.
`tile_max` is less those.
"""
