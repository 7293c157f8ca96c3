"""The interface of epilogues: what a loss does to logits while they are in cache.

The loops over candidates, over classes and over examples are the same for all losses. They call an epilogue by the
address of its compiled code, so they are compiled only once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numba.core import types

from fastcands.kernels.epilogues.block import FullBlock, Product, SampledBlock, SumBlock, block_lanes, emit_block
from fastcands.kernels.epilogues.call import emitted
from fastcands.kernels.epilogues.tile import Tile, TileArguments
from fastcands.simd.bf16.rows import Formula
from fastcands.simd.dot import name_of_chosen
from fastcands.simd.vector import Lanes

__all__ = ["Bf16FullFunctions", "Bf16SampledFunctions", "Epilogue", "FullFunctions", "SampledFunctions"]

_FLOATS = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


class SampledFunctions(NamedTuple):
    """Addresses of the code that the stages of a sampled loss call, see `call.call`."""

    reduce: int
    """Of a `TileArguments`, see `Epilogue.emit_reduce`."""
    terms: int
    """See `per_logit.PerLogit`; 0 if the loss is not a sum over single logits."""


class FullFunctions(NamedTuple):
    """Addresses of the code that the passes of an exact loss call."""

    accumulate: int
    """Of a `TileArguments`, see `Epilogue.emit_accumulate`."""
    differentiate: int
    """Of a `TileArguments`, see `Epilogue.emit_differentiate`."""


class Bf16SampledFunctions(NamedTuple):
    """Addresses of the code that the stages of a sampled loss call on packed blocks."""

    pack: int
    """Of a `SampledBlock`, see `Epilogue.sampled_formula`."""
    pack_overlapped: int
    """Of a `Product` and a `SampledBlock`."""
    accumulate: int
    """Of a `SumBlock`, for the value alone; 0 if `pack` computes the value too."""
    terms: int
    """As in `SampledFunctions`."""


class Bf16FullFunctions(NamedTuple):
    """Addresses of the code that the passes of an exact loss call on packed blocks."""

    differentiate: int
    """Of a `FullBlock`, see `Epilogue.full_formula`."""
    differentiate_overlapped: int
    """Of a `Product` and a `FullBlock`."""
    accumulate: int
    """Of a `SumBlock`, see `Epilogue.emit_block_sums`."""


class Epilogue(ABC):
    """What a loss does to logits; one object for each loss.

    Tiles are of float32 or float64, blocks of float32 sums of bfloat16 products.

    Parameters
    ----------
    name : str
        Names the compiled code on disk.
    in_package : bool, default True
        Whether it belongs to the package; only then is its compiled code stored on disk.
    """

    is_normalized: ClassVar[bool]
    """Whether gradients need a sum over all logits of an example, as in a softmax."""

    def __init__(self, name: str, *, in_package: bool = True) -> None:
        self.name, self.in_package = name, in_package
        self._compiled: dict[str, Any] = {}
        self._sampled: dict[np.dtype[Any], SampledFunctions] = {}

    @abstractmethod
    def emit_reduce(self, tile: Tile) -> None:
        """Emit the forward pass of a sampled loss.

        It writes `tile_max` and `tile_sum`, and replaces the tile by numbers that a later factor for each example turns
        into gradients. `scale` has the weights of the examples.
        """

    @abstractmethod
    def emit_accumulate(self, tile: Tile) -> None:
        """Emit the value of an exact loss: update the running `tile_max` and `tile_sum` of the examples."""

    @abstractmethod
    def emit_differentiate(self, tile: Tile) -> None:
        """Emit the gradients of an exact loss.

        The tile is replaced by gradients, which are also added to `row_sums`; `scale` has the factors of the examples.
        A loss that is not `is_normalized` also adds to `tile_sum`.
        """

    @abstractmethod
    def sampled_formula(self, lanes: Lanes, block: SampledBlock) -> Formula:
        """Return the formula for a block's logits in a sampled loss."""

    @abstractmethod
    def full_formula(self, lanes: Lanes, block: FullBlock) -> Formula:
        """Return the formula for a block's logits in an exact loss; its results are multiplied by `scale`."""

    @abstractmethod
    def emit_block_sums(self, lanes: Lanes, block: SumBlock) -> None:
        """Emit the value alone: update the running `tile_max` and `tile_sum` of the examples."""

    @property
    def terms(self) -> int:
        """Address of the function for the terms of one logit; 0 if the loss is not a sum over single logits."""
        return 0

    def _address(self, name: str, emit: Callable[..., None], count: int) -> int:
        known = self._compiled.get(name)
        if known is None:
            full_name = f"{self.name}.{name}"
            known = self._compiled[name] = emitted(emit, count, full_name, on_disk=self.in_package)
        return known.address  # type: ignore[no-any-return]

    def tile_function(self, part: str, dtype: np.dtype[Any]) -> int:
        """Return the address of the code of ``emit_<part>`` for a dtype, which is compiled at the first call."""
        emit, element = getattr(self, f"emit_{part}"), _FLOATS[dtype]

        def body(builder: Any, *arguments: Any) -> None:
            emit(Tile(Lanes(builder, element), TileArguments(*arguments)))

        return self._address(f"{part}.{dtype}", body, len(TileArguments._fields))

    def _block_function(self, kind: type[SampledBlock] | type[FullBlock], overlapped: bool) -> int:
        formula: Any = self.sampled_formula if kind is SampledBlock else self.full_formula
        operands = len(Product._fields) if overlapped else 0

        def body(builder: Any, *arguments: Any) -> None:
            lanes, block = block_lanes(builder), kind(*arguments[operands:])
            product = Product(*arguments[:operands]) if overlapped else None
            emit_block(lanes, formula(lanes, block), block, product)

        name = f"{kind.__name__}.{'overlapped' if overlapped else 'alone'}.{name_of_chosen()}"
        return self._address(name, body, operands + len(kind._fields))

    def _sum_function(self) -> int:
        def body(builder: Any, *arguments: Any) -> None:
            self.emit_block_sums(block_lanes(builder), SumBlock(*arguments))

        return self._address(f"SumBlock.{name_of_chosen()}", body, len(SumBlock._fields))

    def sampled_functions(self, dtype: np.dtype[Any]) -> SampledFunctions:
        """Return the functions that the stages of a sampled loss call."""
        known = self._sampled.get(dtype)
        if known is None:
            known = self._sampled[dtype] = SampledFunctions(self.tile_function("reduce", dtype), self.terms)
        return known

    def full_functions(self, dtype: np.dtype[Any]) -> FullFunctions:
        """Return the functions that the passes of an exact loss call."""
        return FullFunctions(self.tile_function("accumulate", dtype), self.tile_function("differentiate", dtype))

    def bf16_sampled_functions(self) -> Bf16SampledFunctions:
        """Return the functions that the stages of a sampled loss call on packed blocks."""
        alone, overlapped = (self._block_function(SampledBlock, each) for each in (False, True))
        return Bf16SampledFunctions(alone, overlapped, self._sum_function() if self.is_normalized else 0, self.terms)

    def bf16_full_functions(self) -> Bf16FullFunctions:
        """Return the functions that the passes of an exact loss call on packed blocks."""
        alone, overlapped = (self._block_function(FullBlock, each) for each in (False, True))
        return Bf16FullFunctions(alone, overlapped, self._sum_function())
