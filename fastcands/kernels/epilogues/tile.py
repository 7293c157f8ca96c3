"""A tile of logits while it is in cache: `rows` classes of one panel of examples.

The examples of a row are two vectors. So a maximum or a sum over classes is taken from row to row, with no operation
within a vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from fastcands.simd.vector import Lanes

__all__ = ["Tile", "TileArguments"]

_INT64 = ir.IntType(64)


class TileArguments(NamedTuple):
    """Arguments of a tile function: all are addresses, except the number of rows. A panel has NR examples."""

    tile: Any
    """rows x NR logits, contiguous."""
    rows: Any
    """Number of classes."""
    copies: Any
    """rows numbers: how often each class counts."""
    shifts: Any
    """NR numbers that are subtracted from the logits of the examples."""
    scale: Any
    """NR factors, one for each example."""
    tile_max: Any
    """NR numbers."""
    tile_sum: Any
    """NR numbers."""
    row_sums: Any
    """One vector for each row, to which both vectors of the row's gradients are added."""


class Tile:
    """Emits the loops over a tile.

    Parameters
    ----------
    lanes : Lanes
        Of the dtype of the arithmetic.
    arguments : TileArguments
        As LLVM values.
    """

    def __init__(self, lanes: Lanes, arguments: TileArguments) -> None:
        self.lanes, self.arguments = lanes, arguments
        vector_bytes = lanes.count * lanes.itemsize
        self.offsets = (0, vector_bytes)
        self._row_bytes = ir.Constant(_INT64, 2 * vector_bytes)
        self._sum_bytes = ir.Constant(_INT64, vector_bytes)

    def vectors(self, where: Any) -> list[Any]:
        """Return the two vectors of NR numbers at an address."""
        return [self.lanes.load(self.lanes.at(where, offset)) for offset in self.offsets]

    def slots(self, initial: list[Any]) -> list[Any]:
        """Return variables that hold two vectors."""
        return [self.lanes.variable(value) for value in initial]

    def zeros(self) -> list[Any]:
        """Return variables that hold two vectors of zeros."""
        return self.slots([self.lanes.const(0)] * 2)

    def store(self, slots: list[Any], where: Any) -> None:
        """Store two variables as NR numbers at an address."""
        for slot, offset in zip(slots, self.offsets, strict=True):
            self.lanes.store(self.lanes.builder.load(slot), self.lanes.at(where, offset))

    def add(self, slots: list[Any], where: Any) -> None:
        """Add two variables to NR numbers at an address."""
        for slot, offset in zip(slots, self.offsets, strict=True):
            at = self.lanes.at(where, offset)
            self.lanes.store(self.lanes.builder.fadd(self.lanes.load(at), self.lanes.builder.load(slot)), at)

    @contextmanager
    def each_row(self) -> Iterator[tuple[Any, list[Any]]]:
        """Loop over the rows; yield the index of each and the addresses of its two vectors."""
        builder = self.lanes.builder
        with cgutils.for_range(builder, self.arguments.rows) as loop:
            start = self.lanes.at(self.arguments.tile, builder.mul(loop.index, self._row_bytes))
            yield loop.index, [self.lanes.at(start, offset) for offset in self.offsets]

    def copies_of(self, row: Any) -> Any:
        """Return how often a row's class counts, in all lanes."""
        at = self.lanes.at(self.arguments.copies, self.lanes.bytes_of(row))
        return self.lanes.splat(self.lanes.load_scalar(at))

    def add_to_row_sums(self, row: Any, parts: list[Any]) -> None:
        """Add both vectors of a row to its sums."""
        builder = self.lanes.builder
        at = self.lanes.at(self.arguments.row_sums, builder.mul(row, self._sum_bytes))
        self.lanes.store(builder.fadd(self.lanes.load(at), builder.fadd(*parts)), at)

    def maximum(self, initial: list[Any]) -> list[Any]:
        """Emit a loop over the tile that finds the maximum of each example and of `initial`."""
        builder, slots = self.lanes.builder, self.slots(initial)
        with self.each_row() as (_, addresses):
            for at, slot in zip(addresses, slots, strict=True):
                builder.store(self.lanes.maximum(self.lanes.load(at), builder.load(slot)), slot)
        return [builder.load(slot) for slot in slots]
