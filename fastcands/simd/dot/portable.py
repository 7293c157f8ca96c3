"""Products of packed blocks by ordinary vector code: correct on every processor, several times slower than float32.

It is for tests: with it, all bfloat16 paths run where no other instruction set is usable. Sums are in the order of AMX,
by separate multiplications and additions, so every processor gets the same bits. As products of two bfloat16 numbers
are exact, results are those of AMX where no number is denormal or overflows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numpy.typing import NDArray

from fastcands.simd.dot.avx512 import rounded_twin
from fastcands.simd.dot.blocks import (
    BLOCK_BYTES,
    LANES,
    LINE,
    PARTS,
    SIDE,
    TILE_BYTES,
    Epilogue,
    int64,
    is_set,
    pointer,
)
from fastcands.simd.vector import Lanes

__all__ = [
    "emit_configure", "emit_fraction", "emit_overlapped", "emit_product", "emit_reciprocal", "emit_release",
    "emit_rounded", "emit_scaled", "fraction_twin", "product_twin", "reciprocal_twin", "rounded_twin", "scaled_twin",
    "unusable",
]  # fmt: skip

_INT32 = ir.IntType(32)
_FLOATS, _WORDS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(_INT32, LANES)
_INT16S = ir.VectorType(ir.IntType(16), LANES)
_ALL = ir.Constant(ir.VectorType(_INT32, LANES), [0] * LANES)
_ROW = 2 * LINE
_WHOLE = 2.0**23
"""float32 numbers of at least this size are integers."""


def unusable() -> str | None:
    """Return None: nothing is needed."""
    return None


def emit_configure(builder: Any) -> None:
    """Emit nothing: there is no state."""


def emit_release(builder: Any) -> None:
    """Emit nothing: there is no state."""


def _words(value: int) -> Any:
    return ir.Constant(_WORDS, [value] * LANES)


def _even_and_odd(builder: Any, words: Any) -> tuple[Any, Any]:
    """Return the even and the odd bfloat16 of a line, as float32."""
    even, odd = builder.shl(words, _words(16)), builder.and_(words, _words(-65536))
    return builder.bitcast(even, _FLOATS), builder.bitcast(odd, _FLOATS)


def _emit_row(builder: Any, line: Any, right: Any, sums: Sequence[Any]) -> None:
    """Add a line of a left block times a right block to two vectors of sums: first even, then odd k, then both."""
    zero = ir.Constant(_FLOATS, [ir.Constant(ir.FloatType(), 0.0)] * LANES)
    for j, slot in enumerate(sums):
        parts = [cgutils.alloca_once(builder, _FLOATS) for _ in range(2)]
        for part in parts:
            builder.store(zero, part)
        with cgutils.for_range(builder, int64(SIDE // 2)) as loop:
            pair = builder.load(pointer(builder, line, builder.mul(loop.index, int64(4)), _INT32))
            undefined = ir.Constant(_WORDS, ir.Undefined)
            first = builder.insert_element(undefined, pair, ir.Constant(_INT32, 0))
            factors = _even_and_odd(builder, builder.shuffle_vector(first, undefined, _ALL))
            at = builder.add(builder.mul(loop.index, int64(LINE)), int64(j * TILE_BYTES))
            others = _even_and_odd(builder, builder.load(pointer(builder, right, at, _WORDS)))
            for part, factor, other in zip(parts, factors, others, strict=True):
                builder.store(builder.fadd(builder.load(part), builder.fmul(factor, other)), part)
        both = builder.fadd(builder.load(parts[0]), builder.load(parts[1]))
        builder.store(builder.fadd(builder.load(slot), both), slot)


def emit_product(
    builder: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, out_stride: Any
) -> None:
    """Emit a product, see `fastcands.simd.dot.block_product`."""
    size = builder.shl(int64(BLOCK_BYTES), split)
    zero = ir.Constant(_FLOATS, [ir.Constant(ir.FloatType(), 0.0)] * LANES)
    sums = [cgutils.alloca_once(builder, _FLOATS) for _ in range(2)]
    with cgutils.for_range(builder, int64(SIDE)) as rows:
        start = builder.add(out, builder.mul(rows.index, builder.mul(out_stride, int64(4))))
        addresses = [pointer(builder, start, j * LINE, _FLOATS) for j in range(2)]
        for start_of_vector, slot in zip(addresses, sums, strict=True):
            builder.store(zero, slot)
            with builder.if_then(is_set(builder, add)):
                before = builder.load(start_of_vector)
                before.align = 4
                builder.store(before, slot)
        line = builder.add(left, builder.mul(rows.index, int64(LINE)))
        with cgutils.for_range(builder, steps) as loop:
            offset = builder.mul(loop.index, size)
            with builder.if_else(is_set(builder, split)) as branches:
                for parts, branch in zip((PARTS[True], PARTS[False]), branches, strict=True):
                    with branch:
                        for part in parts:
                            here = [builder.add(offset, int64(each * BLOCK_BYTES)) for each in part]
                            _emit_row(builder, builder.add(line, here[0]), builder.add(right, here[1]), sums)
        for start_of_vector, slot in zip(addresses, sums, strict=True):
            builder.store(builder.load(slot), start_of_vector).align = 4


def product_twin(
    sums: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return sums + left @ right of a step, each (32, 32): even and odd k on their own, then both, then the sums."""
    parts = np.zeros((2, SIDE, SIDE), np.float32)
    with np.errstate(all="ignore"):
        for k in range(SIDE):
            parts[k % 2] += left[:, k, None] * right[k]
        result: NDArray[np.float32] = sums + (parts[0] + parts[1])
    return result


def emit_overlapped(builder: Any, product: Sequence[Any], epilogue: Epilogue) -> None:
    """Emit a product into one block, then the epilogue of another."""
    left, right, steps, split, out = product
    emit_product(builder, left, right, steps, split, int64(0), out, int64(SIDE))
    with cgutils.for_range(builder, int64(SIDE // 2)) as loop:
        epilogue.emit_rows(loop.index)
    epilogue.emit_end()


def _emit_16_rounded(builder: Any, value: Any) -> Any:
    """Emit 16 float32 rounded to bfloat16, as 16 int16."""
    bits = builder.bitcast(value, _WORDS)
    even = builder.and_(builder.lshr(bits, _words(16)), _words(1))
    nearest = builder.lshr(builder.add(bits, builder.add(even, _words(0x7FFF))), _words(16))
    # a quiet NaN of the same sign: rounding its bits could make it infinite
    quiet = builder.or_(builder.lshr(bits, _words(16)), _words(0x40))
    result = builder.select(builder.fcmp_unordered("uno", value, value), quiet, nearest)
    tiny = builder.icmp_signed("==", builder.and_(bits, _words(0x7F800000)), _words(0))
    result = builder.select(tiny, builder.and_(builder.lshr(bits, _words(16)), _words(0x8000)), result)
    return builder.trunc(result, _INT16S)


def emit_rounded(builder: Any, first: Any, second: Any) -> Any:
    """Emit 2 x 16 float32 rounded to bfloat16, as 32 int16; the twin is that of AVX-512."""
    order = ir.Constant(ir.VectorType(_INT32, 2 * LANES), list(range(2 * LANES)))
    return builder.shuffle_vector(_emit_16_rounded(builder, first), _emit_16_rounded(builder, second), order)


def _emit_floor(lanes: Lanes, x: Any) -> Any:
    """Emit the floor of numbers whose magnitude is at most 2^23."""
    builder = lanes.builder
    cut = builder.sitofp(builder.fptosi(x, lanes.int_type), lanes.type)
    return builder.select(builder.fcmp_ordered(">", cut, x), builder.fsub(cut, lanes.const(1)), cut)


def _between(lanes: Lanes, x: Any, low: float, high: float) -> Any:
    """Emit x limited to the range from `low` to `high`; `low` for NaN."""
    builder = lanes.builder
    x = builder.select(builder.fcmp_ordered(">", x, lanes.const(low)), x, lanes.const(low))
    return builder.select(builder.fcmp_ordered("<", x, lanes.const(high)), x, lanes.const(high))


def emit_fraction(lanes: Lanes, x: Any) -> Any:
    """Emit x minus its floor."""
    builder = lanes.builder
    inside = _between(lanes, x, -_WHOLE, _WHOLE)
    fraction = builder.fsub(inside, _emit_floor(lanes, inside))
    return builder.select(builder.fcmp_unordered("uno", x, x), x, fraction)


def fraction_twin(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x minus its floor; 0 for infinities, -0 for -0."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(x), np.float32(0), x - (np.floor(x) + np.float32(0)))


def emit_scaled(lanes: Lanes, x: Any, exponent: Any) -> Any:
    """Emit x 2^floor(exponent), in two steps: the power itself may be denormal or infinite."""
    builder = lanes.builder
    whole = builder.fptosi(_emit_floor(lanes, _between(lanes, exponent, -250.0, 250.0)), lanes.int_type)
    first = builder.ashr(whole, lanes.int_const(1))
    for power in (first, builder.sub(whole, first)):
        bits = builder.shl(builder.add(power, lanes.int_const(127)), lanes.int_const(23))
        x = builder.fmul(x, builder.bitcast(bits, lanes.type))
    return x


def scaled_twin(x: NDArray[np.float32], exponent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x 2^floor(exponent) for x from 1/4 to 4; 0 and infinity at the ends."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        power = np.nan_to_num(np.clip(np.floor(exponent), -250, 250), nan=-250).astype(np.int32)
        scaled: NDArray[np.float32] = x * np.ldexp(np.float32(1), power // 2)
        scaled *= np.ldexp(np.float32(1), power - power // 2)
    return scaled


def emit_reciprocal(lanes: Lanes, x: Any) -> Any:
    """Emit 1 / x."""
    return lanes.builder.fdiv(lanes.const(1), x)


def reciprocal_twin(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return 1 / x, and the relative error, none."""
    return np.float32(1) / x, 0.0
