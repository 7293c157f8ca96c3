"""Integers below a bound from 32-bit words against the plain-Python model, above all where words are rejected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.sampling.bounded_integers import draw_below
from tests.draws_model import below, words

BOUNDS = [1, 2, 3, 7, 1000, 10**6, 2**31 - 1, 2**31, 2**31 + 1, 3 * 2**30, 2**32 - 1]


def check(bound, n, word):
    out = np.empty(n, np.int64)
    end = draw_below(
        np.array([7, 0, 9, 0], np.uint64),
        word,
        bound,
        np.empty(n // 2 + 4, np.uint64),
        out,
    )
    stream = words((7, 9))
    for _ in range(word):
        next(stream)
    assert out.tolist() == [below(bound, 32, stream) for _ in range(n)]
    return end - word


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("n", "word"), [(0, 0), (1, 0), (1, 3), (100, 1), (501, 2)])
def test_equal_to_the_model(bound, n, word):
    assert check(bound, n, word) >= n


def test_rejected_words_are_counted():
    assert 1800 < check(2**31 + 1, 1000, 0) < 2200  # 2**32 % bound is nearly 2**31: every second word


@given(st.integers(1, 2**32 - 1), st.integers(0, 7))
def test_any_bound(bound, word):
    check(bound, 9, word)
