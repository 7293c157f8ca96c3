"""Vectors in LLVM IR, written like arithmetic."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.target import VECTOR_BYTES

__all__ = ["Lanes", "address", "fetch_add"]

_INT64 = ir.IntType(64)
_FLOATS = {types.float32: (ir.FloatType(), 4, "f32"), types.float64: (ir.DoubleType(), 8, "f64")}


class Lanes:
    """Emits instructions on vectors of one element type, into one builder.

    Vectors are plain LLVM values; this class holds the builder and the type, so that a formula needs neither.
    Addresses are 64-bit integers and offsets are bytes.

    Parameters
    ----------
    builder : llvmlite builder
        Receives the instructions.
    dtype : numba.types.float32 or float64
        Of the elements.
    count : int, optional
        Elements of a vector; by default as many as fit in a register. LLVM splits longer vectors over several.
    """

    def __init__(self, builder: Any, dtype: Any, count: int | None = None) -> None:
        self.builder = builder
        self.scalar, self.itemsize, self._suffix = _FLOATS[dtype]
        self.count = VECTOR_BYTES // self.itemsize if count is None else count
        self.type = ir.VectorType(self.scalar, self.count)
        self.int_scalar = ir.IntType(8 * self.itemsize)
        self.int_type = ir.VectorType(self.int_scalar, self.count)

    def const(self, value: float) -> Any:
        """Return `value` in every lane."""
        return ir.Constant(self.type, [ir.Constant(self.scalar, float(value))] * self.count)

    def int_const(self, value: int) -> Any:
        """Return the integer `value` in every lane."""
        return ir.Constant(self.int_type, [ir.Constant(self.int_scalar, value)] * self.count)

    def splat(self, scalar: Any) -> Any:
        """Return a scalar in every lane."""
        one = self.builder.insert_element(ir.Constant(self.type, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [0] * self.count)
        return self.builder.shuffle_vector(one, ir.Constant(self.type, ir.Undefined), zeros)

    def at(self, base: Any, offset: Any = 0) -> Any:
        """Return the address `base` + `offset` bytes; `offset` is a Python int or an LLVM value."""
        if isinstance(offset, int):
            offset = ir.Constant(_INT64, offset)
        return self.builder.add(base, offset)

    def bytes_of(self, elements: Any) -> Any:
        """Return the bytes that a number of elements take."""
        return self.builder.mul(elements, ir.Constant(_INT64, self.itemsize))

    def load(self, where: Any) -> Any:
        """Load a vector; the address need only be aligned to an element."""
        value = self.builder.load(self.builder.inttoptr(where, self.type.as_pointer()))
        value.align = self.itemsize
        return value

    def load_scalar(self, where: Any) -> Any:
        """Load one element."""
        return self.builder.load(self.builder.inttoptr(where, self.scalar.as_pointer()))

    def store(self, vector: Any, where: Any) -> None:
        """Store a vector; the address need only be aligned to an element."""
        instruction = self.builder.store(vector, self.builder.inttoptr(where, self.type.as_pointer()))
        instruction.align = self.itemsize

    def _call(self, name: str, result: Any, *arguments: Any) -> Any:
        signature = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, signature, name), arguments)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """Return x * y + z, fused where the processor can.

        ``llvm.fmuladd``, not ``llvm.fma``: without hardware for it the latter becomes a library call a lane,
        sixty times slower.
        """
        return self._call(f"llvm.fmuladd.v{self.count}{self._suffix}", self.type, x, y, z)

    def maximum(self, x: Any, y: Any) -> Any:
        """Return the larger of the two; `y` where `x` is NaN."""
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def first_lanes(self, wanted: Any) -> Any:
        """Return a mask of the first `wanted` lanes (an int64; none if negative, all if large)."""
        wide = ir.VectorType(_INT64, self.count)
        index = ir.Constant(wide, [ir.Constant(_INT64, lane) for lane in range(self.count)])
        one = self.builder.insert_element(ir.Constant(wide, ir.Undefined), wanted, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.count), [0] * self.count)
        limit = self.builder.shuffle_vector(one, ir.Constant(wide, ir.Undefined), zeros)
        return self.builder.icmp_signed("<", index, limit)

    def load_masked(self, where: Any, mask: Any) -> Any:
        """Load the lanes in `mask`; the others are zero and their memory is not read."""
        pointer = self.builder.inttoptr(where, self.type.as_pointer())
        name = f"llvm.masked.load.v{self.count}{self._suffix}.p0"
        return self._call(name, self.type, pointer, ir.Constant(ir.IntType(32), self.itemsize), mask, self.const(0))

    def store_masked(self, vector: Any, where: Any, mask: Any) -> None:
        """Store the lanes in `mask`; the memory of the others is not written."""
        pointer = self.builder.inttoptr(where, self.type.as_pointer())
        name = f"llvm.masked.store.v{self.count}{self._suffix}.p0"
        self._call(name, ir.VoidType(), vector, pointer, ir.Constant(ir.IntType(32), self.itemsize), mask)

    def variable(self, initial: Any) -> Any:
        """Return a stack slot that holds `initial`; LLVM turns it into a register."""
        return cgutils.alloca_once_value(self.builder, initial)


@intrinsic  # type: ignore[untyped-decorator]
def address(typingctx: Any, array: Any, element: Any) -> Any:
    """Return the address of an element of a C-contiguous array, counted in elements from its start."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        offset = builder.mul(arguments[1], ir.Constant(_INT64, signature.args[0].dtype.bitwidth // 8))
        return builder.add(builder.ptrtoint(data, _INT64), offset)

    return types.intp(array, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def fetch_add(typingctx: Any, counter: Any) -> Any:
    """Return ``counter[0]`` and add 1 to it, atomically: how workers take their next task."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", data, ir.Constant(_INT64, 1), "monotonic")

    return types.int64(counter), codegen
