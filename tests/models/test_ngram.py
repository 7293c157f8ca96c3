"""The n-gram model: a whole step against numeric derivatives, training, states, refusals."""

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.data import EncodedText
from fastcands.models import NGramModel, NGramPredictor

SIZES: dict[str, Any] = {"context": 2, "embedding_dim": 3, "hidden_dim": 4}


def copies(model: NGramModel) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in model.state_dict().items()}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return list(first) == list(second) and all(
        first[name].dtype == second[name].dtype and first[name].tobytes() == second[name].tobytes() for name in first
    )


def batches(num_words: int, num_rows: int, count: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Words that follow from the word before, with some noise."""
    generator = np.random.default_rng(seed)
    result = []
    for _ in range(count):
        contexts = generator.integers(0, num_words, (num_rows, 2))
        noise = generator.random(num_rows) < 0.1
        words = np.where(noise, generator.integers(0, num_words, num_rows), (3 * contexts[:, 1] + 1) % num_words)
        result.append((contexts, words))
    return result


@pytest.mark.parametrize("logit_offsets", [None, 0.5])
def test_a_table_of_bfloat16(logit_offsets: float | None) -> None:
    """It learns as one of float32 does; a state goes back to the bit; a prediction is that of the same numbers."""
    finals = {}
    for dtype in (None, "bfloat16"):
        model = NGramModel(40, context=2, embedding_dim=6, hidden_dim=9, table_dtype=dtype, seed=3)
        assert model.table.weights.dtype.name == (dtype or "float32")
        assert model.table.biases is not None
        assert model.table.biases.dtype == model.layers.parameters["embedding"].dtype == np.float32
        loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(40, seed=2), 20)
        rows = batches(40, 64, 150)
        for contexts, words in rows:
            model.train_step(loss, contexts, words)
        finals[dtype] = model.log_loss(*rows[-1])
    # rounded at random, rows end where float32 ones do but for noise: 0.0014 of the loss was seen
    assert finals["bfloat16"] == pytest.approx(finals[None], rel=5e-3)
    assert finals["bfloat16"] < 0.6 * np.log(40)

    if logit_offsets is not None:
        model.logit_offsets = np.full(40, logit_offsets, np.float32)
    copy = NGramModel(40, context=2, embedding_dim=6, hidden_dim=9, table_dtype="bfloat16", seed=3)
    copy.load_state_dict(copies(model))
    for one in (model, copy):
        one.train_step(fc.SoftmaxLoss(), *rows[0])
    assert same(copies(model), copies(copy))

    contexts, words = rows[1]
    predictor = NGramPredictor.from_state(copies(model), 2)
    assert predictor.table.weights.dtype == model.table.weights.dtype
    assert predictor.log_loss(contexts, words) == model.log_loss(contexts, words)
    logits = predictor.layers.forward(contexts).features @ model.table.weights.astype(np.float32).T + model.table.biases
    found = predictor.next_words(contexts, 40).ids
    assert (np.take_along_axis(logits, found, 1)[:, :-1] >= np.take_along_axis(logits, found, 1)[:, 1:] - 1e-5).all()


def test_predictions_do_not_go_by_the_setting() -> None:
    model = NGramModel(40, context=2, embedding_dim=6, hidden_dim=9, seed=3)
    contexts, words = batches(40, 64, 1)[0]
    expected, likeliest = model.log_loss(contexts, words), model.predictor().next_words(contexts, 3)
    with fc.matmul_precision("medium"):
        assert model.log_loss(contexts, words) == expected
        assert (model.predictor().next_words(contexts, 3).probabilities == likeliest.probabilities).all()


@pytest.mark.parametrize(("feature_dim", "tied"), [(None, False), (5, False), (None, True)])
def test_a_step_of_gradient_descent_follows_the_numeric_derivative(feature_dim: int | None, tied: bool) -> None:
    rate = 1e-3
    options: dict[str, Any] = {"feature_dim": feature_dim, "tied": tied, "optimizer": fc.SGD(rate), "seed": 1}
    model = NGramModel(6, **SIZES, **options, dtype="float64")
    contexts = np.array([[0, 1], [5, 5], [2, 1], [0, 1]])
    words = np.array([3, 0, 0, 4])
    before = copies(model)
    after_model = NGramModel(6, **SIZES, **options, dtype="float64")
    after_model.train_step(fc.SoftmaxLoss(), contexts, words)
    after = copies(after_model)
    assert after.pop("step") == 1
    for name, array in model.state_dict().items():
        if name in ("step", "tied"):
            continue
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            values = []
            for distance in (-1e-4, 1e-4):
                array[index] = before[name][index] + distance
                values.append(model.log_loss(contexts, words))
            array[index] = before[name][index]
            numeric[index] = (values[1] - values[0]) / 2e-4
        assert np.abs(numeric).max() > 1e-3, name
        # a tied array moves by the gradients of both of its uses
        np.testing.assert_allclose((before[name] - after[name]) / rate, numeric, rtol=1e-6, atol=1e-7)


def test_log_loss_is_the_softmax_over_all_words() -> None:
    model = NGramModel(9, **SIZES, seed=2, class_counts=np.arange(9))
    contexts, words = batches(9, 7, 1)[0]
    features = model.forward(contexts).features.astype(np.float64)
    logits = features @ model.table.weights.T.astype(np.float64) + model.table.biases
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(7), words]
    assert model.log_loss(contexts, words) == pytest.approx(expected.mean(), rel=1e-6)


def test_biases_start_at_the_unigram_model() -> None:
    counts = np.array([5, 0, 2, 1])
    model = NGramModel(4, **SIZES, class_counts=counts)
    np.testing.assert_allclose(np.exp(model.table.biases), (counts + 1) / (8 + 4), rtol=1e-6)
    assert not NGramModel(4, **SIZES).table.biases.any()


@pytest.mark.parametrize("loss_name", ["sampled", "exact"])
@pytest.mark.parametrize(
    ("optimizer", "dense"), [(fc.Adagrad(0.5, initial_accumulator=1e-6), fc.Adagrad(0.05)), (fc.SGD(8.0), fc.SGD(0.5))]
)
def test_it_learns(loss_name: str, optimizer: Any, dense: Any) -> None:
    num_words = 40
    model = NGramModel(
        num_words, context=2, embedding_dim=16, hidden_dim=24, optimizer=optimizer, dense_optimizer=dense, seed=0
    )
    loss: Any = fc.SoftmaxLoss()
    if loss_name == "sampled":
        loss = fc.SampledSoftmaxLoss(fc.UniformSampler(num_words, seed=1), 20)
    for contexts, words in batches(num_words, 64, 300):
        values = model.train_step(loss, contexts, words)
        assert values.shape == (64,)
    held_out = batches(num_words, 1000, 1, seed=9)[0]
    # the noise alone costs 0.65 nats: 0.9 of one word, the rest over 40
    assert model.log_loss(*held_out) < 1.2


@pytest.mark.parametrize("options", [{}, {"tied": True}, {"tied": True, "table_dtype": "bfloat16", "dropout": 0.3}])
def test_a_state_goes_on_to_the_last_bit(options: dict[str, Any]) -> None:
    def make(seed: int = 3) -> tuple[NGramModel, Any]:
        model = NGramModel(30, **SIZES, dense_optimizer=fc.Adagrad(0.01), seed=seed, **options)
        return model, fc.LogUniformSampler(30, seed=4)

    data = batches(30, 16, 8)
    whole, whole_sampler = make()
    for contexts, words in data:
        whole.train_step(fc.SampledSoftmaxLoss(whole_sampler, 8), contexts, words)
    first, first_sampler = make()
    for contexts, words in data[:5]:
        first.train_step(fc.SampledSoftmaxLoss(first_sampler, 8), contexts, words)
    # what is random in a step depends on the seed, too
    second, _ = make(3 if options.get("dropout") else 77)
    second_sampler = fc.LogUniformSampler(30, seed=78)
    second.load_state_dict(copies(first))
    second_sampler.load_state_dict(first_sampler.state_dict())
    for contexts, words in data[5:]:
        second.train_step(fc.SampledSoftmaxLoss(second_sampler, 8), contexts, words)
    assert same(copies(whole), copies(second))
    assert second.step == second.table.step == 8
    assert not same(copies(whole), copies(first))


def test_the_same_bits_for_any_number_of_threads() -> None:
    states = []
    with threadpool_limits(1, "blas"):
        for threads in (1, 2, 5):
            model = NGramModel(200, context=2, embedding_dim=20, hidden_dim=40, seed=3)
            loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(200, seed=4), 50)
            with fc.num_threads(threads):
                for contexts, words in batches(200, 700, 4):
                    model.train_step(loss, contexts, words)
            states.append(copies(model))
    assert same(states[0], states[1])
    assert same(states[0], states[2])


@pytest.mark.parametrize("tied", [False, True])
def test_positions_of_a_text(tied: bool) -> None:
    text = EncodedText.from_documents([[1, 2, 3], [4, 5, 1, 2]], boundary_id=0)
    first, second = (NGramModel(6, **SIZES, tied=tied, dropout=0.2, seed=1) for _ in range(2))
    positions = [7, 0, 4, 3]
    values = first.train_on(fc.SoftmaxLoss(), text, positions)
    expected = second.train_step(fc.SoftmaxLoss(), text.contexts(positions, 2), text.ids[positions])
    assert values.tolist() == expected.tolist()
    assert same(copies(first), copies(second))


def test_dropout_is_only_for_training() -> None:
    model, other = (NGramModel(6, **SIZES, dropout=dropout, seed=1) for dropout in (0.0, 0.6))
    contexts, words = [[0, 1], [2, 3]], [1, 2]
    assert model.log_loss(contexts, words) == other.log_loss(contexts, words)
    losses = [other.train_step(fc.SoftmaxLoss(), contexts, words).tolist() for _ in range(2)]
    assert losses[0] != losses[1]
    assert losses[0] != model.train_step(fc.SoftmaxLoss(), contexts, words).tolist()


def test_a_tied_embedding_is_the_table() -> None:
    model = NGramModel(60, context=2, embedding_dim=16, hidden_dim=50, tied=True, seed=1)
    assert model.layers.parameters["embedding"] is model.table.weights
    hidden = model.forward(np.random.default_rng(1).integers(0, 60, (500, 2))).hidden
    assert 0.8 < np.arctanh(np.clip(hidden, -0.9999, 0.9999)).std() < 1.2


def test_a_refused_step_changes_nothing() -> None:
    model = NGramModel(6, **SIZES, seed=0)
    before = copies(model)
    with pytest.raises(ValueError, match="labels must be in"):
        model.train_step(fc.SoftmaxLoss(), [[0, 1]], [6])
    with pytest.raises(ValueError, match="contexts must be in"):
        model.train_step(fc.SoftmaxLoss(), [[0, 6]], [1])
    with pytest.raises(ValueError, match="labels"):
        model.train_step(fc.SoftmaxLoss(), [[0, 1], [1, 2]], [1])
    assert same(before, copies(model))


def test_refused_states_change_nothing() -> None:
    model = NGramModel(6, **SIZES, seed=0)
    before = copies(model)
    state = copies(NGramModel(6, **SIZES, seed=1))
    without = {name: array for name, array in state.items() if name != "table_biases.accumulator"}
    with pytest.raises(ValueError, match=r"^the state lacks the array 'table_biases.accumulator'$"):
        model.load_state_dict(without)
    with pytest.raises(
        ValueError, match=r"^embedding must be float32 of shape \(6, 3\), got float32 of shape \(7, 3\)$"
    ):
        model.load_state_dict({**state, "embedding": np.zeros((7, 3), np.float32)})
    with pytest.raises(ValueError, match=r"^table_weights must be float32 .*, got float64 of shape \(6, 3\)$"):
        model.load_state_dict({**state, "table_weights": np.zeros((6, 3))})
    with pytest.raises(
        ValueError, match=r"^the state has 'embedding.velocity', which the optimizer of this model does"
    ):
        model.load_state_dict({**state, "embedding.velocity": np.zeros((6, 3), np.float32)})
    with pytest.raises(ValueError, match=r"^logit_offsets must have shape \(6,\), got \(5,\)$"):
        model.load_state_dict({**state, "logit_offsets": np.zeros(5)})
    assert same(before, copies(model))
    given = model.state_dict()
    assert {name for name, array in given.items() if not array.flags.writeable} == {n for n in given if "." in n}
    model.load_state_dict(state)
    assert same(state, copies(model))


def test_refused_arguments() -> None:
    with pytest.raises(ValueError, match=r"^hidden_dim must be at least 1, got 0$"):
        NGramModel(6, context=2, embedding_dim=3, hidden_dim=0)
    with pytest.raises(ValueError, match=r"^class_counts must be 6 counts of at least 0, got shape \(5,\)"):
        NGramModel(6, **SIZES, class_counts=np.ones(5))
    with pytest.raises(ValueError, match=r"with the minimum -1.0$"):
        NGramModel(6, **SIZES, class_counts=[1, 2, -1, 0, 0, 0])
