"""What a loss tells the kernels: what logits become while they are in cache.

The loops over candidates, over classes and over examples are the same for all losses. They call an epilogue by the
address of its compiled code, so that they are compiled once for all of them.
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
    """See `per_logit.PerLogit`; 0 where the loss is no sum of terms."""


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
    """Of a `SumBlock`, for the value alone; 0 where it is formed as with gradients."""
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
    """What logits become; one object a loss.

    Tiles are of float32 or float64, blocks of float32 sums of bfloat16 products.

    Parameters
    ----------
    name : str
        Names the compiled code on disk.
    in_package : bool, default True
        Whether it is the package's own, and so kept on disk.
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

    @abstractmethod
    def sampled_formula(self, lanes: Lanes, block: SampledBlock) -> Formula:
        """Return what a block's logits become in a sampled loss."""

    @abstractmethod
    def full_formula(self, lanes: Lanes, block: FullBlock) -> Formula:
        """Return what a block's logits become in an exact loss, before they are multiplied by `scale`."""

    @abstractmethod
    def emit_block_sums(self, lanes: Lanes, block: SumBlock) -> None:
        """Emit the value alone: a block joins the running `tile_max` and `tile_sum` of the examples."""

    @property
    def terms(self) -> int:
        """Address of the terms of single logits; 0 where the loss is no sum of terms."""
        return 0

    def _address(self, name: str, emit: Callable[..., None], count: int) -> int:
        known = self._compiled.get(name)
        if known is None:
            full_name = f"{self.name}.{name}"
            known = self._compiled[name] = emitted(emit, count, full_name, on_disk=self.in_package)
        return known.address  # type: ignore[no-any-return]

    def tile_function(self, part: str, dtype: np.dtype[Any]) -> int:
        """Return where the code of ``emit_<part>`` stands, compiled for a dtype of arithmetic at the first call."""
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
        """Return what the stages of a sampled loss call."""
        known = self._sampled.get(dtype)
        if known is None:
            known = self._sampled[dtype] = SampledFunctions(self.tile_function("reduce", dtype), self.terms)
        return known

    def full_functions(self, dtype: np.dtype[Any]) -> FullFunctions:
        """Return what the passes of an exact loss call."""
        return FullFunctions(self.tile_function("accumulate", dtype), self.tile_function("differentiate", dtype))

    def bf16_sampled_functions(self) -> Bf16SampledFunctions:
        """Return what the stages of a sampled loss call on packed blocks."""
        alone, overlapped = (self._block_function(SampledBlock, each) for each in (False, True))
        return Bf16SampledFunctions(alone, overlapped, self._sum_function() if self.is_normalized else 0, self.terms)

    def bf16_full_functions(self) -> Bf16FullFunctions:
        """Return what the passes of an exact loss call on packed blocks."""
        alone, overlapped = (self._block_function(FullBlock, each) for each in (False, True))
        return Bf16FullFunctions(alone, overlapped, self._sum_function())
