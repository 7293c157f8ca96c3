"""Copies of blocks of sums, which products wrote, to scattered rows; sums of packed gradients over examples."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.dot.blocks import BLOCK_BYTES, LANES, LINE, int64, is_set
from fastcands.simd.vector import Lanes

__all__ = ["add_weighted_rows", "scatter_block"]

_INTP = types.intp
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_VECTOR_OFFSETS = (0, LINE)
_ROW = 2 * LINE
"""Bytes of a row of a block of float32: two vectors."""


def _offset(lanes: Lanes, index: Any, size: int) -> Any:
    return lanes.builder.mul(index, int64(size))


@intrinsic  # type: ignore[untyped-decorator]
def scatter_block(typingctx: Any, block: Any, rows: Any, numbers: Any, out: Any, out_stride: Any, features: Any) -> Any:
    """``out[numbers[r], :features] = block[r, :features]`` for the first rows of a block.

    IN
        block : address of 32 x 32 float32, contiguous
        rows : how many rows
        numbers : address of as many int64, the row of the result for each
        out_stride : numbers from row to row of the result
        features : how many of the 32 features exist; the others are not written
    OUT
        out : address of the result's first row, at the first feature of the block
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, rows, numbers, out, out_stride, features = arguments
        lanes = Lanes(builder, types.float32, LANES)
        masks = [lanes.first_lanes(builder.sub(features, int64(16 * j))) for j in range(2)]
        with cgutils.for_range(builder, rows) as loop:
            number = builder.load(
                builder.inttoptr(lanes.at(numbers, _offset(lanes, loop.index, 8)), _INT64.as_pointer())
            )
            target = lanes.at(out, lanes.bytes_of(builder.mul(number, out_stride)))
            source = lanes.at(block, _offset(lanes, loop.index, _ROW))
            for vector_offset, mask in zip(_VECTOR_OFFSETS, masks, strict=True):
                lanes.store_masked(lanes.load(lanes.at(source, vector_offset)), lanes.at(target, vector_offset), mask)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 6), codegen


@intrinsic  # type: ignore[untyped-decorator]
def add_weighted_rows(typingctx: Any, panel: Any, blocks: Any, split: Any, factors: Any, sums: Any) -> Any:
    """``sums[i] = (row i of all blocks * factors)``, summed in 16 lanes, for 32 rows of a panel of left blocks.

    IN
        panel : address of the first left block
        blocks : how many
        split : whether each is followed by its lo parts
        factors : address of 32 float32 a block
    OUT
        sums : address of 32 x 16 float32, contiguous
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        panel, blocks, split, factors, sums = arguments
        lanes = Lanes(builder, types.float32, LANES)
        size = builder.shl(int64(BLOCK_BYTES), split)
        is_split = is_set(builder, split)
        every_second = [
            ir.Constant(ir.VectorType(_INT32, 16), [2 * lane + odd for lane in range(16)]) for odd in range(2)
        ]
        for tile in range(2):  # sixteen sums fit in registers
            slots = [lanes.variable(lanes.const(0)) for _ in range(16)]
            with cgutils.for_range(builder, blocks) as loop:
                first, second = (
                    lanes.load(lanes.at(lanes.at(factors, _offset(lanes, loop.index, _ROW)), offset))
                    for offset in (0, LINE)
                )
                weights = [builder.shuffle_vector(first, second, which) for which in every_second]
                start = lanes.at(panel, builder.mul(loop.index, size))

                def add(start: Any, weights: list[Any] = weights, slots: list[Any] = slots, tile: int = tile) -> None:
                    for i, slot in enumerate(slots):
                        words = builder.bitcast(lanes.load(lanes.at(start, (16 * tile + i) * LINE)), lanes.int_type)
                        even = builder.bitcast(builder.shl(words, lanes.int_const(16)), lanes.type)
                        odd = builder.bitcast(builder.and_(words, lanes.int_const(-65536)), lanes.type)
                        added = lanes.fma(even, weights[0], builder.load(slot))
                        builder.store(lanes.fma(odd, weights[1], added), slot)

                add(start)
                with builder.if_then(is_split):
                    add(lanes.at(start, BLOCK_BYTES))
            for i, slot in enumerate(slots):
                lanes.store(builder.load(slot), lanes.at(sums, (16 * tile + i) * LINE))
        return context.get_dummy_value()

    return types.void(*[_INTP] * 5), codegen
