"""A class table as kernels see it: addresses of the rows of one array or of several shards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.jit import kernel
from fastcands.simd.memory import as_float32, float32_at, float32_bits, float64_at, uint16_at

__all__ = [
    "BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "TableView", "bias_of", "float16_value", "number_at", "row_address",
]  # fmt: skip


FLOAT32, FLOAT64, FLOAT16, BFLOAT16 = range(4)
"""Dtype of the stored numbers. float16 and bfloat16 are read as bits: Numba has no type for them on processors."""

_HALF_BITS = np.uint32(0x3F000000)
"""0.5, as bits."""


class TableView(NamedTuple):
    """A table in memory, by addresses: kernels are compiled once for all dtypes, strides and numbers of shards."""

    starts: Any
    """(shards,) int64, the address of each shard; (0,) if there is no table."""
    strides: Any
    """(shards,) int64, bytes from row to row."""
    feature_stride: int
    """Bytes from one number of a row to the next."""
    storage: int
    """FLOAT32, FLOAT64, FLOAT16 or BFLOAT16."""
    width: int
    """Numbers of a row."""
    total: int
    """Rows of all shards."""
    by_mod: bool
    """Whether row i is in shard i % shards; otherwise shards have consecutive rows, the first few one row more."""


@kernel
def float16_value(bits: Any) -> Any:
    """Return the float32 value of an IEEE half-precision number, exactly, whether denormal numbers are flushed or not.

    All that float16 has is a normal number in float32, its denormal numbers too. So the exponent is moved as an
    integer. A product would do both at once, but it would meet a denormal factor. NaN keeps its sign, its payload and
    whether it is quiet, as in NumPy.

    IN
        bits : uint16
    """
    wide = np.uint32(bits)
    rest = np.uint32((wide & np.uint32(0x7FFF)) << np.uint32(13))
    # m 2^-24, of a denormal half: the last bits of 0.5 + m 2^-24, of which 0.5 is taken away
    small = float32_bits(as_float32(np.uint32(_HALF_BITS + (rest >> np.uint32(13)))) - np.float32(0.5))
    normal = np.uint32(rest + np.uint32(112 << 23))
    special = np.uint32(rest | np.uint32(0x70000000))  # infinity and NaN keep the largest exponent
    magnitude = normal if rest < np.uint32(0x0F800000) else special
    magnitude = small if rest < np.uint32(0x00800000) else magnitude
    return as_float32(np.uint32(magnitude | np.uint32((wide & np.uint32(0x8000)) << np.uint32(16))))


@kernel
def row_address(table: Any, row: int) -> Any:
    """Return the address of a row of the table, int64.

    IN
        table : TableView
        row : in [0, total)
    """
    shards = len(table.starts)
    if shards == 1:
        return table.starts[0] + row * table.strides[0]
    if table.by_mod:
        shard, local = row % shards, row // shards
    else:
        small, extra = table.total // shards, table.total % shards
        longer = extra * (small + 1)
        if row < longer:
            shard, local = row // (small + 1), row % (small + 1)
        else:
            shard, local = extra + (row - longer) // small, (row - longer) % small
    return table.starts[shard] + local * table.strides[shard]


@kernel
def number_at(where: int, storage: int) -> Any:
    """Return the number at an address, float64.

    IN
        where : address
        storage : FLOAT32, FLOAT64, FLOAT16 or BFLOAT16
    """
    if storage == FLOAT32:
        return np.float64(float32_at(where, 0))
    if storage == FLOAT64:
        return float64_at(where, 0)
    bits = uint16_at(where, 0)
    value = as_float32(np.uint32(bits) << np.uint32(16)) if storage == BFLOAT16 else float16_value(bits)
    return np.float64(value)


@kernel
def bias_of(biases: Any, row: int, temperature: float) -> Any:
    """Return the bias of a class divided by the temperature, 0 if there are no biases.

    IN
        biases : TableView of width 1
        row : class id
        temperature : float64
    """
    return number_at(row_address(biases, row), biases.storage) / temperature if len(biases.starts) else 0.0
