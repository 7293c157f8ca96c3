"""float32 blocks rounded to bfloat16 and packed, as left or right blocks (`fastcands.simd.dot.blocks`).

Seen as 16 x 16 words of 32 bits, a left tile of M is the transpose of a right tile of M transposed. So the four packers
are two packers and a transposition in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from fastcands.simd.dot import chosen
from fastcands.simd.dot.blocks import BLOCK_BYTES, LANES, LINE, SIDE, TILE_BYTES, int64, is_set, pointer

__all__ = [
    "emit_left", "emit_lo", "emit_right", "interleave_block", "pack_left", "pack_left_transposed", "pack_right",
    "pack_right_transposed",
]  # fmt: skip

_INTP = types.intp
_INT32 = ir.IntType(32)
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_WORDS = ir.VectorType(_INT32, LANES)
_BFLOATS = ir.VectorType(ir.IntType(16), 2 * LANES)


def _indices(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, len(numbers)), numbers)


_LANES = list(range(LANES))
_FIRST, _SECOND = _indices(_LANES), _indices([16 + lane for lane in _LANES])
_PAIRS = [_indices([16 * j + lane // 2 + 32 * (lane % 2) for lane in range(32)]) for j in range(2)]
_ZIP = [_indices([8 * j + lane // 2 + 16 * (lane % 2) for lane in _LANES]) for j in range(2)]


def _load_floats(builder: Any, where: Any, offset: Any = 0) -> Any:
    """Load 16 float32; the address need only be aligned to one of them."""
    value = builder.load(pointer(builder, where, offset, _FLOATS))
    value.align = 4
    return value


def _store(builder: Any, vector: Any, where: Any, offset: Any) -> None:
    builder.store(vector, pointer(builder, where, offset, vector.type)).align = LINE


def emit_lo(builder: Any, first: Any, second: Any, rounded: Any) -> Any:
    """Emit the lo parts: what rounding lost, rounded itself; 0 where that is not finite."""
    undefined = ir.Constant(_BFLOATS, ir.Undefined)
    zero = ir.Constant(_FLOATS, [ir.Constant(ir.FloatType(), 0.0)] * 16)
    sixteen = ir.Constant(_WORDS, [16] * 16)
    parts = []
    for value, lanes in ((first, _FIRST), (second, _SECOND)):
        bits = builder.zext(builder.shuffle_vector(rounded, undefined, lanes), _WORDS)
        lost = builder.fsub(value, builder.bitcast(builder.shl(bits, sixteen), _FLOATS))
        finite = builder.fcmp_ordered("==", builder.fsub(lost, lost), zero)
        parts.append(builder.select(finite, lost, zero))
    return chosen().emit_rounded(builder, *parts)


def emit_left(builder: Any, row: Any, out: Any, line: Any) -> None:
    """Store a rounded row as a line (a number, int or LLVM value) of a left block."""
    offset = line * LINE if isinstance(line, int) else builder.mul(line, int64(LINE))
    _store(builder, row, out, offset)


def emit_right(builder: Any, even: Any, odd: Any, out: Any, line: Any) -> None:
    """Store two neighbouring rounded rows as a line of both tiles of a right block."""
    offset = int64(line * LINE) if isinstance(line, int) else builder.mul(line, int64(LINE))
    for j in range(2):
        at = builder.add(offset, int64(j * TILE_BYTES))
        _store(builder, builder.shuffle_vector(even, odd, _PAIRS[j]), out, at)


def _transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Emit the transpose of 16 x 16 words: four rounds, each interleaves line i with line i + 8."""
    for _ in range(4):
        lines = [builder.shuffle_vector(lines[i // 2], lines[i // 2 + 8], _ZIP[i % 2]) for i in range(16)]
    return lines


def _emit_block(builder: Any, rows: list[Any], out: Any, offset: int, right: bool, transposed: bool) -> None:
    """Store 32 rounded rows as one block."""
    # a left tile has rows as lines, a right tile interleaves two rows; transposed, it is the other way round
    if right == transposed:
        tiles = [rows[:16], rows[16:]]
    else:
        pairs = [(rows[p], rows[p + 1]) for p in range(0, SIDE, 2)]
        tiles = [[builder.shuffle_vector(even, odd, _PAIRS[j]) for even, odd in pairs] for j in range(2)]
    for j, lines in enumerate(tiles):
        lines = [builder.bitcast(line, _WORDS) for line in lines]
        if transposed:
            lines = _transposed(builder, lines)
        for i, line in enumerate(lines):
            _store(builder, line, out, offset + j * TILE_BYTES + i * LINE)


def _emit_packer(builder: Any, arguments: Any, right: bool, transposed: bool) -> None:
    """Emit the packing of 32 rows, `stride` numbers apart, and of their lo parts if `split` is not 0."""
    source, stride, split, out = arguments
    step = builder.mul(stride, int64(4))
    starts = [builder.add(source, builder.mul(step, int64(r))) for r in range(SIDE)]

    def both(start: Any) -> tuple[Any, Any]:
        return _load_floats(builder, start), _load_floats(builder, start, LINE)

    emit_rounded = chosen().emit_rounded
    _emit_block(builder, [emit_rounded(builder, *both(start)) for start in starts], out, 0, right, transposed)
    with builder.if_then(is_set(builder, split)):
        rows = []
        for start in starts:  # read and rounded again: 32 rows do not fit in registers
            values = both(start)
            rows.append(emit_lo(builder, *values, emit_rounded(builder, *values)))
        _emit_block(builder, rows, out, BLOCK_BYTES, right, transposed)


@intrinsic  # type: ignore[untyped-decorator]
def interleave_block(typingctx: Any, block: Any, split: Any, out: Any) -> Any:
    """Turn a left block of M into a right one: the first tile has the even columns of M, the second the odd ones.

    Each word of one row swaps 16 bits with the same word of the next row. No number moves to another word, so this
    costs half as much as the usual order.

    IN
        block : address of a left block
        split : whether a second block with lo parts follows
    OUT
        out : address of as many right blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, split, out = arguments
        sixteen, upper = ir.Constant(_WORDS, [16] * 16), ir.Constant(_WORDS, [-65536] * 16)
        lower = ir.Constant(_WORDS, [65535] * 16)
        parts = builder.add(split, int64(1))
        with cgutils.for_range(builder, builder.mul(parts, int64(16))) as loop:
            # 16 lines a tile, two tiles a part
            line = builder.and_(loop.index, int64(15))
            start = builder.mul(builder.lshr(loop.index, int64(4)), int64(BLOCK_BYTES))
            pair = builder.add(start, builder.mul(line, int64(2 * LINE)))
            even, odd = (
                builder.load(pointer(builder, builder.add(block, pair), offset, _WORDS)) for offset in (0, LINE)
            )
            first = builder.or_(builder.and_(even, lower), builder.shl(odd, sixteen))
            second = builder.or_(builder.lshr(even, sixteen), builder.and_(odd, upper))
            at = builder.add(start, builder.mul(line, int64(LINE)))
            for j, words in enumerate((first, second)):
                _store(builder, words, out, builder.add(at, int64(j * TILE_BYTES)))
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pack_left(typingctx: Any, source: Any, stride: Any, split: Any, out: Any) -> Any:
    """Pack M as a left block.

    IN
        source : address of 32 rows of 32 float32
        stride : numbers from row to row
        split : 1 for a second block with the lo parts, else 0
    OUT
        out : address of BLOCK_BYTES, or twice that, on a cache line
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_packer(builder, arguments, right=False, transposed=False)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pack_right(typingctx: Any, source: Any, stride: Any, split: Any, out: Any) -> Any:
    """Pack M as a right block; see `pack_left`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_packer(builder, arguments, right=True, transposed=False)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pack_left_transposed(typingctx: Any, source: Any, stride: Any, split: Any, out: Any) -> Any:
    """Pack M transposed as a left block; see `pack_left`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_packer(builder, arguments, right=False, transposed=True)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pack_right_transposed(typingctx: Any, source: Any, stride: Any, split: Any, out: Any) -> Any:
    """Pack M transposed as a right block; see `pack_left`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _emit_packer(builder, arguments, right=True, transposed=True)
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP, _INTP), codegen
