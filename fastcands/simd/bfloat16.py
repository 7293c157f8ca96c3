"""float32 blocks rounded to bfloat16, in the two orders in which a product of matrix tiles reads them.

A block is 32 x 32 numbers of a matrix M, 2 KiB, two tiles of 16 lines of 64 bytes (`matrix` has the product). As the
left operand, k runs along the lines; as the right one, neighbours in k share a word of 32 bits::

    left: line i is row i of M              right: tile j, line p has rows 2p and 2p + 1 of M, columns 16j to 16j + 15
    +---------------------------------+     +---------------+---------------+-----+
    | M[i, 0] M[i, 1]  ...   M[i, 31] |     | M[2p, 16j]    | M[2p, 16j+1]  | ... |
    +---------------------------------+     | M[2p+1, 16j]  | M[2p+1, 16j+1]|     |   one word a column
                                            +---------------+---------------+-----+

Seen as 16 x 16 words, a left tile of M is the transpose of a right tile of M transposed, so four packers are two and a
transposition in registers.

Rounded, a number is within 2^-8 of itself. Split, a block is followed by a second one with what rounding lost, rounded
too: high + low is within 2^-16. Where `high` is infinite or NaN `low` is zero, so that their sum is that.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = [
    "BLOCK_BYTES", "LINE", "SIDE", "TILE_BYTES", "emit_left", "emit_low", "emit_right", "emit_rounded",
    "interleave_block", "load_floats", "pack_left", "pack_left_transposed", "pack_right", "pack_right_transposed",
    "pointer",
]  # fmt: skip

SIDE = 32
"""Rows and columns of a block."""
BLOCK_BYTES = 2048
"""Bytes of a block; twice that when it is split."""
LINE = 64
TILE_BYTES = 16 * LINE

_INTP = types.intp
_INT32, _INT64 = ir.IntType(32), ir.IntType(64)
_FLOATS = ir.VectorType(ir.FloatType(), 16)
_WORDS = ir.VectorType(_INT32, 16)
_HALVES = ir.VectorType(ir.IntType(16), 32)


class _BFloat16(ir.Type):  # type: ignore[misc]
    """LLVM's type, of which llvmlite has no name; vectors of it become vectors of int16 at once."""

    def _to_string(self) -> str:
        return "bfloat"


_ROUNDED = ir.VectorType(_BFloat16(), 32)


def _indices(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INT32, len(numbers)), numbers)


_LANES = list(range(16))
_FIRST, _SECOND = _indices(_LANES), _indices([16 + lane for lane in _LANES])
_PAIRS = [_indices([16 * j + lane // 2 + 32 * (lane % 2) for lane in range(32)]) for j in range(2)]
_ZIP = [_indices([8 * j + lane // 2 + 16 * (lane % 2) for lane in _LANES]) for j in range(2)]


def pointer(builder: Any, where: Any, offset: Any, kind: Any) -> Any:
    """Return a pointer to an address, `offset` bytes (an int or an LLVM value) further."""
    offset = ir.Constant(_INT64, offset) if isinstance(offset, int) else offset
    return builder.inttoptr(builder.add(where, offset), kind.as_pointer())


def load_floats(builder: Any, where: Any, offset: Any = 0) -> Any:
    """Load 16 float32; the address need only be aligned to one of them."""
    value = builder.load(pointer(builder, where, offset, _FLOATS))
    value.align = 4
    return value


def _store(builder: Any, vector: Any, where: Any, offset: Any) -> None:
    builder.store(vector, pointer(builder, where, offset, vector.type)).align = LINE


def emit_rounded(builder: Any, first: Any, second: Any) -> Any:
    """Emit 2 x 16 float32 rounded to the nearest bfloat16, ties to even, NaN to NaN, denormals to 0; as 32 int16."""
    kind = ir.FunctionType(_ROUNDED, [_FLOATS, _FLOATS])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.cvtne2ps2bf16.512")
    return builder.bitcast(builder.call(function, [second, first]), _HALVES)


def emit_low(builder: Any, first: Any, second: Any, rounded: Any) -> Any:
    """Emit what `emit_rounded` lost, rounded; 0 where that is no number."""
    undefined = ir.Constant(_HALVES, ir.Undefined)
    zero = ir.Constant(_FLOATS, [ir.Constant(ir.FloatType(), 0.0)] * 16)
    sixteen = ir.Constant(_WORDS, [16] * 16)
    parts = []
    for value, lanes in ((first, _FIRST), (second, _SECOND)):
        bits = builder.zext(builder.shuffle_vector(rounded, undefined, lanes), _WORDS)
        lost = builder.fsub(value, builder.bitcast(builder.shl(bits, sixteen), _FLOATS))
        finite = builder.fcmp_ordered("==", builder.fsub(lost, lost), zero)
        parts.append(builder.select(finite, lost, zero))
    return emit_rounded(builder, *parts)


def emit_left(builder: Any, row: Any, out: Any, line: Any) -> None:
    """Store a rounded row as a line (a number, int or LLVM value) of a left block."""
    offset = line * LINE if isinstance(line, int) else builder.mul(line, ir.Constant(_INT64, LINE))
    _store(builder, row, out, offset)


def emit_right(builder: Any, even: Any, odd: Any, out: Any, line: Any) -> None:
    """Store two neighbouring rounded rows as a line of both tiles of a right block."""
    offset = ir.Constant(_INT64, line * LINE) if isinstance(line, int) else builder.mul(line, ir.Constant(_INT64, LINE))
    for j in range(2):
        at = builder.add(offset, ir.Constant(_INT64, j * TILE_BYTES))
        _store(builder, builder.shuffle_vector(even, odd, _PAIRS[j]), out, at)


def _transposed(builder: Any, lines: list[Any]) -> list[Any]:
    """Emit the transpose of 16 x 16 words: four times every line is zipped with the one eight further down."""
    for _ in range(4):
        lines = [builder.shuffle_vector(lines[i // 2], lines[i // 2 + 8], _ZIP[i % 2]) for i in range(16)]
    return lines


def _emit_block(builder: Any, rows: list[Any], out: Any, offset: int, right: bool, transposed: bool) -> None:
    """Store 32 rounded rows as one block."""
    # a left tile has its rows as lines, a right one zips two; transposed, each takes the other's way first
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
    """Emit the packing of 32 rows that lie `stride` numbers apart, and of their low parts if `split` is not 0."""
    source, stride, split, out = arguments
    step = builder.mul(stride, ir.Constant(_INT64, 4))
    starts = [builder.add(source, builder.mul(step, ir.Constant(_INT64, r))) for r in range(SIDE)]

    def both(start: Any) -> tuple[Any, Any]:
        return load_floats(builder, start), load_floats(builder, start, LINE)

    _emit_block(builder, [emit_rounded(builder, *both(start)) for start in starts], out, 0, right, transposed)
    with builder.if_then(builder.icmp_signed("!=", split, ir.Constant(_INT64, 0))):
        rows = []
        for start in starts:  # read and rounded once more: 32 rows do not stay in registers
            values = both(start)
            rows.append(emit_low(builder, *values, emit_rounded(builder, *values)))
        _emit_block(builder, rows, out, BLOCK_BYTES, right, transposed)


@intrinsic  # type: ignore[untyped-decorator]
def interleave_block(typingctx: Any, block: Any, split: Any, out: Any) -> Any:
    """Turn a left block of M into a right one whose tiles have the even and the odd columns of M.

    Words of two rows exchange halves, with no exchange between words: half the price of the usual order.

    IN
        block : address of a left block
        split : whether a second one with low parts follows
    OUT
        out : address of as many right blocks
    """

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, split, out = arguments
        sixteen, upper = ir.Constant(_WORDS, [16] * 16), ir.Constant(_WORDS, [-65536] * 16)
        lower = ir.Constant(_WORDS, [65535] * 16)
        parts = builder.add(split, ir.Constant(_INT64, 1))
        with cgutils.for_range(builder, builder.mul(parts, ir.Constant(_INT64, 16))) as loop:
            # 16 lines a tile, two tiles a part
            line = builder.and_(loop.index, ir.Constant(_INT64, 15))
            start = builder.mul(builder.lshr(loop.index, ir.Constant(_INT64, 4)), ir.Constant(_INT64, BLOCK_BYTES))
            pair = builder.add(start, builder.mul(line, ir.Constant(_INT64, 2 * LINE)))
            even, odd = (
                builder.load(pointer(builder, builder.add(block, pair), offset, _WORDS)) for offset in (0, LINE)
            )
            first = builder.or_(builder.and_(even, lower), builder.shl(odd, sixteen))
            second = builder.or_(builder.lshr(even, sixteen), builder.and_(odd, upper))
            at = builder.add(start, builder.mul(line, ir.Constant(_INT64, LINE)))
            for j, words in enumerate((first, second)):
                _store(builder, words, out, builder.add(at, ir.Constant(_INT64, j * TILE_BYTES)))
        return context.get_dummy_value()

    return types.void(_INTP, _INTP, _INTP), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pack_left(typingctx: Any, source: Any, stride: Any, split: Any, out: Any) -> Any:
    """Pack M as a left block.

    IN
        source : address of 32 rows of 32 float32
        stride : numbers from row to row
        split : 1 for a second block with the low parts, else 0
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
