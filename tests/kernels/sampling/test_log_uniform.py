"""Log-uniform draws against the C library's exp, and the probabilities against NumPy's log."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands.kernels.sampling.log_uniform import (
    draw_log_uniform,
    draw_log_uniform_parallel,
    log_uniform_probability,
)
from tests.draws_model import log_uniform, words

STREAM = np.array([7, 0, 9, 0], np.uint64)
CLASSES = [1, 2, 3, 10, 1000, 10**6, 2**31, 2**32 + 1, 10**12, 2**52, 2**62, 2**63 - 1]


def drawn(num_classes, n, pair=0):
    out = np.full(n, -7, np.int64)
    end = draw_log_uniform(STREAM, pair, num_classes, math.log1p(num_classes), np.empty(n + 2, np.uint64), out)
    assert end == pair + n
    return out


@pytest.mark.parametrize("num_classes", CLASSES)
@pytest.mark.parametrize(("n", "pair"), [(0, 0), (1, 0), (1, 1), (50, 3), (3001, 0)])
def test_equal_to_the_model(num_classes, n, pair):
    stream = words((7, 9))
    for _ in range(2 * pair):
        next(stream)
    draw = log_uniform(num_classes)
    assert drawn(num_classes, n, pair).tolist() == [draw(stream) for _ in range(n)]


@given(st.integers(1, 2**63 - 1))
def test_draws_are_in_range(num_classes):
    draws = drawn(num_classes, 50)
    assert draws.min() >= 0
    assert draws.max() < num_classes


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("pair", [0, 1])
def test_threads_draw_the_same(threads, pair):
    n = 20001
    out = np.empty(n, np.int64)
    room = np.empty(2 * n + 8, np.uint64)
    draw_log_uniform_parallel(STREAM, pair, 10**6, math.log1p(10**6), room, out, threads)
    np.testing.assert_array_equal(out, drawn(10**6, n, pair))


@pytest.mark.parametrize("num_classes", CLASSES)
def test_probability_is_the_formula_in_float64_rounded_once(num_classes):
    rng = np.random.default_rng(0)
    ids = np.exp(rng.uniform(0, math.log(num_classes), 2000)).astype(np.int64) - 1
    ids = np.concatenate([np.clip(ids, 0, num_classes - 1), [0, num_classes - 1]])
    out = np.empty(len(ids), np.float32)
    log_uniform_probability(ids, math.log1p(num_classes), out)
    k = ids.astype(np.float64)
    expected = np.log((k + 2.0) / (k + 1.0)) / math.log1p(num_classes)
    np.testing.assert_allclose(out, expected.astype(np.float32), rtol=1.2e-7, atol=0)
    assert (out != expected.astype(np.float32)).mean() < 0.01


def test_probabilities_sum_to_one():
    out = np.empty(10**5, np.float32)
    log_uniform_probability(np.arange(10**5), math.log1p(10**5), out)
    assert out.sum(dtype=np.float64) == pytest.approx(1.0, abs=1e-7)
