"""The epilogue of a block of logits: a loss's formula, whose results are rounded and packed for the next product.

A block has one row for each class (or candidate) and one column for each example. It is in the first-level cache. The
epilogue works on two rows at a time; if the instruction set can do both, the next block's product runs meanwhile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import cgutils

from fastcands.simd.bf16.packing import emit_left, emit_lo, emit_right
from fastcands.simd.dot import chosen
from fastcands.simd.dot.blocks import BLOCK_BYTES, LANES, LINE, int64, is_set
from fastcands.simd.memory import emit_prefetch
from fastcands.simd.vector import Lanes

__all__ = ["VECTOR_OFFSETS", "Formula", "PackedRows", "Running", "each_row", "vectors"]

VECTOR_OFFSETS = (0, LINE)
"""Where the two vectors of a row of a block start, in bytes."""
_ROW = 2 * LINE


def vectors(lanes: Lanes, where: Any) -> list[Any]:
    """Load 32 numbers as two vectors."""
    return [lanes.load(lanes.at(where, offset)) for offset in VECTOR_OFFSETS]


@contextmanager
def each_row(lanes: Lanes, block: Any) -> Iterator[list[Any]]:
    """Loop over the rows of a block of logits, two vectors of ``block + offsets[:, None]`` each.

    `block` has the addresses ``block`` and ``offsets``, and the number of ``rows``.
    """
    builder = lanes.builder
    with cgutils.for_range(builder, block.rows) as loop:
        at = lanes.at(block.block, builder.mul(loop.index, int64(_ROW)))
        offset = lanes.splat(lanes.load_scalar(lanes.at(block.offsets, lanes.bytes_of(loop.index))))
        yield [builder.fadd(logits, offset) for logits in vectors(lanes, at)]


class Running:
    """Running sums or maxima of 32 examples in registers: loaded first, updated row by row, stored at the end.

    Parameters
    ----------
    lanes : Lanes
        Of 16 float32.
    where : LLVM value
        Address of 32 float32.
    """

    def __init__(self, lanes: Lanes, where: Any) -> None:
        self._lanes, self._where = lanes, where
        self._slots = [lanes.variable(value) for value in vectors(lanes, where)]

    def get(self, j: int) -> Any:
        """Return vector `j`, 0 or 1."""
        return self._lanes.builder.load(self._slots[j])

    def set(self, j: int, value: Any) -> None:
        """Set vector `j`, 0 or 1."""
        self._lanes.builder.store(value, self._slots[j])

    def emit_end(self) -> None:
        """Emit the stores to memory."""
        for j, offset in enumerate(VECTOR_OFFSETS):
            self._lanes.store(self.get(j), self._lanes.at(self._where, offset))


class Formula(ABC):
    """What a loss computes from a logit: the only part in which the epilogues of losses differ."""

    running: tuple[Running, ...] = ()
    """Its running sums and maxima over the rows."""

    @abstractmethod
    def emit(self, lanes: Lanes, logit: Any, j: int, row: Any) -> Any:
        """Emit the results for 16 logits: vector `j` (0 or 1) of row `row` of the block."""


class PackedRows:
    """Emits the epilogue of a block, two rows at a time: an `Epilogue` of `fastcands.simd.dot.blocks`.

    The logits are ``block + (offsets[:, None] - shifts)``.

    Parameters
    ----------
    lanes : Lanes
        Of 16 float32.
    formula : Formula
        What is computed from the logits.
    split : LLVM value
        Whether packed blocks have lo parts.
    block : LLVM value
        Address of 32 x 32 float32, contiguous.
    offsets : LLVM value
        Address of 32 float32, added to a row.
    left : LLVM value
        Address of the left block that is written.
    shifts : LLVM value, optional
        Address of 32 float32, subtracted from the logits of an example.
    factors : LLVM value, optional
        Address of 32 float32, one for each example, by which the results of `formula` are multiplied.
    examples : LLVM value, optional
        How many columns have an example; results are 0 in the others, whatever the block holds.
    row_sums : LLVM value, optional
        Address of 32 x 16 float32, to which both vectors of each row of results are added.
    right : LLVM value, optional
        Address of a right block that is written too.
    ahead : LLVM value, optional
        Address of the left block that will be written next; prefetched.
    """

    def __init__(
        self, lanes: Lanes, formula: Formula, split: Any, block: Any, offsets: Any, left: Any, *, shifts: Any = None,
        factors: Any = None, examples: Any = None, row_sums: Any = None, right: Any = None, ahead: Any = None,
    ) -> None:  # fmt: skip
        self._lanes, self._formula, self._is_split = lanes, formula, is_set(lanes.builder, split)
        self._block, self._offsets, self._row_sums = block, offsets, row_sums
        self._left, self._right, self._ahead = left, right, ahead
        self._shifts = None if shifts is None else vectors(lanes, shifts)
        self._factors = None if factors is None else vectors(lanes, factors)
        self._masks = None
        if examples is not None:
            self._masks = [lanes.first_lanes(lanes.builder.sub(examples, int64(LANES * j))) for j in range(2)]

    def _emit_row(self, row: Any) -> list[Any]:
        """Emit the results of a row, two vectors."""
        lanes, builder = self._lanes, self._lanes.builder
        at = lanes.at(self._block, builder.mul(row, int64(_ROW)))
        offset = lanes.splat(lanes.load_scalar(lanes.at(self._offsets, lanes.bytes_of(row))))
        results = []
        for j, product in enumerate(vectors(lanes, at)):
            added = offset if self._shifts is None else builder.fsub(offset, self._shifts[j])
            result = self._formula.emit(lanes, builder.fadd(product, added), j, row)
            if self._factors is not None:
                result = builder.fmul(result, self._factors[j])
            if self._masks is not None:
                result = builder.select(self._masks[j], result, lanes.const(0))
            results.append(result)
        if self._row_sums is not None:
            at = lanes.at(self._row_sums, builder.mul(row, int64(LINE)))
            lanes.store(builder.fadd(lanes.load(at), builder.fadd(*results)), at)
        return results

    def _emit_packed(self, pair: Any, row: Any, rounded: list[Any], part: int) -> None:
        """Store two neighbouring rounded rows, the hi (0) or lo (1) part, in the packed blocks."""
        lanes, builder, start = self._lanes, self._lanes.builder, part * BLOCK_BYTES
        for r, line in enumerate(rounded):
            here = builder.add(row, int64(r))
            emit_left(builder, line, lanes.at(self._left, start), here)
            if self._ahead is not None:
                at = builder.mul(here, int64(LINE))
                emit_prefetch(builder, lanes.at(self._ahead, lanes.at(at, start)), to_write=True)
        if self._right is not None:
            emit_right(builder, rounded[0], rounded[1], lanes.at(self._right, start), pair)

    def emit_rows(self, pair: Any) -> None:
        """Emit rows 2 `pair` and 2 `pair` + 1."""
        builder = self._lanes.builder
        row = builder.shl(pair, int64(1))
        rows = [self._emit_row(builder.add(row, int64(r))) for r in range(2)]
        rounded = [chosen().emit_rounded(builder, *values) for values in rows]
        self._emit_packed(pair, row, rounded, 0)
        with builder.if_then(self._is_split):
            lost = [emit_lo(builder, values[0], values[1], line) for values, line in zip(rows, rounded, strict=True)]
            self._emit_packed(pair, row, lost, 1)

    def emit_end(self) -> None:
        """Emit the stores of the formula's running sums and maxima."""
        for each in self._formula.running:
            each.emit_end()
