"""Intermediate results of a sampled softmax."""

import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.problems import make


@pytest.mark.parametrize("remove", [False, True])
def test_against_the_logits(remove):
    problem = make(60, 5, 9, 20, 2, dtype=np.float64)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(60), 20, remove_accidental_hits=remove)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    seen = loss.diagnose(*arguments, sampled_values=problem.values)
    logits, _ = reference.sampled_logits(*arguments, problem.values, remove_accidental_hits=remove)
    np.testing.assert_allclose(seen.true_logits, logits[:, :2], rtol=1e-12)
    np.testing.assert_allclose(seen.log_normalizer, np.log(np.exp(logits).sum(axis=1)), rtol=1e-12)
    np.testing.assert_allclose(seen.highest_candidate, logits[:, 2:].max(axis=1), rtol=1e-12)
    assert seen.accuracy == (logits[:, :2].max(axis=1) > logits[:, 2:].max(axis=1)).mean()


def test_copies_and_rows_without_a_candidate():
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(5, seed=1), 3, unique=False)
    values = ([1, 1, 1], np.ones((2, 1)), np.ones(3))
    seen = loss.diagnose(np.zeros((5, 2)), None, [2, 1], np.zeros((2, 2)), sampled_values=values)
    assert seen.highest_candidate.tolist() == [0, -np.inf]
    np.testing.assert_allclose(seen.log_normalizer, [np.log(4), 0], atol=1e-12)
    assert seen.accuracy == 0.5


def test_rows_without_a_class_do_not_count():
    eye = np.eye(50, dtype=np.float32)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(50, seed=1), 10, ignore_index=-1)
    assert loss.diagnose(eye, None, [7, -1], 9 * eye[[7, 7]]).accuracy == 1.0


def test_errors():
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(5), 2)
    with pytest.raises(ValueError, match="labels must have at least one example, got none"):
        loss.diagnose(np.zeros((5, 2)), None, np.zeros(0, int), np.zeros((0, 2)))
    values = (np.zeros((1, 2), int), np.ones((1, 1)), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"sampled_candidates must have 1 dimension, got shape \(1, 2\)"):
        loss.diagnose(np.zeros((5, 2)), None, [1], np.zeros((1, 2)), sampled_values=values)
