"""An optimizer that only this file knows: a rule and a class are all that is needed."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc
from fastcands.kernels.optimizers.rule import decayed, new_weight, rule_of_row
from fastcands.optimizers import Optimizer, from_dict
from fastcands.simd.pointers import as_type_of
from tests.optimizers.dense import random_gradient


class LionRule(NamedTuple):
    """``w = shrink * w - lr * sign(keep * m + new * g)``, then ``m = keep2 * m + new2 * g``."""

    lr: float
    shrink: float
    keep: float
    new: float
    keep2: float
    new2: float


@decayed.register(LionRule)
def _shrink(rule: Any, weight: Any, gradient: Any, weight_decay: Any) -> Any:
    return rule.shrink * weight, gradient


@new_weight.register(LionRule)
def _step(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    (moment,) = numbers
    direction = np.sign(rule.keep * moment + rule.new * gradient)
    return weight - rule.lr * direction, (rule.keep2 * moment + rule.new2 * gradient,)


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    beta1: float = 0.9
    beta2: float = 0.99

    def _per_weight(self) -> dict[str, float]:
        return {"moment": 0}

    def _rule(self, lr: float, step: int) -> LionRule:
        return LionRule(lr, 1 - lr * self.weight_decay, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2)


class CountingRule(NamedTuple):
    """``w -= g / n``, n the steps a row has been in, and the missed ones before."""

    share: float


@rule_of_row.register(CountingRule)
def _count(rule: Any, row: Any, numbers: Any) -> Any:
    count = as_type_of(row.factor, numbers[0] + row.elapsed)
    return CountingRule(as_type_of(row.factor, 1 / count)), (count,)


@new_weight.register(CountingRule)
def _move(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    return weight - rule.share * gradient, numbers


@dataclass(frozen=True, repr=False)
class Counting(Optimizer):
    """With all the interface has: numbers of rows, and steps that are counted."""

    def _per_row(self) -> dict[str, float]:
        return {"count": 0.0}

    @property
    def _counts_steps(self) -> bool:
        return True

    def _rule(self, lr: float, step: int) -> CountingRule:
        return CountingRule(math.nan)


def lion(table: Any, moment: Any, g: Any, lr: float, decay: float) -> tuple[Any, Any]:
    """The step in NumPy, in the dtype of its arguments."""
    kind = table.dtype.type
    direction = np.sign(kind(0.9) * moment + kind(1 - 0.9) * g)
    return kind(1 - lr * decay) * table - kind(lr) * direction, kind(0.99) * moment + kind(1 - 0.99) * g


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(50, 33), (40,)])
def test_a_new_optimizer_makes_the_steps_of_numpy(dtype: Any, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    optimizer = Lion(0.125, weight_decay=0.5)
    table = rng.normal(size=shape).astype(dtype)
    state = optimizer.init(table)
    expected, moment = table.copy(), np.zeros_like(table)
    for step in range(4):
        gradient = random_gradient(rng, shape, 20, dtype)
        optimizer.update(table, state, gradient)
        ids = gradient.ids
        expected[ids], moment[ids] = lion(expected[ids], moment[ids], gradient.rows, 0.125, 0.5)
        assert_array_equal(table, expected, err_msg=str(step))
        assert_array_equal(state["moment"], moment)


def test_a_new_optimizer_rounds_to_bfloat16_at_random() -> None:
    rng = np.random.default_rng(1)
    optimizer = Lion(0.003)
    table = rng.normal(size=(50, 33)).astype(ml_dtypes.bfloat16)
    state = optimizer.init(table)
    gradient = random_gradient(rng, (50, 33), 20, np.float32)
    before = table.astype(np.float32)
    optimizer.update(table, state, gradient, step=0, seed=3)
    exact, moment = lion(before[gradient.ids], np.zeros((20, 33), np.float32), gradient.rows, 0.003, 0)
    assert_array_equal(state["moment"][gradient.ids], moment)
    up = table.view(np.uint16)[gradient.ids].astype(int) - (exact.view(np.uint32) >> 16)
    assert set(up.ravel().tolist()) == {0, 1}


def test_a_new_optimizer_clips_and_does_not_depend_on_the_threads() -> None:
    rng = np.random.default_rng(2)
    start = rng.normal(size=(900, 64)).astype(np.float32)
    gradient = random_gradient(rng, start.shape, 700, np.float32)
    optimizer = Lion(0.1, clip_norm=0.5)
    results = []
    for n in (1, 3):
        table = start.copy()
        state = optimizer.init(table)
        with fc.num_threads(n):
            optimizer.update(table, state, gradient)
        results.append((table, state["moment"]))
        assert np.linalg.norm(state["moment"], axis=1).max() == pytest.approx(0.5 * 0.01, rel=1e-5)
    for ours, expected in zip(*results, strict=True):
        assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_of_rows_and_missed_steps(dtype: Any) -> None:
    optimizer = Counting(0.1)
    table = np.zeros((3, 2), dtype)
    state = optimizer.init(table)
    assert {name: (array.shape, array.dtype) for name, array in state.items()} == {
        "count": ((3,), dtype),
        "last_step": ((3,), np.int64),
    }
    gradient = fc.RowGradient(np.array([1]), np.full((1, 2), 12, dtype), 3)
    for step in (0, 1, 3):
        optimizer.update(table, state, gradient, step=step)
    assert state["count"].tolist() == [0, 4, 0]
    assert table.tolist() == [[0, 0], [-12 - 6 - 3] * 2, [0, 0]]
    with pytest.raises(ValueError, match="step must be given: with Counting the change of table depends on it"):
        optimizer.update(table, state, gradient)


def test_a_new_optimizer_is_described_and_trains_a_class_table() -> None:
    optimizer = Lion(0.1, beta1=0.5, clip_norm=2.0)
    assert from_dict(optimizer.to_dict()) == optimizer
    assert repr(optimizer) == "Lion(lr=0.1, beta1=0.5, beta2=0.99, clip_norm=2.0)"
    table = fc.ClassTable(100, 8, optimizer=optimizer, seed=0)
    before = table.weights.copy()
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(100, seed=1), 10)
    table.train_step(loss, np.array([[3], [4]]), np.ones((2, 8), np.float32))
    changed = np.abs(table.weights - before)
    assert_allclose(np.unique(changed.round(6)), [0, 0.1], rtol=1e-6)


def files_that_name(names: set[str]) -> set[str]:
    """Return the files of the package whose code, not text, has one of some names; without the command."""
    found = set()
    package = Path(fc.__file__).parent
    for path in package.rglob("*.py"):
        used = {getattr(node, "id", getattr(node, "name", None)) for node in ast.walk(ast.parse(path.read_text()))}
        if used & names and not path.is_relative_to(package / "cli"):
            found.add(path.relative_to(package).as_posix())
    return found


@pytest.mark.parametrize("name", sorted(set(fc.optimizers.__all__) - {"Adagrad"}))  # which is a class table's default
def test_an_optimizer_is_three_files(name: str) -> None:
    module = getattr(fc, name).__module__.rpartition(".")[2]
    files = {f"kernels/optimizers/{module}.py", f"optimizers/{module}.py", "optimizers/__init__.py"}
    assert files_that_name({name, f"{name}Rule"}) == files
    assert name in fc.__all__
