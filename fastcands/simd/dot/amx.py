"""AMX: products of bfloat16 tiles with float32 sums, and whether this process may use them.

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

With split panels, only one side changes between products: 8 loads for 12 products. The instruction treats denormal
numbers as zero. A tile that crosses cache lines loads at half the speed. All tiles of a step are loaded before its
products: at times a processor takes a full latency for each tile instruction, and then a load that waits for a product
costs a fifth of the speed. Panels may not fit in the first-level cache, so they are prefetched two steps ahead, line by
line between the products.

Tiles are 8 KiB of a thread's state, so Linux grants them only on request, once for a whole process; its threads and
forked children have them too. Nothing here runs at import: a process without that permission has small signal frames.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numpy.typing import NDArray

from fastcands.simd.dot.avx512 import (
    emit_fraction,
    emit_reciprocal,
    emit_rounded,
    emit_scaled,
    fraction_twin,
    reciprocal_twin,
    rounded_twin,
    scaled_twin,
)
from fastcands.simd.dot.blocks import BLOCK_BYTES, LINE, PARTS, SIDE, TILE_BYTES, Epilogue, int64, is_set
from fastcands.simd.memory import emit_prefetch
from fastcands.simd.target import VECTOR_BYTES, features

__all__ = [
    "emit_configure", "emit_fraction", "emit_overlapped", "emit_product", "emit_reciprocal", "emit_release",
    "emit_rounded", "emit_scaled", "fraction_twin", "product_twin", "reciprocal_twin", "rounded_twin", "scaled_twin",
    "unusable",
]  # fmt: skip

_NEEDED = ("amx-tile", "amx-bf16", "avx512bf16")
_VECTOR_BYTES = 64
"""The epilogues are AVX-512 code; `target` chooses vectors of this size only where all needed parts of it exist."""
_ARCH_PRCTL = 158
"""The number of the system call on x86-64."""
_REQUEST_STATE = 0x1023
_TILE_DATA = 18


def _request() -> str | None:
    """Request the tiles from the operating system; return why it refused, None when it granted them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _REQUEST_STATE, _TILE_DATA) == 0:
        return None
    return f"the operating system refuses them ({os.strerror(ctypes.get_errno())})"


@functools.cache
def unusable() -> str | None:
    """Return why kernels cannot use AMX, None when they can; the request to the operating system is made once.

    Returns
    -------
    str or None
        A few words that complete "AMX cannot be used:".

    Examples
    --------
    >>> reason = unusable()
    >>> reason is None or isinstance(reason, str)
    True
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the processor is {platform.machine()}, not x86-64"
    if not sys.platform.startswith("linux"):
        return f"the operating system is {sys.platform}, not Linux"
    missing = [feature for feature in _NEEDED if feature not in features()]
    if missing:
        return f"the processor that kernels are compiled for has no {', '.join(missing)}"
    if VECTOR_BYTES != _VECTOR_BYTES:
        return f"kernels are compiled for vectors of {VECTOR_BYTES} bytes, not {_VECTOR_BYTES}"
    return _request()


_PREFETCHED_STEPS = 2
"""How many steps ahead panels are prefetched."""

_PAIRS_A_STEP = 2
"""Pairs of rows of the epilogue for each step of a product: both take about as long."""

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
            self._builder, "amx_shapes", ir.Constant(ir.ArrayType(_INT8, 64), bytearray(_SHAPES))
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
    line, size, products = int64(LINE), 2 * BLOCK_BYTES if split else BLOCK_BYTES, PARTS[split]
    ahead = [(panel, at) for at in range(0, size, LINE) for panel in (left, right)]
    share = -(-len(ahead) // (4 * len(products)))
    loaded: dict[int, int] = {}
    for parts in products:
        for names, panel, part in ((_LEFT, left, parts[0]), (_RIGHT, right, parts[1])):
            for i, name in enumerate(names):
                if loaded.get(name) != part:
                    at = int64(part * BLOCK_BYTES + i * TILE_BYTES)
                    tiles.load(name, builder.add(panel, at), line)
                    loaded[name] = part
        for i in range(2):
            for j in range(2):
                tiles.add_product(_SUMS[2 * i + j], _LEFT[i], _RIGHT[j])
                for panel, offset in ahead[:share]:
                    at = int64(_PREFETCHED_STEPS * size + offset)
                    emit_prefetch(builder, builder.add(panel, at))
                del ahead[:share]


def _emit_steps(
    builder: Any, tiles: _Tiles, left: Any, right: Any, steps: Any, split: Any,
    emit_more: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Emit the loop over k, with `emit_more` in each step.

    Whether factors are split is tested in each step: the branch is always predicted, and a second loop would double the
    code.
    """
    is_split = is_set(builder, split)
    size = builder.select(is_split, int64(2 * BLOCK_BYTES), int64(BLOCK_BYTES))
    with cgutils.for_range(builder, steps) as loop:
        offset = builder.mul(loop.index, size)
        panels = builder.add(left, offset), builder.add(right, offset)
        with builder.if_else(is_split) as (then, otherwise):
            with then:
                _emit_step(builder, tiles, *panels, split=True)
            with otherwise:
                _emit_step(builder, tiles, *panels, split=False)
        emit_more()


def emit_configure(builder: Any) -> None:
    """Emit the configuration of this thread's tiles, 16 lines of 64 bytes each."""
    _Tiles(builder).configure()


def emit_release(builder: Any) -> None:
    """Emit the release of the tiles: a thread that holds some takes longer to switch."""
    _Tiles(builder).release()


def emit_product(
    builder: Any, left: Any, right: Any, steps: Any, split: Any, add: Any, out: Any, out_stride: Any
) -> None:
    """Emit a product, see `fastcands.simd.dot.block_product`."""
    tiles = _Tiles(builder)
    stride = builder.mul(out_stride, int64(4))
    below = builder.add(out, builder.mul(stride, int64(16)))
    addresses = [builder.add(start, int64(offset)) for start in (out, below) for offset in (0, LINE)]
    with builder.if_else(is_set(builder, add)) as (then, otherwise):
        with then:
            for tile, where in zip(_SUMS, addresses, strict=True):
                tiles.load(tile, where, stride)
        with otherwise:
            for tile in _SUMS:
                tiles.zero(tile)
    _emit_steps(builder, tiles, left, right, steps, split)
    for tile, where in zip(_SUMS, addresses, strict=True):
        tiles.store(tile, where, stride)


def emit_overlapped(builder: Any, product: Sequence[Any], epilogue: Epilogue) -> None:
    """Emit a product into one block, each step of it followed by some rows of the epilogue of another.

    The rows do not depend on the product, so the vector units work on them while the tile unit multiplies. `product`
    is left, right, steps, split and out, as in `emit_product`; out is contiguous.
    """
    left, right, steps, split, out = product
    tiles, stride = _Tiles(builder), int64(2 * LINE)
    pairs = int64(SIDE // 2)
    done = cgutils.alloca_once_value(builder, int64(0))

    def emit_some_rows() -> None:
        first = builder.load(done)
        remaining = builder.sub(pairs, first)
        most = int64(_PAIRS_A_STEP)
        here = builder.select(builder.icmp_signed("<", remaining, most), remaining, most)
        with cgutils.for_range(builder, here) as loop:
            epilogue.emit_rows(builder.add(first, loop.index))
        builder.store(builder.add(first, here), done)

    for tile in _SUMS:
        tiles.zero(tile)
    _emit_steps(builder, tiles, left, right, steps, split, emit_some_rows)
    for tile, offset in zip(_SUMS, (0, LINE, 32 * LINE, 33 * LINE), strict=True):
        tiles.store(tile, builder.add(out, int64(offset)), stride)
    with cgutils.for_range(builder, builder.sub(pairs, builder.load(done))) as loop:
        epilogue.emit_rows(builder.add(builder.load(done), loop.index))
    epilogue.emit_end()


def _flushed(x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return float32 numbers with 0 in place of denormals."""
    x = x.astype(np.float32)
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), x)


def product_twin(
    sums: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return sums + left @ right of a step, each (32, 32), as ``tdpbf16ps`` forms it.

    Even and odd k have separate sums, from zero, by fused multiply-adds; then both are added together, then to `sums`.
    Denormal operands and results are zero. A fused result is rounded here through float64, which holds the exact
    product of two bfloat16 numbers; the sum with it is rounded twice only if they differ by a factor above 2^29.
    """
    sums, left, right = _flushed(sums), _flushed(left), _flushed(right)
    parts = np.zeros((2, SIDE, SIDE), np.float32)
    with np.errstate(all="ignore"):
        for k in range(SIDE):
            product = left[:, k, None].astype(np.float64) * right[k]
            parts[k % 2] = _flushed(parts[k % 2] + product)
        return _flushed(sums + _flushed(parts[0] + parts[1]))
