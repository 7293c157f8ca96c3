"""Examples without a class contribute exactly zero, whatever they hold: in every loss and tier, value and gradients."""

from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.precision import resolve
from tests.losses.problems import flat

V, B, D, S = 300, 41, 24, 64
IGNORED = np.array([0, 7, 32, 40])
SAMPLED: dict[str, Any] = {
    "softmax": lambda **options: fc.SampledSoftmaxLoss(fc.UniformSampler(V, seed=1), S, **options),
    "smoothed": lambda **options: fc.SampledSoftmaxLoss(
        fc.UniformSampler(V, seed=1), S, label_smoothing=0.1, **options
    ),
    "in batch": lambda **options: fc.SampledSoftmaxLoss(
        fc.UniformSampler(V, seed=1), S, in_batch=fc.UniformSampler(V), **options
    ),
    "nce": lambda **options: fc.NCELoss(fc.UniformSampler(V, seed=1), S, unique=False, **options),
    "negative sampling": lambda **options: fc.NegativeSamplingLoss(fc.UniformSampler(V, seed=1), S, **options),
    "rank": lambda **options: fc.RankSampledSoftmaxLoss(fc.UniformSampler(V, seed=1), S, num_resampled=20, **options),
    "rank per example": lambda **options: fc.RankSampledSoftmaxLoss(
        fc.UniformSampler(V, seed=1), S, num_resampled=20, per_example=True, **options
    ),
}
EXACT: dict[str, Any] = {
    "exact softmax": lambda **options: fc.SoftmaxLoss(**options),
    "exact smoothed": lambda **options: fc.SoftmaxLoss(label_smoothing=0.1, **options),
    "exact logistic": lambda **options: fc.LogisticLoss(**options),
}
LOSSES = SAMPLED | EXACT


def _problem(num_true: int = 1, dtype: Any = np.float32, classes: int = V, width: int = D) -> list[Any]:
    rng = np.random.default_rng(num_true)
    labels = rng.integers(0, classes, (B, num_true))
    labels[::5, 0] = -1
    labels[IGNORED] = -1
    if num_true == 1:
        labels[np.setdiff1d(np.arange(B), IGNORED)] %= classes
    arrays = [rng.normal(size=(classes, width)), rng.normal(size=classes), rng.normal(size=(B, width))]
    weights, biases, inputs = (array.astype(dtype) for array in arrays)
    return [weights, biases, labels, inputs, rng.random(B).astype(dtype)]


def _check(make_loss: Any, problem: list[Any], bad: float, **options: Any) -> None:
    weights, biases, labels, inputs, upstream = problem
    ignored = (labels == -1).all(axis=1)
    assert ignored[IGNORED].all()
    clean, dirty, heavy = inputs.copy(), inputs.copy(), upstream.copy()
    clean[ignored] = 0
    dirty[ignored] = bad
    dirty[np.flatnonzero(ignored)[0]] = inputs[0]
    heavy[ignored] = bad
    values = [make_loss(ignore_index=-1, **options).value(weights, biases, labels, x) for x in (clean, dirty)]
    np.testing.assert_array_equal(*values)
    results = [
        flat(*make_loss(ignore_index=-1, **options).value_and_grad(weights, biases, labels, *rest))
        for rest in ((clean, upstream), (dirty, heavy))
    ]
    for name, expected in results[0].items():
        np.testing.assert_array_equal(results[1][name], expected, err_msg=name)
        assert np.isfinite(expected).all()
    assert (results[1]["loss"][ignored] == 0).all()
    assert (results[1]["d_inputs"][ignored] == 0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_in_float32(name: str, num_true: int, bad: float) -> None:
    _check(LOSSES[name], _problem(num_true), bad)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.25}], ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_in_float64(name: str, options: dict[str, Any]) -> None:
    _check(LOSSES[name], _problem(2, np.float64), np.nan, **options)


@pytest.mark.parametrize("tier", ["high", "medium"])
@pytest.mark.parametrize("name", SAMPLED)
def test_in_the_tiers_of_bfloat16(name: str, tier: str) -> None:
    """On the processor's instructions, or by those of ``FASTCANDS_BF16_ISA=portable``."""
    assert resolve(tier, np.dtype(np.float32)) in (tier, "highest")
    for bad in (np.nan, -np.inf):
        _check(SAMPLED[name], _problem(2), bad, precision=tier)


@pytest.mark.parametrize("name", ["exact softmax", "exact logistic"])
def test_in_the_tiers_of_bfloat16_over_all_classes(name: str) -> None:
    _check(EXACT[name], _problem(1, classes=60_000, width=32), np.nan, precision="medium")


@pytest.mark.parametrize("name", ["softmax", "nce"])
def test_candidates_of_each_example(name: str) -> None:
    """Those of an ignored example are not touched at all."""
    weights, biases, labels, inputs, upstream = _problem(2)
    rng = np.random.default_rng(5)
    ids = rng.integers(0, V - 10, (B, 9))
    ids[IGNORED] = V - 1
    weights[V - 1] = np.nan
    values = fc.SampledValues(ids, np.ones(labels.shape), np.ones(ids.shape))
    inputs[IGNORED] = np.nan
    loss, gradients = LOSSES[name](ignore_index=-1).value_and_grad(
        weights, biases, labels, inputs, upstream, sampled_values=values
    )
    assert V - 1 not in gradients.weights.ids
    for array in (loss, gradients.inputs, gradients.weights.rows, gradients.biases.rows):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_of_ignored_examples_only(name: str) -> None:
    weights, biases, labels, inputs, upstream = _problem(2)
    results = flat(
        *LOSSES[name](ignore_index=-1).value_and_grad(
            weights, biases, np.full_like(labels, -1), np.full_like(inputs, np.nan), np.full_like(upstream, np.nan)
        )
    )
    for array in results.values():
        assert (array == 0).all()


def test_the_rank_loss_chooses_by_the_other_examples() -> None:
    """The candidates kept are those of the batch without its ignored examples."""
    weights, biases, labels, inputs, _ = _problem(1)
    kept = (labels != -1).any(axis=1)
    rng = np.random.default_rng(2)
    values = fc.SampledValues(rng.permutation(V)[:S], np.ones(labels.shape), np.ones(S))
    loss = LOSSES["rank"](ignore_index=-1)
    inputs[~kept] = 50 * weights[values.sampled_candidates[:1]]
    whole = loss.value(weights, biases, labels, inputs, sampled_values=values)
    part = loss.value(
        weights, biases, labels[kept], inputs[kept],
        sampled_values=values._replace(true_expected_count=np.ones((kept.sum(), 1))),
    )  # fmt: skip
    np.testing.assert_allclose(whole[kept], part, rtol=1e-5)
