"""A class table as kernels see it: addresses of the rows of one array or of several shards."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastcands.jit import kernel
from fastcands.simd.memory import as_float32, float32_at, float64_at, uint16_at

__all__ = [
    "BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "TableView", "bias_of", "float16_value", "number_at", "row_address",
]  # fmt: skip


FLOAT32, FLOAT64, FLOAT16, BFLOAT16 = range(4)
"""Dtype of the stored numbers. float16 and bfloat16 are read as bits: Numba has no type for them on processors."""


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
    """Return the float32 value of a float16 number.

    IN
        bits : uint16
    """
    wide = np.uint32(bits)
    sign = (wide & np.uint32(0x8000)) << np.uint32(16)
    rest = (wide & np.uint32(0x7FFF)) << np.uint32(13)
    if rest >= np.uint32(0x0F800000):  # infinity and NaN keep the largest exponent
        return as_float32(np.uint32(sign | rest | np.uint32(0x70000000)))
    # multiplication by a power of two is right for denormal float16 numbers too
    return as_float32(sign) + as_float32(np.uint32(rest)) * np.float32(2.0**112) * (
        np.float32(-1.0) if sign else np.float32(1.0)
    )


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
