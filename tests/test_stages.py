"""Chains of stages: order, barriers, types of jobs, and what Python sees of them."""

import gc
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core.caching import NullCache

from fastcands import stages
from fastcands.stages import StagedKernel


@pytest.fixture(autouse=True)
def _no_trace_on_disk(monkeypatch):
    """Keep the types of this module out of the cache of the library's loop over stages."""
    monkeypatch.setattr(stages._run.dispatcher, "_cache", NullCache())


class Inner(NamedTuple):
    scale: float
    values: Any


class Job(NamedTuple):
    inner: Inner
    squares: Any
    total: Any
    negate: bool
    power: int


def square(worker: int, num_threads: int, job: Any) -> None:
    n = len(job.squares)
    for i in range(worker * n // num_threads, (worker + 1) * n // num_threads):
        job.squares[i] = job.inner.scale * job.inner.values[i] ** job.power


def add(worker: int, num_threads: int, job: Any) -> None:
    if worker == 0:
        total = 0.0
        for value in job.squares:
            total += value
        job.total[0] += -total if job.negate else total


chain = StagedKernel(square, add)


def _job(values, negate=False):
    return Job(Inner(2.0, values), np.zeros(len(values), values.dtype), np.zeros(1), negate, 2)


@pytest.mark.parametrize("num_threads", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 1000])
@pytest.mark.parametrize("negate", [False, True])
def test_a_stage_sees_all_of_the_one_before(num_threads, n, negate):
    values = np.arange(n, dtype=np.float64)
    job = _job(values, negate)
    chain(job, num_threads)
    assert job.total[0] == (-2 if negate else 2) * (values**2).sum()


def test_some_of_the_stages():
    job = _job(np.ones(5))
    chain(job, 2, 0, 1)
    assert job.squares.tolist() == [2] * 5
    assert job.total[0] == 0
    job.squares[:] = 7
    chain(job, 2, 1, 2)
    assert job.total[0] == 35


@pytest.mark.parametrize("change", ["dtype", "read-only", "strides"])
def test_another_type_of_job_gets_code_of_its_own(change):
    values = np.arange(6, dtype=np.float32 if change == "dtype" else np.float64)
    if change == "read-only":
        values.flags.writeable = False
    elif change == "strides":
        values = np.arange(12.0)[::2]
    job = _job(values)
    chain(job, 2)
    assert job.total[0] == 2 * (values.astype(float) ** 2).sum()


def test_no_reference_is_lost_or_kept():
    values = np.ones(5)
    job = _job(values)
    chain(job, 2)
    gc.collect()
    before = sys.getrefcount(values), sys.getrefcount(job.squares)
    for num_threads in (1, 2) * 50:
        chain(job, num_threads)
    assert (sys.getrefcount(values), sys.getrefcount(job.squares)) == before
