"""Bits of a number, and memory that will be needed soon."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["as_float32", "emit_prefetch", "prefetch"]


@intrinsic  # type: ignore[untyped-decorator]
def as_float32(typingctx: Any, bits: Any) -> Any:
    """Return the float32 with these bits."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), codegen


def emit_prefetch(builder: Any, where: Any, to_write: bool = False) -> None:
    """Emit a request for the cache line at an address, to be read or to be written; never faults."""
    int32 = ir.IntType(32)
    pointer = builder.inttoptr(where, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, int32, int32, int32])
    name = "llvm.prefetch.p0"
    function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
    builder.call(function, [pointer, *(ir.Constant(int32, value) for value in (int(to_write), 3, 1))])


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typingctx: Any, where: Any) -> Any:
    """Ask for the cache line at an address; never faults."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit_prefetch(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.intp), codegen
