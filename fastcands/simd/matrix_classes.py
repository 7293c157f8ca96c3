"""What happens to a block of logits of an exact loss between two products of matrix tiles.

As in `matrix_columns` rows are classes and columns examples, but a product leaves its sums alone: biases and what is
subtracted from the logits of an example are added here, where they cost no memory traffic.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bfloat16 import LINE, SIDE
from fastcands.simd.matrix_columns import emit_pair
from fastcands.simd.quick_exponential import emit_quick_exp, emit_quick_softplus_and_sigmoid
from fastcands.simd.vector import Lanes

__all__ = ["add_exponentials", "logistic_block", "probability_block"]

_INTP = types.intp
_INT64 = ir.IntType(64)
_HALVES = (0, LINE)
_ROW = 2 * LINE


def _number(value: int) -> Any:
    return ir.Constant(_INT64, value)


def _offset(lanes: Lanes, offsets: Any, row: Any) -> Any:
    return lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(row))))


def _store_sum(lanes: Lanes, halves: list[Any], sums: Any, row: Any) -> None:
    """Add a row of two vectors to 16 running sums."""
    builder = lanes.builder
    at = lanes.at(sums, builder.mul(row, _number(LINE)))
    lanes.store(builder.fadd(lanes.load(at), builder.fadd(*halves)), at)


@intrinsic  # type: ignore[untyped-decorator]
def add_exponentials(typingctx: Any, block: Any, rows: Any, offsets: Any, peaks: Any, totals: Any) -> Any:
    """Take logits, ``block + offsets[:, None]``, into running maxima and running sums of exponentials.

    IN
        block : address of rows x 32 float32, contiguous
        rows : how many
        offsets : address of rows float32
    IN, OUT
        peaks, totals : addresses of 32 float32; the maxima finite
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, offsets, peaks, totals = arguments
        lanes = Lanes(builder, types.float32)
        before = [lanes.load(lanes.at(peaks, half)) for half in _HALVES]
        highest = [lanes.variable(peak) for peak in before]
        with cgutils.for_range(builder, rows) as loop:
            at, offset = lanes.at(block, builder.mul(loop.index, _number(_ROW))), _offset(lanes, offsets, loop.index)
            for j, half in enumerate(_HALVES):
                logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                builder.store(lanes.maximum(logit, builder.load(highest[j])), highest[j])
        peak = [builder.load(slot) for slot in highest]
        # the block's own sums are formed from zero: a chain of one block, not of all classes
        sums = [lanes.variable(lanes.const(0)) for _ in _HALVES]
        with cgutils.for_range(builder, rows) as loop:
            at, offset = lanes.at(block, builder.mul(loop.index, _number(_ROW))), _offset(lanes, offsets, loop.index)
            for j, half in enumerate(_HALVES):
                logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                power = emit_quick_exp(lanes, builder.fsub(logit, peak[j]))
                builder.store(builder.fadd(builder.load(sums[j]), power), sums[j])
        for j, half in enumerate(_HALVES):
            shrink = emit_quick_exp(lanes, builder.fsub(before[j], peak[j]))
            at = lanes.at(totals, half)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[j])), at)
            lanes.store(peak[j], lanes.at(peaks, half))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 5), codegen


@intrinsic  # type: ignore[untyped-decorator]
def probability_block(
    typingctx: Any, block: Any, offsets: Any, shifts: Any, factors: Any, real: Any, split: Any, sums: Any, left: Any,
    right: Any,
) -> Any:  # fmt: skip
    """``p = exp(block + offsets[:, None] - shifts) * factors``; its row sums, and p as a left and a right block.

    IN
        block : address of 32 x 32 float32, contiguous
        offsets, shifts, factors : addresses of 32 float32
        real : columns that are examples; p is 0 in the others, whatever the block holds
        split : whether the packed blocks have low parts
    IN, OUT
        sums : address of 32 x 16 float32, to which the halves of each row of p are added
    OUT
        left, right : addresses of packed blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, offsets, shifts, factors, real, split, sums, left, right = arguments
        lanes = Lanes(builder, types.float32)
        zero = lanes.const(0)
        shift, factor = ([lanes.load(lanes.at(start, half)) for half in _HALVES] for start in (shifts, factors))
        masks = [lanes.first_lanes(builder.sub(real, _number(16 * j))) for j in range(2)]
        with cgutils.for_range(builder, _number(SIDE // 2)) as loop:
            line = builder.shl(loop.index, _number(1))
            pair = []
            for r in range(2):
                row = builder.add(line, _number(r))
                at, offset = lanes.at(block, builder.mul(row, _number(_ROW))), _offset(lanes, offsets, row)
                parts = []
                for j, half in enumerate(_HALVES):
                    logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                    power = emit_quick_exp(lanes, builder.fsub(logit, shift[j]))
                    parts.append(builder.select(masks[j], builder.fmul(power, factor[j]), zero))
                _store_sum(lanes, parts, sums, row)
                pair.append(parts)
            emit_pair(lanes, pair, loop.index, split, left, right)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 9), codegen


@intrinsic  # type: ignore[untyped-decorator]
def logistic_block(
    typingctx: Any, block: Any, offsets: Any, factors: Any, real: Any, keep: Any, split: Any, totals: Any, sums: Any,
    left: Any, right: Any,
) -> Any:  # fmt: skip
    """``z = block + offsets[:, None]; totals += log(1 + exp(z)).sum(0)``; ``g = factors / (1 + exp(-z))`` packed.

    IN
        block : address of 32 x 32 float32, contiguous; -inf gives loss and gradient 0
        offsets, factors : addresses of 32 float32
        real : columns that are examples; g is 0 in the others, whatever the block holds
        keep : whether g is wanted; `sums`, `left` and `right` are not touched otherwise
        split : whether the packed blocks have low parts
    IN, OUT
        totals : address of 32 float32
        sums : address of 32 x 16 float32, to which the halves of each row of g are added
    OUT
        left, right : addresses of packed blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, offsets, factors, real, keep, split, totals, sums, left, right = arguments
        lanes = Lanes(builder, types.float32)
        zero = lanes.const(0)
        factor = [lanes.load(lanes.at(factors, half)) for half in _HALVES]
        masks = [lanes.first_lanes(builder.sub(real, _number(16 * j))) for j in range(2)]
        losses = [lanes.variable(zero) for _ in _HALVES]
        wanted = builder.icmp_signed("!=", keep, _number(0))
        with cgutils.for_range(builder, _number(SIDE // 2)) as loop:
            line = builder.shl(loop.index, _number(1))
            pair = []
            for r in range(2):
                row = builder.add(line, _number(r))
                at, offset = lanes.at(block, builder.mul(row, _number(_ROW))), _offset(lanes, offsets, row)
                parts = []
                for j, half in enumerate(_HALVES):
                    logit = builder.fadd(lanes.load(lanes.at(at, half)), offset)
                    loss, sigmoid = emit_quick_softplus_and_sigmoid(lanes, logit)
                    builder.store(builder.fadd(builder.load(losses[j]), loss), losses[j])
                    parts.append(builder.select(masks[j], builder.fmul(sigmoid, factor[j]), zero))
                pair.append(parts)
            with builder.if_then(wanted):
                for r in range(2):
                    _store_sum(lanes, pair[r], sums, builder.add(line, _number(r)))
                emit_pair(lanes, pair, loop.index, split, left, right)
        for j, half in enumerate(_HALVES):
            at = lanes.at(totals, half)
            lanes.store(builder.fadd(lanes.load(at), builder.load(losses[j])), at)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 10), codegen
