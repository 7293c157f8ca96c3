"""Language models in use, against plain NumPy over their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models import NGramModel, NGramPredictor, QRNNModel, QRNNPredictor, ngram_predictor, qrnn_predictor
from tests import qrnn_oracle

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


TEXT = EncodedText.from_documents([[3, 4, 5], [6], [7, 8, 9, 10, 11, 12, 7, 8], [4, 4, 4, 5], [29, 1]], boundary_id=2)


def make_ngram(**options: Any) -> NGramModel:
    return NGramModel(30, **SIZES, **options, seed=1)


def make_qrnn(**options: Any) -> QRNNModel:
    return QRNNModel(30, embedding_dim=3, hidden_dim=4, **options, seed=1)


def trained(make: Any, **options: Any) -> Any:
    model = make(class_counts=np.arange(30), optimizer=fc.LazyAdam(0.03), **options)
    for start in range(0, len(TEXT) - 5, 5):
        positions = np.arange(start, start + 5)
        model.train_on(fc.SoftmaxLoss(), TEXT, positions if make is make_ngram else positions[:, None])
    model.logit_offsets = np.linspace(-1, 1, 30, dtype=np.float32)
    return model


def distributions(model: Any) -> np.ndarray:
    """Return the distribution at each position of the text, by the formulas in float64."""
    if isinstance(model, NGramModel):
        features = model.forward(TEXT.contexts(np.arange(len(TEXT)), 2)).features.astype(np.float64)
    else:
        before = [2, 2, *TEXT.ids[:-1]]
        words = np.array(before)[:, None]
        features, _ = qrnn_oracle.features(model.layers.parameters, words, words[1:] == 2)
        features = features[:, 0]
    logits = features @ model.table.weights.T.astype(np.float64) + model.table.biases
    logits = logits + model.logit_offsets
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


MAKERS = pytest.mark.parametrize("make", [make_ngram, make_qrnn])


@MAKERS
@pytest.mark.parametrize("tied", [False, True])
def test_log_probabilities_and_figures_of_a_text(make: Any, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained(make, tied=tied)
    probabilities = distributions(model)
    own = probabilities[np.arange(len(TEXT)), TEXT.ids]
    predictor, found, calls = model.predictor(2), [], []
    for chunk in (4096, 1, 3, 7):
        for module in (ngram_predictor, qrnn_predictor):
            monkeypatch.setattr(module, "_CHUNK", chunk)
        found.append(predictor.log_probabilities(TEXT, check=lambda: calls.append(0)))
        assert found[-1].dtype == np.float64
        np.testing.assert_allclose(found[-1], np.log(own), rtol=2e-5, atol=2e-6)
        for positions in ([], [5], [20, 3, 3, 11, 0], np.arange(len(TEXT))[::-1]):
            some = predictor.log_probabilities(TEXT, positions)
            np.testing.assert_allclose(some, np.log(own)[np.asarray(positions, int)], rtol=2e-5, atol=2e-6)
        done: list[int] = []
        result = predictor.evaluate_text(TEXT, (1, 5), done.append)
        ranks = 1 + (probabilities > own[:, None]).sum(axis=1)
        assert result.loss == pytest.approx(-np.log(own).mean(), rel=1e-5)
        assert result.perplexity == pytest.approx(np.exp(result.loss))
        assert result.hits == {k: pytest.approx((ranks <= k).mean()) for k in (1, 5)}
        assert result.mean_rank == pytest.approx(ranks.mean())
        assert result.mean_reciprocal_rank == pytest.approx((1 / ranks).mean())
        assert done == [*range(0, len(TEXT), chunk), len(TEXT)]
        bare = predictor.evaluate_text(TEXT, ())
        assert (bare.hits, bare.mean_rank, bare.mean_reciprocal_rank) == ({}, None, None)
        assert bare.loss == pytest.approx(result.loss)
    assert len(calls) == 1 + len(TEXT) + -(-len(TEXT) // 3) + -(-len(TEXT) // 7)


@MAKERS
def test_the_word_after_a_history(make: Any) -> None:
    model = trained(make)
    expected = distributions(model)
    predictor = model.predictor(boundary_id=2)
    for start, end in ((0, 4), (6, 15)):  # two documents
        for position in range(start, end):
            for history in (TEXT.ids[start:position], TEXT.ids[:position]):
                found = predictor.probabilities(history)
                assert found.dtype == np.float64
                np.testing.assert_allclose(found, expected[position], rtol=2e-5)
                assert found.sum() == pytest.approx(1, rel=1e-12)
            words = predictor.next_words_after(TEXT.ids[start:position].tolist(), 5)
            assert words.ids.tolist() == [np.argsort(-expected[position], kind="stable")[:5].tolist()]
            np.testing.assert_allclose(words.probabilities[0], expected[position][words.ids[0]], rtol=2e-5)


@MAKERS
def test_the_same_bits_for_any_number_of_threads(make: Any) -> None:
    predictor, results = trained(make).predictor(2), []
    with threadpool_limits(1, "blas"):
        for threads in (1, 2, 3):
            with fc.num_threads(threads):
                results.append(predictor.log_probabilities(TEXT).tobytes())
    assert len(set(results)) == 1


@MAKERS
@pytest.mark.parametrize("table_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("tied", [False, True])
def test_a_predictor_of_a_saved_state_has_the_same_probabilities(make: Any, tied: bool, table_dtype: str) -> None:
    model = trained(make, tied=tied, table_dtype=table_dtype)
    state, expected = model.state_dict(), model.predictor(2)
    assert ("embedding" in state) is not tied
    if make is make_ngram:
        predictor: Any = NGramPredictor.from_state(state, 2, boundary_id=2)
    else:
        predictor = QRNNPredictor.from_state(state, boundary_id=2)
    assert predictor.boundary_id == 2
    assert predictor.table.weights is state["table_weights"]
    assert (predictor.log_probabilities(TEXT) == expected.log_probabilities(TEXT)).all()
    assert (predictor.probabilities([3]) == expected.probabilities([3])).all()
    for by in ("output", "input"):
        assert predictor.nearest(5, 3, by)[0].tolist() == expected.nearest(5, 3, by)[0].tolist()


@MAKERS
def test_check_may_give_up(make: Any) -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make().predictor().log_probabilities(TEXT, check=check)


@MAKERS
def test_refused_texts_and_histories(make: Any) -> None:
    predictor = make().predictor()
    large = EncodedText(np.array([3, 30, 2], np.int32), 2)
    for call in (predictor.log_probabilities, predictor.evaluate_text):
        with pytest.raises(ValueError, match=r"^ids must be in \[0, num_classes\) = \[0, 30\), got 30"):
            call(large)
    with pytest.raises(ValueError, match=r"^positions must be in \[0, len\(text\)\) = \[0, 23\), got 23"):
        predictor.log_probabilities(TEXT, [1, 23])
    with pytest.raises(TypeError, match=r"^positions must be integers, got float64$"):
        predictor.log_probabilities(TEXT, [1.0])
    with pytest.raises(ValueError, match=r"^text must have at least one word$"):
        predictor.evaluate_text(EncodedText(np.zeros(0, np.int32), 0))
    for call in (predictor.probabilities, lambda history: predictor.next_words_after(history, 1)):
        with pytest.raises(ValueError, match=r"^history must be in \[0, V\) = \[0, 30\), got -1"):
            call([1, -1])
        with pytest.raises(ValueError, match=r"^history must have 1 dimension, got shape \(1, 1\)$"):
            call([[1]])
        with pytest.raises(TypeError, match=r"^history must be integers, got float64$"):
            call([1.5])
    with pytest.raises(ValueError, match=r"^k must be at most the 30 classes, got 31$"):
        predictor.next_words_after([1], 31)
    with pytest.raises(ValueError, match=r"^boundary_id must be at most 29, got 30$"):
        make().predictor(30)


def test_states_of_the_recurrent_model_that_do_not_fit() -> None:
    state = make_qrnn(tied=False).state_dict()
    for name, array, message in (
        ("table_biases", None, "lacks the array 'table_biases'"),
        ("embedding", None, "lacks the array 'embedding'"),
        ("embedding", np.zeros((30, 4), np.float32), "cannot have the shapes"),
        ("table_weights", np.zeros((29, 3), np.float32), r"table_weights must have shape \(30, 3\), got \(29, 3\)"),
    ):
        changed = {**state, name: array}
        if array is None:
            del changed[name]
        with pytest.raises(ValueError, match=message):
            QRNNPredictor.from_state(changed)
