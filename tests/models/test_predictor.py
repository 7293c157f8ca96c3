"""The n-gram model in use, against plain NumPy over its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.models import NGramModel, NGramPredictor

SIZES: dict[str, Any] = {"context": 2, "embedding_dim": 3, "hidden_dim": 4}


@pytest.fixture
def model() -> NGramModel:
    model = NGramModel(30, **SIZES, class_counts=np.arange(30), seed=1)
    loss = fc.SoftmaxLoss()
    generator = np.random.default_rng(0)
    for _ in range(20):
        contexts = generator.integers(0, 30, (16, 2))
        model.train_step(loss, contexts, (contexts[:, 1] + 1) % 30)
    return model


def log_probabilities(model: NGramModel, contexts: np.ndarray) -> np.ndarray:
    features = model.forward(contexts).features.astype(np.float64)
    logits = features @ model.table.weights.T.astype(np.float64) + model.table.biases
    if model.logit_offsets is not None:
        logits = logits + model.logit_offsets
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


CONTEXTS = np.array([[0, 1], [29, 29], [3, 17]])


@pytest.mark.parametrize("offset", [False, True])
def test_next_words(model: NGramModel, offset: bool) -> None:
    if offset:
        model.logit_offsets = np.linspace(-3, 2, 30, dtype=np.float32)
    expected = log_probabilities(model, CONTEXTS)
    ids, probabilities = model.predictor().next_words(CONTEXTS, 7)
    assert ids.tolist() == np.argsort(-expected, axis=1, kind="stable")[:, :7].tolist()
    np.testing.assert_allclose(probabilities, np.exp(np.take_along_axis(expected, ids, 1)), rtol=1e-5)


@pytest.mark.parametrize("offset", [False, True])
def test_loss_and_ranks(model: NGramModel, offset: bool) -> None:
    if offset:
        model.logit_offsets = np.linspace(-3, 2, 30, dtype=np.float32)
    expected = log_probabilities(model, CONTEXTS)
    words = np.array([5, 0, 29])
    own = expected[np.arange(3), words]
    ranks = 1 + (expected > own[:, None]).sum(axis=1)
    predictor = model.predictor()
    assert predictor.log_loss(CONTEXTS, words) == pytest.approx(-own.mean(), rel=1e-6)
    assert model.log_loss(CONTEXTS, words) == predictor.log_loss(CONTEXTS, words)
    result = predictor.evaluate(CONTEXTS, words, k=(1, 10, 30))
    assert result.loss == pytest.approx(-own.mean(), rel=1e-6)
    assert result.hits == {k: pytest.approx((ranks <= k).mean()) for k in (1, 10, 30)}
    assert result.mean_reciprocal_rank == pytest.approx((1 / ranks).mean())


def test_offsets_are_no_part_of_training(model: NGramModel) -> None:
    other = NGramModel(30, **SIZES, seed=2)
    other.load_state_dict(model.state_dict())
    other.logit_offsets = np.linspace(-3, 2, 30, dtype=np.float32)
    losses = [m.train_step(fc.SoftmaxLoss(), CONTEXTS, [1, 2, 3]).tolist() for m in (model, other)]
    assert losses[0] == losses[1]
    assert model.log_loss(CONTEXTS, [1, 2, 3]) != other.log_loss(CONTEXTS, [1, 2, 3])
    model.load_state_dict(other.state_dict())
    assert model.log_loss(CONTEXTS, [1, 2, 3]) == other.log_loss(CONTEXTS, [1, 2, 3])


@pytest.mark.parametrize("offset", [False, True])
def test_a_predictor_of_a_saved_state(model: NGramModel, offset: bool) -> None:
    if offset:
        model.logit_offsets = np.linspace(-3, 2, 30, dtype=np.float32)
    state = model.state_dict()
    predictor = NGramPredictor.from_state(state, context=2)
    assert predictor.context == 2
    assert predictor.table.weights is state["table_weights"]
    words = [4, 5, 6]
    assert predictor.log_loss(CONTEXTS, words) == model.log_loss(CONTEXTS, words)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("table_biases", None, "lacks the array 'table_biases'"),
        ("embedding", None, "lacks the array 'embedding'"),
        ("embedding", np.zeros((30, 4), np.float32), "cannot have the shapes"),
        ("hidden_biases", np.zeros((4, 1), np.float32), "cannot have the shapes"),
        ("table_weights", np.zeros((29, 3), np.float32), r"table_weights must have shape \(30, 3\), got \(29, 3\)"),
        ("table_biases", np.zeros(29, np.float32), "biases"),
    ],
)
def test_states_that_do_not_fit(model: NGramModel, name: str, array: np.ndarray | None, message: str) -> None:
    state = {**model.state_dict(), name: array}
    if array is None:
        del state[name]
    with pytest.raises(ValueError, match=message):
        NGramPredictor.from_state(state, context=2)


def test_another_context(model: NGramModel) -> None:
    with pytest.raises(ValueError, match="sees 3 words"):
        NGramPredictor.from_state(model.state_dict(), context=3)


@pytest.mark.parametrize("by", ["output", "input"])
def test_nearest(model: NGramModel, by: str) -> None:
    vectors = model.table.weights if by == "output" else model.layers.parameters["embedding"]
    vectors[7] = 0
    vectors[9] = 3 * vectors[11]
    vectors[12] = 2 * vectors[9]
    predictor = model.predictor()
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    lengths[7] = 1
    cosines = exact @ exact[5] / lengths / lengths[5]
    ids, values = predictor.nearest(5, 1000, by)
    assert len(ids) == 29
    assert 5 not in ids
    np.testing.assert_allclose(values, cosines[ids], atol=1e-12)
    assert (np.diff(values) <= 0).all()
    assert values[ids == 7] == 0
    assert predictor.nearest(11, 2, by)[0].tolist() in ([9, 12], [12, 9])  # but for rounding they are equal
    zeros = predictor.nearest(7, 3, by)
    assert zeros[0].tolist() == [0, 1, 2]  # nothing is near to nothing: ties to the lower id
    assert not zeros[1].any()
