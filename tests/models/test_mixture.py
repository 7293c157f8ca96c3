from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastcands.data import EncodedText
from fastcands.models import KneserNey, Mixture, fit_mixture_weight, mix_log_probabilities

TEXT = EncodedText.from_documents([[1, 2, 3, 1, 2], [3, 1, 2, 2], [1, 2]], 0)
OTHER = EncodedText.from_documents([[1, 2, 1, 3], [2, 2, 3]], 0)
LOW, HIGH = KneserNey.fit(TEXT, 5, 1), KneserNey.fit(TEXT, 5, 4)


def likelihoods(first: Any, second: Any, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean logarithms of the mixture's probabilities, one for each weight."""
    with np.errstate(divide="ignore"):
        logs = np.logaddexp(np.log(weights)[:, None] + first, np.log1p(-weights)[:, None] + second)
    return logs.mean(axis=1)


LOGS = st.floats(-30, 0)


@given(st.lists(st.tuples(LOGS, LOGS), min_size=1, max_size=20))
@settings(max_examples=100)
def test_no_weight_of_a_grid_is_better(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    weight = fit_mixture_weight(first, second)
    assert 0 <= weight <= 1
    found = likelihoods(first, second, np.array([weight]))[0]
    assert found >= likelihoods(first, second, np.linspace(0, 1, 1001)).max() - 1e-13 * max(1, abs(found))


def test_the_best_of_a_fine_grid() -> None:
    rng = np.random.default_rng(1)
    first, second = np.log(rng.random((2, 500)))
    grid = np.linspace(0, 1, 100_001)
    coarse = grid[likelihoods(first, second, grid[::100]).argmax() * 100]
    near = np.linspace(coarse - 1e-2, coarse + 1e-2, 20_001)
    assert fit_mixture_weight(first, second) == pytest.approx(near[likelihoods(first, second, near).argmax()], abs=1e-6)
    assert fit_mixture_weight(second, first) == pytest.approx(1 - fit_mixture_weight(first, second), abs=1e-14)


def test_a_weight_that_is_known() -> None:
    """Where each model has the words of the other at probability 0, the weight is the share of words."""
    never = -np.inf
    weight = fit_mixture_weight([-1, -2, -3, never], [never, never, never, -9])
    assert weight == pytest.approx(0.75, abs=1e-15)


def test_logs_may_be_far_from_each_other_and_of_any_type() -> None:
    """Of probabilities that exp would make zeros, one is better by e^5000 at two words of three."""
    assert fit_mixture_weight([-9000, -9000, -3000], [-4000, -4000, -8000]) == pytest.approx(1 / 3, abs=1e-15)
    first, second = np.array([-1, -4, -2], np.float32), np.array([-2, -1, -3])
    assert fit_mixture_weight(first, second) == fit_mixture_weight(first.astype(np.float64), second.tolist())


def test_ends_are_exact() -> None:
    better, worse = np.array([-1.0, -2.0, -1.5]), np.array([-1.1, -2.0, -1.6])
    assert fit_mixture_weight(better, worse) == 1.0
    assert fit_mixture_weight(worse, better) == 0.0
    assert fit_mixture_weight([-2.0], [-np.inf]) == 1.0
    assert fit_mixture_weight([-np.inf], [-2.0]) == 0.0
    assert fit_mixture_weight(better, better) == 0.5


def test_a_word_that_one_model_cannot_have_keeps_the_other() -> None:
    """However much better one model is, no weight found gives a word the probability 0."""
    first, second = np.zeros(1_000_000), np.full(1_000_000, -40.0)
    first[0] = -np.inf
    weight = fit_mixture_weight(first, second)
    assert 1 - 2e-6 < weight < 1
    first, second = np.array([0.0, -np.inf]), np.array([-1e-17, 0.0])  # the best is beside 0
    assert 0 <= fit_mixture_weight(first, second) < 1e-15


def test_refused_logs() -> None:
    with pytest.raises(ValueError, match="first and second must hold at least one log-probability"):
        fit_mixture_weight([], [])
    with pytest.raises(ValueError, match=r"second must have shape \(N,\), got \(1, 1\)"):
        fit_mixture_weight([-1.0], [[-1.0]])
    with pytest.raises(ValueError, match=r"first and second must have the same shape, got \(1,\) and \(2,\)"):
        fit_mixture_weight([-1.0], [-1.0, -2.0])
    with pytest.raises(ValueError, match=r"first must be log-probabilities, got nan at \[1\]"):
        fit_mixture_weight([-1.0, np.nan], [-1.0, -2.0])
    with pytest.raises(ValueError, match=r"second must be log-probabilities, got inf at \[0\]"):
        fit_mixture_weight([-1.0], [np.inf])
    with pytest.raises(ValueError, match=r"first and second must not both be -inf, got that at \[1\]"):
        fit_mixture_weight([-1.0, -np.inf], [-2.0, -np.inf])
    with pytest.raises(TypeError, match="second must be real numbers, got complex128"):
        fit_mixture_weight([-1.0], [1j])


def test_logs_are_mixed() -> None:
    first, second = np.array([-1.0, -3.0, -np.inf, -9000.0]), np.array([-2.0, -1.0, -5.0, -9001.0])
    expected = [
        math.log(0.2 * math.exp(-1) + 0.8 * math.exp(-2)),
        math.log(0.2 * math.exp(-3) + 0.8 * math.exp(-1)),
        math.log(0.8) - 5,
        math.log(0.2 + 0.8 * math.exp(-1)) - 9000,
    ]
    np.testing.assert_allclose(mix_log_probabilities(first, second, 0.2), expected, rtol=1e-15)
    np.testing.assert_array_equal(mix_log_probabilities(first, second, 1), first)
    np.testing.assert_array_equal(mix_log_probabilities(first, second, 0), second)
    assert mix_log_probabilities([], [], 0.5).shape == (0,)
    with pytest.raises(ValueError, match=r"first and second must have the same shape, got \(4,\) and \(1,\)"):
        mix_log_probabilities(first, second[:1], 0.5)
    with pytest.raises(ValueError, match=r"weight must be in \[0, 1\], got 2"):
        mix_log_probabilities(first, second, 2)


@given(st.floats(0, 1), st.lists(st.integers(0, 4), max_size=6))
@settings(max_examples=50)
def test_probabilities_are_the_weighted_mean(weight: float, history: list[int]) -> None:
    mixture = Mixture(LOW, HIGH, weight)
    p = mixture.probabilities(history)
    np.testing.assert_allclose(
        p, weight * LOW.probabilities(history) + (1 - weight) * HIGH.probabilities(history), rtol=1e-15
    )
    assert p.sum() == pytest.approx(1, abs=1e-14)
    expected = weight * np.exp(LOW.log_probabilities(OTHER)) + (1 - weight) * np.exp(HIGH.log_probabilities(OTHER))
    np.testing.assert_allclose(np.exp(mixture.log_probabilities(OTHER)), expected, rtol=1e-14)
    assert mixture.perplexity(OTHER) == pytest.approx(math.exp(-np.log(expected).mean()), rel=1e-13)
    assert mixture.weight == weight


def test_positions() -> None:
    mixture = Mixture(LOW, HIGH, 0.3)
    whole = mixture.log_probabilities(OTHER)
    np.testing.assert_array_equal(mixture.log_probabilities(OTHER, [4, 1, 1]), whole[[4, 1, 1]])


@pytest.mark.parametrize(("weight", "alone"), [(0, HIGH), (1, LOW)])
def test_one_model_alone_is_exact(weight: int, alone: KneserNey) -> None:
    mixture = Mixture(LOW, HIGH, weight)
    np.testing.assert_array_equal(mixture.log_probabilities(OTHER), alone.log_probabilities(OTHER))
    np.testing.assert_array_equal(mixture.log_probabilities(OTHER, [3]), alone.log_probabilities(OTHER, [3]))
    np.testing.assert_array_equal(mixture.probabilities([1, 2]), alone.probabilities([1, 2]))


def test_a_mixture_is_a_model() -> None:
    """Mixtures nest, and the fitted weight is at least as good as either part."""
    weight = fit_mixture_weight(LOW.log_probabilities(OTHER), HIGH.log_probabilities(OTHER))
    inner = Mixture(LOW, HIGH, weight)
    assert inner.perplexity(OTHER) <= min(LOW.perplexity(OTHER), HIGH.perplexity(OTHER))
    outer = Mixture(inner, inner, 0.5)
    np.testing.assert_allclose(outer.log_probabilities(OTHER), inner.log_probabilities(OTHER), rtol=1e-14)
    np.testing.assert_allclose(outer.probabilities([3]), inner.probabilities([3]), rtol=1e-14)


class Never:
    """Gives every word the probability 0."""

    def log_probabilities(self, text: EncodedText, positions: Any = None) -> NDArray[np.float64]:
        return np.full(len(text if positions is None else positions), -np.inf)

    def probabilities(self, history: Any) -> NDArray[np.float64]:
        return np.zeros(5)


def test_zeros_are_not_nan() -> None:
    np.testing.assert_array_equal(Mixture(Never(), Never(), 0.5).log_probabilities(OTHER), np.full(len(OTHER), -np.inf))
    np.testing.assert_allclose(
        Mixture(Never(), LOW, 0.5).log_probabilities(OTHER), LOW.log_probabilities(OTHER) - math.log(2), rtol=1e-14
    )


def test_refused_arguments() -> None:
    for weight in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=r"weight must be in \[0, 1\], got"):
            Mixture(LOW, HIGH, weight)
    with pytest.raises(TypeError, match="weight must be a number, got str"):
        Mixture(LOW, HIGH, "0.5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="first and second must have vocabularies of the same size, got 5 and 6 words"):
        Mixture(LOW, KneserNey.fit(TEXT, 6, 2), 0.5).probabilities([1])
    with pytest.raises(ValueError, match="perplexity needs at least one predicted word"):
        Mixture(LOW, HIGH, 0.5).perplexity(EncodedText.from_documents([], 0))
