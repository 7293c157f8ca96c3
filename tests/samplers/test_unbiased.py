"""expected_count='unbiased': sums weighted by 1 / count have no bias, where TensorFlow's counts are off by percents."""

import itertools
import math

import numpy as np
import pytest

import fastcands as fc
from fastcands.samplers import drawing
from fastcands.samplers.race import arrival_time_of_try

V, N = 20, 12000


def sampler_of(kind, seed, num_classes=V):
    if kind == "log_uniform":
        return fc.LogUniformSampler(num_classes, seed=seed)
    return fc.FixedUnigramSampler(num_classes, unigrams=1.0 / np.arange(1, num_classes + 1) ** 1.5, seed=seed)


def partition_estimates(kind, expected_count, num_sampled, seed):
    """Estimates of sum(exp(logits)) from the candidates alone, relative to the truth."""
    values = np.exp(np.random.default_rng(0).normal(size=V) * 1.5)
    sampler = sampler_of(kind, seed)
    estimates = np.empty(N)
    for i in range(N):
        drawn = sampler.sample(np.zeros((0, 1), int), num_sampled, expected_count=expected_count)
        estimates[i] = (values[drawn.sampled_candidates] / drawn.sampled_expected_count).sum()
    return estimates / values.sum()


@pytest.mark.parametrize("kind", ["log_uniform", "fixed_unigram"])
@pytest.mark.parametrize("num_sampled", [1, 5, 12])
def test_the_partition_function_has_no_bias(kind, num_sampled):
    estimates = partition_estimates(kind, "unbiased", num_sampled, 7)
    assert abs(estimates.mean() - 1.0) < 4 * estimates.std() / math.sqrt(N)


@pytest.mark.parametrize("num_sampled", [5, 12])
def test_tensorflows_counts_have_one(num_sampled):
    estimates = partition_estimates("fixed_unigram", "tensorflow", num_sampled, 7)
    bias = estimates.mean() - 1.0
    assert bias > 0.05
    assert bias > 5 * estimates.std() / math.sqrt(N)


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_every_class_weighs_one_on_average(limit, monkeypatch):
    """E[1{k drawn} / count_k] = 1 for each class; also when a race decides all or the end of the draw."""
    if limit is not None:
        monkeypatch.setattr(drawing, "max_tries", lambda *_: limit)
    sampler = sampler_of("fixed_unigram", 3, 5)
    weight = np.zeros((N, 5))
    for i in range(N):
        drawn = sampler.sample(np.zeros((0, 1), int), 3, expected_count="unbiased")
        weight[i, drawn.sampled_candidates] = 1.0 / drawn.sampled_expected_count
    error = weight.std(axis=0) / math.sqrt(N)
    assert (np.abs(weight.mean(axis=0) - 1.0) < 4 * error).all()


def test_inclusion_frequencies_are_those_of_enumeration():
    p = 1.0 / np.arange(1, 6) ** 1.5
    p /= p.sum()
    included = np.zeros(5)
    for ids in itertools.permutations(range(5), 2):
        included[list(ids)] += p[ids[0]] * p[ids[1]] / (1 - p[ids[0]])
    sampler = sampler_of("fixed_unigram", 3, 5)
    drawn = np.zeros(5)
    for _ in range(N):
        drawn[sampler.sample([[0]], 2, expected_count="unbiased").sampled_candidates] += 1
    assert included.sum() == pytest.approx(2.0)
    assert (np.abs(drawn / N - included) < 4 * np.sqrt(included * (1 - included) / N)).all()


def test_labels_and_candidates_of_one_class_have_one_count():
    sampler = sampler_of("log_uniform", 3)
    drawn = sampler.sample(np.arange(V)[:, None], 6, expected_count="unbiased")
    counts = drawn.true_expected_count.ravel()
    np.testing.assert_array_equal(counts[drawn.sampled_candidates], drawn.sampled_expected_count)
    assert (np.diff(counts) < 0).all()
    assert counts.max() <= 1.0
    assert counts.min() > 0.0


def test_all_classes_are_certain():
    assert (
        sampler_of("log_uniform", 3).sample([[0]], V, expected_count="unbiased").sampled_expected_count.tolist()
        == [1.0] * V
    )
    sampler = fc.FixedUnigramSampler(4, unigrams=[0, 1, 0, 5])
    values = sampler.sample([[0, 1, 2, 3]], 2, expected_count="unbiased")
    assert values.true_expected_count.tolist() == [[0.0, 1.0, 0.0, 1.0]]


@pytest.mark.parametrize("kind", ["log_uniform", "fixed_unigram"])
def test_with_repetition_counts_are_products(kind):
    sampler = sampler_of(kind, 3)
    drawn = sampler.sample(np.arange(V)[:, None], 6, unique=False, expected_count="unbiased")
    expected = (6 * sampler.probability(np.arange(V))).astype(np.float32)
    np.testing.assert_array_equal(drawn.true_expected_count.ravel(), expected)
    np.testing.assert_array_equal(drawn.sampled_expected_count, expected[drawn.sampled_candidates])


@pytest.mark.parametrize("num_tries", [1, 2, 10, 1000])
def test_times_are_gamma_variates(num_tries):
    """Mean and variance are the shape; the third central moment is twice the shape."""
    n = 20000
    times = np.array([arrival_time_of_try(np.array([i, 1, 2, 3], np.uint64), num_tries) for i in range(n)])
    assert times.min() > 0.0
    assert abs(times.mean() - num_tries) < 4 * math.sqrt(num_tries / n)
    for power, moment in ((2, num_tries), (3, 2 * num_tries)):
        central = (times - num_tries) ** power
        assert abs(central.mean() - moment) < 4 * central.std() / math.sqrt(n)
