"""Ranking metrics against their definitions, row by row, on random and on hostile rankings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcands import metrics


def flat(true: list[list[int]]) -> tuple[list[int], list[int]]:
    return np.cumsum([0, *map(len, true)]).tolist(), [label for row in true for label in row]


def precision_by_definition(ranked: np.ndarray, true: list[list[int]], k: int) -> float:
    return float(np.mean([len({*row[:k].tolist()} & {*labels}) / k for row, labels in zip(ranked, true, strict=True)]))


def scored_by_definition(ranked: np.ndarray, true: list[list[int]], p: np.ndarray, k: int) -> float:
    reached = sum(1 / p[j] for row, labels in zip(ranked, true, strict=True) for j in {*row[:k].tolist()} & {*labels})
    most = sum(sum(sorted((1 / p[j] for j in labels), reverse=True)[:k]) for labels in true)
    return float(reached / most) if most else math.nan


CASES = st.integers(5, 40).flatmap(
    lambda v: st.lists(
        st.tuples(
            st.permutations(range(v)).map(lambda ids: ids[:5]), st.lists(st.integers(0, v - 1), unique=True, max_size=9)
        ),
        min_size=1,
        max_size=12,
    ).map(lambda rows: (v, rows))
)


@given(CASES, st.integers(1, 5), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_against_the_definitions(case: tuple[int, list[Any]], k: int, seed: int) -> None:
    num_labels, rows = case
    ranked, true = np.array([row for row, _ in rows]), [labels for _, labels in rows]
    p = np.random.default_rng(seed).uniform(0.05, 1, num_labels)
    found = metrics.precision_at_k(ranked, *flat(true), k)
    assert found == pytest.approx(precision_by_definition(ranked, true, k), abs=1e-12)
    scored = metrics.propensity_scored_precision_at_k(ranked, *flat(true), p, k)
    assert scored == pytest.approx(scored_by_definition(ranked, true, p, k), abs=1e-12, nan_ok=True)
    assert math.isnan(scored) or 0 <= scored <= 1 + 1e-12


def test_rows_without_labels_count_in_the_mean() -> None:
    assert metrics.precision_at_k([[1], [1]], [0, 1, 1], [1], k=1) == 0.5
    assert metrics.propensity_scored_precision_at_k([[1], [1]], [0, 1, 1], [1], [0.1, 0.5], k=1) == 1.0
    assert metrics.precision_at_k([[1]], [0, 0], [], k=1) == 0
    assert math.isnan(metrics.propensity_scored_precision_at_k([[1]], [0, 0], [], [0.1, 0.5], k=1))


def test_the_best_ranking_reaches_one() -> None:
    """A rare label first, as the scores want it; the precision then is that of any ranking of true labels."""
    p = np.array([0.9, 0.1, 0.5, 0.2])
    assert metrics.propensity_scored_precision_at_k([[1, 2]], [0, 3], [0, 1, 2], p, k=2) == pytest.approx(1)
    assert metrics.propensity_scored_precision_at_k([[0, 2]], [0, 3], [0, 1, 2], p, k=2) < 0.3
    assert metrics.precision_at_k([[0, 2]], [0, 3], [0, 1, 2], k=2) == 1


def test_ids_of_any_size() -> None:
    ids = [2**31 - 2, 7]
    assert metrics.precision_at_k(np.array([ids, ids[::-1]], np.int32), [0, 1, 2], [7, 7], k=1) == 0.5
    assert metrics.precision_at_k(np.array([ids]), [0, 1], np.array([2**31 - 2], np.uint32), k=1) == 1


def test_propensities_are_the_formula() -> None:
    counts = np.array([0, 1, 5, 100, 9999])
    for a, b in ((0.55, 1.5), (0.5, 0.4), (0.6, 2.6)):
        c = (math.log(10_000) - 1) * (b + 1) ** a
        expected = [1 / (1 + c * math.exp(-a * math.log(n + b))) for n in counts]
        np.testing.assert_allclose(metrics.propensities(counts, 10_000, a=a, b=b), expected, rtol=1e-12)
    p = metrics.propensities(counts, 10_000)
    assert (np.diff(p) > 0).all()
    assert 0 < p.min() < p.max() < 1


RANKED, STARTS, LABELS = [[0, 1], [2, 3]], [0, 2, 3], [1, 0, 2]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": 0}, ValueError, "^k must be at least 1, got 0$"),
        ({"k": 1.0}, TypeError, "^k must be an integer, got float$"),
        ({"k": 3}, ValueError, r"^ranked must have at least k = 3 columns, got shape \(2, 2\)$"),
        ({"ranked": [[0.5, 1], [2, 3]]}, TypeError, "^ranked must be integers, got float64$"),
        ({"ranked": [0, 1]}, ValueError, r"^ranked must have 2 dimensions, got shape \(2,\)$"),
        ({"ranked": [[-1, 0], [2, 3]]}, ValueError, "^ranked and labels must not be negative$"),
        ({"ranked": np.zeros((0, 2), int), "starts": [0], "labels": []}, ValueError, "at least one row"),
        ({"starts": [0, 3]}, ValueError, r"^starts must have shape \(3,\), one more than ranked has rows, got \(2,\)$"),
        ({"starts": [0, 4, 3]}, ValueError, "^starts must rise from 0 to 3, the number of labels$"),
        ({"starts": [1, 2, 3]}, ValueError, "^starts must rise from 0 to 3, the number of labels$"),
        ({"starts": [0, 2, 2]}, ValueError, "^starts must rise from 0 to 3, the number of labels$"),
        ({"labels": [1, 0, -2]}, ValueError, "^ranked and labels must not be negative$"),
        ({"labels": [1, 0, 2.5]}, TypeError, "^labels must be integers, got float64$"),
    ],
)
def test_refused_rankings(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"ranked": RANKED, "starts": STARTS, "labels": LABELS, "k": 1} | change
    with pytest.raises(error, match=message):
        metrics.precision_at_k(**arguments)
    with pytest.raises(error, match=message):
        metrics.propensity_scored_precision_at_k(**arguments, label_propensities=np.full(9, 0.5))


def test_refused_propensities_of_labels() -> None:
    for wrong in ([0.5, 0.0, 0.5, 0.5], [0.5, np.nan, 0.5, 0.5], [0.5, np.inf, 1, 1], np.full((2, 2), 0.5)):
        with pytest.raises(ValueError, match=r"^label_propensities must be finite numbers above 0 of shape \(V,\)"):
            metrics.propensity_scored_precision_at_k(RANKED, STARTS, LABELS, wrong, 1)
    with pytest.raises(ValueError, match=r"^ranked must be in \[0, V\) = \[0, 3\), got 3"):
        metrics.propensity_scored_precision_at_k(RANKED, STARTS, LABELS, [0.5] * 3, 2)
    with pytest.raises(ValueError, match=r"^labels must be in \[0, V\) = \[0, 4\), got 4"):
        metrics.propensity_scored_precision_at_k(RANKED, STARTS, [1, 0, 4], [0.5] * 4, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, -1], 9), ValueError, r"^label_counts must be finite and not negative, got -1 at \[1\]$"),
        (([np.nan], 9), ValueError, r"^label_counts must be finite and not negative, got nan at \[0\]$"),
        (([[1]], 9), ValueError, r"^label_counts must have shape \(V,\), got \(1, 1\)$"),
        ((["a"], 9), TypeError, "^label_counts must be numbers, got <U1$"),
        (([1], 2), ValueError, "^num_points must be at least 3, got 2$"),
        (([1], 9, 0.0), ValueError, r"^a must be positive and finite, got 0.0$"),
        (([1], 9, 0.5, np.inf), ValueError, "^b must be positive and finite, got inf$"),
        (([1], 9, 0.5, "x"), TypeError, "^b must be a number, got str$"),
    ],
)
def test_refused_propensities(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    options = dict(zip(("a", "b"), arguments[2:], strict=False))
    with pytest.raises(error, match=message):
        metrics.propensities(*arguments[:2], **options)


def test_ids_of_any_size_are_compared():
    """A row and an id make one number, which has to fit 64 bits."""
    large = 2**63 - 1
    ranked, starts = [[large, 3, 0], [5, large - 1, 3], [1, 2, large]], [0, 2, 4, 5]
    assert metrics.precision_at_k(ranked, starts, [large, 4, large, 3, large], 3) == pytest.approx(3 / 9)


@pytest.mark.parametrize("options", [{"a": 1e300}, {"b": 1e300, "a": 3.0}, {"a": 2**64, "b": 2**63 - 1}])
def test_powers_that_float64_does_not_hold(options):
    with pytest.raises(ValueError, match=r"a and b must be such that \(b \+ 1\)\*\*a and \(n \+ b\)\*\*-a are float64"):
        metrics.propensities([0, 3], 100, **options)


def test_integers_for_a_and_b():
    np.testing.assert_array_equal(
        metrics.propensities([0, 3], 100, a=2, b=1), metrics.propensities([0, 3], 100, a=2.0, b=1.0)
    )
    with pytest.raises(ValueError, match=r"num_points must be at most 9223372036854775807, got 36893488147419103232"):
        metrics.propensities([0, 3], 2**65)


def test_propensities_that_are_no_numbers():
    for bad in ("text", [1j]):
        with pytest.raises(TypeError, match="label_propensities must be numbers, got"):
            metrics.propensity_scored_precision_at_k([[1]], [0, 1], [1], bad, 1)
