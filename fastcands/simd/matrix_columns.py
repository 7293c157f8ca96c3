"""What happens to a 32 x 32 block of logits between two products of matrix tiles.

A block lies in the first-level cache, rows are classes and columns examples, as in `columns`.

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
from fastcands.simd.memory import emit_prefetch
from fastcands.simd.vector import Lanes

__all__ = [
    "Exponentials",
    "add_weighted_rows",
    "emit_pair",
    "emit_quick_exp",
    "exp_block",
    "scatter_block",
    "shift_block",
]

_INTP = types.intp
_INT16, _INT32, _INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
_HALVES = (0, LINE)
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
    """Store two neighbouring rows, two vectors each, as lines of a left and a right block; `index` counts pairs."""
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
def shift_block(typingctx: Any, block: Any, offsets: Any, shifts: Any) -> Any:
    """``block += offsets[:, None] - shifts``.

    IN
        offsets, shifts : addresses of 32 float32
    IN, OUT
        block : address of 32 x 32 float32, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, offsets, shifts = arguments
        lanes = Lanes(builder, types.float32)
        shift = [lanes.load(lanes.at(shifts, offset)) for offset in (0, LINE)]
        with cgutils.for_range(builder, ir.Constant(_INT64, SIDE)) as loop:
            row = lanes.at(block, _offset(lanes, loop.index, _ROW))
            value = lanes.splat(lanes.load_scalar(lanes.at(offsets, lanes.bytes_of(loop.index))))
            for j, offset in enumerate((0, LINE)):
                at = lanes.at(row, offset)
                lanes.store(builder.fadd(lanes.load(at), builder.fsub(value, shift[j])), at)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP), codegen


class Exponentials:
    """Emits what `exp_block` does, two rows at a time.

    Parameters
    ----------
    builder : llvmlite builder
        Where.
    block, offsets, shifts, split, peaks, totals, left, ahead : LLVM values
        As `exp_block` has them.
    """

    def __init__(
        self, builder: Any, block: Any, offsets: Any, shifts: Any, split: Any, peaks: Any, totals: Any, left: Any,
        ahead: Any,
    ) -> None:  # fmt: skip
        lanes = self._lanes = Lanes(builder, types.float32)
        self._block, self._offsets, self._left, self._ahead = block, offsets, left, ahead
        self._is_split = builder.icmp_signed("!=", split, ir.Constant(_INT64, 0))
        self._shift = [lanes.load(lanes.at(shifts, offset)) for offset in _HALVES]
        self._results = [(peaks, self._slots(peaks)), (totals, self._slots(totals))]

    def _slots(self, where: Any) -> list[Any]:
        return [self._lanes.variable(self._lanes.load(self._lanes.at(where, offset))) for offset in _HALVES]

    def emit_rows(self, pair: Any) -> None:
        """Emit the exponentials of rows 2 `pair` and 2 `pair` + 1."""
        lanes, builder = self._lanes, self._lanes.builder
        (_, peaks), (_, totals) = self._results
        line = _offset(lanes, pair, 2)
        start = lanes.at(self._block, _offset(lanes, pair, 2 * _ROW))
        for r in range(2):
            number = builder.add(line, ir.Constant(_INT64, r))
            added = lanes.splat(lanes.load_scalar(lanes.at(self._offsets, lanes.bytes_of(number))))
            row = []
            for j, offset in enumerate(_HALVES):
                product = lanes.load(lanes.at(start, r * _ROW + offset))
                z = builder.fadd(product, builder.fsub(added, self._shift[j]))
                builder.store(lanes.maximum(z, builder.load(peaks[j])), peaks[j])
                power = emit_quick_exp(lanes, z)
                builder.store(builder.fadd(builder.load(totals[j]), power), totals[j])
                row.append(power)
            high = emit_rounded(builder, row[0], row[1])
            emit_left(builder, high, self._left, number)
            emit_prefetch(builder, lanes.at(self._ahead, _offset(lanes, number, LINE)), to_write=True)
            with builder.if_then(self._is_split):
                emit_left(builder, emit_low(builder, row[0], row[1], high), lanes.at(self._left, BLOCK_BYTES), number)
                emit_prefetch(
                    builder, lanes.at(self._ahead, lanes.at(_offset(lanes, number, LINE), BLOCK_BYTES)), to_write=True
                )

    def emit_end(self) -> None:
        """Emit the stores of the peaks and totals."""
        for where, slots in self._results:
            for slot, offset in zip(slots, _HALVES, strict=True):
                self._lanes.store(self._lanes.builder.load(slot), self._lanes.at(where, offset))


@intrinsic  # type: ignore[untyped-decorator]
def exp_block(
    typingctx: Any, block: Any, offsets: Any, shifts: Any, split: Any, peaks: Any, totals: Any, left: Any, ahead: Any
) -> Any:
    """``z = block + offsets[:, None] - shifts; peaks = max(peaks, z.max(0)); totals += exp(z).sum(0)``; exp(z) packed.

    IN
        block : address of 32 x 32 float32, contiguous
        offsets, shifts : addresses of 32 float32
        split : whether the packed block has low parts
        ahead : address of what will be written next; asked for here
    IN, OUT
        peaks, totals : addresses of 32 float32
    OUT
        left : address of a left block
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        exponentials = Exponentials(builder, *arguments)
        with cgutils.for_range(builder, ir.Constant(_INT64, SIDE // 2)) as loop:
            exponentials.emit_rows(loop.index)
        exponentials.emit_end()
        return context.get_dummy_value()

    return types.void(*[_INTP] * 8), codegen


@intrinsic  # type: ignore[untyped-decorator]
def scatter_block(typingctx: Any, block: Any, rows: Any, numbers: Any, out: Any, out_stride: Any, columns: Any) -> Any:
    """``out[numbers[r], :columns] = block[r, :columns]`` for the first rows of a block.

    IN
        block : address of 32 x 32 float32, contiguous
        rows : how many
        numbers : address of as many int64
        out_stride : numbers from row to row of the result
        columns : how many of the 32 columns exist; the others are not touched
    OUT
        out : address of the result's first row, at the first column of the block
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, numbers, out, out_stride, columns = arguments
        lanes = Lanes(builder, types.float32)
        masks = [lanes.first_lanes(builder.sub(columns, ir.Constant(_INT64, 16 * j))) for j in range(2)]
        with cgutils.for_range(builder, rows) as loop:
            number = builder.load(
                builder.inttoptr(lanes.at(numbers, _offset(lanes, loop.index, 8)), _INT64.as_pointer())
            )
            target = lanes.at(out, lanes.bytes_of(builder.mul(number, out_stride)))
            source = lanes.at(block, _offset(lanes, loop.index, _ROW))
            for half, mask in zip(_HALVES, masks, strict=True):
                lanes.store_masked(lanes.load(lanes.at(source, half)), lanes.at(target, half), mask)
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
