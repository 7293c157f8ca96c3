"""exp of a vector.

x = n ln 2 + r with r within ln(2) / 2 of zero; e^x = 2^n e^r. n comes from adding and subtracting 1.5 * 2^(mantissa
bits), which rounds to an integer and leaves it in the low bits: no instruction of a particular processor is needed.
e^r is its Taylor polynomial, of a degree whose remainder is below half a unit in the last place
(7 for float32: 0.35^8 / 8! = 5e-9; 13 for float64: 0.35^14 / 14! = 5e-18). What intermediate roundings lose is
added at the end, so that a sigmoid, which rounds twice more, stays within 2 units.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastcands.simd.vector import Lanes

__all__ = ["LOWEST", "emit_exp"]


class _Format(NamedTuple):
    mantissa_bits: int
    degree: int
    smallest: float
    """Below this the result is 0: e^x would be denormal."""
    largest: float
    """Above this the result is infinite."""
    ln2_high: float
    """ln 2 with its low bits zero, so that n times it is exact."""


_FORMATS = {
    4: _Format(23, 7, -87.33654, 88.72283, 0.693359375),
    8: _Format(52, 13, -708.3964185322641, 709.782712893384, 0.6931471803691238),
}
_LN2_LOW = {4: math.log(2) - 0.693359375, 8: 1.9082149292705877e-10}

LOWEST = -1e38
"""Where a running maximum starts: finite, so that exp(-inf - maximum) of a masked logit is 0, never NaN."""


def emit_exp(lanes: Lanes, x: Any) -> Any:
    """Emit exp(x), within 1 unit in the last place; exactly 0 where it would be denormal."""
    builder = lanes.builder
    form = _FORMATS[lanes.itemsize]
    rounder = lanes.const(1.5 * 2.0**form.mantissa_bits)
    tiny = builder.fcmp_ordered("<", x, lanes.const(form.smallest))
    clamped = builder.select(tiny, lanes.const(form.smallest), x)
    shifted = lanes.fma(clamped, lanes.const(1 / math.log(2)), rounder)
    n = builder.fsub(shifted, rounder)
    near = lanes.fma(n, lanes.const(-form.ln2_high), clamped)
    low = lanes.const(-_LN2_LOW[lanes.itemsize])
    r = lanes.fma(n, low, near)
    rest = lanes.fma(n, low, builder.fsub(near, r))  # what rounding r lost
    tail = lanes.const(1 / math.factorial(form.degree))
    for k in range(form.degree - 1, 1, -1):
        tail = lanes.fma(tail, r, lanes.const(1 / math.factorial(k)))
    # 1 + r + r^2 tail: what rounding 1 + r loses is added to the small terms; only the last addition rounds visibly
    one = lanes.const(1)
    most = builder.fadd(one, r)
    rest = builder.fadd(builder.fadd(builder.fsub(one, most), r), rest)
    power = builder.fadd(most, lanes.fma(builder.fmul(r, r), tail, rest))
    exponent = builder.shl(builder.bitcast(shifted, lanes.int_type), lanes.int_const(form.mantissa_bits))
    scaled = builder.bitcast(builder.add(builder.bitcast(power, lanes.int_type), exponent), lanes.type)
    result = builder.select(tiny, lanes.const(0), scaled)
    result = builder.select(builder.fcmp_ordered(">", x, lanes.const(form.largest)), lanes.const(math.inf), result)
    return builder.select(builder.fcmp_unordered("uno", x, x), x, result)
