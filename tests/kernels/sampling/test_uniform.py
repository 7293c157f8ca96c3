"""Integers below a bound against the plain-Python model, above all where words are rejected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.distributions.uniform import Uniform
from fastcands.kernels.sampling.uniform import draw_uniform, draw_uniform_parallel
from tests.draws_model import below, words

STREAM = np.array([7, 0, 9, 0], np.uint64)
BOUNDS = [1, 2, 3, 10, 1000, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 10**12 + 39, 2**53, 2**62 + 1]
REJECTING = [2**62 + 2**61 + 1, 2**63 - 1]  # of the words 1 in 4, and 1 in 2**63


def constants(bound):
    distribution = Uniform(bound)
    return distribution._bound, distribution._reciprocal, distribution._reject_below


def drawn(bound, n, pair=0):
    out = np.full(n, -7, np.int64)
    end = draw_uniform(STREAM, pair, *constants(bound), np.empty(n + 3, np.uint64), out)
    return out, end


def model(bound, n, pair=0):
    stream = words((7, 9))
    for _ in range(2 * pair):
        next(stream)
    return [below(bound, 64, stream) for _ in range(n)]


@pytest.mark.parametrize("bound", BOUNDS + REJECTING)
@pytest.mark.parametrize(("n", "pair"), [(0, 0), (1, 0), (1, 1), (50, 3), (201, 2)])
def test_equal_to_the_model(bound, n, pair):
    out, end = drawn(bound, n, pair)
    assert out.tolist() == model(bound, n, pair)
    assert end >= pair + n


@given(st.integers(1, 2**63 - 1), st.integers(0, 5))
def test_any_bound(bound, pair):
    assert drawn(bound, 9, pair)[0].tolist() == model(bound, 9, pair)


def test_rejected_words_are_counted():
    bound = REJECTING[0]
    _, end = drawn(bound, 1000)
    assert 1270 < end < 1400  # 1000 / (1 - 1 / 4) = 1333


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bound", [10, 2**62 + 1, 2**63 - 1])
@pytest.mark.parametrize("pair", [0, 1])
def test_threads_draw_the_same(bound, threads, pair):
    n = 10001
    out = np.empty(n, np.int64)
    ok = draw_uniform_parallel(STREAM, pair, *constants(bound), np.empty(2 * n + 8, np.uint64), out, threads)
    expected, end = drawn(bound, n, pair)
    assert ok == (end == pair + n)
    if ok:
        np.testing.assert_array_equal(out, expected)


def test_threads_report_a_rejected_word():
    n = 20000
    room, out = np.empty(2 * n + 8, np.uint64), np.empty(n, np.int64)
    assert not draw_uniform_parallel(STREAM, 0, *constants(REJECTING[0]), room, out, 2)
