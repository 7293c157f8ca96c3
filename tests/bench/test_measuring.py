"""Clocks, memory and kernels as they are watched."""

from __future__ import annotations

import gc
import math
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from bench.cases import Case, quick_case, thread_counts
from bench.memory import measure_growth, result_bytes
from bench.observe import timed_kernels, watch
from bench.problems import log_uniform_probability, make_problem, make_table, tries_for
from bench.timing import median_seconds
from fastcands.kernels.sampling import philox
from fastcands.threads import launch


class Clock:
    """A clock that calls move on."""

    def __init__(self, steps: Iterator[float]) -> None:
        self.now = 0.0
        self.calls = 0
        self._steps = steps

    def __call__(self) -> float:
        return self.now

    def call(self) -> None:
        assert not gc.isenabled()
        self.calls += 1
        self.now += next(self._steps)


@pytest.mark.parametrize(
    ("steps", "calls", "median"),
    [
        ([9.0, 1.0, 5.0, 2.0], 4, 2.0),  # the first warms up, then three
        ([0.01, 0.03, 0.01, 0.02, 0.02, 0.01], 6, 0.02),  # five fit into fifty milliseconds
        ([1e-6] * 301, 301, 1e-6),
    ],
)
def test_median_of_calls(steps: list[float], calls: int, median: float) -> None:
    clock = Clock(iter(steps))
    assert median_seconds(clock.call, clock) == pytest.approx(median)
    assert clock.calls == calls
    assert gc.isenabled()


def test_peak_memory_is_of_what_a_call_holds_at_once() -> None:
    def call() -> np.ndarray:
        np.ones(4 << 20)  # 32 MiB, gone before the next
        return np.ones(2 << 20)

    call()
    growth = measure_growth(call)
    assert 31 << 20 <= growth.peak < 36 << 20  # the kernel counts pages by the batch
    assert growth.results == 16 << 20


def test_bytes_of_nested_results() -> None:
    gradient = fc.RowGradient.from_pairs([1, 2], np.ones((2, 3), np.float32), num_rows=4)
    assert result_bytes((np.zeros(2), [gradient, None], {"a": np.zeros(1)})) == 16 + 2 * 8 + 6 * 4 + 8


@pytest.fixture(scope="module")
def small_step() -> Callable[[], Any]:
    problem = make_problem(Case(500, 8, 4, 16))
    loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(500, seed=1), 16)
    return lambda: loss.value_and_grad(*problem)


def test_kernels_are_seen_and_give_what_they_give(small_step: Callable[[], Any]) -> None:
    seen: list[str] = []

    def hook(kernel: Any, args: tuple[Any, ...]) -> Any:
        seen.append(kernel.name)
        return kernel.run(*args)

    sampler = fc.LogUniformSampler(500, seed=1)
    problem = make_problem(Case(500, 8, 4, 16))
    plain = fc.SampledSoftmaxLoss(fc.LogUniformSampler(500, seed=1), 16).value_and_grad(*problem)
    with watch(hook):
        watched = fc.SampledSoftmaxLoss(sampler, 16).value_and_grad(*problem)
    assert np.array_equal(plain[0], watched[0])
    assert np.array_equal(plain[1].weights.rows, watched[1].weights.rows)
    assert {"log_uniform_draws.draw_log_uniform", "candidate_tiles.form_tiles"} <= set(seen)
    seen.clear()
    small_step()
    assert seen == []  # nobody watches any more
    assert fc.threads.launch is launch


def test_times_of_kernels_are_parts_of_a_call(small_step: Callable[[], Any]) -> None:
    small_step()
    with timed_kernels() as seconds:
        small_step()
    assert seconds
    assert all(0 < time < 10 for time in seconds.values())


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


def test_quick_cases_are_small_and_keep_their_differences() -> None:
    assert quick_case(Case(1_000_000, 128, 512, 0)) == Case(50_000, 32, 64, 0)
    assert quick_case(Case(10_000, 32, 16, 64)) == Case(500, 8, 4, 4)


@pytest.mark.parametrize(("cores", "counts"), [(1, [1, 2]), (2, [1, 2]), (4, [1, 2, 4]), (12, [1, 2, 4, 8, 12])])
def test_thread_counts(cores: int, counts: list[int]) -> None:
    assert thread_counts(cores) == counts


def test_numbers_are_finite() -> None:
    assert math.isfinite(tries_for(100, 99))


def test_kernels_of_a_module_that_is_called_by_name_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """``philox.fill_pairs(…)``, not ``fill_pairs(…)``: nothing is compiled, the hook answers."""
    caller = types.ModuleType("fastcands.caller")
    caller.philox = philox  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, caller.__name__, caller)
    with watch(lambda kernel, args: (kernel.name, args)):
        assert caller.philox.fill_pairs(1, 2) == ("philox.fill_pairs", (1, 2))
        assert caller.philox.__name__ == philox.__name__
    assert caller.philox is philox
