"""The logistic loss of a tile of logits and its gradient, column by column."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.exp import emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["emit_log1p", "emit_softplus_and_sigmoid", "logistic_columns"]

_INTP = types.intp
_INT64 = ir.IntType(64)
_TERMS = {4: 8, 8: 17}
"""Terms of the series in s^2 <= 1/9, by bytes of an element; the rest is below half a unit in the last place."""


def emit_log1p(lanes: Lanes, u: Any) -> Any:
    """Emit log(1 + u) for u in [0, 1]; see `logarithm`, of which u is the f.

    As u comes last and is exact, the error of a small result is that of u, an exponential, and little more.
    """
    builder = lanes.builder
    s = builder.fdiv(u, builder.fadd(u, lanes.const(2)))
    square = builder.fmul(s, s)
    terms = _TERMS[lanes.itemsize]
    series = lanes.const(2 / (2 * terms + 1))
    for k in range(terms - 1, 0, -1):
        series = lanes.fma(series, square, lanes.const(2 / (2 * k + 1)))
    half = builder.fmul(builder.fmul(u, u), lanes.const(0.5))
    return builder.fsub(u, builder.fsub(half, builder.fmul(s, lanes.fma(series, square, half))))


def emit_softplus_and_sigmoid(lanes: Lanes, z: Any) -> tuple[Any, Any]:
    """Emit log(1 + e^z) and 1 / (1 + e^-z), each within 2 units in the last place; 0 where they would be denormal."""
    builder = lanes.builder
    zero, one = lanes.const(0), lanes.const(1)
    positive = builder.fcmp_ordered(">", z, zero)
    small = emit_exp(lanes, builder.select(positive, builder.fsub(zero, z), z))
    # the larger of z and 0, z where it is NaN
    high = builder.select(builder.fcmp_ordered("<=", z, zero), zero, z)
    softplus = builder.fadd(high, emit_log1p(lanes, small))
    divisor = builder.fadd(small, one)
    quotient = builder.fdiv(builder.select(positive, one, small), divisor)
    # what rounding the divisor lost, times its inverse, for which a line through 1 and 1/2 is good enough
    lost = builder.fadd(builder.fsub(one, divisor), small)
    inverse = lanes.fma(divisor, lanes.const(-0.5), lanes.const(1.5))
    return softplus, builder.fsub(quotient, builder.fmul(builder.fmul(quotient, lost), inverse))


@intrinsic  # type: ignore[untyped-decorator]
def logistic_columns(
    typingctx: Any, like: Any, tile: Any, rows: Any, copies: Any, shifts: Any, upstream: Any, total: Any
) -> Any:
    """``z = tile - shifts; total = (copies * log(1 + e^z)).sum(0); tile = copies * upstream / (1 + e^-z)``.

    IN
        like : array of the element type
        rows : rows of the tile
        copies : address of rows numbers, a factor for each row
        shifts, upstream : addresses of NR numbers
    IN, OUT
        tile : address of rows x NR numbers, contiguous; -inf gives loss and gradient 0
    OUT
        total : address of NR numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, tile, rows, copies, shifts, upstream, total = arguments
        vector_bytes = lanes.count * lanes.itemsize
        offsets = [0, vector_bytes]
        shift = [lanes.load(lanes.at(shifts, offset)) for offset in offsets]
        scale = [lanes.load(lanes.at(upstream, offset)) for offset in offsets]
        sums = [lanes.variable(lanes.const(0)) for _ in offsets]
        with cgutils.for_range(builder, rows) as loop:
            where = lanes.at(tile, builder.mul(loop.index, ir.Constant(_INT64, 2 * vector_bytes)))
            count = lanes.splat(lanes.load_scalar(lanes.at(copies, lanes.bytes_of(loop.index))))
            for j, offset in enumerate(offsets):
                at = lanes.at(where, offset)
                z = builder.fsub(lanes.load(at), shift[j])
                loss, sigmoid = emit_softplus_and_sigmoid(lanes, z)
                builder.store(lanes.fma(count, loss, builder.load(sums[j])), sums[j])
                lanes.store(builder.fmul(builder.fmul(count, scale[j]), sigmoid), at)
        for j, offset in enumerate(offsets):
            lanes.store(builder.load(sums[j]), lanes.at(total, offset))
        return context.get_dummy_value()

    return types.void(like, *[_INTP] * 6), codegen
