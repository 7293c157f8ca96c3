"""Numbers by address and index, and the bits of a float32.

A kernel that is given an array counts references to it; one that is given an address does not. LLVM sees that
neighbours are loaded together when an index is added to a pointer. When it is added to the address, an integer,
vector code gathers them one by one.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["float32_at", "float32_bits", "float64_at", "uint16_at"]


def _at(result: Any, bits: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load(typingctx: Any, start: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            first = builder.inttoptr(arguments[0], bits.as_pointer())
            return builder.load(builder.gep(first, [arguments[1]]))

        return result(types.intp, types.intp), codegen

    return load


float32_at = _at(types.float32, ir.FloatType())
float64_at = _at(types.float64, ir.DoubleType())
uint16_at = _at(types.uint16, ir.IntType(16))


@intrinsic  # type: ignore[untyped-decorator]
def float32_bits(typingctx: Any, number: Any) -> Any:
    """Return the bits of a float32 as a uint32; the way back is `fastcands.simd.memory.as_float32`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), codegen
