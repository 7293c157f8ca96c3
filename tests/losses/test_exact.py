"""The exact results that budgets go by: against the oracle, and its options against formulas and derivatives."""

import numpy as np
import pytest

from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import make

V, D, B, S, T = 23, 4, 6, 17, 3
OPTIONS = [
    {},
    {"temperature": 0.5},
    {"log_normalizer": 1.5},
    {"label_smoothing": 0.2},
    {"remove_accidental_hits": True, "label_smoothing": 0.2, "temperature": 3.0},
    {"subtract_log_q": False},
]


def _problem(absent=False):
    problem = make(V, D, B, S, T, dtype=np.float64, seed=1, spread=0.8)
    if absent:
        problem.labels[0, 1], problem.labels[2] = -1, -1
    return problem


def _arguments(problem):
    return problem.weights, problem.biases, problem.labels, problem.inputs


def _check(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("kind", ["softmax", "logistic"])
def test_sampled_losses_are_those_of_the_oracle(kind, subtract, remove):
    problem = _problem()
    oracle = reference.sampled_softmax if kind == "softmax" else reference.sampled_logistic
    options = {"subtract_log_q": subtract, "remove_accidental_hits": remove}
    want = oracle(*_arguments(problem), problem.values, upstream=problem.upstream, **options)
    _check(exact(problem, kind, **options).truth, want)


@pytest.mark.parametrize("kind", ["softmax", "logistic"])
def test_exact_losses_are_those_of_the_oracle(kind):
    problem = _problem()
    problem.labels[1] = problem.labels[1, 0]  # one class, three times
    for biases in (problem.biases, None):
        one = problem._replace(biases=biases)
        oracle = reference.full_softmax if kind == "softmax" else reference.full_sigmoid
        _check(exact(one, kind, sampled=False).truth, oracle(*_arguments(one), upstream=problem.upstream))


@pytest.mark.parametrize("kind", ["softmax", "logistic"])
def test_labels_that_are_absent_are_as_if_never_given(kind):
    problem = _problem(absent=True)
    oracle = reference.sampled_softmax if kind == "softmax" else reference.sampled_logistic
    got = exact(problem, kind)
    assert got.truth.loss[2] == 0
    assert not got.truth.d_inputs[2].any()
    ids, true_counts, counts = problem.values
    for row in (0, 1):
        one, there = slice(row, row + 1), problem.labels[row] >= 0
        values = ids, true_counts[one, there], counts
        tables = problem.weights, problem.biases, problem.labels[one, there], problem.inputs[one]
        want = oracle(*tables, values, upstream=problem.upstream[one], remove_accidental_hits=False)
        np.testing.assert_allclose(got.truth.loss[one], want.loss, rtol=1e-13)
        np.testing.assert_allclose(got.truth.d_inputs[one], want.d_inputs, rtol=1e-12, atol=1e-13)


def test_options_of_the_loss_are_their_formulas():
    problem = _problem()
    z, target = reference.sampled_logits(*_arguments(problem), problem.values, subtract_log_q=False)
    log_q = np.log(np.hstack([problem.values[1], np.tile(problem.values[2], (B, 1))]).astype(float))
    warm = z / 0.5 - log_q
    target = 0.8 * target + 0.2 / (T + S)
    want = np.log(np.exp(warm).sum(axis=1)) - (target * warm).sum(axis=1)
    got = exact(problem, "softmax", temperature=0.5, label_smoothing=0.2).truth.loss
    np.testing.assert_allclose(got, want, rtol=1e-12)
    moved = z - log_q - 1.5
    target[:, :T], target[:, T:] = 1 / T, 0
    want = (np.log1p(np.exp(moved)) - target * moved).sum(axis=1)
    np.testing.assert_allclose(exact(problem, "logistic", log_normalizer=1.5).truth.loss, want, rtol=1e-12)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["softmax", "logistic"])
def test_gradients_are_derivatives(kind, options, absent, sampled):
    """Fourth-order differences along random directions."""
    problem = _problem(absent)
    truth = exact(problem, kind, sampled=sampled, **options).truth
    rng, step = np.random.default_rng(1), 1e-3
    for name in ("inputs", "weights", "biases"):
        array, gradient = getattr(problem, name), getattr(truth, f"d_{name}")
        for _ in range(3):
            direction, total = rng.normal(size=array.shape), 0.0
            for shift, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                moved = problem._replace(**{name: array + shift * step * direction})
                total += factor * (exact(moved, kind, sampled=sampled, **options).truth.loss @ problem.upstream)
            assert (gradient * direction).sum() == pytest.approx(total / (12 * step), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("kind", ["softmax", "logistic"])
def test_sizes_bound_what_rounding_the_arguments_does(kind, sampled):
    """And not by far: of 50 roundings some come near."""
    problem, unit, rng = _problem(), 1e-7, np.random.default_rng(2)
    exactly, highest = exact(problem, kind, sampled=sampled), 0.0
    for _ in range(50):
        moved = problem._replace(
            **{
                name: getattr(problem, name) * (1 + unit * rng.choice([-1, 1], getattr(problem, name).shape))
                for name in ("weights", "biases", "inputs")
            }
        )
        for now, before, size in zip(exact(moved, kind, sampled=sampled).truth, *exactly[:2], strict=True):
            assert (np.abs(now - before) <= 2 * unit * size).all()
            highest = max(highest, (np.abs(now - before)[size > 0] / (unit * size[size > 0])).max())
    assert highest > 0.5


def test_a_negative_upstream_changes_no_size():
    problem = _problem()
    one, other = (exact(problem._replace(upstream=sign * problem.upstream), "softmax") for sign in (1, -1))
    _check(one.factors, other.factors)
    _check(one.sums, other.sums)
    np.testing.assert_array_equal(one.truth.d_inputs, -other.truth.d_inputs)
