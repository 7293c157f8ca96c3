"""One row of a quasi-recurrent layer at one time, in vector code: gates, cells and hidden values, and their gradients.

The last vector of a row is loaded and stored under a mask, so that any width takes the same instructions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.exp import emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["gate_gradients", "gates"]

_INTP = types.intp
_INT64 = ir.IntType(64)


class _Columns:
    """Loads and stores of some columns of a row: one vector of them, or the lanes of it that the row still has."""

    def __init__(self, lanes: Lanes, offset: Any, mask: Any | None) -> None:
        self._lanes, self._offset, self._mask = lanes, offset, mask

    def load(self, row: Any) -> Any:
        where = self._lanes.at(row, self._offset)
        return self._lanes.load(where) if self._mask is None else self._lanes.load_masked(where, self._mask)

    def store(self, vector: Any, row: Any) -> None:
        where = self._lanes.at(row, self._offset)
        if self._mask is None:
            self._lanes.store(vector, where)
        else:
            self._lanes.store_masked(vector, where, self._mask)


def _for_columns(lanes: Lanes, width: Any, body: Callable[[_Columns], None]) -> None:
    """Emit `body` for each vector of a row of `width` numbers."""
    builder, count = lanes.builder, ir.Constant(_INT64, lanes.count)
    full = builder.sdiv(width, count)
    with cgutils.for_range(builder, full) as loop:
        body(_Columns(lanes, lanes.bytes_of(builder.mul(loop.index, count)), None))
    done = builder.mul(full, count)
    rest = builder.sub(width, done)
    with cgutils.if_likely(builder, builder.icmp_signed(">", rest, ir.Constant(_INT64, 0))):
        body(_Columns(lanes, lanes.bytes_of(done), lanes.first_lanes(rest)))


def _gates_apart(lanes: Lanes, first: Any, stride: Any) -> list[Any]:
    """Return where z, f and o of a row are, `stride` numbers apart."""
    step = lanes.bytes_of(stride)
    return [first, lanes.at(first, step), lanes.at(lanes.at(first, step), step)]


def _emit_sigmoid(lanes: Lanes, x: Any) -> Any:
    """Emit 1 / (1 + e^-x): 0 and 1 where the exponential is infinite and 0."""
    one = lanes.const(1)
    return lanes.builder.fdiv(one, lanes.builder.fadd(one, emit_exp(lanes, lanes.builder.fneg(x))))


def _emit_tanh(lanes: Lanes, x: Any) -> Any:
    """Emit tanh x as 1 - 2 / (1 + e^2x): its error is a unit in the last place of 1, near zero too."""
    builder, one = lanes.builder, lanes.const(1)
    divisor = builder.fadd(one, emit_exp(lanes, builder.fadd(x, x)))
    return builder.fsub(one, builder.fdiv(lanes.const(2), divisor))


@intrinsic  # type: ignore[untyped-decorator]
def gates(
    typingctx: Any, like: Any, sums: Any, biases: Any, stride: Any, previous: Any, cells: Any, hidden: Any, width: Any
) -> Any:
    """Gates, cells and hidden values of a row: ``c = f p + (1 - f) z`` and ``h = o c``.

    With (Z, F, O) for the sums of the gates: ``z = tanh(Z + bias)``, ``f, o = sigmoid(F + bias), sigmoid(O + bias)``.

    IN
        like : array of the element type
        biases : address of 3 x width numbers, of z, f and o
        stride : numbers from z to f and from f to o, in sums and biases
        previous : address of p, the width cells before
        width : columns
    IN, OUT
        sums : address of 3 x width numbers, which become z, f and o
    OUT
        cells, hidden : addresses of width numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, sums, biases, stride, previous, cells, hidden, width = arguments
        own, added = _gates_apart(lanes, sums, stride), _gates_apart(lanes, biases, stride)

        def body(columns: _Columns) -> None:
            z, f, o = (builder.fadd(columns.load(a), columns.load(b)) for a, b in zip(own, added, strict=True))
            z, f, o = _emit_tanh(lanes, z), _emit_sigmoid(lanes, f), _emit_sigmoid(lanes, o)
            c = lanes.fma(f, builder.fsub(columns.load(previous), z), z)
            for vector, where in zip((z, f, o), own, strict=True):
                columns.store(vector, where)
            columns.store(c, cells)
            columns.store(builder.fmul(o, c), hidden)

        _for_columns(lanes, width, body)
        return context.get_dummy_value()

    return types.void(like, *[_INTP] * 7), codegen


@intrinsic  # type: ignore[untyped-decorator]
def gate_gradients(
    typingctx: Any, like: Any, gates: Any, bias_sums: Any, stride: Any, previous: Any, cells: Any, d_hidden: Any,
    carried: Any, width: Any,
) -> Any:  # fmt: skip
    """Gradients of a row of `gates`, and of the cells before.

    With d for the gradient of h and k for what the time after carried: ``dc = d o + k``, the sums' gradients are
    ``dc (1 - f) (1 - z^2)``, ``dc (p - z) f (1 - f)`` and ``d c o (1 - o)``, and ``dc f`` is carried on.

    IN
        like : array of the element type
        stride : numbers from z to f and from f to o, in gates and bias_sums
        previous, cells, d_hidden : addresses of width numbers: p, c and d
        width : columns
    IN, OUT
        gates : address of 3 x width numbers: z, f and o become the sums' gradients
        bias_sums : address of 3 x width numbers; the gradients are added
        carried : address of width numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = Lanes(builder, signature.args[0].dtype)
        _, gates, bias_sums, stride, previous, cells, d_hidden, carried, width = arguments
        own, added = _gates_apart(lanes, gates, stride), _gates_apart(lanes, bias_sums, stride)
        add, sub, mul, one = builder.fadd, builder.fsub, builder.fmul, lanes.const(1)

        def body(columns: _Columns) -> None:
            z, f, o = (columns.load(where) for where in own)
            d, p = columns.load(d_hidden), columns.load(previous)
            d_cell = lanes.fma(d, o, columns.load(carried))
            kept = mul(d_cell, f)
            other = sub(d_cell, kept)
            d_sums = (
                mul(other, sub(one, mul(z, z))),
                mul(mul(other, f), sub(p, z)),
                mul(mul(mul(d, columns.load(cells)), o), sub(one, o)),
            )
            columns.store(kept, carried)
            for vector, where, total in zip(d_sums, own, added, strict=True):
                columns.store(vector, where)
                columns.store(add(columns.load(total), vector), total)

        _for_columns(lanes, width, body)
        return context.get_dummy_value()

    return types.void(like, *[_INTP] * 8), codegen
