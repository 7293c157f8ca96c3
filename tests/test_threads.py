"""Numbers of threads: settings, nesting, concurrent calls, calls after a fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands import threads


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = fc.get_num_threads()
    yield
    fc.set_num_threads(before)


def test_the_innermost_setting_counts() -> None:
    fc.set_num_threads(3)
    assert fc.get_num_threads() == 3
    with fc.num_threads(5):
        assert fc.get_num_threads() == 5
        with fc.num_threads(np.int64(1)):
            assert fc.get_num_threads() == 1
        assert fc.get_num_threads() == 5
        fc.set_num_threads(2)  # the default, hidden here by the block
        assert fc.get_num_threads() == 5
    assert fc.get_num_threads() == 2


def test_a_block_ends_by_an_exception_too() -> None:
    before = fc.get_num_threads()
    with pytest.raises(KeyError), fc.num_threads(before + 1):
        raise KeyError
    assert fc.get_num_threads() == before


def test_a_block_holds_in_its_own_thread_only() -> None:
    fc.set_num_threads(4)
    seen = []
    with fc.num_threads(9):
        other = threading.Thread(target=lambda: seen.append(fc.get_num_threads()))
        other.start()
        other.join()
    assert seen == [4]


def test_small_calls_use_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_WORTH_STARTING", 1000)
    with fc.num_threads(3):
        assert [threads.threads_for(work) for work in (0, 999, 1000, 10**12)] == [1, 1, 3, 3]
    with fc.num_threads(1):
        assert threads.threads_for(10**12) == 1


@pytest.mark.parametrize("n", [0, -1, 1025])
@pytest.mark.parametrize("setter", [fc.set_num_threads, lambda n: fc.num_threads(n).__enter__()])
def test_numbers_out_of_range(setter: Any, n: int) -> None:
    before = fc.get_num_threads()
    with pytest.raises(ValueError, match=f"num_threads must be between 1 and 1024, got {n}"):
        setter(n)
    assert fc.get_num_threads() == before


@pytest.mark.parametrize(("n", "name"), [(2.0, "float"), ("2", "str"), (None, "NoneType"), (True, "bool")])
def test_what_is_no_number(n: Any, name: str) -> None:
    before = fc.get_num_threads()
    with pytest.raises(TypeError, match=f"num_threads must be an integer, got {name}"):
        fc.set_num_threads(n)
    assert fc.get_num_threads() == before


def merged(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    ids, rows = rng.integers(0, 50, 4000), rng.normal(size=(4000, 16)).astype(np.float32)
    return fc.RowGradient.from_pairs(ids, rows, 50).rows.tobytes()


def hammer(num_threads: int, seconds: float) -> int:
    """Call from several threads at once for a while; return how many results came, all of them right."""
    expected = [merged(seed) for seed in range(num_threads)]
    counts, faults = [0] * num_threads, []
    stop = time.monotonic() + seconds

    def work(seed: int) -> None:
        while time.monotonic() < stop:
            with fc.num_threads(1 + counts[seed] % 3):
                if merged(seed) != expected[seed]:
                    faults.append(seed)
            counts[seed] += 1

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(num_threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert faults == []
    assert min(counts) > 1
    return sum(counts)


def test_calls_from_several_threads_at_once() -> None:
    hammer(4, 0.5)


HAMMER = """
import sys
sys.path.insert(0, {tests!r})
import test_threads, numba
test_threads.hammer(4, 1.0)
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_every_threading_layer_allows_several_threads(layer: str) -> None:
    """Workqueue would abort the process without the lock around its launches."""
    code = HAMMER.format(tests=str(Path(__file__).parent))
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == layer


def wait_for(child: int, seconds: float) -> int:
    """Return a child's exit code; kill it when the time is over."""
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the forked child hangs")


def fork_and_call(seed: int, expected: bytes) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        try:
            os._exit(0 if merged(seed) == expected else 3)
        finally:
            os._exit(4)
    return wait_for(child, 30)


FORK = """
import sys
sys.path.insert(0, {tests!r})
import test_threads, numba
expected = test_threads.merged(1)
assert test_threads.fork_and_call(1, expected) == 0
assert test_threads.merged(1) == expected
print(numba.threading_layer())
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_a_forked_child_can_call_on_every_threading_layer(layer: str) -> None:
    """OpenMP would end the child; workqueue would wait for ever."""
    result = subprocess.run(
        [sys.executable, "-c", FORK.format(tests=str(Path(__file__).parent))],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == layer


def test_a_forked_child_can_call() -> None:
    expected = merged(1)  # the pool of threads runs before the fork
    assert fork_and_call(1, expected) == 0
    assert merged(1) == expected


def test_a_child_forked_while_another_thread_calls_can_call() -> None:
    expected = merged(2)
    running = threading.Event()
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            merged(3)
            running.set()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    try:
        assert running.wait(30)
        assert [fork_and_call(2, expected) for _ in range(20)] == [0] * 20
    finally:
        done.set()
        for worker in workers:
            worker.join()
