"""Blocks of logits of a logistic loss between two products: running sums of losses, and gradients."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bf16.quick_exp import emit_quick_softplus_and_sigmoid
from fastcands.simd.bf16.rows import HALVES, Formula, PackedRows, Running, epilogue, vectors
from fastcands.simd.dot.blocks import LANES, LINE, int64
from fastcands.simd.vector import Lanes

__all__ = [
    "add_logistic_losses", "counted_sigmoid_block", "counted_sigmoid_block_overlapped", "sigmoid_block",
    "sigmoid_block_overlapped",
]  # fmt: skip

_INTP = types.intp
_ROW = 2 * LINE


class _CountedSigmoids(Formula):
    """The sigmoid of a logit times a factor of its row, and the sums of as many losses against a target of 0."""

    def __init__(self, lanes: Lanes, copies: Any, losses: Any) -> None:
        self._copies, self.running = copies, (Running(lanes, losses),)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        copies = lanes.splat(lanes.load_scalar(lanes.at(self._copies, lanes.bytes_of(row))))
        loss, sigmoid = emit_quick_softplus_and_sigmoid(lanes, logit)
        self.running[0].set(half, lanes.fma(copies, loss, self.running[0].get(half)))
        return lanes.builder.fmul(copies, sigmoid)


class _Sigmoids(Formula):
    """The sigmoid of a logit, and the sums of the losses against a target of 0."""

    def __init__(self, lanes: Lanes, losses: Any) -> None:
        self.running = (Running(lanes, losses),)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        loss, sigmoid = emit_quick_softplus_and_sigmoid(lanes, logit)
        self.running[0].set(half, lanes.builder.fadd(self.running[0].get(half), loss))
        return sigmoid


def _counted_rows(
    lanes: Lanes, split: Any, block: Any, offsets: Any, shifts: Any, copies: Any, losses: Any, left: Any, ahead: Any
) -> PackedRows:
    formula = _CountedSigmoids(lanes, copies, losses)
    return PackedRows(lanes, formula, split, block, offsets, left, shifts=shifts, ahead=ahead)


counted_sigmoid_block, counted_sigmoid_block_overlapped = epilogue(_counted_rows)
"""``z = block + (offsets[:, None] - shifts); losses += copies @ log(1 + e^z)``; copies / (1 + e^-z) packed.
The arguments:

IN
    block : address of 32 x 32 float32, contiguous; -inf gives loss and gradient 0
    offsets, shifts : addresses of 32 float32
    copies : address of 32 float32, a factor for each row
    ahead : address of the packed block that will be written next; prefetched
IN, OUT
    losses : address of 32 float32
OUT
    left : address of a left block

in the order block, offsets, shifts, copies, losses, left, ahead.
"""


def _sigmoid_rows(
    lanes: Lanes, split: Any, block: Any, offsets: Any, losses: Any, factors: Any, examples: Any, row_sums: Any,
    left: Any, right: Any,
) -> PackedRows:  # fmt: skip
    return PackedRows(
        lanes, _Sigmoids(lanes, losses), split, block, offsets, left, factors=factors, examples=examples,
        row_sums=row_sums, right=right,
    )  # fmt: skip


sigmoid_block, sigmoid_block_overlapped = epilogue(_sigmoid_rows)
"""``z = block + offsets[:, None]; losses += log(1 + exp(z)).sum(0)``; ``g = factors / (1 + exp(-z))`` packed.
The arguments:

IN
    block : address of 32 x 32 float32, contiguous; -inf gives loss and gradient 0
    offsets, factors : addresses of 32 float32
    examples : columns that are examples; g is 0 in the others, whatever the block holds
IN, OUT
    losses : address of 32 float32
    row_sums : address of 32 x 16 float32, to which the halves of each row of g are added
OUT
    left, right : addresses of packed blocks

in the order block, offsets, losses, factors, examples, row_sums, left, right.
"""


@intrinsic  # type: ignore[untyped-decorator]
def add_logistic_losses(typingctx: Any, block: Any, rows: Any, offsets: Any, losses: Any) -> Any:
    """``losses += log(1 + exp(block + offsets[:, None])).sum(0)``.

    IN
        block : address of rows x 32 float32, contiguous
        rows : how many
        offsets : address of rows float32
    IN, OUT
        losses : address of 32 float32
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, offsets, losses = arguments
        lanes = Lanes(builder, types.float32, LANES)
        sums = [lanes.variable(lanes.const(0)) for _ in HALVES]
        with cgutils.for_range(builder, rows) as loop:
            at = lanes.at(block, builder.mul(loop.index, int64(_ROW)))
            offset = lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(loop.index))))
            for j, product in enumerate(vectors(lanes, at)):
                loss, _ = emit_quick_softplus_and_sigmoid(lanes, builder.fadd(product, offset))
                builder.store(builder.fadd(builder.load(sums[j]), loss), sums[j])
        for j, half in enumerate(HALVES):
            at = lanes.at(losses, half)
            lanes.store(builder.fadd(lanes.load(at), builder.load(sums[j])), at)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 4), codegen
