"""Before a draw and after it: labels that cannot be drawn, candidates of each example, what is left where it was."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastcands as fc

V, D = 6, 3
WEIGHTS = np.random.default_rng(0).normal(size=(V, D))
INPUTS = np.random.default_rng(1).normal(size=(4, D))
LABELS = np.array([[0], [3], [4], [1]])
LOSSES = [fc.SampledSoftmaxLoss, fc.NCELoss, fc.SampledLogisticLoss, fc.NegativeSamplingLoss]


class OfEachExample:
    """A sampler of candidates for each label: its neighbours."""

    num_classes = V

    def sample(self, labels: Any, num_sampled: int, *, unique: bool = True) -> fc.SampledValues:
        sampled = (labels[:, :1] + np.arange(1, num_sampled + 1)) % V
        return fc.SampledValues(sampled, np.ones(labels.shape) / 2, 1 / (2.0 + sampled))


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("ignored", [[1], [0, 3], [0, 1, 2, 3], []])
def test_candidates_of_an_example_keep_its_place(kind: Any, ignored: list[int]) -> None:
    labels = LABELS.copy()
    labels[ignored] = -1
    present = np.delete(np.arange(4), ignored)
    loss = kind(OfEachExample(), 2, ignore_index=-1)
    value, gradients = loss.value_and_grad(WEIGHTS, None, labels, INPUTS)
    assert (value[ignored] == 0).all()
    assert (gradients.inputs[ignored] == 0).all()
    if not len(present):
        return
    alone, alone_gradients = kind(OfEachExample(), 2).value_and_grad(WEIGHTS, None, LABELS[present], INPUTS[present])
    np.testing.assert_allclose(value[present], alone, rtol=1e-12)
    np.testing.assert_allclose(gradients.inputs[present], alone_gradients.inputs, rtol=1e-12)
    assert gradients.weights.ids.tolist() == alone_gradients.weights.ids.tolist()
    np.testing.assert_allclose(gradients.weights.rows, alone_gradients.weights.rows, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("labels", [[[0, 2], [3, -1], [-1, -1], [1, 5]], [[0, 2], [3], [], [1, 5]]])
def test_candidates_of_each_of_several_labels_are_refused(labels: Any) -> None:
    loss = fc.SampledSoftmaxLoss(OfEachExample(), 2, ignore_index=-1)
    message = (
        "the sampler must draw one set of candidates for all examples where some labels of shape (4, 2) are no classes "
        "(ignore_index, ragged), got one for each of the 5 labels that are"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        loss.value(WEIGHTS, None, labels, INPUTS)


def test_candidates_of_each_example_beside_the_batch_are_refused() -> None:
    loss = fc.SampledSoftmaxLoss(OfEachExample(), 2, in_batch=fc.UniformSampler(V))
    message = r"the sampler must draw one set of candidates for all examples beside in_batch, got shape \(4, 2\)"
    with pytest.raises(ValueError, match=message):
        loss.value(WEIGHTS, None, LABELS, INPUTS)


def test_candidates_given_for_no_examples() -> None:
    loss = fc.SampledSoftmaxLoss(OfEachExample(), 2, ignore_index=-1)
    given = np.zeros((0, 2), int), np.ones((0, 1)), np.ones((0, 2))
    assert loss.value(WEIGHTS, None, np.zeros((0, 1), int), INPUTS[:0], sampled_values=given).shape == (0,)


COUNTS = [5, 3, 0, 4, 1, 2]


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize("unique", [True, False])
@pytest.mark.parametrize(
    ("labels", "ignore_index", "place"),
    [([0, 2], None, "[1, 0]"), ([[0, 1], [2, 3]], None, "[1, 0]"), ([[0, -1], [1, 2]], -1, "[1, 1]")],
)
def test_a_label_of_weight_0_is_refused_before_the_draw(
    kind: Any, unique: bool, labels: Any, ignore_index: int | None, place: str
) -> None:
    sampler = fc.FixedUnigramSampler(V, unigrams=COUNTS, seed=1)
    before = sampler.state_dict()
    table = fc.ClassTable.from_arrays(WEIGHTS.copy())
    message = re.escape(f"labels{place} = 2 has weight 0 in the sampler: its expected count would be 0")
    loss = kind(sampler, 3, unique=unique, ignore_index=ignore_index)
    for call in (
        lambda: loss.value(WEIGHTS, None, labels, INPUTS[:2]),
        lambda: loss.value_and_grad(WEIGHTS, None, labels, INPUTS[:2]),
        lambda: table.train_step(loss, labels, INPUTS[:2]),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert sampler.state_dict() == before
    assert table.step == 0
    assert (table.weights == WEIGHTS).all()


@pytest.mark.parametrize(
    "options",
    [
        {"unigrams": [1e-30, 1, 1, 1, 1, 1], "distortion": 2},  # a power of 0 in float32
        {"unigrams": [1e-30, 1e30, 1, 1, 1, 1]},  # a probability of 0 in float32
        {"unigrams": [1, 1, 1, 1, 1], "num_reserved_ids": 1},
    ],
)
def test_weights_that_come_to_nothing(options: Any) -> None:
    sampler = fc.FixedUnigramSampler(V, seed=1, **options)
    before = sampler.state_dict()
    with pytest.raises(ValueError, match=r"labels\[2, 0\] = 0 has weight 0 in the sampler"):
        fc.SampledSoftmaxLoss(sampler, 2).value(WEIGHTS, None, [1, 3, 0], INPUTS[:3])
    assert sampler.state_dict() == before
    values = sampler.sample([1, 3, 0], 2)  # a draw alone says so, as TensorFlow's does
    assert values.true_expected_count[2, 0] == 0


def test_the_smallest_weights_that_count_are_taken() -> None:
    sampler = fc.FixedUnigramSampler(V, unigrams=[1e-40, 1, 1, 1, 1, 1], seed=1)
    assert np.isfinite(fc.SampledSoftmaxLoss(sampler, 2).value(WEIGHTS, None, [0], INPUTS[:1])).all()


def test_a_class_of_the_batch_may_have_weight_0_in_one_of_two() -> None:
    without = fc.FixedUnigramSampler(V, unigrams=COUNTS, seed=1)
    labels, inputs = [0, 2], INPUTS[:2]
    for sampler, in_batch in ((without, fc.UniformSampler(V)), (fc.UniformSampler(V, seed=1), without)):
        assert np.isfinite(
            fc.SampledSoftmaxLoss(sampler, 2, in_batch=in_batch).value(WEIGHTS, None, labels, inputs)
        ).all()
    before = without.state_dict()
    with pytest.raises(ValueError, match=r"labels\[1, 0\] = 2 has weight 0 in the sampler"):
        fc.SampledSoftmaxLoss(without, 2, in_batch=without).value(WEIGHTS, None, labels, inputs)
    with pytest.raises(ValueError, match=r"labels\[1, 0\] = 2 has weight 0 in in_batch"):
        fc.SampledSoftmaxLoss(without, 0, in_batch=without).value(WEIGHTS, None, labels, inputs)
    assert without.state_dict() == before


def test_an_error_of_the_users_sampler_says_whose_it_is() -> None:
    class Broken(OfEachExample):
        def sample(self, labels: Any, num_sampled: int, *, unique: bool = True) -> fc.SampledValues:
            return super().sample(labels, num_sampled)._replace(true_expected_count=np.zeros(labels.shape))

    message = r"the sampler's true_expected_count must be positive and finite, got 0\.0 at \[0, 0\]"
    with pytest.raises(ValueError, match=message):
        fc.SampledSoftmaxLoss(Broken(), 2).value(WEIGHTS, None, LABELS, INPUTS)
