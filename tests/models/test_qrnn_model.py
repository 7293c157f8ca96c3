"""The quasi-recurrent model: whole steps against numeric derivatives, streams, states, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models import NGramModel, QRNNModel
from tests import qrnn_oracle

SIZES: dict[str, Any] = {"embedding_dim": 3, "hidden_dim": 4}


def copies(model: Any) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in model.state_dict().items()}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes() for name in first
    )


def a_text(num_words: int = 30, num_documents: int = 40, seed: int = 0) -> EncodedText:
    """Documents that count up from a word, at a pace that their first word tells."""
    generator = np.random.default_rng(seed)
    documents = []
    for _ in range(num_documents):
        pace, first, length = generator.integers(1, 4), generator.integers(0, num_words), generator.integers(2, 20)
        documents.append([pace, *(1 + (first + pace * np.arange(length)) % (num_words - 1))])
    return EncodedText.from_documents(documents, boundary_id=0)


def batches(text: EncodedText, num_streams: int, length: int) -> list[np.ndarray]:
    """Positions of whole steps through the text, in streams."""
    each = len(text) // num_streams
    positions = np.arange(num_streams * each).reshape(num_streams, each).T
    return [positions[start : start + length] for start in range(0, each - length + 1, length)]


TEXT = a_text()
WORDS = np.array([[1, 5], [4, 0], [2, 3], [0, 1]])
STARTS = np.array([[False, True], [False, False], [True, False]])
TARGETS = np.array([[2, 3], [0, 1], [5, 5]])


def mean_loss(p: dict[str, np.ndarray], tied: bool, dropout: float, key: tuple[int, int], state: Any) -> float:
    """Return the mean of the exact loss, by the formula; `p` are saved arrays."""
    layers = {**p, "embedding": p["table_weights"]} if tied else p
    features, _ = qrnn_oracle.features(layers, WORDS, STARTS, state, dropout, key)
    logits = features.reshape(-1, features.shape[2]) @ p["table_weights"].T + p["table_biases"]
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(TARGETS.size), TARGETS.reshape(-1)]
    return float(losses.mean())


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("tied", [False, True])
def test_a_step_of_gradient_descent_follows_the_numeric_derivative(tied: bool, dropout: float) -> None:
    rate = 1e-4
    model = QRNNModel(6, **SIZES, tied=tied, dropout=dropout, optimizer=fc.SGD(rate), dtype="float64", seed=1)
    model.table.biases[:] = np.linspace(-1, 1, 6)
    model.layers.parameters["feature_weights"][:3] = 0.3
    model.state = state = np.random.default_rng(2).standard_normal((2, 4))
    before = copies(model)
    loss = model.train_step(fc.SoftmaxLoss(), WORDS, STARTS, TARGETS)
    after, key = copies(model), model._dropout_key
    key = (key[0], 0)
    assert loss.mean() == pytest.approx(mean_loss(before, tied, dropout, key, state), rel=1e-12)
    for name, array in before.items():
        if name in ("step", "tied", "recurrent_state"):
            continue
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept, values = array[index], []
            for distance in (-1e-5, 1e-5):
                array[index] = kept + distance
                values.append(mean_loss(before, tied, dropout, key, state))
            array[index] = kept
            numeric[index] = (values[1] - values[0]) / 2e-5
        assert np.abs(numeric).max() > 1e-4, name
        # a tied array moves by the gradients of both of its uses
        np.testing.assert_allclose((array - after[name]) / rate, numeric, rtol=0, atol=1e-7, err_msg=name)


def test_a_tied_embedding_is_the_table() -> None:
    model = QRNNModel(6, **SIZES, seed=1)
    assert model.layers.parameters["embedding"] is model.table.weights
    assert "embedding" not in model.state_dict()
    assert model.optimizer_state["embedding"]["first_moment"] is not model.table._optimizer_state["weights"]
    model.train_step(fc.SoftmaxLoss(), WORDS, STARTS, TARGETS)
    assert model.layers.parameters["embedding"] is model.table.weights


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("loss_name", ["sampled", "exact"])
def test_it_learns_what_is_far_back(loss_name: str, tied: bool) -> None:
    model = QRNNModel(30, embedding_dim=16, hidden_dim=24, tied=tied, optimizer=fc.LazyAdam(0.01), seed=0)
    loss: Any = fc.SoftmaxLoss()
    if loss_name == "sampled":
        loss = fc.SampledSoftmaxLoss(fc.UniformSampler(30, seed=1), 15)
    text = a_text(num_documents=300)
    for _ in range(12):
        for positions in batches(text, 8, 12):
            values = model.train_on(loss, text, positions)
            assert values.shape == (96,)
    held_out = a_text(num_documents=50, seed=9)
    found = -model.predictor().log_probabilities(held_out)
    inside = np.flatnonzero(held_out.ids != 0)
    inside = inside[held_out.contexts(inside, 2)[:, 0] != 0]  # two words or more are known
    assert found[inside].mean() < 1.5  # log 29 is 3.4; that a document goes on costs some


@pytest.mark.parametrize("tied", [False, True])
def test_a_table_of_bfloat16(tied: bool) -> None:
    finals = {}
    for dtype in (None, "bfloat16"):
        model = QRNNModel(30, embedding_dim=8, hidden_dim=8, tied=tied, table_dtype=dtype, seed=3)
        assert model.table.weights.dtype.name == (dtype or "float32")
        assert model.layers.parameters["gate_biases"].dtype == np.float32
        for positions in batches(TEXT, 4, 6) * 8:
            model.train_on(fc.SoftmaxLoss(), TEXT, positions)
        predictor = type(model.predictor()).from_state(copies(model))
        finals[dtype] = float(-predictor.log_probabilities(TEXT).mean())
    assert finals["bfloat16"] == pytest.approx(finals[None], rel=0.02)
    assert finals["bfloat16"] < 0.8 * np.log(30)


@pytest.mark.parametrize("name", [name for name in fc.__all__ if name.endswith("Loss")])
def test_every_loss_makes_a_step(name: str) -> None:
    kind, sampler = getattr(fc, name), fc.LogUniformSampler(30, seed=2)
    options = {"num_resampled": 3} if "Rank" in name else {}
    loss = kind() if name in ("SoftmaxLoss", "LogisticLoss") else kind(sampler, num_sampled=9, **options)
    check_step(QRNNModel(30, **SIZES, dropout=0.2, seed=3), loss)


@pytest.mark.parametrize("name", [name for name in fc.__all__ if name.endswith("Sampler")])
def test_every_sampler_makes_a_step(name: str) -> None:
    every = name == "AllCandidatesSampler"
    options = {"unigrams": np.arange(1, 31)} if name == "FixedUnigramSampler" else {}
    sampler = getattr(fc, name)(30, **options) if every else getattr(fc, name)(30, seed=1, **options)
    check_step(QRNNModel(30, **SIZES, seed=3), fc.SampledSoftmaxLoss(sampler, 30 if every else 9))


@pytest.mark.parametrize("table_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    "optimizer", [fc.SGD(0.1), fc.Momentum(0.1), fc.Adagrad(0.1), fc.RowwiseAdagrad(0.1), fc.LazyAdam(0.01),
                  fc.LazyAdam(0.01, catch_up=True), fc.LazyAdam(0.01, weight_decay=0.1)], ids=repr,
)  # fmt: skip
def test_every_optimizer_makes_a_step(optimizer: Any, table_dtype: str) -> None:
    check_step(QRNNModel(30, **SIZES, optimizer=optimizer, table_dtype=table_dtype, seed=3), fc.SoftmaxLoss())


def check_step(model: QRNNModel, loss: Any) -> None:
    before = copies(model)
    for positions in batches(TEXT, 3, 5)[:2]:
        values = model.train_on(loss, TEXT, positions)
        assert np.isfinite(values).all()
    after = copies(model)
    assert model.step == model.table.step == 2
    for name in ("table_weights", "gate_weights", "gate_biases", "feature_weights", "feature_biases"):
        assert (before[name] != after[name]).any(), name


def test_streams_go_on_from_step_to_step() -> None:
    """Two steps see what one long step sees, if nothing is learned between them."""
    losses = []
    for length in (12, 4):
        model = QRNNModel(30, **SIZES, optimizer=fc.SGD(0.0), seed=2)
        losses.append(np.concatenate([model.train_on(fc.SoftmaxLoss(), TEXT, p) for p in batches(TEXT, 5, length)]))
    num = min(map(len, losses))
    np.testing.assert_allclose(losses[0][:num], losses[1][:num], rtol=1e-6)


def test_streams_read_documents_from_their_starts() -> None:
    """Once a stream has reached a document's start, its losses are those of prediction."""
    model = QRNNModel(30, **SIZES, optimizer=fc.SGD(0.0), class_counts=TEXT.counts(30), seed=2)
    expected = -model.predictor().log_probabilities(TEXT)
    for number, positions in enumerate(batches(TEXT, 3, 7)):
        values = model.train_on(fc.SoftmaxLoss(), TEXT, positions).reshape(positions.shape)
        if number > 2:  # 21 words on, as many as the longest document has
            np.testing.assert_allclose(values, expected[positions], rtol=1e-5)


def test_a_stream_that_jumps_starts_anew() -> None:
    def losses(*rows: list[int]) -> list[float]:
        model = QRNNModel(30, **SIZES, optimizer=fc.SGD(0.0), seed=2)
        found = [model.train_on(fc.SoftmaxLoss(), TEXT, np.array(positions)[:, None]) for positions in rows]
        return found[-1].tolist()

    first, other = 20, 40
    alone = losses([other, other + 1])
    assert losses([first, first + 1], [other, other + 1]) == alone
    assert losses([first, other, other + 1])[1:] == pytest.approx(alone, rel=1e-6)
    assert losses([other - 1], [other, other + 1]) != alone
    together = QRNNModel(30, **SIZES, optimizer=fc.SGD(0.0), seed=2)
    together.train_on(fc.SoftmaxLoss(), TEXT, [[first, other - 1]])
    wide = together.train_on(fc.SoftmaxLoss(), TEXT, [[other], [other + 1]])  # another number of streams
    assert wide.tolist() == alone
    together.reset_state()
    assert together.train_on(fc.SoftmaxLoss(), TEXT, [[other], [other + 1]]).tolist() == alone
    together.train_on(fc.SoftmaxLoss(), TEXT, [[other - 1]])
    together.train_step(fc.SoftmaxLoss(), np.ones((2, 1), int), np.array([[False]]), [[1]])
    again = together.train_on(fc.SoftmaxLoss(), TEXT, [[other], [other + 1]])
    assert again.tolist() == alone  # after words that were given, it is not known where the streams are


@pytest.mark.parametrize("options", [{}, {"table_dtype": "bfloat16"}, {"tied": False}])
def test_a_state_goes_on_to_the_last_bit(options: dict[str, Any]) -> None:
    def make() -> tuple[QRNNModel, Any]:
        model = QRNNModel(30, **SIZES, dropout=0.3, dense_optimizer=fc.Adagrad(0.01), seed=3, **options)
        return model, fc.LogUniformSampler(30, seed=4)

    data = batches(TEXT, 3, 5)[:8]
    whole, whole_sampler = make()
    whole.logit_offsets = np.linspace(0, 1, 30, dtype=np.float32)
    for positions in data:
        whole.train_on(fc.SampledSoftmaxLoss(whole_sampler, 8), TEXT, positions)
    first, first_sampler = make()
    first.logit_offsets = whole.logit_offsets
    for positions in data[:5]:
        first.train_on(fc.SampledSoftmaxLoss(first_sampler, 8), TEXT, positions)
    second, second_sampler = make()
    saved = copies(first)
    assert saved["recurrent_state"].shape == (3, 4)
    assert saved["last_positions"].tolist() == data[4][-1].tolist()
    second.load_state_dict(saved)
    assert same(saved, copies(second))
    second_sampler.load_state_dict(first_sampler.state_dict())
    for positions in data[5:]:
        second.train_on(fc.SampledSoftmaxLoss(second_sampler, 8), TEXT, positions)
    assert same(copies(whole), copies(second))
    assert second.step == second.table.step == 8


def test_a_state_without_streams() -> None:
    model, other = QRNNModel(30, **SIZES, seed=3), QRNNModel(30, **SIZES, seed=4)
    other.train_on(fc.SoftmaxLoss(), TEXT, [[1]])
    other.load_state_dict(model.state_dict())
    assert other.state is None
    assert same(copies(model), copies(other))


def test_the_same_bits_for_any_number_of_threads() -> None:
    states = []
    with threadpool_limits(1, "blas"):
        for threads in (1, 2, 3):
            model = QRNNModel(30, embedding_dim=37, hidden_dim=71, dropout=0.1, seed=3)
            loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(30, seed=4), 10)
            with fc.num_threads(threads):
                for positions in batches(TEXT, 19, 17)[:2] * 2:
                    model.train_on(loss, TEXT, positions)
            states.append(copies(model))
    assert same(states[0], states[1])
    assert same(states[0], states[2])


def test_refused_steps_change_nothing() -> None:
    model = QRNNModel(30, **SIZES, seed=0)
    loss = fc.SoftmaxLoss()
    model.train_on(loss, TEXT, [[1, 2]])
    before = copies(model)
    words, starts, targets = np.ones((3, 2), int), np.zeros((2, 2), bool), np.ones((2, 2), int)
    for arguments, message in (
        ((words + 29, starts, targets), r"^words must be in \[0, 30\), got 30$"),
        ((words, starts, targets + 29), "labels must be in"),
        ((words, starts, targets[0]), r"^targets must have shape \(2, 2\), got \(2,\)$"),
        (
            (words[:, :1], starts[:, :1], targets[:, :1]),
            r"^state must be float32 of shape \(1, 4\), got float32 of shape",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model.train_step(loss, *arguments)
    for positions, message in (
        ([[-1, 2]], r"^positions must be in \[0, len\(text\)\)"),
        ([1, 2], r"^positions must have 2 dimensions, got shape \(2,\)$"),
        (np.zeros((0, 2), int), r"^positions must have shape \(T, B\) with T and B at least 1, got \(0, 2\)$"),
    ):
        with pytest.raises(ValueError, match=message):
            model.train_on(loss, TEXT, positions)
    model.dropout = 1.5
    with pytest.raises(ValueError, match=r"^dropout must be in \[0, 1\), got 1.5$"):
        model.train_on(loss, TEXT, [[1, 2]])
    assert same(before, copies(model))


def test_refused_states_change_nothing() -> None:
    model, other = QRNNModel(6, **SIZES, seed=0), QRNNModel(6, **SIZES, seed=1)
    other.train_step(fc.SoftmaxLoss(), WORDS, STARTS, TARGETS)
    before, state = copies(model), copies(other)
    expected = "recurrent_state must be float32 of shape \\(B, 4\\), got "
    last = r"^last_positions must be int64 of shape \(B,\), B that of recurrent_state, got "
    for changed, message in (
        ({"recurrent_state": np.zeros((2, 5), np.float32)}, f"^{expected}float32 of shape \\(2, 5\\)$"),
        ({"recurrent_state": np.zeros(4, np.float32)}, f"^{expected}float32 of shape \\(4,\\)$"),
        ({"recurrent_state": np.zeros((2, 4))}, f"^{expected}float64 of shape \\(2, 4\\)$"),
        ({"last_positions": np.zeros(3, int)}, last + r"int64 of shape \(3,\)$"),
        ({"last_positions": np.zeros(2)}, last + r"float64 of shape \(2,\)$"),
        ({"gate_biases": np.zeros(5, np.float32)}, "^gate_biases must be float32 of shape"),
    ):
        with pytest.raises(ValueError, match=message):
            model.load_state_dict({**state, **changed})
    without = {name: array for name, array in state.items() if name != "tied"}
    with pytest.raises(ValueError, match=r"^the state lacks the array 'tied'$"):
        model.load_state_dict(without)
    untied = QRNNModel(6, **SIZES, tied=False, seed=0)
    with pytest.raises(ValueError, match=r"^the state is of a tied model, which has no array 'embedding' of its own$"):
        untied.load_state_dict(state)
    assert same(before, copies(model))
    model.load_state_dict(state)
    assert same(state, copies(model))


@pytest.mark.parametrize("make", [QRNNModel, lambda size, **options: NGramModel(size, context=2, **options)])
def test_refused_arguments(make: Any) -> None:
    for name in ("vocab_size", "hidden_dim", "embedding_dim", "feature_dim"):
        given = {"vocab_size": 6, **SIZES, name: 0}
        with pytest.raises(ValueError, match=rf"^{name} must be at least 1, got 0$"):
            make(given.pop("vocab_size"), **given)
    with pytest.raises(
        ValueError,
        match=r"^with a tied table embedding_dim and feature_dim must be equal, got embedding_dim=3 and feature_dim=5$",
    ):
        make(6, **SIZES, feature_dim=5, tied=True)
    with pytest.raises(TypeError, match=r"^tied must be a bool, got int$"):
        make(6, **SIZES, tied=1)
    with pytest.raises(ValueError, match=r"^dropout must be in \[0, 1\), got 1.0$"):
        make(6, **SIZES, dropout=1.0)
    with pytest.raises(ValueError, match=r"^class_counts must be 6 counts of at least 0, got shape \(5,\)"):
        make(6, **SIZES, class_counts=np.ones(5))
