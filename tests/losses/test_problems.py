"""The budgets themselves: one bad element in a large array is found, and was not found in the norm."""

import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import (
    EPS,
    LIMIT,
    UNITS,
    check_budget,
    check_elements,
    check_norms,
    flat,
    make,
    worst_elements,
)

NAMES = ["loss", "d_inputs", "d_weights", "d_biases"]


def _arguments(problem):
    return problem.weights, problem.biases, problem.labels, problem.inputs


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float32", "float64"])
def large(request):
    """Give a result of NumPy in the dtype, the reference, and the sizes, of 60 examples and 900 classes of 40."""
    problem = make(900, 40, 60, 1, 2, dtype=request.param)
    plain, truth = (
        reference.full_softmax(*_arguments(problem), upstream=problem.upstream, dtype=dtype)
        for dtype in (request.param, np.float64)
    )
    return plain, truth, exact(problem, "softmax", sampled=False)


def _spoiled(plain, exactly, name, ulps, place):
    """Return the result with one element moved by so many units of what was rounded for it."""
    got = {key: value.copy() for key, value in plain._asdict().items()}
    array = got[name].reshape(-1)
    size = (getattr(exactly.factors, name) + getattr(exactly.sums, name)).reshape(-1)
    at = np.argsort(size)[int(place * (len(size) - 1))]
    array[at] += ulps * EPS[array.dtype] * size[at]
    return got


@pytest.mark.parametrize("name", ["d_inputs", "d_weights"])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_one_bad_element_is_found_though_the_norm_does_not_show_it(large, name, place):
    plain, truth, exactly = large
    for sign in (-1, 1):
        got = _spoiled(plain, exactly, name, 20 * sign, place)
        check_norms(got, truth, plain)
        with pytest.raises(AssertionError, match=f"{name}: an element is off by "):
            check_elements(got, exactly)
        with pytest.raises(AssertionError, match=f"{name}: an element is off by "):
            check_budget(got, truth, plain, exactly)


@pytest.mark.parametrize("name", NAMES)
def test_every_array_is_looked_at(large, name):
    plain, _, exactly = large
    with pytest.raises(AssertionError, match=f"{name}: an element is off by "):
        check_elements(_spoiled(plain, exactly, name, 20, 0.5), exactly)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_an_error(large, name):
    plain, truth, exactly = large
    got = _spoiled(plain, exactly, name, np.nan, 0.5)
    with pytest.raises(AssertionError, match=f"{name}: an element is off by nan"):
        check_elements(got, exactly)
    with pytest.raises(AssertionError, match=name):
        check_norms(got, truth, plain)


def test_numpy_meets_its_own_budget_by_far(large):
    plain, truth, exactly = large
    check_budget(plain._asdict(), truth, plain, exactly)
    assert max(worst_elements(plain._asdict(), exactly).values()) < LIMIT / 2


def test_another_problem_is_noticed(large):
    plain, truth, exactly = large
    other = exactly._replace(truth=exactly.truth._replace(loss=exactly.truth.loss + 1e-9))
    with pytest.raises(AssertionError, match="loss"):
        check_budget(plain._asdict(), truth, plain, other)


def test_an_array_of_another_shape_is_an_error(large):
    plain, truth, exactly = large
    got = {**plain._asdict(), "loss": plain.loss[:-1]}
    for check in (lambda: check_elements(got, exactly), lambda: check_norms(got, truth, plain)):
        with pytest.raises(AssertionError, match="loss"):
            check()


@pytest.mark.parametrize("tier", UNITS)
def test_a_bad_element_of_a_tier_is_found(tier):
    """The unit is that of a rounded factor, whatever the processor computes the tier by."""
    problem = make(900, 40, 60, 1, 2)
    loss = fc.SoftmaxLoss(precision=tier)
    got = flat(*loss.value_and_grad(*_arguments(problem), problem.upstream))
    exactly = exact(problem, "softmax", sampled=False)
    check_elements(got, exactly, UNITS[tier])
    at = np.unravel_index(np.argmin(exactly.factors.d_weights), got["d_weights"].shape)
    got["d_weights"][at] += 20 * UNITS[tier] * exactly.factors.d_weights[at]
    error = got["d_weights"] - exactly.truth.d_weights
    assert np.linalg.norm(error) < 0.02 * np.linalg.norm(exactly.truth.d_weights)
    with pytest.raises(AssertionError, match="d_weights: an element is off by "):
        check_elements(got, exactly, UNITS[tier])
