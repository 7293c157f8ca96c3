"""Expected counts against the reference, over the whole range of probabilities and tries."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands import reference
from fastcands.kernels.sampling.expected_counts import expected_counts, inclusion_probabilities

PROBABILITIES = np.concatenate(
    [
        [
            0.0,
            1.0,
            0.5,
            np.nextafter(np.float32(0.5), np.float32(1)),
            np.nextafter(np.float32(1), np.float32(0)),
        ],
        [1e-45, 1e-38, 1e-30],
        np.exp(np.random.default_rng(0).uniform(np.log(1e-12), 0, 5000)),
    ]
).astype(np.float32)


@pytest.mark.parametrize("num_tries", [2, 3, 10, 1000, 10**6, 2**31, 2**40, 10**45])
def test_equal_to_the_reference(num_tries):
    counts = PROBABILITIES.copy()
    expected_counts(counts, 1, float(num_tries))
    expected = reference.expected_count(PROBABILITIES.astype(np.float64), 1, float(num_tries))
    # num_tries, log1p and their product are rounded to float32, as in TensorFlow
    np.testing.assert_allclose(counts, expected, rtol=3e-7, atol=1e-45)
    assert counts[0] == 0.0
    assert counts[1] == 1.0


def test_no_rejected_try_gives_the_plain_product():
    counts = PROBABILITIES.copy()
    expected_counts(counts, 7, 7.0)
    np.testing.assert_array_equal(counts, PROBABILITIES * np.float32(7))


def test_nothing_to_count():
    counts = np.empty(0, np.float32)
    expected_counts(counts, 3, 5.0)
    assert counts.size == 0


@given(st.floats(0, 1, width=32), st.integers(2, 2**33))
def test_rounded_once_more_than_the_formula(p, num_tries):
    counts = np.array([p], np.float32)
    expected_counts(counts, 1, float(num_tries))
    tries = np.float32(num_tries) if num_tries < 2**31 else np.float64(num_tries)
    rate = tries * np.float32(-np.log1p(-np.float64(p))) if p < 1 else np.float32(np.inf)
    np.testing.assert_allclose(counts, -np.expm1(-np.float64(rate)), rtol=1.3e-7, atol=1e-45)


@pytest.mark.parametrize("time", [1e-9, 0.5, 40.0, 1e9, np.inf])
def test_inclusion_probabilities(time):
    p = PROBABILITIES.astype(np.float64)
    counts = np.empty(len(p), np.float32)
    inclusion_probabilities(p, time, counts)
    with np.errstate(invalid="ignore"):
        expected = np.where(p > 0, -np.expm1(-p * time), 0.0)
    np.testing.assert_allclose(counts, expected, rtol=7e-8, atol=1e-45)
