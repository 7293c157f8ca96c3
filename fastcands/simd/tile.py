"""Loops over a tile between products: a row for each class or block, the examples of a panel (two vectors) across."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.exp import emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["exp_tile", "scale_tile"]

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


@intrinsic  # type: ignore[untyped-decorator]
def exp_tile(typingctx: Any, like: Any, tile: Any, rows: Any, stride: Any, reference: Any) -> Any:
    """``tile = exp(tile - reference)`` for rows `stride` elements apart.

    IN
        like : array of the element type
        rows : rows of the tile
        stride : elements from row to row
        reference : address of NR numbers; no logit may exceed that of its example by more than 88
    IN, OUT
        tile : address of the first row
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, offsets = _setup(context, builder, signature, arguments)
        _, tile, rows, stride, reference = arguments
        highest = [lanes.load(lanes.at(reference, offset)) for offset in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = _row(lanes, tile, loop.index, stride)
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                lanes.store(emit_exp(lanes, builder.fsub(lanes.load(at), highest[j])), at)
        return context.get_dummy_value()

    return types.void(like, _INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def scale_tile(typingctx: Any, like: Any, tile: Any, rows: Any, factors: Any, row_sums: Any) -> Any:
    """``tile *= factors``, and both vectors of each row are added to its vector of `row_sums`.

    IN
        like : array of the element type
        rows : rows of the tile
        factors : address of NR numbers
    IN, OUT
        tile : address of rows x NR numbers, contiguous
        row_sums : address of one vector (NR / 2 numbers) for each row, contiguous
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
