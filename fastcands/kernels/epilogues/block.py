"""A 32 x 32 block of logits from products of packed bfloat16 blocks, while it is in cache.

A block has one row for each class and one column for each example. The epilogue of a loss turns its logits into
gradients, rounded and packed for the next products. The next block's product runs at the same time if the instruction
set can do both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.core import cgutils, types

from fastcands.simd.bf16.rows import Formula, PackedRows
from fastcands.simd.dot import chosen
from fastcands.simd.dot.blocks import LANES, SIDE, int64
from fastcands.simd.vector import Lanes

__all__ = ["FullBlock", "Product", "SampledBlock", "SumBlock", "block_lanes", "emit_block"]


class Product(NamedTuple):
    """A product that runs during an epilogue: `block_product` from zero into another block."""

    left: Any
    right: Any
    steps: Any
    out: Any
    """Contiguous."""


class SampledBlock(NamedTuple):
    """Arguments of a sampled loss's epilogue: ``logits = block + (offsets[:, None] - shifts)``."""

    split: Any
    """Whether the packed block has lo parts."""
    block: Any
    """Address of 32 x 32 float32, contiguous; -inf where masked."""
    offsets: Any
    """Address of 32 float32, one for each class."""
    copies: Any
    """Address of 32 float32: how often each class counts."""
    shifts: Any
    """Address of 32 float32, one for each example."""
    tile_max: Any
    """Address of 32 float32, running maxima."""
    tile_sum: Any
    """Address of 32 float32, running sums."""
    packed: Any
    """Address of the left block that is written."""
    ahead: Any
    """Address of the left block that will be written next; prefetched."""


class FullBlock(NamedTuple):
    """Arguments of an exact loss's epilogue: ``logits = block + offsets[:, None]``."""

    split: Any
    """Whether the packed blocks have lo parts."""
    block: Any
    """Address of 32 x 32 float32, contiguous; -inf where masked."""
    offsets: Any
    """Address of 32 float32, one for each class."""
    shifts: Any
    """Address of 32 float32, one for each example."""
    scale: Any
    """Address of 32 float32, factors of the examples."""
    examples: Any
    """How many columns have an example: gradients are 0 in the others, whatever the block holds."""
    tile_sum: Any
    """Address of 32 float32, running sums."""
    row_sums: Any
    """Address of 32 x 16 float32, to which both vectors of each row of gradients are added."""
    packed: Any
    """Address of the left block that is written."""
    packed_t: Any
    """Address of the right block that is written."""


class SumBlock(NamedTuple):
    """Arguments of an epilogue that computes only the value of a loss."""

    block: Any
    """Address of rows x 32 float32, contiguous."""
    rows: Any
    offsets: Any
    """Address of rows float32."""
    tile_max: Any
    """Address of 32 float32, running maxima, finite."""
    tile_sum: Any
    """Address of 32 float32, running sums."""


def block_lanes(builder: Any) -> Lanes:
    """Return the lanes of a block: a row is two vectors of 16 float32."""
    return Lanes(builder, types.float32, LANES)


def _packed_rows(lanes: Lanes, formula: Formula, arguments: SampledBlock | FullBlock) -> PackedRows:
    split, block, offsets, packed = arguments.split, arguments.block, arguments.offsets, arguments.packed
    if isinstance(arguments, SampledBlock):
        return PackedRows(lanes, formula, split, block, offsets, packed, shifts=arguments.shifts, ahead=arguments.ahead)
    return PackedRows(
        lanes, formula, split, block, offsets, packed, factors=arguments.scale, examples=arguments.examples,
        row_sums=arguments.row_sums, right=arguments.packed_t,
    )  # fmt: skip


def emit_block(
    lanes: Lanes, formula: Formula, arguments: SampledBlock | FullBlock, product: Product | None = None
) -> None:
    """Emit the epilogue of a block, together with a product if one is given."""
    rows = _packed_rows(lanes, formula, arguments)
    if product is not None:
        operands = product.left, product.right, product.steps, arguments.split, product.out
        chosen().emit_overlapped(lanes.builder, operands, rows)
        return
    with cgutils.for_range(lanes.builder, int64(SIDE // 2)) as loop:
        rows.emit_rows(loop.index)
    rows.emit_end()
