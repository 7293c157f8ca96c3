"""Kernels as they are watched and timed."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from bench.cases import Case
from bench.observe import timed_kernels, watch
from bench.problems import make_problem
from fastcands.kernels.sampling import philox
from fastcands.threads import launch


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
    assert {"sampling.log_uniform.draw_log_uniform", "sampled_loss.logits.logits"} <= set(seen)
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


def test_kernels_of_a_module_that_is_called_by_name_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """``philox.fill_pairs(…)``, not ``fill_pairs(…)``: nothing is compiled, the hook answers."""
    caller = types.ModuleType("fastcands.caller")
    caller.philox = philox  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, caller.__name__, caller)
    with watch(lambda kernel, args: (kernel.name, args)):
        assert caller.philox.fill_pairs(1, 2) == ("sampling.philox.fill_pairs", (1, 2))
        assert caller.philox.__name__ == philox.__name__
    assert caller.philox is philox
