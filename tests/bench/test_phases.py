"""What a step does, of the kernels as they are named today."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import fastcands as fc
from bench.observe import kernels_called_from_python, timed_kernels
from bench.phases import _PHASES, _phase


def _table() -> fc.ClassTable:
    return fc.ClassTable(500, 8, optimizer=fc.Adagrad(0.1), seed=0)


def test_phases_name_kernels_that_exist() -> None:
    kernels = kernels_called_from_python()
    for phase, beginnings in _PHASES.items():
        for name in beginnings:
            assert any(f"{kernel}.".startswith(f"{name}.") for kernel in kernels), (phase, name)


def test_every_kernel_of_a_step_has_a_phase() -> None:
    loss, table = fc.SampledSoftmaxLoss(fc.LogUniformSampler(500, seed=1), 16), _table()
    labels, inputs = np.arange(4), np.ones((4, 8), np.float32)
    step: Callable[[], object] = lambda: table.train_step(loss, labels, inputs)  # noqa: E731
    step()
    with timed_kernels() as seconds:
        step()
    assert {_phase(kernel) for kernel in seconds} <= set(_PHASES)
    assert {"draw candidates", "gather candidates, product, exponentials", "update rows"} <= {
        _phase(kernel) for kernel in seconds
    }


def test_a_kernel_that_is_not_listed_stands_for_itself() -> None:
    assert _phase("full_loss.top_k.top_classes") == "full loss.top k.top classes"
    assert _phase("sampling_of_another_kind.draw") == "sampling of another kind.draw"
