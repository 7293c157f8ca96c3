"""A child process made by fork draws what its parent would have drawn."""

import multiprocessing

import numpy as np
import pytest

import fastcands as fc


def child(sampler, queue):
    queue.put([sampler.sample([[0, 5]], 70000, unique=unique) for unique in (True, False)])


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_draws_on():
    sampler = fc.LogUniformSampler(10**6, seed=3)
    sampler.sample([[0]], 70000)  # the parent's threads have run
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(sampler, queue))
    process.start()
    drawn = queue.get(timeout=120)
    process.join(timeout=60)
    assert process.exitcode == 0
    for unique, theirs in zip((True, False), drawn, strict=True):
        for got, expected in zip(theirs, sampler.sample([[0, 5]], 70000, unique=unique), strict=True):
            np.testing.assert_array_equal(got, expected)
