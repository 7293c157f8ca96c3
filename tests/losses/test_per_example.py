"""Candidates for each example, against the oracle, one example at a time."""

import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import Problem, check_budget, flat

V, D, B, S, T = 50, 6, 7, 9, 2
LOSSES = [
    (fc.SampledSoftmaxLoss, reference.sampled_softmax, {"remove_accidental_hits": True}),
    (fc.NCELoss, reference.sampled_logistic, {"remove_accidental_hits": False}),
    (fc.SampledLogisticLoss, reference.sampled_logistic, {"remove_accidental_hits": True}),
    (fc.NegativeSamplingLoss, reference.sampled_logistic, {"subtract_log_q": False}),
]


def _problem(dtype=np.float64):
    rng = np.random.default_rng(0)
    weights, biases = rng.normal(size=(V, D)).astype(dtype), rng.normal(size=V).astype(dtype)
    inputs, labels = rng.normal(size=(B, D)).astype(dtype), rng.integers(0, V, (B, T))
    sampled = rng.integers(0, V, (B, S))
    sampled[:, 0] = labels[:, 1]
    sampled[:, 1] = sampled[:, 2]
    values = (sampled, rng.random((B, T)) + 0.1, rng.random((B, S)) + 0.1)
    return (weights, biases, labels, inputs), rng.random(B), values


@pytest.mark.parametrize(("loss_class", "oracle", "options"), LOSSES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_example_is_a_batch_of_its_own(loss_class, oracle, options, dtype):
    arguments, upstream, values = _problem(dtype)
    weights, biases, labels, inputs = arguments
    loss = loss_class(fc.UniformSampler(V), S)
    value, gradients = loss.value_and_grad(*arguments, upstream, sampled_values=values)

    def joined(dtype):
        rows = [
            oracle(
                weights, biases, labels[i : i + 1], inputs[i : i + 1],
                (values[0][i], values[1][i : i + 1], values[2][i]),
                upstream=upstream[i : i + 1], dtype=dtype, **options,
            )
            for i in range(B)
        ]  # fmt: skip
        by_row = (np.concatenate([getattr(row, name) for row in rows]) for name in ("loss", "d_inputs"))
        return reference.Result(*by_row, sum(row.d_weights for row in rows), sum(row.d_biases for row in rows))

    kind = "softmax" if oracle is reference.sampled_softmax else "logistic"
    problem = Problem(*arguments, fc.SampledValues(*values), upstream)
    check_budget(flat(value, gradients), joined(np.float64), joined(dtype), exact(problem, kind, **options))
    np.testing.assert_array_equal(loss.value(*arguments, sampled_values=values), value)
    np.testing.assert_array_equal(gradients.weights.ids, np.union1d(labels, values[0]))


@pytest.mark.parametrize("loss_class", [row[0] for row in LOSSES])
def test_equal_rows_of_candidates_are_one_set(loss_class):
    arguments, upstream, values = _problem()
    shared = (values[0][0], values[1], values[2][0])
    repeated = (np.tile(values[0][:1], (B, 1)), values[1], np.tile(values[2][:1], (B, 1)))
    loss = loss_class(fc.UniformSampler(V), S)
    one = flat(*loss.value_and_grad(*arguments, upstream, sampled_values=shared))
    other = flat(*loss.value_and_grad(*arguments, upstream, sampled_values=repeated))
    for name in one:
        np.testing.assert_allclose(other[name], one[name], rtol=0, atol=1e-13 * np.abs(one[name]).max())


def test_same_bits_for_any_number_of_threads():
    arguments, upstream, values = _problem(np.float32)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(V), S)
    results = []
    for threads in (1, 2, 5):
        with fc.num_threads(threads):
            results.append(flat(*loss.value_and_grad(*arguments, upstream, sampled_values=values)))
    for name, want in results[0].items():
        for other in results[1:]:
            np.testing.assert_array_equal(other[name], want)


def test_labels_that_are_no_class():
    arguments, upstream, values = _problem()
    labels = arguments[2].copy()
    labels[0], labels[1, 1] = -1, -1
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(V), S, ignore_index=-1)
    value, gradients = loss.value_and_grad(
        arguments[0], arguments[1], labels, arguments[3], upstream, sampled_values=values
    )
    assert value[0] == 0
    assert (gradients.inputs[0] == 0).all()
    one = reference.sampled_softmax(
        arguments[0], arguments[1], labels[1:2, :1], arguments[3][1:2], (values[0][1], values[1][1:2, :1], values[2][1])
    )
    np.testing.assert_allclose(value[1], one.loss[0], rtol=1e-13)
    np.testing.assert_allclose(gradients.inputs[1], upstream[1] * one.d_inputs[0], rtol=1e-12)


def test_errors():
    arguments, _, values = _problem()
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(V), S)
    with pytest.raises(ValueError, match="sampled_candidates must have 7 rows as labels have, got 6"):
        loss.value(*arguments, sampled_values=(values[0][:6], values[1], values[2][:6]))
    with pytest.raises(ValueError, match="sampled_candidates must have at least one candidate, got none"):
        loss.value(*arguments, sampled_values=(values[0][:, :0], values[1], values[2][:, :0]))
    with pytest.raises(ValueError, match=r"sampled_candidates must have 1 dimension, got shape \(7, 9\)"):
        fc.nn.sampled_softmax_loss(*arguments, S, V, T, values)
    smooth = fc.SampledSoftmaxLoss(fc.UniformSampler(V), S, label_smoothing=0.1)
    with pytest.raises(ValueError, match=r"label_smoothing must be 0 when sampled_candidates are \(B, S\)"):
        smooth.value(*arguments, sampled_values=values)
