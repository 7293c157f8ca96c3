"""Rows stored as bfloat16: read exactly, rounded at random."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastcands.jit import kernel
from fastcands.kernels.optimizers.stochastic_rounding import COUNTER_STEP, from_bfloat16, row_words, to_bfloat16

ALL_HALVES = np.arange(1 << 16, dtype=np.uint16)
SIX_SIGMA = 6


@kernel
def _put(numbers: Any, seed: Any, step: int, row: int, bits: Any) -> None:
    counter, salt = row_words(seed, step, row)
    for d in range(len(bits)):
        bits[d] = to_bfloat16(numbers[d], counter, salt)
        counter = np.uint32(counter + COUNTER_STEP)


@kernel
def _take(bits: Any, numbers: Any) -> None:
    for d in range(len(bits)):
        numbers[d] = from_bfloat16(bits[d])


def rounded(numbers: Any, seed: int, step: int, row: int) -> Any:
    bits = np.empty(len(numbers), np.uint16)
    _put(np.asarray(numbers, np.float32), np.uint64(seed), step, row, bits)
    return bits


def chi_square_p_value(counts: Any, expected: float) -> float:
    """Return how often a uniform distribution is further off, after Wilson and Hilferty."""
    statistic, freedom = ((counts - expected) ** 2 / expected).sum(), len(counts) - 1
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return math.erfc(z / math.sqrt(2)) / 2


def random_words(features: int, seed: int, step: int, row: int) -> Any:
    """Find the 16 random bits of each feature, from the cut-off bits at which it starts to round up.

    A number whose lower half is L goes up where L plus the random bits reach 2**16.
    """
    low, high = (
        np.zeros(features, np.int64),
        np.full(features, 1 << 16),
    )  # the smallest L that goes up is in (low, high]
    while (high - low).max() > 1:
        middle = (low + high) // 2
        up = rounded((0x3F800000 + middle).astype(np.uint32).view(np.float32), seed, step, row) != 0x3F80
        high, low = np.where(up, middle, high), np.where(up, low, middle)
    return (1 << 16) - high


@pytest.mark.parametrize("width", [0, 1, 7, 8, 16, 33, 1 << 16])
def test_bfloat16_is_read_exactly(width: int) -> None:
    row = np.full(width, 9, np.float32)
    _take(ALL_HALVES[:width], row)
    assert_array_equal(row.view(np.uint32), ALL_HALVES[:width].astype(np.uint32) << 16)
    finite = np.isfinite(row)
    assert_array_equal(row[finite], ALL_HALVES[:width].view(ml_dtypes.bfloat16).astype(np.float32)[finite])


def test_numbers_of_bfloat16_stay_as_they_are() -> None:
    """All of them, zeros, denormals and infinities included; NaN stays NaN with its sign."""
    numbers = ALL_HALVES.view(ml_dtypes.bfloat16).astype(np.float32)
    not_a_number = np.isnan(numbers)
    for place in ((0, 0, 0), (2**64 - 1, 0, 1), (3, 4, 5)):
        bits = rounded((ALL_HALVES.astype(np.uint32) << 16).view(np.float32), *place)
        assert_array_equal(bits[~not_a_number], ALL_HALVES[~not_a_number])
        assert np.isnan(bits[not_a_number].view(ml_dtypes.bfloat16).astype(np.float32)).all()
        assert_array_equal(bits >> 15, ALL_HALVES >> 15)


def test_any_bits_round_to_a_neighbour_and_never_to_infinity() -> None:
    words = np.random.default_rng(0).integers(0, 1 << 32, 1 << 18, np.uint32)
    edges = [0x7F7F0001, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 1, 0xFFFF, 0x80000001]
    words[: len(edges)] = edges
    exact = words.view(np.float32)
    for row in (0, 7):
        bits = rounded(exact, 1, 2, row)
        value = (bits.astype(np.uint32) << 16).view(np.float32)
        assert_array_equal(np.isnan(value), np.isnan(exact))
        finite = np.isfinite(exact)
        assert np.isfinite(value[finite]).all()
        down = (words >> 16).astype(np.int64)[finite]
        assert set((bits.astype(np.int64)[finite] - down).tolist()) == {0, 1}
        assert_array_equal(bits[finite] >> 15, words[finite] >> 31)


def test_rounding_is_right_on_average() -> None:
    """The mean over many keys, within six standard errors, for fractions from one to all but one in 65536."""
    cut = np.array([1, 100, 4096, 0x7FFF, 0x8000, 0x8001, 60000, 0xFFFF], np.uint32)
    numbers = np.repeat((np.uint32(0x3F800000) + cut).view(np.float32), 64)
    ups = np.zeros(len(cut))
    keys = 20_000
    for row in range(keys):
        ups += (rounded(numbers, 0, 11, row) == 0x3F81).reshape(len(cut), 64).sum(axis=1)
    share = cut / 65536
    error = np.sqrt(share * (1 - share) / (keys * 64))
    assert (np.abs(ups / (keys * 64) - share) < SIX_SIGMA * error).all()
    assert 0 < ups[0] < 64 * 200
    assert keys * 64 - 64 * 200 < ups[-1] < keys * 64


@pytest.mark.parametrize("along", ["features", "rows", "steps", "seeds"])
def test_random_bits_are_uniform_and_do_not_follow_from_their_neighbours(along: str) -> None:
    n = 1 << 14 if along == "features" else 1 << 11
    if along == "features":
        words = random_words(n, 5, 6, 7)
    else:
        places = {"rows": lambda i: (5, 6, i), "steps": lambda i: (5, i, 7), "seeds": lambda i: (i, 6, 7)}[along]
        words = np.array([int(random_words(1, *places(i))[0]) for i in range(n)])
    for shift in (12, 6, 0):  # the highest, middle and lowest four bits
        nibbles = (words >> shift) & 15
        assert chi_square_p_value(np.bincount(nibbles, minlength=16), n / 16) > 1e-4
        for lag in (1, 2, 8):
            pairs = nibbles[:-lag] * 16 + nibbles[lag:]
            counts = np.bincount(pairs, minlength=256)
            assert chi_square_p_value(counts, len(pairs) / 256) > 1e-4


def test_keys_of_rows_steps_and_seeds_are_distinct() -> None:
    keys = {
        tuple(map(int, row_words(np.uint64(s), t, r)))
        for s in (0, 1, 2**64 - 1)
        for t in range(20)
        for r in (*range(20), 2**40)
    }
    assert len(keys) == 3 * 20 * 21
