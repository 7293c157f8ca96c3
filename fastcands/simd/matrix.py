"""Products of matrix tiles (AMX): bfloat16 factors, float32 sums.

The processor has eight tiles of 16 lines of 64 bytes, and one instruction that adds the product of a left and a right
tile to a third. Four tiles hold sums of 32 x 32 numbers, two a pair of left, two a pair of right tiles::

                              right panel: steps blocks of 32 k
                              +---------+---------+
                              | tile 6  | tile 7  |
                              +---------+---------+
    left panel                     |
    +---------+               +---------+---------+
    | tile 4  |  -----------> | tile 0  | tile 1  |   each step of 32 k: four tile loads, four products
    +---------+               +---------+---------+
    | tile 5  |  -----------> | tile 2  | tile 3  |
    +---------+               +---------+---------+

A panel is a row of blocks as `bfloat16` packs them, one after the other along k. Where factors are split in a high and
a low part a step is high x high + high x low + low x high, which changes one side at a time: 8 loads for 12 products.
What low x low would add is below what rounding the low parts lost. An infinite factor gives NaN then, as infinity meets
low parts of both signs; unsplit it gives what float32 does.

Sums begin at zero, or at what is in memory, and go along k in one chain: how k is cut into calls changes no bit.
The instruction takes denormal numbers as zero. Panels and sums must be aligned to a cache line: a tile that crosses
lines loads at half the speed. All tiles of a step are loaded before its products: at times a processor takes a whole
latency for each tile instruction, and then a load that waits for a product costs a fifth of the speed. Panels longer
than the first-level cache are asked for two steps ahead, line by line between the products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.bfloat16 import BLOCK_BYTES, LINE, SIDE, TILE_BYTES
from fastcands.simd.matrix_rows import ExponentialRows, LogisticRows
from fastcands.simd.memory import emit_prefetch

__all__ = [
    "PairsOfRows",
    "block_product",
    "block_product_beside_exp",
    "block_product_beside_logistic",
    "configure_tiles",
    "emit_beside",
    "release_tiles",
]

_PREFETCHED_STEPS = 2
"""How far ahead panels are asked for."""

_PAIRS_A_STEP = 2
"""Pairs of rows of exponentials beside one step of a product: both take about as long."""

_INTP = types.intp
_INT8, _INT64 = ir.IntType(8), ir.IntType(64)
_VOID = ir.VoidType()
_SUMS = (0, 1, 2, 3)
_LEFT, _RIGHT = (4, 5), (6, 7)

# palette 1; 64 bytes a line and 16 lines for each of 8 tiles
_SHAPES = bytes([1]) + bytes(15) + (64).to_bytes(2, "little") * 8 + bytes(16) + bytes([16] * 8) + bytes(8)


class _Tiles:
    """Emits tile instructions into one builder."""

    def __init__(self, builder: Any) -> None:
        self._builder = builder

    def _call(self, name: str, *arguments: Any) -> None:
        kind = ir.FunctionType(_VOID, [argument.type for argument in arguments])
        self._builder.call(cgutils.get_or_insert_function(self._builder.module, kind, f"llvm.x86.{name}"), arguments)

    def _pointer(self, where: Any) -> Any:
        return self._builder.inttoptr(where, _INT8.as_pointer())

    def configure(self) -> None:
        shapes = cgutils.global_constant(
            self._builder, "matrix_tiles", ir.Constant(ir.ArrayType(_INT8, 64), bytearray(_SHAPES))
        )
        self._call("ldtilecfg", self._builder.bitcast(shapes, _INT8.as_pointer()))

    def release(self) -> None:
        self._call("tilerelease")

    def zero(self, tile: int) -> None:
        self._call("tilezero", ir.Constant(_INT8, tile))

    def load(self, tile: int, where: Any, stride: Any) -> None:
        self._call("tileloadd64", ir.Constant(_INT8, tile), self._pointer(where), stride)

    def store(self, tile: int, where: Any, stride: Any) -> None:
        self._call("tilestored64", ir.Constant(_INT8, tile), self._pointer(where), stride)

    def add_product(self, sums: int, left: int, right: int) -> None:
        self._call("tdpbf16ps", *(ir.Constant(_INT8, tile) for tile in (sums, left, right)))


def _emit_step(builder: Any, tiles: _Tiles, left: Any, right: Any, split: bool) -> None:
    """Emit what one step adds to the sums, from a block of each panel."""
    line, size = ir.Constant(_INT64, LINE), 2 * BLOCK_BYTES if split else BLOCK_BYTES
    high, low = 0, 1
    products = ((low, high), (high, high), (high, low)) if split else ((high, high),)
    ahead = [(panel, at) for at in range(0, size, LINE) for panel in (left, right)]
    share = -(-len(ahead) // (4 * len(products)))
    loaded: dict[int, int] = {}
    for parts in products:
        for names, panel, part in ((_LEFT, left, parts[0]), (_RIGHT, right, parts[1])):
            for i, name in enumerate(names):
                if loaded.get(name) != part:
                    at = ir.Constant(_INT64, part * BLOCK_BYTES + i * TILE_BYTES)
                    tiles.load(name, builder.add(panel, at), line)
                    loaded[name] = part
        for i in range(2):
            for j in range(2):
                tiles.add_product(_SUMS[2 * i + j], _LEFT[i], _RIGHT[j])
                for panel, offset in ahead[:share]:
                    at = ir.Constant(_INT64, _PREFETCHED_STEPS * size + offset)
                    emit_prefetch(builder, builder.add(panel, at))
                del ahead[:share]


def _is_set(builder: Any, flag: Any) -> Any:
    return builder.icmp_signed("!=", flag, ir.Constant(_INT64, 0))


def _emit_steps(
    builder: Any, tiles: _Tiles, left: Any, right: Any, steps: Any, split: Any,
    emit_beside: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Emit the loop over k, with something else in each step.

    Whether factors are split is asked in each step: a branch that is always foretold, and half the code.
    """
    is_split = _is_set(builder, split)
    size = builder.select(is_split, ir.Constant(_INT64, 2 * BLOCK_BYTES), ir.Constant(_INT64, BLOCK_BYTES))
    with cgutils.for_range(builder, steps) as loop:
        offset = builder.mul(loop.index, size)
        panels = builder.add(left, offset), builder.add(right, offset)
        with builder.if_else(is_split) as (then, otherwise):
            with then:
                _emit_step(builder, tiles, *panels, split=True)
            with otherwise:
                _emit_step(builder, tiles, *panels, split=False)
        emit_beside()


@intrinsic  # type: ignore[untyped-decorator]
def configure_tiles(typingctx: Any) -> Any:
    """Make this thread's tiles ready, 16 lines of 64 bytes each; what they hold is lost."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Tiles(builder).configure()
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def release_tiles(typingctx: Any) -> Any:
    """Give the tiles back: a thread that holds some is slower to switch."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Tiles(builder).release()
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def block_product(
    typingctx: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, out_stride: Any
) -> Any:
    """``out (+)= sum over steps of left block @ right block``, 32 x 32 float32.

    IN
        left, right : addresses of panels of blocks
        steps : blocks in each
        split : 1 where each block is followed by its low parts, else 0
        add : whether to add to what is in `out`
        out_stride : numbers from row to row of `out`, a multiple of 16
    OUT
        out : address of 32 rows of 32 float32, on a cache line
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right, steps, split, add, out, out_stride = arguments
        tiles = _Tiles(builder)
        stride = builder.mul(out_stride, ir.Constant(_INT64, 4))
        below = builder.add(out, builder.mul(stride, ir.Constant(_INT64, 16)))
        places = [builder.add(start, ir.Constant(_INT64, offset)) for start in (out, below) for offset in (0, LINE)]
        with builder.if_else(_is_set(builder, add)) as (then, otherwise):
            with then:
                for tile, where in zip(_SUMS, places, strict=True):
                    tiles.load(tile, where, stride)
            with otherwise:
                for tile in _SUMS:
                    tiles.zero(tile)
        _emit_steps(builder, tiles, left, right, steps, split)
        for tile, where in zip(_SUMS, places, strict=True):
            tiles.store(tile, where, stride)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 7), codegen


class PairsOfRows(Protocol):
    """What becomes of a block, two rows at a time."""

    def emit_rows(self, pair: Any) -> None:
        """Emit rows 2 `pair` and 2 `pair` + 1."""

    def emit_end(self) -> None:
        """Emit what follows all rows."""


def emit_beside(builder: Any, rows: PairsOfRows, left: Any, right: Any, steps: Any, split: Any, out: Any) -> None:
    """Emit a product into one block, each step of it followed by some rows of another, which wait for none of it."""
    tiles, stride = _Tiles(builder), ir.Constant(_INT64, 2 * LINE)
    pairs = ir.Constant(_INT64, SIDE // 2)
    done = cgutils.alloca_once_value(builder, ir.Constant(_INT64, 0))

    def emit_some_rows() -> None:
        first = builder.load(done)
        left_over = builder.sub(pairs, first)
        most = ir.Constant(_INT64, _PAIRS_A_STEP)
        here = builder.select(builder.icmp_signed("<", left_over, most), left_over, most)
        with cgutils.for_range(builder, here) as loop:
            rows.emit_rows(builder.add(first, loop.index))
        builder.store(builder.add(first, here), done)

    for tile in _SUMS:
        tiles.zero(tile)
    _emit_steps(builder, tiles, left, right, steps, split, emit_some_rows)
    for tile, offset in zip(_SUMS, (0, LINE, 32 * LINE, 33 * LINE), strict=True):
        tiles.store(tile, builder.add(out, ir.Constant(_INT64, offset)), stride)
    with cgutils.for_range(builder, builder.sub(pairs, builder.load(done))) as loop:
        rows.emit_rows(builder.add(builder.load(done), loop.index))
    rows.emit_end()


@intrinsic  # type: ignore[untyped-decorator]
def block_product_beside_exp(
    typingctx: Any, left: Any, right: Any, steps: Any, split: Any, out: Any, block: Any, offsets: Any, shifts: Any,
    peaks: Any, totals: Any, packed: Any, ahead: Any,
) -> Any:  # fmt: skip
    """`block_product` from zero into one block, while the vector units do `exp_block` on another one.

    IN
        left, right, steps, split : as in `block_product`
        block, offsets, shifts, ahead : as in `exp_block`
    IN, OUT
        peaks, totals : as in `exp_block`
    OUT
        out : as in `block_product`, contiguous
        packed : the left block of `exp_block`
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *product, block, offsets, shifts, extra, totals, packed, ahead = arguments
        rows = ExponentialRows(builder, block, offsets, shifts, product[3], extra, totals, packed, ahead)
        emit_beside(builder, rows, *product)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 12), codegen


@intrinsic  # type: ignore[untyped-decorator]
def block_product_beside_logistic(
    typingctx: Any, left: Any, right: Any, steps: Any, split: Any, out: Any, block: Any, offsets: Any, shifts: Any,
    copies: Any, totals: Any, packed: Any, ahead: Any,
) -> Any:  # fmt: skip
    """`block_product` from zero into one block, while the vector units do `logistic_block` on another one.

    IN
        left, right, steps, split : as in `block_product`
        block, offsets, shifts, copies, ahead : as in `logistic_block`
    IN, OUT
        totals : as in `logistic_block`
    OUT
        out : as in `block_product`, contiguous
        packed : the left block of `logistic_block`
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *product, block, offsets, shifts, extra, totals, packed, ahead = arguments
        rows = LogisticRows(builder, block, offsets, shifts, product[3], extra, totals, packed, ahead)
        emit_beside(builder, rows, *product)
        return context.get_dummy_value()

    return types.void(*[_INTP] * 12), codegen
