"""Frequencies of draws: chi-square tests against the probabilities, and unique draws against exact enumeration.

Seeds are fixed, so a test gives the same p-value in every run; a right sampler gets below 1e-4 in 1 of 10,000 seeds.
"""

import itertools
import math

import numpy as np
import pytest

import fastcands as fc
from fastcands.samplers import drawing

WEIGHTS = {
    "uniform": lambda v: np.ones(v),
    "log_uniform": lambda v: np.log1p(1 / np.arange(1.0, v + 1)),
    "fixed_unigram": lambda v: np.arange(1.0, v + 1) ** 1.5,
    "learned_unigram": lambda v: 1.0 + np.arange(v) % 5 * 3,
}


def make(name, num_classes, seed):
    if name == "uniform":
        return fc.UniformSampler(num_classes, seed=seed)
    if name == "log_uniform":
        return fc.LogUniformSampler(num_classes, seed=seed)
    if name == "fixed_unigram":
        return fc.FixedUnigramSampler(num_classes, unigrams=np.arange(1, num_classes + 1), distortion=1.5, seed=seed)
    sampler = fc.LearnedUnigramSampler(num_classes, seed=seed)
    sampler.update(np.repeat(np.arange(num_classes), np.arange(num_classes) % 5 * 3))
    return sampler


def p_value(observed, expected):
    """Upper tail of the chi-square statistic by the approximation of Wilson and Hilferty, 1931."""
    statistic = ((observed - expected) ** 2 / expected).sum()
    freedom = len(expected) - 1
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(z / math.sqrt(2))


@pytest.fixture(params=WEIGHTS)
def name(request):
    return request.param


@pytest.mark.parametrize("num_classes", [2, 10, 1000])
def test_single_draws(name, num_classes):
    n = 400 * num_classes
    sampler = make(name, num_classes, 11)
    ids = sampler.sample(np.zeros((0, 1), int), n, unique=False).sampled_candidates
    p = WEIGHTS[name](num_classes)
    expected = p / p.sum() * n
    assert p_value(np.bincount(ids, minlength=num_classes), expected) > 1e-4
    assert p_value(np.bincount(ids, minlength=num_classes), expected[::-1].copy()) < 1e-4 or name == "uniform"


def enumerate_unique(p, num_sampled):
    """Probability of every ordered unique draw, and of the mean number of tries."""
    result = {}
    mean_tries = 0.0
    for ids in itertools.permutations(np.flatnonzero(p).tolist(), num_sampled):
        left, probability, tries = 1.0, 1.0, 0.0
        for i in ids:
            tries += 1.0 / left
            probability *= p[i] / left
            left -= p[i]
        result[ids] = probability
        mean_tries += probability * tries
    return result, mean_tries


def draw_many(sampler, num_sampled, n):
    """Unique draws and the tries each took, read back from an expected count ``1 - (1 - p)**tries``."""
    return [tuple(sampler.sample(np.zeros((0, 1), int), num_sampled).sampled_candidates.tolist()) for _ in range(n)]


@pytest.mark.parametrize("limit", [None, 0, 1, 3])
@pytest.mark.parametrize(("num_classes", "num_sampled"), [(4, 2), (5, 5), (6, 3)])
def test_unique_draws_against_enumeration(name, num_classes, num_sampled, limit, monkeypatch):
    """By rejection, by a race, and by a race that takes over in the middle."""
    if limit is not None:
        monkeypatch.setattr(drawing, "max_tries", lambda *_: limit)
    p = WEIGHTS[name](num_classes)
    exact, _ = enumerate_unique(p / p.sum(), num_sampled)
    n = 3000
    drawn = draw_many(make(name, num_classes, 5), num_sampled, n)
    keys = list(exact)
    place = {key: i for i, key in enumerate(keys)}
    observed = np.bincount([place[ids] for ids in drawn], minlength=len(keys))
    expected = np.array([exact[key] for key in keys]) * n
    # rare outcomes together, so that every cell expects five
    rare = expected < 5
    if rare.any():
        observed = np.append(observed[~rare], observed[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    assert p_value(observed, expected) > 1e-4


@pytest.mark.parametrize("limit", [None, 0, 2, 4])
def test_number_of_tries_is_that_of_rejection(name, limit, monkeypatch):
    if limit is not None:
        monkeypatch.setattr(drawing, "max_tries", lambda *_: limit)
    p = WEIGHTS[name](5)
    _, mean_tries = enumerate_unique(p / p.sum(), 4)
    sampler = make(name, 5, 8)
    tries = [
        drawing.draw_unique(
            sampler._distribution,
            sampler._stream.words,
            sampler._stream.reserve(4),
            4 * sampler._stream.position,
            4,
            sampler._workspace,
            timed=False,
        ).num_tries
        for _ in range(4000)
    ]
    assert min(tries) == 4
    assert abs(np.mean(tries) - mean_tries) < 4 * np.std(tries) / math.sqrt(len(tries))


def test_classes_of_weight_zero_do_not_race(monkeypatch):
    monkeypatch.setattr(drawing, "max_tries", lambda *_: 0)
    sampler = fc.FixedUnigramSampler(8, unigrams=[0, 1, 0, 5, 0, 1, 0, 0], seed=1)
    for _ in range(50):
        assert sorted(sampler.sample([[0]], 3).sampled_candidates.tolist()) == [1, 3, 5]
