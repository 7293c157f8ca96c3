"""What happens to a tile of logits between two products, column by column.

A tile is `rows` rows of one panel (two vectors). Its columns are examples and its rows classes, so the maximum, the
exponential and the sum over the classes run down the rows, with no exchange between lanes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.exp import LOWEST, emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["exp_columns", "probability_columns", "scale_columns", "softmax_columns", "update_softmax_columns"]

_INTP = types.intp
_INT64 = ir.IntType(64)


def _setup(context: Any, builder: Any, signature: Any, arguments: Any) -> tuple[Lanes, list[int]]:
    """Return the lanes and the byte offsets of a panel's two vectors. The first argument only gives the type."""
    lanes = Lanes(builder, signature.args[0].dtype)
    return lanes, [0, lanes.count * lanes.itemsize]


def _row(lanes: Lanes, base: Any, index: Any, stride: Any | None = None) -> Any:
    """Return the address of a row: `stride` elements apart, one panel apart when it is None."""
    step = lanes.bytes_of(stride) if stride is not None else ir.Constant(_INT64, 2 * lanes.count * lanes.itemsize)
    return lanes.at(base, lanes.builder.mul(index, step))


def _maximum(lanes: Lanes, tile: Any, rows: Any, offsets: list[int], initial: list[Any]) -> list[Any]:
    slots = [lanes.variable(value) for value in initial]
    with cgutils.for_range(lanes.builder, rows) as loop:
        where = _row(lanes, tile, loop.index)
        for offset, slot in zip(offsets, slots, strict=True):
            value = lanes.load(lanes.at(where, offset))
            lanes.builder.store(lanes.maximum(value, lanes.builder.load(slot)), slot)
    return [lanes.builder.load(slot) for slot in slots]


@intrinsic  # type: ignore[untyped-decorator]
def softmax_columns(typingctx: Any, like: Any, tile: Any, rows: Any, maximum: Any, total: Any) -> Any:
    """``maximum = tile.max(0); tile = exp(tile - maximum); total = tile.sum(0)``.

    IN
        like : array of the element type
        rows : rows of the tile
    IN, OUT
        tile : address of rows x NR numbers, contiguous
    OUT
        maximum, total : addresses of NR numbers; the maximum is at least -1e38
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, maximum, total = arguments
        peak = _maximum(lanes, tile, rows, offsets, [lanes.const(LOWEST)] * 2)
        sums = [lanes.variable(lanes.const(0)) for _ in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index)
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                value = emit_exp(lanes, builder.fsub(lanes.load(at), peak[j]))
                lanes.store(value, at)
                builder.store(builder.fadd(builder.load(sums[j]), value), sums[j])
        for j, offset in enumerate(offsets):
            lanes.store(peak[j], lanes.at(maximum, offset))
            lanes.store(builder.load(sums[j]), lanes.at(total, offset))
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def update_softmax_columns(typingctx: Any, like: Any, tile: Any, rows: Any, maximum: Any, total: Any) -> Any:
    """Take a tile into a running maximum and a running sum of exponentials; the tile stays as it is.

    IN
        like : array of the element type
        tile : address of rows x NR numbers, contiguous
        rows : rows of the tile
    IN, OUT
        maximum, total : addresses of NR numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, maximum, total = arguments
        before = [lanes.load(lanes.at(maximum, offset)) for offset in offsets]
        peak = _maximum(lanes, tile, rows, offsets, before)
        # the tile's own sum is formed from zero: a chain of one tile, not of all classes
        sums = [lanes.variable(lanes.const(0)) for _ in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index)
            for j, offset in enumerate(offsets):
                value = emit_exp(lanes, builder.fsub(lanes.load(lanes.at(where, offset)), peak[j]))
                builder.store(builder.fadd(builder.load(sums[j]), value), sums[j])
        for j, offset in enumerate(offsets):
            shrink = emit_exp(lanes, builder.fsub(before[j], peak[j]))
            at = lanes.at(total, offset)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[j])), at)
            lanes.store(peak[j], lanes.at(maximum, offset))
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def exp_columns(typingctx: Any, like: Any, tile: Any, rows: Any, stride: Any, reference: Any) -> Any:
    """``tile = exp(tile - reference)`` for rows that lie `stride` elements apart.

    IN
        like : array of the element type
        rows : rows of the tile
        stride : elements from row to row
        reference : address of NR numbers, none below its column by more than 88
    IN, OUT
        tile : address of the first row
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, stride, reference = arguments
        peak = [lanes.load(lanes.at(reference, offset)) for offset in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index, stride)
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                lanes.store(emit_exp(lanes, builder.fsub(lanes.load(at), peak[j])), at)
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def scale_columns(typingctx: Any, like: Any, tile: Any, rows: Any, factors: Any, row_sums: Any) -> Any:
    """``tile *= factors; row_sums += the rows' sums``, lane by lane.

    IN
        like : array of the element type
        rows : rows of the tile
        factors : address of NR numbers
    IN, OUT
        tile : address of rows x NR numbers, contiguous
        row_sums : address of rows vectors (half a NR each), contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, factors, row_sums = arguments
        scale = [lanes.load(lanes.at(factors, offset)) for offset in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index)
            parts = []
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                part = builder.fmul(lanes.load(at), scale[j])
                lanes.store(part, at)
                parts.append(part)
            at = lanes.at(row_sums, builder.mul(loop.index, ir.Constant(_INT64, lanes.count * lanes.itemsize)))
            lanes.store(builder.fadd(lanes.load(at), builder.fadd(*parts)), at)
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def probability_columns(
    typingctx: Any, like: Any, tile: Any, rows: Any, reference: Any, factors: Any, row_sums: Any
) -> Any:
    """``tile = exp(tile - reference) * factors; row_sums += the rows' sums``, lane by lane.

    IN
        like : array of the element type
        rows : rows of the tile
        reference, factors : addresses of NR numbers
    IN, OUT
        tile : address of rows x NR numbers, contiguous
        row_sums : address of rows vectors (half a NR each), contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, reference, factors, row_sums = arguments
        peak = [lanes.load(lanes.at(reference, offset)) for offset in offsets]
        scale = [lanes.load(lanes.at(factors, offset)) for offset in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index)
            parts = []
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                value = emit_exp(lanes, builder.fsub(lanes.load(at), peak[j]))
                part = builder.fmul(value, scale[j])
                lanes.store(part, at)
                parts.append(part)
            at = lanes.at(row_sums, builder.mul(loop.index, ir.Constant(_INT64, lanes.count * lanes.itemsize)))
            lanes.store(builder.fadd(lanes.load(at), builder.fadd(*parts)), at)
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP, _INTP), codegen
