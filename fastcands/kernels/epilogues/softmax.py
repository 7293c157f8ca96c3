"""Softmax: a tile becomes e^(logit - tile_max), whose sums make the normaliser of each example."""

from __future__ import annotations

from typing import Any

from fastcands.kernels.epilogues.block import FullBlock, SampledBlock, SumBlock
from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.epilogues.tile import Tile
from fastcands.simd.bf16.quick_exp import emit_quick_exp
from fastcands.simd.bf16.rows import HALVES, Formula, Running, each_row, vectors
from fastcands.simd.exp import LOWEST, emit_exp
from fastcands.simd.vector import Lanes

__all__ = ["SOFTMAX"]


class _Softmax(Epilogue):
    """Cross-entropy of a softmax."""

    is_normalized = True

    def emit_reduce(self, tile: Tile) -> None:
        """Emit ``tile_max = tile.max(0); tile = exp(tile - tile_max); tile_sum = tile.sum(0)``.

        The maximum is at least -1e38, so that the difference is never NaN where all logits are masked.
        """
        lanes, builder = tile.lanes, tile.lanes.builder
        highest = tile.maximum([lanes.const(LOWEST)] * 2)
        sums = tile.zeros()
        with tile.each_row() as (_, places):
            for place, top, total in zip(places, highest, sums, strict=True):
                value = emit_exp(lanes, builder.fsub(lanes.load(place), top))
                lanes.store(value, place)
                builder.store(builder.fadd(builder.load(total), value), total)
        tile.store(tile.slots(highest), tile.arguments.tile_max)
        tile.store(sums, tile.arguments.tile_sum)

    def emit_accumulate(self, tile: Tile) -> None:
        """Emit a step of a running maximum and a running sum of exponentials; the tile stays as it is."""
        lanes, builder = tile.lanes, tile.lanes.builder
        before = tile.vectors(tile.arguments.tile_max)
        highest = tile.maximum(before)
        # the tile's own sum starts at zero: a chain of one tile, not of all classes
        sums = tile.zeros()
        with tile.each_row() as (_, places):
            for place, top, total in zip(places, highest, sums, strict=True):
                value = emit_exp(lanes, builder.fsub(lanes.load(place), top))
                builder.store(builder.fadd(builder.load(total), value), total)
        for old, top, total, offset in zip(before, highest, sums, tile.offsets, strict=True):
            shrink = emit_exp(lanes, builder.fsub(old, top))
            at = lanes.at(tile.arguments.tile_sum, offset)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(total)), at)
            lanes.store(top, lanes.at(tile.arguments.tile_max, offset))

    def emit_differentiate(self, tile: Tile) -> None:
        """Emit ``tile = exp(tile - shifts) * scale; row_sums += the rows' sums``."""
        lanes, builder = tile.lanes, tile.lanes.builder
        shifts, scale = tile.vectors(tile.arguments.shifts), tile.vectors(tile.arguments.scale)
        with tile.each_row() as (row, places):
            parts = []
            for place, shift, factor in zip(places, shifts, scale, strict=True):
                part = builder.fmul(emit_exp(lanes, builder.fsub(lanes.load(place), shift)), factor)
                lanes.store(part, place)
                parts.append(part)
            tile.add_to_row_sums(row, parts)

    def sampled_formula(self, lanes: Lanes, block: SampledBlock) -> Formula:
        """Return e^logit, its sums, and the maxima of the logits."""
        return _Exponentials(lanes, block)

    def full_formula(self, lanes: Lanes, block: FullBlock) -> Formula:
        """Return e^(logit - shift)."""
        return _Probabilities(lanes, block)

    def emit_block_sums(self, lanes: Lanes, block: SumBlock) -> None:
        """Emit a step of a running maximum and a running sum of exponentials."""
        builder, before, highest = lanes.builder, vectors(lanes, block.tile_max), Running(lanes, block.tile_max)
        with each_row(lanes, block) as logits:
            for half, logit in enumerate(logits):
                highest.set(half, lanes.maximum(logit, highest.get(half)))
        top = [highest.get(half) for half in range(2)]
        # the block's own sums start at zero: a chain of one block, not of all classes
        sums = [lanes.variable(lanes.const(0)) for _ in HALVES]
        with each_row(lanes, block) as logits:
            for half, logit in enumerate(logits):
                power = emit_quick_exp(lanes, builder.fsub(logit, top[half]))
                builder.store(builder.fadd(builder.load(sums[half]), power), sums[half])
        for half, offset in enumerate(HALVES):
            shrink = emit_quick_exp(lanes, builder.fsub(before[half], top[half]))
            at = lanes.at(block.tile_sum, offset)
            lanes.store(lanes.fma(lanes.load(at), shrink, builder.load(sums[half])), at)
        highest.emit_end()


class _Exponentials(Formula):
    """e^logit, its sums and the maxima of the logits."""

    def __init__(self, lanes: Lanes, block: SampledBlock) -> None:
        self.running = Running(lanes, block.tile_sum), Running(lanes, block.tile_max)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        total, highest = self.running
        highest.set(half, lanes.maximum(logit, highest.get(half)))
        power = emit_quick_exp(lanes, logit)
        total.set(half, lanes.builder.fadd(total.get(half), power))
        return power


class _Probabilities(Formula):
    """e^(logit - shift), with one shift an example."""

    def __init__(self, lanes: Lanes, block: FullBlock) -> None:
        self._shifts = vectors(lanes, block.shifts)

    def emit(self, lanes: Lanes, logit: Any, half: int, row: Any) -> Any:
        return emit_quick_exp(lanes, lanes.builder.fsub(logit, self._shifts[half]))


SOFTMAX = _Softmax("softmax")
