"""Softmax: a tile becomes e^(logit - tile_max), whose sums make the normaliser of each example."""

from __future__ import annotations

from fastcands.kernels.epilogues.interface import Epilogue
from fastcands.kernels.epilogues.tile import Tile
from fastcands.simd.exp import LOWEST, emit_exp

__all__ = ["SOFTMAX", "Softmax"]


class Softmax(Epilogue):
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


SOFTMAX = Softmax("softmax")
