"""Blocks of logits of a softmax between two products: running sums of exponentials, and gradients."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bf16.quick_exp import emit_quick_exp
from fastcands.simd.bf16.rows import HALVES, Formula, PackedRows, Running, epilogue, vectors
from fastcands.simd.dot.blocks import LANES, LINE, int64
from fastcands.simd.vector import Lanes

__all__ = ["add_exponentials", "exp_block", "exp_block_overlapped", "probability_block", "probability_block_overlapped"]

_INTP = types.intp
_ROW = 2 * LINE


class _Exponentials(Formula):
    """e^logit, its sums and the maxima of the logits."""

    def __init__(self, lanes: Lanes, tile_max: Any, tile_sum: Any) -> None:
        self.running = Running(lanes, tile_sum), Running(lanes, tile_max)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        total, highest = self.running
        highest.set(half, lanes.maximum(logit, highest.get(half)))
        power = emit_quick_exp(lanes, logit)
        total.set(half, lanes.builder.fadd(total.get(half), power))
        return power


class _Probabilities(Formula):
    """e^(logit - shift), with one shift an example."""

    def __init__(self, lanes: Lanes, shifts: Any) -> None:
        self._shifts = vectors(lanes, shifts)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        return emit_quick_exp(lanes, lanes.builder.fsub(logit, self._shifts[half]))


def _exp_rows(
    lanes: Lanes, split: Any, block: Any, offsets: Any, shifts: Any, tile_max: Any, tile_sum: Any, left: Any, ahead: Any
) -> PackedRows:
    formula = _Exponentials(lanes, tile_max, tile_sum)
    return PackedRows(lanes, formula, split, block, offsets, left, shifts=shifts, ahead=ahead)


exp_block, exp_block_overlapped = epilogue(_exp_rows)
"""``z = block + (offsets[:, None] - shifts)``, its maxima, the sums of e^z, and e^z packed. The arguments:

IN
    block : address of 32 x 32 float32, contiguous
    offsets, shifts : addresses of 32 float32
    ahead : address of the packed block that will be written next; prefetched
IN, OUT
    tile_max, tile_sum : addresses of 32 float32
OUT
    left : address of a left block

in the order block, offsets, shifts, tile_max, tile_sum, left, ahead.
"""


def _probability_rows(
    lanes: Lanes, split: Any, block: Any, offsets: Any, shifts: Any, factors: Any, examples: Any, row_sums: Any,
    left: Any, right: Any,
) -> PackedRows:  # fmt: skip
    return PackedRows(
        lanes, _Probabilities(lanes, shifts), split, block, offsets, left, factors=factors, examples=examples,
        row_sums=row_sums, right=right,
    )  # fmt: skip


probability_block, probability_block_overlapped = epilogue(_probability_rows)
"""``p = exp(block + offsets[:, None] - shifts) * factors``; its row sums, and p as a left and a right block.
The arguments:

IN
    block : address of 32 x 32 float32, contiguous
    offsets, shifts, factors : addresses of 32 float32
    examples : columns that are examples; p is 0 in the others, whatever the block holds
IN, OUT
    row_sums : address of 32 x 16 float32, to which the halves of each row of p are added
OUT
    left, right : addresses of packed blocks

in the order block, offsets, shifts, factors, examples, row_sums, left, right.
"""


@intrinsic  # type: ignore[untyped-decorator]
def add_exponentials(typingctx: Any, block: Any, rows: Any, offsets: Any, tile_max: Any, tile_sum: Any) -> Any:
    """Take logits, ``block + offsets[:, None]``, into running maxima and running sums of exponentials.

    IN
        block : address of rows x 32 float32, contiguous
        rows : how many
        offsets : address of rows float32
    IN, OUT
        tile_max, tile_sum : addresses of 32 float32; the maxima finite
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, offsets, tile_max, tile_sum = arguments
        lanes = Lanes(builder, types.float32, LANES)
        before, highest = vectors(lanes, tile_max), Running(lanes, tile_max)

        def logits(row: Any) -> list[Any]:
            offset = lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(row))))
            return [builder.fadd(x, offset) for x in vectors(lanes, lanes.at(block, builder.mul(row, int64(_ROW))))]

        with cgutils.for_range(builder, rows) as loop:
            for j, logit in enumerate(logits(loop.index)):
                highest.set(j, lanes.maximum(logit, highest.get(j)))
        peak = [highest.get(j) for j in range(2)]
        # the block's own sums are formed from zero: a chain of one block, not of all classes
        sums = [lanes.variable(lanes.const(0)) for _ in HALVES]
        with cgutils.for_range(builder, rows) as loop:
            for j, logit in enumerate(logits(loop.index)):
                power = emit_quick_exp(lanes, builder.fsub(logit, peak[j]))
                builder.store(builder.fadd(builder.load(sums[j]), power), sums[j])
        for j, half in enumerate(HALVES):
            shrink = emit_quick_exp(lanes, builder.fsub(before[j], peak[j]))
            at = lanes.at(tile_sum, half)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[j])), at)
        highest.emit_end()
        return context.get_dummy_value()

    return types.void(*[_INTP] * 5), codegen
