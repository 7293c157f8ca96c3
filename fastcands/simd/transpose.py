"""Transposition of a square of numbers in registers.

A transposition number by number touches a new cache line with every number, on one of its sides. Here n vectors of n
numbers are loaded, interleaved in log2(n) rounds and stored: each round brings numbers of a column closer together, and
after the last one each vector is a column. Number by number took ten times as long.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from fastcands.simd.vector import Lanes

__all__ = ["transpose_square"]

_INT32 = ir.IntType(32)


def _interleave(lanes: Lanes, x: Any, y: Any, upper: bool) -> Any:
    """Return x[0], y[0], x[1], y[1], ... of the lower or the upper halves."""
    start = lanes.count // 2 if upper else 0
    order = [start + k // 2 + lanes.count * (k % 2) for k in range(lanes.count)]
    mask = ir.Constant(ir.VectorType(_INT32, lanes.count), [ir.Constant(_INT32, index) for index in order])
    return lanes.builder.shuffle_vector(x, y, mask)


@intrinsic  # type: ignore[untyped-decorator]
def transpose_square(typingctx: Any, like: Any, source: Any, source_stride: Any, out: Any, out_stride: Any) -> Any:
    """``out[k, i] = source[i, k]`` for n rows and columns, n being the numbers of a vector.

    IN
        like : array of the element type
        source : address of the first row; rows are contiguous
        source_stride, out_stride : elements from row to row
    OUT
        out : address of the first row; rows are contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, source, source_stride, out, out_stride = arguments
        n = lanes.count

        def row(base: Any, stride: Any, i: int) -> Any:
            return lanes.at(base, builder.mul(lanes.bytes_of(stride), ir.Constant(stride.type, i)))

        vectors = [lanes.load(row(source, source_stride, i)) for i in range(n)]
        for _ in range(n.bit_length() - 1):
            vectors = [_interleave(lanes, vectors[k // 2], vectors[k // 2 + n // 2], bool(k % 2)) for k in range(n)]
        for k, vector in enumerate(vectors):
            lanes.store(vector, row(out, out_stride, k))
        return context.get_dummy_value()

    integers = [types.intp] * 4
    return types.void(like, *integers), codegen
