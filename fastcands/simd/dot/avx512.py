"""The vector arithmetic between products, in AVX-512: rounding to bfloat16, and the parts of an exponential.

Every instruction set on a processor with AVX512-BF16 can use it. Each emitter has a twin: what the instruction does, in
NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numpy.typing import NDArray

from fastcands.simd.vector import Lanes

__all__ = [
    "emit_fraction", "emit_reciprocal", "emit_rounded", "emit_scaled", "fraction_twin", "reciprocal_twin",
    "rounded_twin", "scaled_twin",
]  # fmt: skip

_INT16, _INT32 = ir.IntType(16), ir.IntType(32)
_TO_FLOOR, _AS_SET = 1, 4
"""Rounding modes: subtract the floor; the mode of the control register."""


class _BFloat16(ir.Type):  # type: ignore[misc]
    """LLVM's type bfloat, which llvmlite does not have; vectors of it are cast to int16 at once."""

    def _to_string(self) -> str:
        return "bfloat"


_FLOATS = ir.VectorType(ir.FloatType(), 16)
_ROUNDED = ir.VectorType(_BFloat16(), 32)
_INT16S = ir.VectorType(_INT16, 32)


def _masked(lanes: Lanes, name: str, *arguments: Any, rounding: bool = True) -> Any:
    """Emit an AVX-512 instruction on all lanes."""
    operands = [*arguments, lanes.const(0), ir.Constant(_INT16, -1)]
    if rounding:
        operands.append(ir.Constant(_INT32, _AS_SET))
    kind = ir.FunctionType(lanes.type, [operand.type for operand in operands])
    function = cgutils.get_or_insert_function(lanes.builder.module, kind, f"llvm.x86.avx512.{name}.512")
    return lanes.builder.call(function, operands)


def emit_rounded(builder: Any, first: Any, second: Any) -> Any:
    """Emit 2 x 16 float32 rounded to bfloat16, as 32 int16 (vcvtne2ps2bf16)."""
    kind = ir.FunctionType(_ROUNDED, [_FLOATS, _FLOATS])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.cvtne2ps2bf16.512")
    return builder.bitcast(builder.call(function, [second, first]), _INT16S)


def rounded_twin(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return the nearest bfloat16, ties to even, as bits; NaN for NaN, and 0 of the same sign for denormals."""
    bits = x.view(np.uint32)
    nearest = ((bits + (0x7FFF + (bits >> 16 & 1)).astype(np.uint32)) >> 16).astype(np.uint16)
    nearest = np.where(np.isnan(x), (bits >> 16 | 0x40).astype(np.uint16), nearest)
    return np.where(bits & 0x7F800000 == 0, (bits >> 16 & 0x8000).astype(np.uint16), nearest)


def emit_fraction(lanes: Lanes, x: Any) -> Any:
    """Emit x minus its floor (vreduceps)."""
    return _masked(lanes, "mask.reduce.ps", x, ir.Constant(_INT32, _TO_FLOOR))


def fraction_twin(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x minus its floor, rounded down: -0 for integers; 0 for infinities."""
    with np.errstate(invalid="ignore"):
        exact = x.astype(np.float64) - np.floor(
            x.astype(np.float64)
        )  # exact in float64, except for tiny negative numbers
        nearest = exact.astype(np.float32)
        rounded_down = np.where(
            (nearest > exact) | ((exact == 1) & (x < 0)), np.nextafter(nearest, np.float32(0)), nearest
        )
    return np.where(np.isinf(x), np.float32(0), np.where(rounded_down == 0, np.float32(-0.0), rounded_down))


def emit_scaled(lanes: Lanes, x: Any, exponent: Any) -> Any:
    """Emit x 2^floor(exponent) (vscalefps)."""
    return _masked(lanes, "mask.scalef.ps", x, exponent)


def scaled_twin(x: NDArray[np.float32], exponent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x 2^floor(exponent) for x from 1/4 to 4, rounded to the nearest; 0 and infinity at the ends."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        power = np.clip(np.floor(exponent.astype(np.float64)), -200, 200)
        scaled: NDArray[np.float32] = (x.astype(np.float64) * np.exp2(power)).astype(np.float32)
    return scaled


def emit_reciprocal(lanes: Lanes, x: Any) -> Any:
    """Emit about 1 / x (vrcp14ps)."""
    return _masked(lanes, "rcp14.ps", x, rounding=False)


def reciprocal_twin(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return 1 / x for x from 1 to 2, and the relative error of the instruction.

    Its bits differ between makers of processors; all of them promise this bound.
    """
    return np.float32(1) / x, 2.0**-14
