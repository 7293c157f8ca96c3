"""The same problem in every process, and how many tries a unique draw takes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastcands as fc
from bench.cases import Case
from bench.problems import log_uniform_probability, make_problem, make_table, tries_for


def test_the_same_problem_in_every_process() -> None:
    case = Case(1000, 4, 32, 8)
    one = make_problem(case)
    make_table.cache_clear()
    other = make_problem(case)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert one.labels.shape == (32, 1)
    assert 0 <= one.labels.min() <= one.labels.max() < 1000


def test_tries_until_so_many_distinct_classes() -> None:
    """Against TensorFlow's own definition: draw until there are S distinct ones."""
    v, s = 1000, 100
    sampler = fc.LogUniformSampler(v, seed=1)
    ids = sampler.sample([[0]], 200_000, unique=False).sampled_candidates
    taken, at = [], 0
    while at < 150_000:
        seen: set[int] = set()
        start = at
        while len(seen) < s:
            seen.add(int(ids[at]))
            at += 1
        taken.append(at - start)
    assert tries_for(v, s) == pytest.approx(np.mean(taken), rel=0.02)
    assert log_uniform_probability(np.arange(v), v).sum() == pytest.approx(1)


def test_numbers_are_finite() -> None:
    assert math.isfinite(tries_for(100, 99))
