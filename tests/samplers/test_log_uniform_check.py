"""LogUniformSampler.check: what an order of classes costs, and when it warns."""

import warnings

import numpy as np
import pytest

import fastcands as fc

ZIPF = 1e6 / np.arange(1, 5001)


def test_sorted_counts_cost_nothing():
    sampler = fc.LogUniformSampler(5000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sampler.check(ZIPF) == 0.0
        assert sampler.check(np.ones(5000)) == pytest.approx(0.0, abs=1e-12)
        assert sampler.check(ZIPF.astype(np.int64).tolist()) == 0.0


def test_nearly_sorted_counts_do_not_warn():
    """The order of one sample of a corpus, the counts of another."""
    rng = np.random.default_rng(0)
    first, second = (rng.poisson(ZIPF / 1e3) for _ in range(2))
    order = np.argsort(-first, kind="stable")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0.0 < fc.LogUniformSampler(5000).check(second[order]) < 0.5


@pytest.mark.parametrize("order", [np.random.default_rng(0).permutation(5000), np.arange(5000)[::-1]])
def test_unsorted_counts_warn(order):
    counts = ZIPF[order]
    with pytest.warns(UserWarning, match=r"class ids are not sorted by falling frequency: .* costs .* \d\.\d\d nats"):
        cost = fc.LogUniformSampler(5000).check(counts)
    q = counts / counts.sum()
    log_p = np.log(fc.LogUniformSampler(5000).probability(np.arange(5000)))
    assert cost == pytest.approx(-(q - np.sort(q)[::-1]) @ log_p)
    assert cost > 3.0


@pytest.mark.parametrize(
    ("counts", "error", "message"),
    [
        ([1, 2], ValueError, r"counts must have shape \(3,\), got \(2,\)"),
        ([1, -2, 0], ValueError, r"counts must be finite and not negative, got -2 at \[1\]"),
        ([1, 0, np.nan], ValueError, r"got nan at \[2\]"),
        ([np.inf, 0, 1], ValueError, r"got inf at \[0\]"),
        ([0, 0, 0], ValueError, "counts must not all be 0"),
        (["a", "b", "c"], TypeError, "counts must be numbers, got <U1"),
    ],
)
def test_refused(counts, error, message):
    with pytest.raises(error, match=message):
        fc.LogUniformSampler(3).check(counts)
