"""Pointers to rows: one array and tuples of them, and what is read and written there."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastcands.jit import kernel
from fastcands.simd.pointers import as_type_of, not_below, pointers, prefetch_each, read, write


@kernel
def swap_rows(arrays: Any, width: int, first: int, second: int) -> None:
    one, other = pointers(arrays, first * width), pointers(arrays, second * width)
    prefetch_each(one, 200)
    for d in range(width):
        kept = read(one, d)
        write(one, d, read(other, d))
        write(other, d, kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint16, np.int64])
def test_one_array(dtype: Any) -> None:
    array = np.arange(15).reshape(5, 3).astype(dtype)
    expected = array[[0, 3, 2, 1, 4]]
    swap_rows(array, 3, 1, 3)
    assert_array_equal(array, expected)


@pytest.mark.parametrize("dtypes", [(), (np.float32,), (np.float64, np.float64), (np.float32, np.uint16, np.float64)])
def test_tuples_of_arrays(dtypes: tuple[Any, ...]) -> None:
    arrays = tuple(np.arange(k, k + 15).reshape(5, 3).astype(dtype) for k, dtype in enumerate(dtypes))
    expected = [array[[4, 1, 2, 3, 0]] for array in arrays]
    swap_rows(arrays, 3, 0, 4)
    for array, swapped in zip(arrays, expected, strict=True):
        assert_array_equal(array, swapped)


class Pair(NamedTuple):
    x: float
    y: float


@kernel
def convert(example: Any, numbers: Any, out: Any) -> Any:
    converted = as_type_of(example, numbers)
    out[0], out[1] = converted.x, as_type_of(example, numbers.y)
    return converted


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_take_the_type_of_an_example(kind: Any) -> None:
    out = np.zeros(2)
    converted = convert(kind(1), Pair(0.1, 0.7), out)
    assert_array_equal(out, np.array([0.1, 0.7], kind))
    assert type(converted) is Pair
    assert converted == Pair(*out)


@kernel
def reaches(numbers: Any, limit: Any) -> Any:
    return not_below(numbers, limit)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_numbers_that_are_not_below_a_limit(kind: Any) -> None:
    for number in (0.0, -1.0, np.finfo(kind).max, np.finfo(kind).smallest_subnormal):
        assert reaches(kind(number), np.inf) == 0
    for number in (np.nan, -np.nan, np.inf, -np.inf):
        for limit in (2.0, np.inf):
            assert reaches(kind(number), limit) == 1
            assert reaches((kind(1), kind(number)), limit) == 1
    assert reaches((kind(1), kind(2)), np.inf) == 0
    assert reaches((), np.inf) == 0
    assert [reaches(kind(number), 2.0) for number in (1.9, -1.9, 2, -2, 3)] == [0, 0, 1, 1, 1]
