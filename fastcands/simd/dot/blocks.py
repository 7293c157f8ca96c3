"""Packed blocks of bfloat16 numbers: the two orders in which every instruction set reads them.

A block is 32 x 32 numbers of a matrix M, 2 KiB, two tiles of 16 lines of 64 bytes. In a left block, k runs along the
lines. A right block is in VNNI order: neighbours in k share a word of 32 bits::

    left: line i is row i of M              right: tile j, line p has rows 2p and 2p + 1 of M, columns 16j to 16j + 15
    +---------------------------------+     +---------------+---------------+-----+
    | M[i, 0] M[i, 1]  ...   M[i, 31] |     | M[2p, 16j]    | M[2p, 16j+1]  | ... |
    +---------------------------------+     | M[2p+1, 16j]  | M[2p+1, 16j+1]|     |   one word a column
                                            +---------------+---------------+-----+

A panel is a row of blocks, one after the other along k. Rounding to bfloat16 has a relative error of at most 2^-8. In a
split panel each block of rounded numbers, hi, is followed by a second one, lo, with what rounding lost, rounded too:
the relative error of hi + lo is at most 2^-16. Where hi is infinite or NaN, lo is zero, so that their sum is still hi.

A product of split panels adds lo x hi, hi x hi and hi x lo of each step, in this order. lo x lo is left out: it is
smaller than what rounding the lo parts lost. With split panels an infinite factor gives NaN, as it is multiplied by lo
parts of both signs; without, it gives the same as in float32.
"""

from __future__ import annotations

from typing import Any, Protocol

from llvmlite import ir

__all__ = ["BLOCK_BYTES", "LANES", "LINE", "PARTS", "SIDE", "TILE_BYTES", "Epilogue", "int64", "is_set", "pointer"]

SIDE = 32
"""Rows and columns of a block."""
BLOCK_BYTES = 2048
"""Bytes of a block; twice that when it is split."""
LINE = 64
TILE_BYTES = 16 * LINE
LANES = 16
"""float32 numbers in a line: the length of an epilogue's vectors, on every processor."""

_HI, _LO = 0, 1
PARTS = {False: ((_HI, _HI),), True: ((_LO, _HI), (_HI, _HI), (_HI, _LO))}
"""Which parts of the left and the right block a step multiplies, in order, for unsplit and for split panels."""

_INT64 = ir.IntType(64)


class Epilogue(Protocol):
    """What is done to a block of logits while it is in cache, two rows at a time."""

    def emit_rows(self, pair: Any) -> None:
        """Emit rows 2 `pair` and 2 `pair` + 1."""

    def emit_end(self) -> None:
        """Emit what is done after all rows."""


def int64(value: int) -> Any:
    """Return an int64."""
    return ir.Constant(_INT64, value)


def is_set(builder: Any, flag: Any) -> Any:
    """Return whether an int64 is not 0."""
    return builder.icmp_signed("!=", flag, int64(0))


def pointer(builder: Any, where: Any, offset: Any, kind: Any) -> Any:
    """Return a pointer to an address, `offset` bytes (an int or an LLVM value) further."""
    return builder.inttoptr(builder.add(where, int64(offset) if isinstance(offset, int) else offset), kind.as_pointer())
