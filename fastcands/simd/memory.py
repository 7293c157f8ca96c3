"""Memory by address: loads of numbers, their bits, and prefetches.

A kernel that is passed an array counts references to it; one that is passed an address does not. An index is added to a
pointer, not to the integer address: then LLVM sees that neighbours are contiguous and loads them as a vector.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["as_float32", "emit_prefetch", "float32_at", "float32_bits", "float64_at", "prefetch", "uint16_at"]


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
    """Return the bits of a float32 as a uint32; the inverse is `as_float32`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), codegen


@intrinsic  # type: ignore[untyped-decorator]
def as_float32(typingctx: Any, bits: Any) -> Any:
    """Return the float32 with these bits."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), codegen


def emit_prefetch(builder: Any, where: Any, to_write: bool = False) -> None:
    """Emit a prefetch of the cache line at an address, for reading or for writing; never faults."""
    int32 = ir.IntType(32)
    pointer = builder.inttoptr(where, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, int32, int32, int32])
    name = "llvm.prefetch.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    builder.call(function, [pointer, *(ir.Constant(int32, value) for value in (int(to_write), 3, 1))])


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typingctx: Any, where: Any) -> Any:
    """Prefetch the cache line at an address; never faults."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_prefetch(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.intp), codegen
