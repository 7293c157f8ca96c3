"""Denormal numbers count as zero while a kernel runs.

A peaked softmax is full of probabilities near 1e-38. An operation that reads or produces a denormal number takes a
hundred times as long as any other, and its contribution is lost in rounding anyway. The mode belongs to a thread, so
each worker sets it when it starts and restores the old mode at the end. `docs/precision.md` says which results it
changes, and by how much at most. Bits that are only copied do not change; a conversion from float32 to float64 is
arithmetic.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["flush_denormals", "restore_denormals"]

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_FLUSH_X86 = 0x8040
"""Flush-to-zero and denormals-are-zero in MXCSR."""
_FLUSH_ARM = 1 << 24
"""FZ in FPCR."""


def _x86_control(builder: Any, name: str, slot: Any) -> None:
    pointer = builder.bitcast(slot, ir.IntType(8).as_pointer())
    signature = ir.FunctionType(ir.VoidType(), [pointer.type])
    builder.call(cgutils.get_or_insert_function(builder.module, signature, f"llvm.x86.sse.{name}"), [pointer])


@intrinsic  # type: ignore[untyped-decorator]
def flush_denormals(typingctx: Any) -> Any:
    """Treat denormal numbers as zero in this thread from now on; return the mode before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        triple = builder.module.triple
        if triple.startswith(("x86_64", "i686")):
            slot = cgutils.alloca_once(builder, _INT32)
            _x86_control(builder, "stmxcsr", slot)
            before = builder.load(slot)
            builder.store(builder.or_(before, ir.Constant(_INT32, _FLUSH_X86)), slot)
            _x86_control(builder, "ldmxcsr", slot)
            return builder.zext(before, _INT64)
        if triple.startswith(("aarch64", "arm64")):
            get = ir.FunctionType(_INT64, [])
            before = builder.call(cgutils.get_or_insert_function(builder.module, get, "llvm.aarch64.get.fpcr"), [])
            _set_fpcr(builder, builder.or_(before, ir.Constant(_INT64, _FLUSH_ARM)))
            return before
        return ir.Constant(_INT64, 0)

    return types.int64(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def restore_denormals(typingctx: Any, mode: Any) -> Any:
    """Restore the mode that `flush_denormals` returned."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        triple = builder.module.triple
        if triple.startswith(("x86_64", "i686")):
            slot = cgutils.alloca_once(builder, _INT32)
            builder.store(builder.trunc(arguments[0], _INT32), slot)
            _x86_control(builder, "ldmxcsr", slot)
        elif triple.startswith(("aarch64", "arm64")):
            _set_fpcr(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


def _set_fpcr(builder: Any, value: Any) -> None:
    signature = ir.FunctionType(ir.VoidType(), [_INT64])
    builder.call(cgutils.get_or_insert_function(builder.module, signature, "llvm.aarch64.set.fpcr"), [value])
