"""Options that losses share, by element in both dtypes: temperature, smoothing, absent labels, own candidates."""

import numpy as np
import pytest

import fastcands as fc
from tests.losses.exact import exact
from tests.losses.problems import check_elements, flat, make

V, S = 60, 45
LOSSES = [
    (fc.SampledSoftmaxLoss, "softmax", {"remove_accidental_hits": True}),
    (fc.NCELoss, "logistic", {}),
    (fc.SampledLogisticLoss, "logistic", {"remove_accidental_hits": True}),
    (fc.NegativeSamplingLoss, "logistic", {"subtract_log_q": False}),
    (fc.SoftmaxLoss, "softmax", {"sampled": False}),
    (fc.LogisticLoss, "logistic", {"sampled": False}),
]
SMOOTH = (fc.SampledSoftmaxLoss, fc.SoftmaxLoss)


def _problem(dtype, num_true):
    problem = make(V, 20, 37, S, num_true, dtype=dtype, seed=3)
    problem.labels[::4, 0] = -1
    problem.labels[5] = -1
    return problem


def _check(loss_class, kind, formula, problem, options):
    sampling = () if loss_class in (fc.SoftmaxLoss, fc.LogisticLoss) else (fc.UniformSampler(V, seed=1), S)
    values = {"sampled_values": problem.values} if sampling else {}
    loss = loss_class(*sampling, ignore_index=-1, **options)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs, problem.upstream
    check_elements(flat(*loss.value_and_grad(*arguments, **values)), exact(problem, kind, **formula, **options))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss_class", "kind", "formula"), LOSSES)
def test_no_element_is_off(loss_class, kind, formula, dtype, num_true, temperature):
    options = {"temperature": temperature}
    for more in ({}, {"label_smoothing": 0.2} if loss_class in SMOOTH else {"log_normalizer": 1.5}):
        if "log_normalizer" not in more or loss_class is fc.NCELoss:
            _check(loss_class, kind, formula, _problem(dtype, num_true), options | more)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss_class", "kind", "formula"), LOSSES[:4])
def test_no_element_is_off_with_candidates_for_each_example(loss_class, kind, formula, dtype, num_true, temperature):
    problem, rng = _problem(dtype, num_true), np.random.default_rng(4)
    values = fc.SampledValues(rng.integers(0, V, (37, S)), problem.values[1], rng.random((37, S)) + 0.1)
    _check(loss_class, kind, formula, problem._replace(values=values), {"temperature": temperature})
