"""log of a vector.

x = 2^k m with m between sqrt(1/2) and sqrt(2), found in the bits of x. With f = m - 1 and s = f / (2 + f),

    log m = f - (f^2 / 2 - s (f^2 / 2 + R)),    R = sum over i of 2 s^(2 i) / (2 i + 1)

so that f, the largest term, comes last and is exact: near 1 nothing cancels. s^2 is at most 0.0295, which leaves less
than half a unit in the last place after 4 terms in float32 (0.0295^5 / 11 = 2e-9) and 10 in float64 (6e-19).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.vector import Lanes

__all__ = ["emit_log", "log_vectors"]


class _Format(NamedTuple):
    mantissa_bits: int
    root_half: int
    """Bits of sqrt(1/2)."""
    smallest: float
    """Smallest normal number."""
    terms: int
    ln2_high: float
    """ln 2 with its low bits zero, so that k times it is exact."""
    ln2_low: float


_FORMATS = {
    4: _Format(23, 0x3F3504F3, 2.0**-126, 4, 0.693359375, math.log(2) - 0.693359375),
    8: _Format(52, 0x3FE6A09E667F3BCD, 2.0**-1022, 10, 0.6931471803691238, 1.9082149292705877e-10),
}


def emit_log(lanes: Lanes, x: Any) -> Any:
    """Emit log(x), within 2 units in the last place: -inf for 0, NaN below, infinite for infinity.

    Where denormal numbers are flushed they have the logarithm of 0.
    """
    builder = lanes.builder
    form = _FORMATS[lanes.itemsize]
    # denormal numbers are scaled up to normal ones
    denormal = builder.fcmp_ordered("<", x, lanes.const(form.smallest))
    lift = form.mantissa_bits + 1
    lifted = builder.select(denormal, builder.fmul(x, lanes.const(2.0**lift)), x)
    bits = builder.bitcast(lifted, lanes.int_type)
    above = builder.sub(bits, lanes.int_const(form.root_half))
    exponent = builder.ashr(above, lanes.int_const(form.mantissa_bits))
    m = builder.bitcast(builder.sub(bits, builder.shl(exponent, lanes.int_const(form.mantissa_bits))), lanes.type)
    k = builder.fsub(builder.sitofp(exponent, lanes.type), builder.select(denormal, lanes.const(lift), lanes.const(0)))
    f = builder.fsub(m, lanes.const(1))
    s = builder.fdiv(f, builder.fadd(f, lanes.const(2)))
    square = builder.fmul(s, s)
    series = lanes.const(2 / (2 * form.terms + 1))
    for i in range(form.terms - 1, 0, -1):
        series = lanes.fma(series, square, lanes.const(2 / (2 * i + 1)))
    half_square = builder.fmul(builder.fmul(f, f), lanes.const(0.5))
    inner = builder.fmul(s, lanes.fma(series, square, half_square))
    inner = lanes.fma(k, lanes.const(form.ln2_low), inner)
    small = builder.fsub(builder.fsub(half_square, inner), f)
    result = builder.fsub(builder.fmul(k, lanes.const(form.ln2_high)), small)
    result = builder.select(builder.fcmp_ordered("==", x, lanes.const(math.inf)), x, result)
    result = builder.select(builder.fcmp_ordered("==", x, lanes.const(0)), lanes.const(-math.inf), result)
    positive = builder.fcmp_ordered(">=", x, lanes.const(0))
    return builder.select(positive, result, lanes.const(math.nan))


@intrinsic  # type: ignore[untyped-decorator]
def log_vectors(typingctx: Any, like: Any, where: Any, count: Any) -> Any:
    """``array = log(array)``, in place.

    IN
        like : array of the element type
        count : how many numbers
    IN, OUT
        where : address of the first number
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, where, count = arguments
        width = ir.Constant(count.type, lanes.count)
        vectors = builder.sdiv(builder.add(count, ir.Constant(count.type, lanes.count - 1)), width)
        with cgutils.for_range(builder, vectors) as loop:
            start = builder.mul(loop.index, width)
            at = lanes.at(where, lanes.bytes_of(start))
            mask = lanes.first_lanes(builder.sub(count, start))
            lanes.store_masked(emit_log(lanes, lanes.load_masked(at, mask)), at, mask)
        return context.get_dummy_value()

    return types.void(like, types.intp, types.intp), codegen
