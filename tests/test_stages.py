"""Chains of stages: order, barriers, types of jobs, and what Python sees of them."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands import stages
from fastcands.stages import StagedKernel, Workspace, next_task


class Inner(NamedTuple):
    scale: float
    values: Any


class Shared(NamedTuple):
    squares: Any
    factors: tuple[int, int]


class Job(NamedTuple):
    inner: Inner
    total: Any
    negate: bool
    power: int
    workspace: int


def square(worker: int, num_threads: int, counter: int, job: Any) -> None:
    n = len(job.squares)
    for i in range(worker * n // num_threads, (worker + 1) * n // num_threads):
        job.squares[i] = job.inner.scale * job.inner.values[i] ** job.power


def add(worker: int, num_threads: int, counter: int, job: Any) -> None:
    if worker == 0:
        total = 0.0
        for value in job.squares:
            total += value
        total *= job.factors[0] * job.factors[1]
        job.total[0] += -total if job.negate else total


chain = StagedKernel(square=square, add=add)


def _case(values, negate=False):
    workspace = Workspace(Shared(np.zeros(len(values), values.dtype), (3, 5)))
    return Job(Inner(2.0, values), np.zeros(1), negate, 2, workspace.address), workspace


@pytest.mark.parametrize("num_threads", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 1000])
@pytest.mark.parametrize("negate", [False, True])
def test_a_stage_sees_all_of_the_one_before(num_threads, n, negate):
    values = np.arange(n, dtype=np.float64)
    job, workspace = _case(values, negate)
    chain(job, workspace, num_threads)
    assert job.total[0] == (-30 if negate else 30) * (values**2).sum()


def test_some_of_the_stages():
    job, workspace = _case(np.ones(5))
    chain(job, workspace, 2, last="square")
    assert workspace.fields.squares.tolist() == [2] * 5
    assert job.total[0] == 0
    workspace.fields.squares[:] = 7
    chain(job, workspace, 2, after="square")
    assert job.total[0] == 35 * 15


def test_a_workspace_serves_many_calls():
    first, workspace = _case(np.ones(4))
    second = Job(Inner(1.0, np.full(4, 3.0)), np.zeros(1), True, 2, workspace.address)
    for job in (first, second, first):
        chain(job, workspace, 2)
    assert first.total[0] == 2 * 15 * 8
    assert second.total[0] == -15 * 36


@pytest.mark.parametrize("change", ["dtype", "read-only", "strides"])
def test_another_type_of_job_gets_code_of_its_own(change):
    values = np.arange(6, dtype=np.float32 if change == "dtype" else np.float64)
    if change == "read-only":
        values.flags.writeable = False
    elif change == "strides":
        values = np.arange(12.0)[::2]
    job, workspace = _case(values)
    chain(job, workspace, 2)
    assert job.total[0] == 30 * (values.astype(float) ** 2).sum()


@pytest.mark.parametrize("array", [np.zeros(6, np.float32), np.zeros(6, np.int64), np.zeros(12)[::2]])
def test_another_type_of_workspace_gets_code_of_its_own(array):
    workspace = Workspace(Shared(array, (2, 1)))
    job = Job(Inner(1.0, np.arange(6.0)), np.zeros(1), False, 2, workspace.address)
    chain(job, workspace, 2)
    assert array.tolist() == [0, 1, 4, 9, 16, 25]
    assert job.total[0] == 110


def count(worker: int, num_threads: int, counter: int, job: Any) -> None:
    while True:
        task = next_task(counter)
        if task >= len(job.squares):
            break
        job.squares[task] += task


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_each_stage_counts_its_tasks_from_zero(num_threads):
    job, workspace = _case(np.zeros(500))
    StagedKernel(square=square, count=count, again=count)(job, workspace, num_threads)
    assert workspace.fields.squares.tolist() == [2 * k for k in range(500)]


def test_chains_share_the_code_of_a_stage():
    job, workspace = _case(np.ones(3))
    chain(job, workspace, 1)
    before = dict(stages._compiled)
    StagedKernel(other=add, square=square)(job, workspace, 1)
    assert stages._compiled == before


def test_an_unknown_stage():
    job, workspace = _case(np.ones(3))
    with pytest.raises(ValueError, match="'cube' is not in list"):
        chain(job, workspace, 1, last="cube")


def test_no_reference_is_lost_or_kept():
    values = np.ones(5)
    job, workspace = _case(values)
    chain(job, workspace, 2)
    gc.collect()
    before = sys.getrefcount(values), sys.getrefcount(workspace.fields.squares)
    for num_threads in (1, 2) * 50:
        chain(job, workspace, num_threads)
    assert (sys.getrefcount(values), sys.getrefcount(workspace.fields.squares)) == before


class Alone(NamedTuple):
    values: Any


def double(worker: int, num_threads: int, counter: int, job: Any) -> None:
    for i in range(worker, len(job.values), num_threads):
        job.values[i] *= 2


def test_a_job_may_have_no_workspace():
    values = np.arange(9.0)
    for num_threads in (1, 3):
        StagedKernel(double=double)(Alone(values), None, num_threads)
    assert values.tolist() == [4.0 * i for i in range(9)]


def test_workers_take_turns_where_threads_may_not_start(monkeypatch):
    """As in the forked child of a process whose threading layer does not survive that."""
    monkeypatch.setattr(stages.threads, "may_start_threads", lambda: False)
    monkeypatch.setattr(stages.threads, "launch", None)
    job, workspace = _case(np.ones(5))
    chain(job, workspace, 3)
    assert job.total[0] == 30 * 5


ALONE = """
import sys
import numpy as np
import fastcands as fc
table = np.ones((40, 8), np.float32)
optimizer = getattr(fc, sys.argv[1])(0.5)
gradient = fc.RowGradient(np.array([3]), np.ones((1, 8), np.float32), 40)
for threads in (1, 2):
    with fc.num_threads(threads):
        optimizer.update(table, optimizer.init(table), gradient, step=0)
print(table[3, 0] < 1, table[:3].sum())
"""


def test_a_chain_from_the_disk_is_the_first_that_a_process_runs(tmp_path):
    """Nothing else has started the threads then, which its compiled loop needs.

    The loop is from the disk, too, where the second chain is compiled.
    """
    for name in ("SGD", "Adagrad", "Adagrad", "SGD"):
        result = subprocess.run(
            [sys.executable, "-c", ALONE, name],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[1],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        )
        assert result.stdout.split() == ["True", "24.0"]
