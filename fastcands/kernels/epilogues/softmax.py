"""Softmax: a tile becomes e^(logit - tile_max), whose sums give the log_normalizer of each example."""

from __future__ import annotations

from typing import Any

from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.epilogues.tile import Tile
from fastcands.simd.bf16.quick_exp import emit_quick_exp
from fastcands.simd.bf16.rows import VECTOR_OFFSETS, Formula, Running, each_row, vectors
from fastcands.simd.exp import LOWEST, emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["SOFTMAX"]


class _Softmax(Epilogue):
    """Cross-entropy of a softmax."""

    is_normalized = True

    def emit_reduce(self, tile: Tile) -> None:
        """Emit ``tile_max = tile.max(0); tile = exp(tile - tile_max); tile_sum = tile.sum(0)``.

        The maximum is at least -1e38, so the difference is not NaN where all logits are masked.
        """
        lanes, builder = tile.lanes, tile.lanes.builder
        highest = tile.maximum([lanes.const(LOWEST)] * 2)
        sums = tile.zeros()
        with tile.each_row() as (_, addresses):
            for at, top, slot in zip(addresses, highest, sums, strict=True):
                value = emit_exp(lanes, builder.fsub(lanes.load(at), top))
                lanes.store(value, at)
                builder.store(builder.fadd(builder.load(slot), value), slot)
        tile.store(tile.slots(highest), tile.arguments.tile_max)
        tile.store(sums, tile.arguments.tile_sum)

    def emit_accumulate(self, tile: Tile) -> None:
        """Emit the update of a running maximum and a running sum of exponentials; the tile is not changed."""
        lanes, builder = tile.lanes, tile.lanes.builder
        before = tile.vectors(tile.arguments.tile_max)
        highest = tile.maximum(before)
        # the sum of this tile starts at zero: a chain over one tile rounds less than one over all classes
        sums = tile.zeros()
        with tile.each_row() as (_, addresses):
            for at, top, slot in zip(addresses, highest, sums, strict=True):
                value = emit_exp(lanes, builder.fsub(lanes.load(at), top))
                builder.store(builder.fadd(builder.load(slot), value), slot)
        for old, top, slot, offset in zip(before, highest, sums, tile.offsets, strict=True):
            shrink = emit_exp(lanes, builder.fsub(old, top))
            at = lanes.at(tile.arguments.tile_sum, offset)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(slot)), at)
            lanes.store(top, lanes.at(tile.arguments.tile_max, offset))

    def emit_differentiate(self, tile: Tile) -> None:
        """Emit ``tile = exp(tile - shifts) * scale``, and add each row to its `row_sums`."""
        lanes, builder = tile.lanes, tile.lanes.builder
        shifts, scale = tile.vectors(tile.arguments.shifts), tile.vectors(tile.arguments.scale)
        with tile.each_row() as (row, addresses):
            parts = []
            for at, shift, factor in zip(addresses, shifts, scale, strict=True):
                part = builder.fmul(emit_exp(lanes, builder.fsub(lanes.load(at), shift)), factor)
                lanes.store(part, at)
                parts.append(part)
            tile.add_to_row_sums(row, parts)

    def sampled_formula(self, lanes: Lanes, block: SampledBlock) -> Formula:
        """Return e^logit, its sums, and the maxima of the logits."""
        return _Exponentials(lanes, block)

    def full_formula(self, lanes: Lanes, block: FullBlock) -> Formula:
        """Return e^(logit - shift)."""
        return _Probabilities(lanes, block)

    def emit_block_sums(self, lanes: Lanes, block: SumBlock) -> None:
        """Emit the update of a running maximum and a running sum of exponentials."""
        builder, before, highest = lanes.builder, vectors(lanes, block.tile_max), Running(lanes, block.tile_max)
        with each_row(lanes, block) as logits:
            for j, logit in enumerate(logits):
                highest.set(j, lanes.maximum(logit, highest.get(j)))
        top = [highest.get(j) for j in range(2)]
        # the sums of this block start at zero: a chain over one block rounds less than one over all classes
        sums = [lanes.variable(lanes.const(0)) for _ in VECTOR_OFFSETS]
        with each_row(lanes, block) as logits:
            for j, logit in enumerate(logits):
                power = emit_quick_exp(lanes, builder.fsub(logit, top[j]))
                builder.store(builder.fadd(builder.load(sums[j]), power), sums[j])
        for j, offset in enumerate(VECTOR_OFFSETS):
            shrink = emit_quick_exp(lanes, builder.fsub(before[j], top[j]))
            at = lanes.at(block.tile_sum, offset)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[j])), at)
        highest.emit_end()


class _Exponentials(Formula):
    """e^logit, its sums and the maxima of the logits."""

    def __init__(self, lanes: Lanes, block: SampledBlock) -> None:
        self.running = Running(lanes, block.tile_sum), Running(lanes, block.tile_max)

    def emit(self, lanes: Lanes, logit: Any, j: int, row: Any) -> Any:
        sums, highest = self.running
        highest.set(j, lanes.maximum(logit, highest.get(j)))
        power = emit_quick_exp(lanes, logit)
        sums.set(j, lanes.builder.fadd(sums.get(j), power))
        return power


class _Probabilities(Formula):
    """e^(logit - shift), with one shift for each example."""

    def __init__(self, lanes: Lanes, block: FullBlock) -> None:
        self._shifts = vectors(lanes, block.shifts)

    def emit(self, lanes: Lanes, logit: Any, j: int, row: Any) -> Any:
        return emit_quick_exp(lanes, lanes.builder.fsub(logit, self._shifts[j]))


SOFTMAX = _Softmax("softmax")
