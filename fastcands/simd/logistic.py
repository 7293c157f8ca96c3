"""The logistic loss of a tile of logits and its gradient, column by column."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.exponential import emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["emit_log1p", "logistic_columns"]

_INTP = types.intp
_INT64 = ir.IntType(64)
_TERMS = {4: 8, 8: 17}
"""Terms of the series in s^2 <= 1/9, by bytes of an element; the rest is below half a unit in the last place."""


def emit_log1p(lanes: Lanes, u: Any) -> Any:
    """Emit log(1 + u) for u in [0, 1]: 2 artanh(s) with s = u / (2 + u), a series without cancellation."""
    builder = lanes.builder
    s = builder.fdiv(u, builder.fadd(u, lanes.const(2)))
    square = builder.fmul(s, s)
    terms = _TERMS[lanes.itemsize]
    series = lanes.const(1 / (2 * terms + 1))
    for k in range(terms - 1, 0, -1):
        series = lanes.fma(series, square, lanes.const(1 / (2 * k + 1)))
    # 2 s (1 + s^2 series), the large term last
    twice = builder.fadd(s, s)
    return lanes.fma(builder.fmul(twice, square), series, twice)


@intrinsic  # type: ignore[untyped-decorator]
def logistic_columns(
    typingctx: Any, like: Any, tile: Any, rows: Any, copies: Any, shifts: Any, upstream: Any, total: Any
) -> Any:
    """``z = tile - shifts; total = (copies * log(1 + e^z)).sum(0); tile = copies * upstream / (1 + e^-z)``.

    IN
        like : array of the element type
        rows : rows of the tile
        copies : address of rows numbers, a factor for each row
        shifts, upstream : addresses of PANEL numbers
    IN, OUT
        tile : address of rows x PANEL numbers, contiguous; -inf gives loss and gradient 0
    OUT
        total : address of PANEL numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, tile, rows, copies, shifts, upstream, total = arguments
        vector_bytes = lanes.count * lanes.itemsize
        offsets = [0, vector_bytes]
        shift = [lanes.load(lanes.at(shifts, offset)) for offset in offsets]
        scale = [lanes.load(lanes.at(upstream, offset)) for offset in offsets]
        sums = [lanes.variable(lanes.const(0)) for _ in offsets]
        zero, one = lanes.const(0), lanes.const(1)
        with cgutils.for_range(builder, rows) as loop:
            where = lanes.at(tile, builder.mul(loop.index, ir.Constant(_INT64, 2 * vector_bytes)))
            count = lanes.splat(lanes.load_scalar(lanes.at(copies, lanes.bytes_of(loop.index))))
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                z = builder.fsub(lanes.load(at), shift[j])
                positive = builder.fcmp_ordered(">", z, zero)
                small = emit_exp(lanes, builder.select(positive, builder.fsub(zero, z), z))
                # the larger of z and 0, z where it is NaN
                high = builder.select(builder.fcmp_ordered("<=", z, zero), zero, z)
                loss = builder.fadd(high, emit_log1p(lanes, small))
                builder.store(lanes.fma(count, loss, builder.load(sums[j])), sums[j])
                sigmoid = builder.fdiv(builder.select(positive, one, small), builder.fadd(small, one))
                lanes.store(builder.fmul(builder.fmul(count, scale[j]), sigmoid), at)
        for j, offset in enumerate(offsets):
            lanes.store(builder.load(sums[j]), lanes.at(total, offset))
        return context.get_dummy_value()

    return types.void(like, *[_INTP] * 6), codegen
