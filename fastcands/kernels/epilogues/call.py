"""Calls of emitted code by its address.

Arguments are passed in memory, so that all such functions have the same type. Storing and loading a dozen words costs
less than a hundredth of the work on a block of logits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import int64, void
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.jit import callback

__all__ = ["call", "emitted"]

_INT64 = ir.IntType(64)


def _words(builder: Any, where: Any, count: int) -> list[Any]:
    """Return pointers to `count` consecutive int64."""
    first = builder.inttoptr(where, _INT64.as_pointer())
    return [builder.gep(first, [ir.Constant(_INT64, position)]) for position in range(count)]


@intrinsic  # type: ignore[untyped-decorator]
def call(typingctx: Any, function: Any, arguments: Any) -> Any:
    """Call the function at an address.

    IN
        function : the address, see `emitted`
        arguments : tuple of integers: addresses and numbers
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        function, packed = values
        parts = cgutils.unpack_tuple(builder, packed)
        where = builder.ptrtoint(cgutils.alloca_once(builder, _INT64, size=len(parts)), _INT64)
        for part, kind, word in zip(parts, arguments, _words(builder, where, len(parts)), strict=True):
            builder.store(context.cast(builder, part, kind, types.int64), word)
        kind = ir.FunctionType(ir.VoidType(), [_INT64])
        builder.call(builder.inttoptr(function, kind.as_pointer()), [where])
        return context.get_dummy_value()

    return types.void(types.int64, arguments), codegen


def emitted(emit: Callable[..., None], count: int, name: str, *, on_disk: bool) -> Any:
    """Compile a function of `count` int64 for `call`; `emit` emits its body.

    Parameters
    ----------
    emit : callable
        ``emit(builder, *arguments)``, arguments as LLVM values.
    count : int
        Number of arguments.
    name : str
        Distinguishes it from all other functions.
    on_disk : bool
        Whether to keep the machine code for other processes, see `jit.callback`.

    Returns
    -------
    object
        Its ``address`` is that of the code, which exists as long as the object.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def body(typingctx: Any, where: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            emit(builder, *(builder.load(word) for word in _words(builder, values[0], count)))
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    def function(where):  # type: ignore[no-untyped-def]
        body(where)

    return callback(function, void(int64), name=name, on_disk=on_disk)
