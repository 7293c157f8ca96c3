"""A loss of one's own: what it takes, and that it gets every path that the package's losses have."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.jit import kernel
from fastcands.kernels.epilogues.per_logit import PerLogit
from fastcands.losses.interface import ExactLoss, SampledLoss
from fastcands.losses.per_logit import full_per_logit, sampled_per_logit

# ---- the formulas: a squared hinge. Against a target of 0 a logit costs max(0, 1 + z)^2, against one of 1
# max(0, 1 - z)^2, between them in proportion


def emit_squared_hinge(lanes, z):
    """Emit max(0, 1 + z)^2 and its derivative."""
    builder = lanes.builder
    over = lanes.maximum(builder.fadd(z, lanes.const(1)), lanes.const(0))
    return builder.fmul(over, over), builder.fmul(over, lanes.const(2))


@kernel
def negative(z):
    over = max(0.0, 1 + z)
    return over * over, 2 * over


@kernel
def correction(z, target):
    over, under = max(0.0, 1 + z), max(0.0, 1 - z)
    return target * (under * under - over * over), target * (-2 * under - 2 * over)


SQUARED_HINGE = PerLogit(
    "squared_hinge", emit=emit_squared_hinge, emit_fast=emit_squared_hinge, negative=negative, correction=correction
)

# ---- the classes


@dataclasses.dataclass(frozen=True)
class SampledHingeLoss(SampledLoss):
    def _evaluate(self, batch, values, upstream):
        return sampled_per_logit(
            batch, values, SQUARED_HINGE, subtract_log_q=False, remove_accidental_hits=True, upstream=upstream
        )


@dataclasses.dataclass(frozen=True)
class HingeLoss(ExactLoss):
    def _evaluate(self, batch, upstream):
        return full_per_logit(batch, SQUARED_HINGE, upstream)


# ---- the same in plain NumPy


def _terms(z, target):
    over, under = np.maximum(0, 1 + z), np.maximum(0, 1 - z)
    loss = (1 - target) * over**2 + target * under**2
    return loss, (1 - target) * 2 * over - target * 2 * under


class _Truth:
    """Loss and dense gradients over given (row, class) pairs with targets."""

    def __init__(self, problem, pairs):
        weights, biases, inputs, upstream = (np.asarray(a, np.float64) for a in problem)
        self.loss, self.d_inputs = np.zeros(len(inputs)), np.zeros_like(inputs)
        self.d_weights, self.d_biases = np.zeros_like(weights), np.zeros_like(biases)
        for i, c, target in pairs:
            loss, slope = _terms(inputs[i] @ weights[c] + biases[c], target)
            self.loss[i] += loss
            share = upstream[i] * slope
            self.d_inputs[i] += share * weights[c]
            self.d_weights[c] += share * inputs[i]
            self.d_biases[c] += share


def _problem(num_classes, dim, batch, dtype, seed=0):
    rng = np.random.default_rng(seed)
    weights, inputs = (rng.normal(size=(n, dim)) * 0.3 for n in (num_classes, batch))
    return tuple(a.astype(dtype) for a in (weights, rng.normal(size=num_classes), inputs, rng.random(batch)))


def _compare(got, truth, rtol):
    loss, gradients = got
    for mine, exact in (
        (loss, truth.loss), (gradients.inputs, truth.d_inputs), (gradients.weights.to_dense(), truth.d_weights),
        (gradients.biases.to_dense(), truth.d_biases),
    ):  # fmt: skip
        np.testing.assert_allclose(mine, exact, rtol=rtol, atol=rtol * np.abs(exact).max())


PATHS: list[tuple[Any, str | None, float]] = [
    (np.float64, None, 1e-12),
    (np.float32, None, 1e-5),
    (np.float32, "high", 1e-4),
    (np.float32, "medium", 3e-2),
]


@pytest.mark.parametrize(("dtype", "precision", "rtol"), PATHS)
def test_sampled(dtype, precision, rtol):
    weights, biases, inputs, upstream = problem = _problem(60, 21, 37, dtype)
    rng = np.random.default_rng(1)
    labels, sampled = rng.integers(0, 60, (37, 2)), rng.integers(0, 60, 25)
    values = fc.SampledValues(sampled, np.ones((37, 2)), np.ones(25))
    loss = SampledHingeLoss(fc.UniformSampler(60), 25, precision=precision)
    pairs = [(i, c, 0.5) for i in range(37) for c in labels[i]]
    pairs += [(i, c, 0.0) for i in range(37) for c in sampled if c not in labels[i]]
    truth = _Truth(problem, pairs)
    _compare(loss.value_and_grad(weights, biases, labels, inputs, upstream, sampled_values=values), truth, rtol)
    value = loss.value(weights, biases, labels, inputs, sampled_values=values)
    np.testing.assert_allclose(value, truth.loss, rtol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_candidates_of_each_example(dtype):
    weights, biases, inputs, upstream = problem = _problem(60, 9, 11, dtype)
    rng = np.random.default_rng(2)
    labels, sampled = rng.integers(0, 60, (11, 1)), rng.integers(0, 60, (11, 4))
    values = fc.SampledValues(sampled, np.ones((11, 1)), np.ones((11, 4)))
    pairs = [(i, labels[i, 0], 1.0) for i in range(11)]
    pairs += [(i, c, 0.0) for i in range(11) for c in sampled[i] if c != labels[i, 0]]
    got = SampledHingeLoss(fc.UniformSampler(60), 4).value_and_grad(
        weights, biases, labels, inputs, upstream, sampled_values=values
    )
    _compare(got, _Truth(problem, pairs), 1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("dtype", "precision", "rtol"), PATHS)
def test_exact(dtype, precision, rtol):
    weights, biases, inputs, upstream = problem = _problem(150, 21, 37, dtype)
    labels = np.random.default_rng(3).integers(0, 150, (37, 2))
    labels[5] = labels[5, 0]  # named twice, counted once
    pairs = [(i, c, float(c in labels[i])) for i in range(37) for c in range(150)]
    truth, loss = _Truth(problem, pairs), HingeLoss(precision=precision)
    _compare(loss.value_and_grad(weights, biases, labels, inputs, upstream), truth, rtol)
    np.testing.assert_allclose(loss.value(weights, biases, labels, inputs), truth.loss, rtol=rtol)


def test_a_table_is_trained_by_it():
    rng = np.random.default_rng(5)
    table = fc.ClassTable(40, 8, optimizer=fc.Adagrad(0.5), seed=1)
    inputs, labels = rng.normal(size=(64, 8)).astype(np.float32), rng.integers(0, 40, (64, 1))
    loss = SampledHingeLoss(fc.UniformSampler(40, seed=1), 20)
    first, *_, last = [table.train_step(loss, labels, inputs).loss.mean() for _ in range(60)]
    assert last < first / 2


def test_code_from_outside_the_package_is_not_kept_on_disk():
    assert not SQUARED_HINGE.in_package
