"""The layers before the class table, against their formulas in float64 and numeric derivatives."""

import ml_dtypes
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.models.feed_forward import FeedForward
from tests import qrnn_oracle

SIZES = {"vocab_size": 7, "context": 3, "embedding_dim": 4, "hidden_dim": 5, "feature_dim": 2}


def make(dtype: str = "float64", seed: int = 0, **sizes: int) -> FeedForward:
    layers = FeedForward(**{**SIZES, **sizes}, dtype=dtype, seed=seed)
    generator = np.random.default_rng(seed + 1)
    for name in ("hidden_biases", "feature_biases"):  # zero at first, which would hide a forgotten addition
        layers.parameters[name][:] = generator.standard_normal(layers.parameters[name].shape)
    return layers


def contexts_of(layers: FeedForward, num_rows: int, seed: int = 3) -> np.ndarray:
    num_words = len(layers.parameters["embedding"])
    return np.random.default_rng(seed).integers(0, num_words, (num_rows, layers.context))


def features_by_formula(p: dict[str, np.ndarray], contexts: np.ndarray) -> np.ndarray:
    rows = []
    for context in contexts:
        inputs = np.concatenate([p["embedding"][word] for word in context])
        hidden = np.tanh(p["hidden_weights"].T @ inputs + p["hidden_biases"])
        rows.append(p["feature_weights"].T @ hidden + p["feature_biases"])
    return np.array(rows)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("num_rows", [1, 255, 256, 257, 800])
def test_forward_is_the_formula(num_rows: int, threads: int) -> None:
    layers = make()
    contexts = contexts_of(layers, num_rows)
    with fc.num_threads(threads):
        features = layers.forward(contexts).features
    np.testing.assert_allclose(features, features_by_formula(layers.parameters, contexts), rtol=0, atol=1e-13)


DROPOUT, SEED = 0.35, (6, 2)


def features_with_dropout(p: dict[str, np.ndarray], contexts: np.ndarray) -> np.ndarray:
    inputs = p["embedding"][contexts].reshape(len(contexts), -1)
    inputs = inputs * qrnn_oracle.mask(DROPOUT, SEED, 0, inputs.shape)
    hidden = np.tanh(inputs @ p["hidden_weights"] + p["hidden_biases"])
    hidden = hidden * qrnn_oracle.mask(DROPOUT, SEED, 1, hidden.shape)
    return hidden @ p["feature_weights"] + p["feature_biases"]


@pytest.mark.parametrize("threads", [1, 2])
def test_forward_with_dropout_is_the_formula(threads: int) -> None:
    layers = make()
    contexts = contexts_of(layers, 300)
    with fc.num_threads(threads):
        activations = layers.forward(contexts, dropout=DROPOUT, seed=SEED)
    expected = features_with_dropout(layers.parameters, contexts)
    np.testing.assert_allclose(activations.features, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["bfloat16", "float64", "same"])
def test_an_embedding_that_is_given_is_used_as_it_is(kind: str) -> None:
    values = np.random.default_rng(2).standard_normal((7, 4)).astype(np.float32)
    given = {"bfloat16": values.astype(ml_dtypes.bfloat16), "float64": values.astype(np.float64), "same": values}[kind]
    layers = FeedForward(**SIZES, seed=1, embedding=given)
    assert layers.parameters["embedding"] is given
    contexts = contexts_of(layers, 5)
    found = layers.forward(contexts)
    assert {array.dtype for array in found[1:4]} == {np.dtype("float32")}
    wide = {name: array.astype(np.float64) for name, array in layers.parameters.items()}
    np.testing.assert_allclose(found.features, features_by_formula(wide, contexts), rtol=0, atol=1e-5)
    assert layers.backward(found, np.ones((5, 2), np.float32)).embedding.rows.dtype == np.float32


def test_the_hidden_layer_starts_by_the_scale_of_an_embedding_that_is_given() -> None:
    for scale in (0.01, 3.0):
        given = (scale * np.random.default_rng(1).standard_normal((1000, 50))).astype(np.float32)
        layers = FeedForward(1000, context=6, embedding_dim=50, hidden_dim=80, feature_dim=3, embedding=given)
        hidden = layers.forward(contexts_of(layers, 500)).hidden
        assert 0.9 < np.arctanh(np.clip(hidden, -0.9999, 0.9999)).std() < 1.1
    zeros = FeedForward(**SIZES, embedding=np.zeros((7, 4), np.float32)).parameters["hidden_weights"]
    assert np.isfinite(zeros).all()


def test_refused_embeddings_and_dropout() -> None:
    with pytest.raises(ValueError, match=r"^embedding must have shape \(7, 4\), got \(7, 5\)$"):
        FeedForward(**SIZES, embedding=np.zeros((7, 5)))
    with pytest.raises(TypeError, match=r"^embedding must be a NumPy array, got list$"):
        FeedForward(**SIZES, embedding=[[0.0] * 4] * 7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^embedding must be float32, float64 or bfloat16, got float16$"):
        FeedForward(**SIZES, embedding=np.zeros((7, 4), np.float16))
    with pytest.raises(ValueError, match=r"^dropout must be in \[0, 1\), got -0.5$"):
        make().forward([[0, 1, 2]], dropout=-0.5)


def test_no_rows() -> None:
    layers = make()
    activations = layers.forward(np.zeros((0, 3), int))
    assert activations.features.shape == (0, 2)
    gradients = layers.backward(activations, np.zeros((0, 2)))
    assert gradients.embedding.ids.size == 0
    assert not gradients.hidden_weights.any()


@pytest.mark.parametrize("num_rows", [1, 9, 300])
@pytest.mark.parametrize("dropout", [0.0, DROPOUT])
def test_backward_is_the_numeric_derivative(num_rows: int, dropout: float) -> None:
    layers = make()
    contexts = contexts_of(layers, num_rows)
    weights = np.random.default_rng(5).standard_normal((num_rows, 2))

    def objective() -> float:
        features = features_with_dropout if dropout else features_by_formula
        return float((features(layers.parameters, contexts) * weights).sum())

    with fc.num_threads(2):
        activations = layers.forward(contexts, dropout=dropout, seed=SEED)
        gradients = layers.backward(activations, weights)._asdict()
    gradients["embedding"] = gradients["embedding"].to_dense()
    assert list(gradients) == list(layers.parameters)
    for name, array in layers.parameters.items():
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept, step = array[index], 1e-4
            values = []
            for distance in (-2, -1, 1, 2):
                array[index] = kept + distance * step
                values.append(objective())
            array[index] = kept
            numeric[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
        scale = np.abs(numeric).max()
        np.testing.assert_allclose(gradients[name], numeric, rtol=0, atol=1e-8 * scale, err_msg=name)


def test_the_same_bits_for_any_number_of_threads() -> None:
    layers = make("float32", vocab_size=500, context=4, embedding_dim=33, hidden_dim=65, feature_dim=31)
    contexts = contexts_of(layers, 1000)
    d_features = np.random.default_rng(1).standard_normal((1000, 31)).astype(np.float32)
    results = []
    with threadpool_limits(1, "blas"):
        for threads in (1, 2, 3, 7):
            with fc.num_threads(threads):
                activations = layers.forward(contexts, dropout=0.2, seed=SEED)
                gradients = layers.backward(activations, d_features)
            arrays = [activations.features, gradients.embedding.rows, *gradients[1:]]
            results.append(b"".join(array.tobytes() for array in arrays))
    assert len(set(results)) == 1


def test_float32_stays_float32() -> None:
    layers = make("float32")
    activations = layers.forward(contexts_of(layers, 4))
    gradients = layers.backward(activations, np.ones((4, 2), np.float32))
    arrays = [*activations[1:4], gradients.embedding.rows, *gradients[1:]]
    assert {array.dtype for array in arrays} == {np.dtype("float32")}


def test_the_seed_decides() -> None:
    first, same, other = (FeedForward(**SIZES, seed=seed).parameters for seed in (4, 4, 5))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["embedding"], other["embedding"])
    assert not np.array_equal(first["hidden_weights"], other["hidden_weights"])


def test_the_sums_before_tanh_start_at_a_variance_of_one() -> None:
    layers = FeedForward(1000, context=6, embedding_dim=50, hidden_dim=80, feature_dim=3)
    hidden = layers.forward(contexts_of(layers, 500)).hidden
    assert 0.9 < np.arctanh(np.clip(hidden, -0.9999, 0.9999)).std() < 1.1


@pytest.mark.parametrize("name", list(SIZES))
def test_refused_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        FeedForward(**{**SIZES, name: 0})
    for wrong in (2.0, True):
        with pytest.raises(TypeError, match=f"^{name} must be an integer, got {type(wrong).__name__}$"):
            FeedForward(**{**SIZES, name: wrong})


def test_refused_contexts() -> None:
    layers = make()
    with pytest.raises(TypeError, match=r"^contexts must be integers, got float64$"):
        layers.forward(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"^contexts must have shape \(B, 3\), got \(2, 4\)$"):
        layers.forward(np.zeros((2, 4), int))
    with pytest.raises(ValueError, match=r"^contexts must have shape \(B, 3\), got \(3,\)$"):
        layers.forward([0, 1, 2])
    for wrong in (-1, 7):
        with pytest.raises(ValueError, match=rf"^contexts must be in \[0, 7\), got {wrong}$"):
            layers.forward([[0, 1, 2], [3, wrong, 4]])
