"""Pointers into arrays, which kernels pass to functions without counting references, and types of numbers.

Numba counts references to a view of a row in a variable and to an array passed to a function. These are atomic
additions, which all processors have to synchronise. A pointer is only a number to Numba. The functions here take one
array or pointer, or a tuple of them, and do the same for each.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types.containers import BaseTuple
from numba.extending import intrinsic

from fastcands.simd.memory import emit_prefetch

__all__ = ["as_type_of", "pointers", "prefetch_each", "read", "write"]

_CACHE_LINE = 64
_INT64 = ir.IntType(64)


def _parts(builder: Any, kind: Any, value: Any) -> list[tuple[Any, Any]]:
    """Return type and value of each element of a tuple, or of a single value."""
    if not isinstance(kind, BaseTuple):
        return [(kind, value)]
    return [(part, builder.extract_value(value, position)) for position, part in enumerate(kind)]


def _map_type(kind: Any, function: Any) -> Any:
    """Return the type that results when `function` is applied to each element of a tuple, or to a single type."""
    if not isinstance(kind, BaseTuple):
        return function(kind)
    return BaseTuple.from_types(tuple(map(function, kind)), getattr(kind, "instance_class", None))


def _pack(context: Any, builder: Any, kind: Any, values: list[Any]) -> Any:
    return context.make_tuple(builder, kind, values) if isinstance(kind, BaseTuple) else values[0]


def _pointer_to(array: Any) -> Any:
    return types.CPointer(array.dtype)  # type: ignore[attr-defined]


@intrinsic  # type: ignore[untyped-decorator]
def pointers(typingctx: Any, arrays: Any, element: Any) -> Any:
    """Return a pointer to an element of each C-contiguous array, counted in elements from its start."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        starts = [
            context.make_array(kind)(context, builder, array).data
            for kind, array in _parts(builder, signature.args[0], arguments[0])
        ]
        found = [builder.gep(start, [arguments[1]]) for start in starts]
        return _pack(context, builder, signature.return_type, found)

    return _map_type(arrays, _pointer_to)(arrays, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def read(typingctx: Any, starts: Any, index: Any) -> Any:
    """Return the number `index` elements after each pointer."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = _parts(builder, signature.args[0], arguments[0])
        values = [builder.load(builder.gep(start, [arguments[1]])) for _, start in parts]
        return _pack(context, builder, signature.return_type, values)

    return _map_type(starts, lambda pointer: pointer.dtype)(starts, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def write(typingctx: Any, starts: Any, index: Any, numbers: Any) -> Any:
    """Write a number `index` elements after each pointer."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = _parts(builder, signature.args[0], arguments[0])
        values = _parts(builder, signature.args[2], arguments[2])
        for (_, start), (_, value) in zip(parts, values, strict=True):
            builder.store(value, builder.gep(start, [arguments[1]]))
        return context.get_dummy_value()

    numbers_type = _map_type(starts, lambda pointer: pointer.dtype)
    return types.void(starts, types.intp, numbers_type), codegen


@intrinsic  # type: ignore[untyped-decorator]
def prefetch_each(typingctx: Any, starts: Any, span: Any) -> Any:
    """Prefetch the `span` bytes after each pointer; never faults."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for _, start in _parts(builder, signature.args[0], arguments[0]):
            where, step = builder.ptrtoint(start, _INT64), ir.Constant(_INT64, _CACHE_LINE)
            with cgutils.for_range_slice(builder, ir.Constant(_INT64, 0), arguments[1], step, _INT64) as (offset, _):
                emit_prefetch(builder, builder.add(where, offset))
        return context.get_dummy_value()

    return types.void(starts, types.intp), codegen


@intrinsic  # type: ignore[untyped-decorator]
def as_type_of(typingctx: Any, example: Any, numbers: Any) -> Any:
    """Return each number converted to the type of `example`; a named tuple stays one."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = _parts(builder, numbers, arguments[1])
        values = [context.cast(builder, value, kind, example) for kind, value in parts]
        return _pack(context, builder, signature.return_type, values)

    return _map_type(numbers, lambda kind: example)(example, numbers), codegen
