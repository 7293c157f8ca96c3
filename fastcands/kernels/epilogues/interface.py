"""What a loss tells the kernels: what a tile of logits becomes while it is in cache.

The loops over candidates, over classes and over examples are the same for all losses. They call an epilogue by the
address of its compiled code, so that they are compiled once for all of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from llvmlite import ir
from numba import int64, void
from numba.core import types
from numba.extending import intrinsic

from fastcands.jit import callback
from fastcands.kernels.epilogues.tile import Tile, TileArguments
from fastcands.simd.vector import Lanes

__all__ = ["Epilogue", "FullFunctions", "SampledFunctions", "call_tile_function"]

_INT64 = ir.IntType(64)
_FLOATS = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}
_NUM_ARGUMENTS = len(TileArguments._fields)


class SampledFunctions(NamedTuple):
    """Addresses of the code that the stages of a sampled loss call."""

    reduce: int
    """A tile function, see `Epilogue.emit_reduce`."""
    terms: int
    """See `per_logit.PerLogit`; 0 where the loss is no sum of terms."""


class FullFunctions(NamedTuple):
    """Addresses of the code that the passes of an exact loss call."""

    accumulate: int
    """A tile function, see `Epilogue.emit_accumulate`."""
    differentiate: int
    """A tile function, see `Epilogue.emit_differentiate`."""


class Epilogue(ABC):
    """What a tile of logits becomes; one object a loss.

    Attributes
    ----------
    name : str
        Names the compiled code on disk.
    in_package : bool
        Whether it is the package's own, and so kept on disk.
    """

    is_normalized: ClassVar[bool]
    """Whether gradients need a sum over all logits of an example, as in a softmax."""

    def __init__(self, name: str, *, in_package: bool = True) -> None:
        self.name, self.in_package = name, in_package
        self._compiled: dict[tuple[str, np.dtype[Any]], Any] = {}

    @abstractmethod
    def emit_reduce(self, tile: Tile) -> None:
        """Emit the forward pass of a sampled loss.

        It leaves in the tile what `tile_max` turns into gradients, `scale` being the weights of the examples, and
        writes `tile_max` and `tile_sum`.
        """

    @abstractmethod
    def emit_accumulate(self, tile: Tile) -> None:
        """Emit the value of an exact loss: the tile joins the running `tile_max` and `tile_sum` of the examples."""

    @abstractmethod
    def emit_differentiate(self, tile: Tile) -> None:
        """Emit the gradients of an exact loss.

        The tile becomes gradients, `scale` being the factors of the examples, and joins `row_sums`. A loss that
        `is_normalized` has its sums already; another adds to `tile_sum`.
        """

    def address(self, part: str, dtype: np.dtype[Any]) -> int:
        """Return where the code of ``emit_<part>`` stands, compiled for a dtype of arithmetic at the first call."""
        known = self._compiled.get((part, dtype))
        if known is None:
            known = self._compiled[part, dtype] = self._compile_tile_function(part, dtype)
        return known.address  # type: ignore[no-any-return]

    def _compile_tile_function(self, part: str, dtype: np.dtype[Any]) -> Any:
        emit, element = getattr(self, f"emit_{part}"), _FLOATS[dtype]
        body = tile_intrinsic(lambda builder, arguments: emit(Tile(Lanes(builder, element), arguments)))

        def function(tile, rows, copies, shifts, scale, tile_max, tile_sum, row_sums):  # type: ignore[no-untyped-def]
            body(tile, rows, copies, shifts, scale, tile_max, tile_sum, row_sums)

        signature = void(*[int64] * _NUM_ARGUMENTS)
        return callback(function, signature, name=f"{self.name}.{part}.{dtype}", on_disk=self.in_package)

    def sampled_functions(self, dtype: np.dtype[Any]) -> SampledFunctions:
        """Return what the stages of a sampled loss call."""
        return SampledFunctions(self.address("reduce", dtype), self.terms)

    def full_functions(self, dtype: np.dtype[Any]) -> FullFunctions:
        """Return what the passes of an exact loss call."""
        return FullFunctions(self.address("accumulate", dtype), self.address("differentiate", dtype))

    @property
    def terms(self) -> int:
        """Address of the terms of single logits; 0 where the loss is no sum of terms."""
        return 0


def tile_intrinsic(emit: Callable[[Any, TileArguments], None]) -> Any:
    """Return an intrinsic of the arguments of a tile function."""

    @intrinsic  # type: ignore[untyped-decorator]
    def body(
        typingctx: Any, tile: Any, rows: Any, copies: Any, shifts: Any, scale: Any, tile_max: Any, tile_sum: Any,
        row_sums: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            emit(builder, TileArguments(*arguments))
            return context.get_dummy_value()

        return types.void(*[types.int64] * _NUM_ARGUMENTS), codegen

    return body


@intrinsic  # type: ignore[untyped-decorator]
def call_tile_function(
    typingctx: Any, function: Any, tile: Any, rows: Any, copies: Any, shifts: Any, scale: Any, tile_max: Any,
    tile_sum: Any, row_sums: Any,
) -> Any:  # fmt: skip
    """Call the tile function at an address.

    IN
        function : the address
        tile, rows, copies, shifts, scale, tile_max, tile_sum, row_sums : see `TileArguments`; 0 for what the function
            does not use
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [_INT64] * _NUM_ARGUMENTS)
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(*[types.int64] * (1 + _NUM_ARGUMENTS)), codegen
