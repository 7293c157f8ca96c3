"""Fast exponentials and logistic functions, for sums of products of bfloat16 numbers.

An instruction set gives the parts of 2^x: x minus its floor, and p 2^floor(x), which is 0 or infinite where it
underflows or overflows. A polynomial of degree 5 is within 1.5e-7 of 2^x on [0, 1). x = z log2(e) is rounded once,
which changes e^z as much as rounding z does. That is enough here: sums of bfloat16 products are no more precise.
"""

from __future__ import annotations

import math
from typing import Any

from fastcands.simd.dot import chosen
from fastcands.simd.vector import Lanes

__all__ = ["emit_quick_exp", "emit_quick_softplus_and_sigmoid"]

# minimax in relative error: 2^x on [0, 1), and log(1 + u) / u on [0, 1] (2e-7)
_POWER = (
    0.9999999250635637, 0.6931530731979479, 0.2401536170635708, 0.0558263179964827, 0.008989340158188296,
    0.0018775766472212691,
)  # fmt: skip
_LOG1P = (
    0.9999999698795502, -0.4999949314036029, 0.33319096805187987, -0.24842982195360738, 0.19106006689957453,
    -0.13663245645259675, 0.07822595012114839, -0.02950523770010265, 0.005232693995585378,
)  # fmt: skip


def _polynomial(lanes: Lanes, coefficients: tuple[float, ...], x: Any) -> Any:
    result = lanes.const(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        result = lanes.fma(result, x, lanes.const(coefficient))
    return result


def emit_quick_exp(lanes: Lanes, z: Any) -> Any:
    """Emit e^z of 16 float32, to within (2.5 + |z|) units in the last place; NaN for NaN."""
    vectors = chosen()
    x = lanes.builder.fmul(z, lanes.const(1 / math.log(2)))
    return vectors.emit_scaled(lanes, _polynomial(lanes, _POWER, vectors.emit_fraction(lanes, x)), x)


def emit_quick_softplus_and_sigmoid(lanes: Lanes, z: Any) -> tuple[Any, Any]:
    """Emit log(1 + e^z) and 1 / (1 + e^-z) of 16 float32, to within (5 + |z|) units in the last place; NaN for NaN."""
    builder = lanes.builder
    zero, one = lanes.const(0), lanes.const(1)
    positive = builder.fcmp_ordered(">", z, zero)
    small = emit_quick_exp(lanes, builder.select(positive, builder.fsub(zero, z), z))
    # the larger of z and 0, z where it is NaN
    positive_part = builder.select(builder.fcmp_ordered("<=", z, zero), zero, z)
    softplus = lanes.fma(small, _polynomial(lanes, _LOG1P, small), positive_part)
    divisor = builder.fadd(small, one)
    guess = chosen().emit_reciprocal(lanes, divisor)
    inverse = builder.fmul(guess, builder.fsub(lanes.const(2), builder.fmul(divisor, guess)))
    return softplus, builder.fmul(builder.select(positive, one, small), inverse)
