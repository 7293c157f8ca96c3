"""Numbers by address and index, and their bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastcands.jit import kernel
from fastcands.simd.memory import float32_at, float32_bits, float64_at, uint16_at


@kernel
def _take_float32(start: int, out: Any) -> None:
    for d in range(len(out)):
        out[d] = float32_at(start, d)


@kernel
def _take_float64(start: int, out: Any) -> None:
    for d in range(len(out)):
        out[d] = float64_at(start, d)


@kernel
def _take_uint16(start: int, out: Any) -> None:
    for d in range(len(out)):
        out[d] = uint16_at(start, d)


@kernel
def _bits(numbers: Any, out: Any) -> None:
    for d in range(len(out)):
        out[d] = float32_bits(numbers[d])


@pytest.mark.parametrize("width", [0, 1, 7, 64, 1001])
@pytest.mark.parametrize(
    ("take", "dtype"), [(_take_float32, np.float32), (_take_float64, np.float64), (_take_uint16, np.uint16)]
)
def test_numbers_from_the_first_on(take: Any, dtype: Any, width: int) -> None:
    numbers = np.arange(width + 3).astype(dtype)
    out = np.zeros(width, dtype)
    take(numbers[3:].ctypes.data, out)
    np.testing.assert_array_equal(out, numbers[3:])


def test_bits_of_any_number() -> None:
    words = np.random.default_rng(0).integers(0, 1 << 32, 10_000, np.uint32)
    words[:4] = [0, 0x80000000, 0x7F800000, 1]
    quiet = words | np.where((words & 0x7FFFFFFF) > 0x7F800000, np.uint32(0x400000), np.uint32(0))
    out = np.empty_like(quiet)
    _bits(quiet.view(np.float32), out)
    np.testing.assert_array_equal(out, quiet)
