"""log(1 + u), log(1 + e^z) and 1 / (1 + e^-z) of a vector."""

from __future__ import annotations

from typing import Any

from fastcands.simd.exp import emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["emit_log1p", "emit_softplus_and_sigmoid"]

_TERMS = {4: 8, 8: 17}
"""Terms of the series in s^2 <= 1/9, by bytes of an element; the remainder is below half a unit in the last place."""


def emit_log1p(lanes: Lanes, u: Any) -> Any:
    """Emit log(1 + u) for u in [0, 1], by the formula of `fastcands.simd.log` with f = u.

    u is exact and is added last, so a small result is little less precise than u, which is an exponential.
    """
    builder = lanes.builder
    s = builder.fdiv(u, builder.fadd(u, lanes.const(2)))
    square = builder.fmul(s, s)
    terms = _TERMS[lanes.itemsize]
    series = lanes.const(2 / (2 * terms + 1))
    for k in range(terms - 1, 0, -1):
        series = lanes.fma(series, square, lanes.const(2 / (2 * k + 1)))
    half_square = builder.fmul(builder.fmul(u, u), lanes.const(0.5))
    return builder.fsub(u, builder.fsub(half_square, builder.fmul(s, lanes.fma(series, square, half_square))))


def emit_softplus_and_sigmoid(lanes: Lanes, z: Any) -> tuple[Any, Any]:
    """Emit log(1 + e^z) and 1 / (1 + e^-z), each within 2 units in the last place; 0 where they would be denormal."""
    builder = lanes.builder
    zero, one = lanes.const(0), lanes.const(1)
    positive = builder.fcmp_ordered(">", z, zero)
    small = emit_exp(lanes, builder.select(positive, builder.fsub(zero, z), z))
    # the larger of z and 0, z where it is NaN
    positive_part = builder.select(builder.fcmp_ordered("<=", z, zero), zero, z)
    softplus = builder.fadd(positive_part, emit_log1p(lanes, small))
    divisor = builder.fadd(small, one)
    quotient = builder.fdiv(builder.select(positive, one, small), divisor)
    # what rounding the divisor lost, times its inverse; a straight line through 1 and 1/2 is precise enough for that
    lost = builder.fadd(builder.fsub(one, divisor), small)
    inverse = lanes.fma(divisor, lanes.const(-0.5), lanes.const(1.5))
    return softplus, builder.fsub(quotient, builder.fmul(builder.fmul(quotient, lost), inverse))
