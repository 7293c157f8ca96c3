"""The precision of a loss: where it comes from, which tier its batch gets, and how far results may then be off.

Where no instruction set is usable every tier computes as 'highest', which meets every budget.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastcands as fc
from fastcands import reference
from fastcands.losses.batch import Batch
from fastcands.losses.interface import ExactLoss, SampledLoss
from fastcands.nn.arguments import checked_batch
from fastcands.simd import dot
from tests.losses.exact import Exact, exact
from tests.losses.problems import UNITS, Problem, check_elements, flat, make

TIERS = ("highest", "high", "medium")
BUDGETS = {"highest": 1e-5, "high": 5e-5, "medium": 1.5e-2}
"""Error in the norm of each result, over that of the exact one: a few times what rounding the factors alone makes."""

CLASSES = 200
LOSSES: list[Callable[..., Any]] = [
    lambda **options: fc.SampledSoftmaxLoss(fc.UniformSampler(CLASSES, seed=1), 64, **options),
    lambda **options: fc.NCELoss(fc.UniformSampler(CLASSES, seed=1), 64, **options),
    lambda **options: fc.SampledLogisticLoss(fc.UniformSampler(CLASSES, seed=1), 64, **options),
    lambda **options: fc.NegativeSamplingLoss(fc.UniformSampler(CLASSES, seed=1), 64, **options),
    lambda **options: fc.RankSampledSoftmaxLoss(fc.UniformSampler(CLASSES, seed=1), 64, 30, **options),
    lambda **options: fc.SoftmaxLoss(**options),
    lambda **options: fc.LogisticLoss(**options),
]
NAMES = [type(make_loss()).__name__ for make_loss in LOSSES]
each_loss = pytest.mark.parametrize("make_loss", LOSSES, ids=NAMES)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    fc.set_matmul_precision("highest")


def results(loss: Any, problem: Problem) -> dict[str, np.ndarray]:
    """Of one call; the sampler then stands where it stood before, as losses here are made anew."""
    return flat(*loss.value_and_grad(problem.weights, problem.biases, problem.labels, problem.inputs, problem.upstream))


def exactly(loss: Any, problem: Problem) -> Exact:
    """What `results` are to be, element by element, of the candidates that the loss draws first."""
    kind = "softmax" if "Softmax" in type(loss).__name__ else "logistic"
    if isinstance(loss, ExactLoss):
        return exact(problem, kind, sampled=False)
    ids, true_counts, counts = fc.UniformSampler(CLASSES, seed=1).sample(problem.labels, 64)
    if isinstance(loss, fc.RankSampledSoftmaxLoss):
        best, _ = reference.resample(problem.weights, problem.biases, problem.inputs, ids, loss.num_resampled)
        ids, counts = ids[best], counts[best]
    removed = kind == "softmax" or isinstance(loss, fc.SampledLogisticLoss)
    drawn = problem._replace(values=fc.SampledValues(ids, true_counts, counts))
    with_q = not isinstance(loss, fc.NegativeSamplingLoss)
    return exact(drawn, kind, remove_accidental_hits=removed, subtract_log_q=with_q)


@each_loss
def test_the_option(make_loss: Any) -> None:
    assert make_loss().precision is None
    loss = make_loss(precision="medium")
    assert loss.precision == "medium"
    assert "precision='medium'" in repr(loss)
    assert dataclasses.replace(loss, precision="high").precision == "high"
    assert pickle.loads(pickle.dumps(loss)).precision == "medium"
    with pytest.raises(ValueError, match="precision must be 'highest', 'high' or 'medium', got 'bf16'"):
        make_loss(precision="bf16")
    with pytest.raises(TypeError, match="precision must be 'highest', 'high' or 'medium', got bool"):
        make_loss(precision=True)


@each_loss
@pytest.mark.parametrize("unusable", [None, "there are none"], ids=["usable", "unusable"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_tier_of_a_batch(make_loss: Any, unusable: str | None, dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: unusable)
    problem = make(CLASSES, 5, 4, 3, dtype=dtype)
    seen: list[str] = []
    for asked in (None, *TIERS):
        for setting in TIERS:
            with fc.matmul_precision(setting):
                batch = make_loss(precision=asked)._batch(
                    problem.weights, problem.biases, problem.labels, problem.inputs
                )
            wanted = setting if asked is None else asked
            assert batch.precision == (wanted if unusable is None and dtype == np.float32 else "highest")
            seen.append(batch.precision)
    assert len(set(seen)) == (3 if unusable is None and dtype == np.float32 else 1)


def test_functions_of_tensorflow_go_by_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: None)
    problem = make(20, 5, 4, 3)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    assert checked_batch(*arguments, 20, 1, "mod").precision == "highest"
    with fc.matmul_precision("medium"):
        assert checked_batch(*arguments, 20, 1, "mod").precision == "medium"
    assert Batch.of(*arguments).precision == "highest"


@each_loss
def test_a_batch_that_is_changed_keeps_its_tier(make_loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With absent labels the batch is made anew between its check and the loss."""
    loss = make_loss(precision="medium", ignore_index=-1)
    problem = make(CLASSES, 5, 4, 3, num_true=2)
    problem.labels[1, 0] = -1
    with monkeypatch.context() as patch:
        patch.setattr(dot, "unusable", lambda: None)
        batch = loss._batch(problem.weights, problem.biases, problem.labels, problem.inputs)
        if isinstance(loss, SampledLoss):
            batch, _ = loss._candidates(batch, None)
        else:
            assert isinstance(loss, ExactLoss)
    assert batch.precision == "medium"


@each_loss
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("table", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(17, 9, 1), (70, 48, 2)], ids=str)
def test_results_are_within_the_budget_of_the_tier(
    make_loss: Any, tier: str, table: str, shape: tuple[int, int, int]
) -> None:
    batch, dim, num_true = shape
    problem = make(CLASSES, dim, batch, 1, num_true, seed=4)
    if table == "bfloat16":
        problem = problem._replace(weights=fc.ClassTable(CLASSES, dim, dtype="bfloat16", seed=3).weights)
    exact = problem._replace(weights=problem.weights.astype(float), biases=problem.biases.astype(float))
    truth, got = results(make_loss(), exact), results(make_loss(precision=tier), problem)
    for name, value in got.items():
        error = np.linalg.norm(value - truth[name]) / np.linalg.norm(truth[name])
        assert error < BUDGETS[tier], name
    check_elements(got, exactly(make_loss(), problem), UNITS.get(tier))


@each_loss
@pytest.mark.parametrize("tier", ["high", "medium"])
def test_the_setting_and_the_option_give_the_same_bits_for_any_threads(make_loss: Any, tier: str) -> None:
    problem = make(CLASSES, 33, 45, 1, seed=5)
    want = results(make_loss(precision=tier), problem)
    for threads in (1, 2, 3):
        with fc.num_threads(threads), fc.matmul_precision(tier):
            got = results(make_loss(), problem)
        for name, value in want.items():
            assert_array_equal(got[name], value)


@each_loss
def test_float64_is_the_same_in_every_tier(make_loss: Any) -> None:
    problem = make(CLASSES, 9, 20, 1, dtype=np.float64)
    want = results(make_loss(), problem)
    for tier in ("high", "medium"):
        got = results(make_loss(precision=tier), problem)
        for name, value in want.items():
            assert_array_equal(got[name], value)


@each_loss
def test_without_an_instruction_set_every_tier_is_the_highest(make_loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: "there are none")
    problem = make(CLASSES, 40, 40, 1)
    want = results(make_loss(), problem)
    for tier in ("high", "medium"):
        got = results(make_loss(precision=tier), problem)
        for name, value in want.items():
            assert_array_equal(got[name], value)


def test_ranks_are_those_of_the_highest_precision() -> None:
    """Which candidates are kept is a choice, not an error to be bounded: it is made in float32 in every tier."""
    problem = make(CLASSES, 24, 40, 1, seed=8)
    kept = [
        fc.RankSampledSoftmaxLoss(fc.UniformSampler(CLASSES, seed=1), 100, 20, precision=tier)
        .value_and_grad(problem.weights, problem.biases, problem.labels, problem.inputs)[1]
        .weights
        for tier in TIERS
    ]
    for other in kept[1:]:
        assert_array_equal(other.ids, kept[0].ids)


def test_a_diagnosis_is_always_in_the_highest_precision() -> None:
    problem = make(CLASSES, 40, 33, 1, seed=9)
    found = []
    for tier in TIERS:
        loss = fc.SampledSoftmaxLoss(fc.UniformSampler(CLASSES, seed=1), 64, precision=tier)
        found.append(loss.diagnose(problem.weights, problem.biases, problem.labels, problem.inputs))
    for other in found[1:]:
        for got, want in zip(other, found[0], strict=True):
            assert_array_equal(got, want)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("name", ["sampled_softmax", "nce", "full_softmax", "full_sigmoid"])
def test_functions_of_tensorflow_are_within_the_budget(name: str, tier: str) -> None:
    problem = make(CLASSES, 40, 33, 60, num_true=2, seed=10)
    call = getattr(fc.nn, f"{name}_loss_and_grad")

    def of(p: Problem) -> dict[str, np.ndarray]:
        arrays = p.weights, p.biases, p.labels, p.inputs
        if name.startswith("full"):
            return flat(*call(*arrays, 2, upstream=p.upstream))
        return flat(*call(*arrays, 60, CLASSES, 2, p.values, upstream=p.upstream))

    truth = of(
        problem._replace(**{name: getattr(problem, name).astype(float) for name in ("weights", "biases", "inputs")})
    )
    with fc.matmul_precision(tier):
        got = of(problem)
    for key, value in got.items():
        assert np.linalg.norm(value - truth[key]) < BUDGETS[tier] * np.linalg.norm(truth[key]), key
    kind, sampled = "softmax" if "softmax" in name else "logistic", not name.startswith("full")
    formula = exact(problem, kind, sampled=sampled, remove_accidental_hits=kind == "softmax")
    check_elements(got, formula, UNITS.get(tier))
