"""Candidates from the batch: which they are, what they are corrected by, and that the correction is right."""

import numpy as np
import pytest

import fastcands as fc
from fastcands.losses.in_batch import add_batch_classes

V = 40
P = (1 / np.arange(1, V + 1)) / (1 / np.arange(1, V + 1)).sum()


def _frequencies():
    return fc.FixedUnigramSampler(V, unigrams=P, seed=1)


@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize("num_sampled", [0, 10])
def test_the_partition_function_is_estimated_without_bias(unique, num_sampled):
    rng = np.random.default_rng(0)
    weight = np.exp(rng.normal(size=V))
    frequencies, sampler = _frequencies(), fc.UniformSampler(V, seed=2)
    estimates = []
    for _ in range(4000):
        labels = rng.choice(V, (30, 1), p=P)
        drawn = None
        if num_sampled:
            drawn = sampler.sample(labels, num_sampled, unique=unique)
        values = add_batch_classes(frequencies, labels, drawn, unique)
        estimates.append((weight[values.sampled_candidates] / values.sampled_expected_count).sum())
    error = np.std(estimates) / np.sqrt(len(estimates))
    # expected counts of unique draws are TensorFlow's, which are a percent off
    assert abs(np.mean(estimates) - weight.sum()) < 4 * error + (0.01 * weight.sum() if unique and num_sampled else 0)


def test_candidates_are_the_batch_and_the_draw():
    labels = np.array([[3], [5], [3]])
    drawn = fc.SampledValues(np.array([5, 7]), np.full((3, 1), 0.5), np.array([0.5, 0.25]))
    unique = add_batch_classes(_frequencies(), labels, drawn, True)
    assert unique.sampled_candidates.tolist() == [3, 5, 7]
    seven = 1 - (1 - P[7]) ** 3 * (1 - 0.25)
    np.testing.assert_allclose(unique.sampled_expected_count[2], seven, rtol=1e-6)
    np.testing.assert_allclose(unique.true_expected_count[[0, 1], 0], unique.sampled_expected_count[:2])
    repeated = add_batch_classes(_frequencies(), labels, drawn, False)
    assert repeated.sampled_candidates.tolist() == [3, 5, 3, 5, 7]
    np.testing.assert_allclose(repeated.sampled_expected_count[4], 3 * P[7] + 0.25, rtol=1e-6)


@pytest.mark.parametrize("loss_class", [fc.SampledSoftmaxLoss, fc.SampledLogisticLoss])
def test_losses_use_them(loss_class):
    rng = np.random.default_rng(3)
    weights, inputs, labels = rng.normal(size=(V, 4)), rng.normal(size=(6, 4)), rng.integers(0, V, (6, 1))
    loss = loss_class(_frequencies(), 0, in_batch=_frequencies())
    value, gradients = loss.value_and_grad(weights, None, labels, inputs)
    values = add_batch_classes(_frequencies(), labels, None, True)
    np.testing.assert_array_equal(value, loss.value(weights, None, labels, inputs, sampled_values=values))
    np.testing.assert_array_equal(gradients.weights.ids, np.unique(labels))
    assert loss.value(weights, None, labels[:0], inputs[:0]).shape == (0,)


def test_padding_is_no_candidate():
    rng = np.random.default_rng(4)
    weights, inputs = rng.normal(size=(V, 4)), rng.normal(size=(3, 4))
    loss = fc.SampledSoftmaxLoss(_frequencies(), 0, in_batch=_frequencies(), ignore_index=-1)
    _, gradients = loss.value_and_grad(weights, None, [[5], [-1], [9]], inputs)
    assert gradients.weights.ids.tolist() == [5, 9]
    assert loss.value(weights, None, [[-1], [-1], [-1]], inputs).tolist() == [0, 0, 0]


def test_errors():
    with pytest.raises(TypeError, match="in_batch must have a probability method, got int"):
        fc.SampledSoftmaxLoss(_frequencies(), 0, in_batch=3)
    with pytest.raises(ValueError, match="num_sampled must be at least 1, got 0"):
        fc.SampledSoftmaxLoss(_frequencies(), 0)
    loss = fc.SampledSoftmaxLoss(fc.UniformSampler(V), 2, in_batch=fc.UniformSampler(V + 1))
    with pytest.raises(ValueError, match="in_batch must draw from the 40 classes of weights, got 41 classes"):
        loss.value(np.zeros((V, 2)), None, [1], np.zeros((1, 2)))
