"""Memory by address: how kernels read tables of any dtype, layout and writability with one signature."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["as_float32", "load_float32", "load_float64", "load_uint16", "prefetch"]


def _loader(result: Any, bits: Any) -> Any:
    @intrinsic  # type: ignore[untyped-decorator]
    def load(typingctx: Any, where: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.load(builder.inttoptr(arguments[0], bits.as_pointer()))

        return result(types.intp), codegen

    return load


load_float32 = _loader(types.float32, ir.FloatType())
load_float64 = _loader(types.float64, ir.DoubleType())
load_uint16 = _loader(types.uint16, ir.IntType(16))


@intrinsic  # type: ignore[untyped-decorator]
def as_float32(typingctx: Any, bits: Any) -> Any:
    """Return the float32 with these bits."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), codegen


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typingctx: Any, where: Any) -> Any:
    """Ask for the cache line at an address; never faults."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int32 = ir.IntType(32)
        pointer = builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, int32, int32, int32])
        name = "llvm.prefetch.p0"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [pointer, *(ir.Constant(int32, value) for value in (0, 3, 1))])
        return context.get_dummy_value()

    return types.void(types.intp), codegen
