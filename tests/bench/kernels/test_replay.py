"""A recorded call of a kernel: its arrays are set back, and lie as they lay."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from bench.kernels import replay
from bench.kernels.replay import Replay, argument_bytes
from bench.observe import Kernel


class Job(NamedTuple):
    counter: Any
    rows: Any
    name: int


def place(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.fixture
def job() -> Job:
    arena = np.arange(64, dtype=np.uint8)[4:]
    rows = np.arange(12.0).reshape(3, 4)
    rows.flags.writeable = False
    return Job(arena[:8].view(np.int64), rows[:, ::2], 3)


def test_arguments_are_copies_that_look_the_same(job: Job) -> None:
    seen: list[tuple[Any, ...]] = []
    call = Replay(Kernel("k", lambda *args: seen.append(args)), (job, (job.counter, 5)), None)
    call()
    (copy, (counter, five)) = seen[0]
    assert type(copy) is Job
    assert five == 5
    assert copy.name == 3
    for ours, theirs in ((copy.counter, job.counter), (copy.rows, job.rows)):
        assert np.array_equal(ours, theirs)
        assert not np.shares_memory(ours, theirs)
        assert (ours.dtype, ours.strides, ours.flags.writeable) == (
            theirs.dtype,
            theirs.strides,
            theirs.flags.writeable,
        )
        assert place(ours) % 64 == place(theirs) % 64
    assert np.shares_memory(counter, copy.counter)  # one memory stays one memory


def test_a_call_that_counts_is_the_same_call_again(job: Job) -> None:
    counts: list[int] = []

    def kernel(given: Job) -> None:
        counts.append(int(given.counter[0]))
        given.counter[0] += 1

    call = Replay(Kernel("k", kernel), (job,), None)
    before = job.counter.copy()
    call()
    call.restore()
    job.counter[0] = -1  # whoever was recorded goes on
    call()
    assert counts == [before[0], before[0]]


def test_large_arrays_are_used_as_they_lie(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "LARGEST_COPY", job.rows.base.nbytes - 1)
    seen: list[Job] = []
    Replay(Kernel("k", seen.append), (job,), None)()
    assert seen[0].rows is job.rows
    assert seen[0].counter is not job.counter


def test_bytes_of_arguments(job: Job) -> None:
    assert argument_bytes((job, 3, (np.zeros(2),))) == 8 + 6 * 8 + 16
