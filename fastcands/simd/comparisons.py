"""Comparisons of a tile of logits with a limit for each example: which examples exceed it, and how often.

A tile has one row for each class and the NR examples of a panel across.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.vector import Lanes

__all__ = ["count_before", "examples_above"]

_INTP = types.intp
_INT64 = ir.IntType(64)


def _setup(builder: Any, signature: Any) -> tuple[Lanes, list[int], Any]:
    """Return the lanes, the byte offsets of a panel's two vectors and the bytes of a row."""
    lanes = Lanes(builder, signature.args[0].dtype)
    vector_bytes = lanes.count * lanes.itemsize
    return lanes, [0, vector_bytes], ir.Constant(_INT64, 2 * vector_bytes)


@intrinsic  # type: ignore[untyped-decorator]
def examples_above(typingctx: Any, like: Any, tile: Any, rows: Any, limits: Any) -> Any:
    """Return a bit for each example: whether one of its logits is above its limit, or is NaN.

    IN
        like : array of the element type
        tile : address of rows x NR numbers, contiguous
        rows : rows of the tile
        limits : address of NR numbers, one for each example, none of them NaN
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets, row_bytes = _setup(builder, signature)
        _, tile, rows, limits = arguments
        bounds = [lanes.load(lanes.at(limits, offset)) for offset in offsets]
        none = ir.Constant(ir.VectorType(ir.IntType(1), lanes.count), [ir.Constant(ir.IntType(1), 0)] * lanes.count)
        found = [lanes.variable(none) for _ in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = lanes.at(tile, builder.mul(loop.index, row_bytes))
            for offset, bound, slot in zip(offsets, bounds, found, strict=True):
                above = builder.fcmp_unordered(">", lanes.load(lanes.at(where, offset)), bound)
                builder.store(builder.or_(builder.load(slot), above), slot)
        bits = ir.Constant(_INT64, 0)
        for j, slot in enumerate(found):
            flags = builder.zext(builder.bitcast(builder.load(slot), ir.IntType(lanes.count)), _INT64)
            bits = builder.or_(bits, builder.shl(flags, ir.Constant(_INT64, j * lanes.count)))
        return bits

    return types.int64(like, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def count_before(typingctx: Any, like: Any, tile: Any, rows: Any, limits: Any, positions: Any, counts: Any) -> Any:
    """Count the logits of each example that are above its limit, or equal to it in a row before its position.

    ``counts = ((tile > limits) | (tile == limits) & (row < positions)).sum(0)``; a comparison with NaN is false.

    IN
        like : array of the element type
        tile : address of rows x NR numbers, contiguous
        rows : rows of the tile
        limits : address of NR numbers
        positions : address of NR integers as wide as the element type
    OUT
        counts : address of NR integers as wide as the element type
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets, row_bytes = _setup(builder, signature)
        _, tile, rows, limits, positions, counts = arguments

        def integers(where: Any) -> Any:
            return builder.bitcast(lanes.load(where), lanes.int_type)

        bounds = [lanes.load(lanes.at(limits, offset)) for offset in offsets]
        starts = [integers(lanes.at(positions, offset)) for offset in offsets]
        # one vector addition counts the rows: cheaper than a broadcast of the loop's index
        number = lanes.variable(lanes.int_const(0))
        sums = [lanes.variable(lanes.int_const(0)) for _ in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = lanes.at(tile, builder.mul(loop.index, row_bytes))
            row = builder.load(number)
            for offset, bound, start, slot in zip(offsets, bounds, starts, sums, strict=True):
                value = lanes.load(lanes.at(where, offset))
                tie = builder.and_(builder.fcmp_ordered("==", value, bound), builder.icmp_signed("<", row, start))
                before = builder.or_(builder.fcmp_ordered(">", value, bound), tie)
                # as an integer, true is -1
                builder.store(builder.sub(builder.load(slot), builder.sext(before, lanes.int_type)), slot)
            builder.store(builder.add(row, lanes.int_const(1)), number)
        for offset, slot in zip(offsets, sums, strict=True):
            lanes.store(builder.bitcast(builder.load(slot), lanes.type), lanes.at(counts, offset))
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP, _INTP), codegen
