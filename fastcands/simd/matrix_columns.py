"""What happens to a 32 x 32 block of logits between two products of matrix tiles.

A block lies in the first-level cache, rows are classes and columns examples, as in `columns`. It is filled with what is
added to the logits before the product adds to it, so that the product leaves what the exponential takes.

Processors with matrix tiles have instructions for the parts of 2^x: x less its floor, and p 2^floor(x), which is 0 or
infinite where it must be. A polynomial of degree 5 is within 1.5e-7 of 2^x on [0, 1). x = z log2(e) is rounded once,
which makes e^z as uncertain as rounding z does: this exponential is for sums of products, which are no better.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bfloat16 import BLOCK_BYTES, LINE, SIDE, emit_left, emit_low, emit_right, emit_rounded
from fastcands.simd.vector import Lanes

__all__ = ["add_weighted_rows", "emit_pair", "emit_quick_exp", "exp_block", "fill_block"]

_INTP = types.intp
_INT16, _INT32, _INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_ROW = 2 * LINE
"""Bytes of a row of a block of float32: two vectors."""
# minimax in relative error
_POLYNOMIAL = (
    0.9999999250635637, 0.6931530731979479, 0.2401536170635708, 0.0558263179964827, 0.008989340158188296,
    0.0018775766472212691,
)  # fmt: skip
_TO_FLOOR, _AS_SET = 1, 4
"""Rounding modes: reduce by the floor; as the control register says."""


def _masked(lanes: Lanes, name: str, *arguments: Any) -> Any:
    """Emit an AVX-512 instruction on all lanes."""
    zero, all_lanes = lanes.const(0), ir.Constant(_INT16, -1)
    operands = [*arguments, zero, all_lanes, ir.Constant(_INT32, _AS_SET)]
    kind = ir.FunctionType(lanes.type, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(lanes.builder.module, kind, f"llvm.x86.avx512.mask.{name}.ps.512")
    return lanes.builder.call(function, operands)


def emit_quick_exp(lanes: Lanes, z: Any) -> Any:
    """Emit e^z of 16 float32, to within (2.5 + |z|) units in the last place; NaN for NaN."""
    x = lanes.builder.fmul(z, lanes.const(1 / math.log(2)))
    rest = _masked(lanes, "reduce", x, ir.Constant(_INT32, _TO_FLOOR))
    power = lanes.const(_POLYNOMIAL[-1])
    for coefficient in _POLYNOMIAL[-2::-1]:
        power = lanes.fma(power, rest, lanes.const(coefficient))
    return _masked(lanes, "scalef", power, x)


def emit_pair(lanes: Lanes, rows: list[list[Any]], index: Any, split: Any, left: Any, right: Any) -> None:
    """Store two neighbouring rows, two vectors each, as the pair `index` of a left and of a right block."""
    builder = lanes.builder
    line = builder.mul(index, ir.Constant(_INT64, 2))
    rounded = [emit_rounded(builder, row[0], row[1]) for row in rows]
    for r in range(2):
        emit_left(builder, rounded[r], left, builder.add(line, ir.Constant(_INT64, r)))
    emit_right(builder, rounded[0], rounded[1], right, index)
    with builder.if_then(builder.icmp_signed("!=", split, ir.Constant(_INT64, 0))):
        low = [emit_low(builder, row[0], row[1], high) for row, high in zip(rows, rounded, strict=True)]
        for r in range(2):
            emit_left(builder, low[r], lanes.at(left, BLOCK_BYTES), builder.add(line, ir.Constant(_INT64, r)))
        emit_right(builder, low[0], low[1], lanes.at(right, BLOCK_BYTES), index)


def _offset(lanes: Lanes, index: Any, size: int) -> Any:
    return lanes.builder.mul(index, ir.Constant(_INT64, size))


@intrinsic  # type: ignore[untyped-decorator]
def fill_block(typingctx: Any, offsets: Any, shifts: Any, block: Any) -> Any:
    """``block = offsets[:, None] - shifts``.

    IN
        offsets, shifts : addresses of 32 float32
    OUT
        block : address of 32 x 32 float32, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        offsets, shifts, block = arguments
        lanes = Lanes(builder, types.float32)
        shift = [lanes.load(lanes.at(shifts, offset)) for offset in (0, LINE)]
        with cgutils.for_range(builder, ir.Constant(_INT64, SIDE)) as loop:
            row = lanes.at(block, _offset(lanes, loop.index, _ROW))
            value = lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(loop.index))))
            for j, offset in enumerate((0, LINE)):
                lanes.store(builder.fsub(value, shift[j]), lanes.at(row, offset))
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def exp_block(typingctx: Any, block: Any, split: Any, peaks: Any, totals: Any, left: Any, right: Any) -> Any:
    """``peaks = max(peaks, block.max(0)); totals += exp(block).sum(0)``; exp(block) as a left and a right block.

    IN
        block : address of 32 x 32 float32, contiguous
        split : whether the packed blocks have low parts
    IN, OUT
        peaks, totals : addresses of 32 float32
    OUT
        left, right : addresses of packed blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, split, peaks, totals, left, right = arguments
        lanes = Lanes(builder, types.float32)
        halves = (0, LINE)
        highest = [lanes.variable(lanes.load(lanes.at(peaks, offset))) for offset in halves]
        sums = [lanes.variable(lanes.load(lanes.at(totals, offset))) for offset in halves]
        with cgutils.for_range(builder, ir.Constant(_INT64, SIDE // 2)) as loop:
            pair = lanes.at(block, _offset(lanes, loop.index, 2 * _ROW))
            rows: list[list[Any]] = []
            for r in range(2):
                row: list[Any] = []
                for j, offset in enumerate(halves):
                    x = lanes.load(lanes.at(pair, r * _ROW + offset))
                    builder.store(lanes.maximum(x, builder.load(highest[j])), highest[j])
                    power = emit_quick_exp(lanes, x)
                    builder.store(builder.fadd(builder.load(sums[j]), power), sums[j])
                    row.append(power)
                rows.append(row)
            emit_pair(lanes, rows, loop.index, split, left, right)
        for j, offset in enumerate(halves):
            lanes.store(builder.load(highest[j]), lanes.at(peaks, offset))
            lanes.store(builder.load(sums[j]), lanes.at(totals, offset))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 6), codegen


@intrinsic  # type: ignore[untyped-decorator]
def add_weighted_rows(typingctx: Any, panel: Any, blocks: Any, split: Any, factors: Any, sums: Any) -> Any:
    """``sums[i] = (row i of all blocks * factors)`` added up in 16 lanes, for 32 rows of a panel of left blocks.

    IN
        panel : address of the first left block
        blocks : how many
        split : whether each is followed by its low parts
        factors : address of 32 float32 a block
    OUT
        sums : address of 32 x 16 float32, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        panel, blocks, split, factors, sums = arguments
        lanes = Lanes(builder, types.float32)
        size = builder.shl(ir.Constant(_INT64, BLOCK_BYTES), split)
        is_split = builder.icmp_signed("!=", split, ir.Constant(_INT64, 0))
        every_second = [
            ir.Constant(ir.VectorType(_INT32, 16), [2 * lane + odd for lane in range(16)]) for odd in range(2)
        ]
        for tile in range(2):  # sixteen sums at a time stay in registers
            slots = [lanes.variable(lanes.const(0)) for _ in range(16)]
            with cgutils.for_range(builder, blocks) as loop:
                first, second = (
                    lanes.load(lanes.at(lanes.at(factors, _offset(lanes, loop.index, _ROW)), offset))
                    for offset in (0, LINE)
                )
                weights = [builder.shuffle_vector(first, second, which) for which in every_second]
                start = lanes.at(panel, builder.mul(loop.index, size))

                def add(start: Any, weights: list[Any] = weights, slots: list[Any] = slots, tile: int = tile) -> None:
                    for i, slot in enumerate(slots):
                        words = builder.bitcast(lanes.load(lanes.at(start, (16 * tile + i) * LINE)), lanes.int_type)
                        even = builder.bitcast(builder.shl(words, lanes.int_const(16)), lanes.type)
                        odd = builder.bitcast(builder.and_(words, lanes.int_const(-65536)), lanes.type)
                        total = lanes.fma(even, weights[0], builder.load(slot))
                        builder.store(lanes.fma(odd, weights[1], total), slot)

                add(start)
                with builder.if_then(is_split):
                    add(lanes.at(start, BLOCK_BYTES))
            for i, slot in enumerate(slots):
                lanes.store(builder.load(slot), lanes.at(sums, (16 * tile + i) * LINE))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 5), codegen
