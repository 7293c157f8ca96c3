"""Reading rows of a class table, wherever they are and whatever they are stored as."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.simd.memory import as_float32, float32_at, float64_at, prefetch, uint16_at

__all__ = ["BFLOAT16", "FLOAT16", "FLOAT32", "FLOAT64", "gather_rows", "gather_rows_of", "half", "read_row"]

FLOAT32, FLOAT64, FLOAT16, BFLOAT16 = range(4)
"""How a table is stored. Half-precision numbers are read as bits: Numba has no type for them on processors."""

_READ_AHEAD = 8
"""Rows whose memory is requested in advance: a gather waits for memory, not for arithmetic."""


@kernel
def half(bits: Any) -> Any:
    """Return the float32 value of an IEEE half-precision number.

    IN
        bits : uint16
    """
    wide = np.uint32(bits)
    sign = (wide & np.uint32(0x8000)) << np.uint32(16)
    rest = (wide & np.uint32(0x7FFF)) << np.uint32(13)
    if rest >= np.uint32(0x0F800000):  # infinity and NaN keep the largest exponent
        return as_float32(np.uint32(sign | rest | np.uint32(0x70000000)))
    # moving the exponent by a product is right for denormal halves too
    return as_float32(sign) + as_float32(np.uint32(rest)) * np.float32(2.0**112) * (
        np.float32(-1.0) if sign else np.float32(1.0)
    )


@kernel
def read_row(where: int, column_stride: int, storage: int, width: int, rows: Any, r: int) -> None:
    """``rows[r, :width] = table row; rows[r, width:] = 0``.

    Two indices, not a view of a row: a view counts references, which costs as much as a short row.

    IN
        where : address of the table row's first number
        column_stride : bytes from number to number
        storage : FLOAT32, FLOAT64, FLOAT16 or BFLOAT16
        width : numbers in the row
        r : which of the rows
    OUT
        rows : (M, at least width) float32 or float64
    """
    if storage == FLOAT32:
        if column_stride == 4:  # a loop of its own: this one is vectorised
            for d in range(width):
                rows[r, d] = float32_at(where, d)
        else:
            for d in range(width):
                rows[r, d] = float32_at(where + column_stride * d, 0)
    elif storage == FLOAT64:
        for d in range(width):
            rows[r, d] = float64_at(where + column_stride * d, 0)
    elif storage == BFLOAT16:
        if column_stride == 2:
            for d in range(width):
                rows[r, d] = as_float32(np.uint32(uint16_at(where, d)) << np.uint32(16))
        else:
            for d in range(width):
                rows[r, d] = as_float32(np.uint32(uint16_at(where + column_stride * d, 0)) << np.uint32(16))
    else:
        for d in range(width):
            rows[r, d] = half(uint16_at(where + column_stride * d, 0))
    for d in range(width, rows.shape[1]):
        rows[r, d] = 0


@kernel
def gather_rows_of(
    addresses: Any, first: int, last: int, column_stride: int, storage: int, width: int, rows: Any, row: int
) -> None:
    """Read table rows `first` to `last` into consecutive rows, asking for memory ahead of its use.

    IN
        addresses : (N,) int64, where each table row starts
        first, last : the range of addresses
        column_stride, storage, width : as in `read_row`
        row : where the first goes
    OUT
        rows : (M, at least width) float32 or float64
    """
    line = max(64, column_stride)
    span = min(width * column_stride, 16 * line)
    for i in range(first, last):
        ahead = i + _READ_AHEAD
        if ahead < last:
            for offset in range(0, span, line):
                prefetch(addresses[ahead] + offset)
        read_row(addresses[i], column_stride, storage, width, rows, row + i - first)


@parallel_kernel
def gather_rows(addresses: Any, column_stride: int, storage: int, width: int, rows: Any, num_threads: int) -> None:
    """``rows[i] = table row at addresses[i]``, padded with zeros; parallel over i.

    IN
        addresses : (N,) int64, where each table row starts
        column_stride : bytes from number to number
        storage : FLOAT32, FLOAT64, FLOAT16 or BFLOAT16
        width : numbers in a row
        num_threads : int
    OUT
        rows : (N, at least width) float32 or float64
    """
    n = addresses.shape[0]
    for index in prange(num_threads):
        worker = np.int64(index)
        first = worker * n // num_threads
        last = (worker + 1) * n // num_threads
        gather_rows_of(addresses, first, last, column_stride, storage, width, rows, first)
