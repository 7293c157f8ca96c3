"""The quasi-recurrent layers, against their formulas in float64 and numeric derivatives."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.models.qrnn import QRNN
from tests import qrnn_oracle

SIZES = {"vocab_size": 11, "embedding_dim": 3, "hidden_dim": 5, "feature_dim": 2}
SEED = (4, 6)


def make(dtype: str = "float64", seed: int = 0, **sizes: int) -> QRNN:
    layers = QRNN(**{**SIZES, **sizes}, dtype=dtype, seed=seed)
    generator = np.random.default_rng(seed + 1)
    for name in ("feature_weights", "feature_biases"):  # zeros at first, which would hide a forgotten product
        layers.parameters[name][:] = generator.standard_normal(layers.parameters[name].shape)
    layers.parameters["embedding"] *= layers.parameters["embedding"].dtype.type(0.6)
    return layers


def streams(layers: QRNN, length: int, num_streams: int, seed: int = 3) -> tuple[Any, Any, Any]:
    """Return words, starts and a state."""
    generator = np.random.default_rng(seed)
    words = generator.integers(0, len(layers.parameters["embedding"]), (length + 1, num_streams))
    starts = generator.random((length, num_streams)) < 0.25
    kind = layers.parameters["gate_biases"].dtype
    return words, starts, generator.standard_normal((num_streams, len(layers.parameters["gate_biases"]) // 3), kind)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("length", "num_streams"), [(1, 1), (1, 7), (13, 1), (5, 3), (30, 20)])
def test_forward_is_the_formula(length: int, num_streams: int, dropout: float, threads: int) -> None:
    layers = make()
    words, starts, state = streams(layers, length, num_streams)
    for given in (state, None):
        with fc.num_threads(threads):
            found = layers.forward(words, starts, given, dropout=dropout, seed=SEED)
        expected, after = qrnn_oracle.features(layers.parameters, words, starts, given, dropout, SEED)
        np.testing.assert_allclose(found.features, expected.reshape(-1, 2), rtol=0, atol=1e-13)
        np.testing.assert_allclose(found.state, after, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("length", "num_streams", "dropout"), [(1, 1, 0.0), (6, 3, 0.0), (6, 3, 0.4), (4, 1, 0.4)])
def test_backward_is_the_numeric_derivative(length: int, num_streams: int, dropout: float) -> None:
    layers = make()
    words, starts, state = streams(layers, length, num_streams, seed=8)
    weights = np.random.default_rng(5).standard_normal((length, num_streams, 2))

    def objective() -> float:
        found, _ = qrnn_oracle.features(layers.parameters, words, starts, state, dropout, SEED)
        return float((found * weights).sum())

    with fc.num_threads(2):
        activations = layers.forward(words, starts, state, dropout=dropout, seed=SEED)
        gradients = layers.backward(activations, weights.reshape(-1, 2))._asdict()
    gradients["embedding"] = gradients["embedding"].to_dense()
    assert list(gradients) == list(layers.parameters)
    for name, array in layers.parameters.items():
        numeric = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept, values = array[index], []
            for distance in (-1e-5, 1e-5):
                array[index] = kept + distance
                values.append(objective())
            array[index] = kept
            numeric[index] = (values[1] - values[0]) / 2e-5
        scale = np.abs(numeric).max()
        np.testing.assert_allclose(gradients[name], numeric, rtol=0, atol=1e-7 * scale, err_msg=name)


def test_two_chunks_are_one() -> None:
    layers = make("float32", hidden_dim=67)
    words, starts, state = streams(layers, 20, 3)
    whole = layers.forward(words, starts, state)
    first = layers.forward(words[:8], starts[:7], state)
    second = layers.forward(words[7:], starts[7:], first.state)
    np.testing.assert_allclose(np.concatenate([first.features, second.features]), whole.features, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(second.state, whole.state, rtol=2e-6, atol=2e-6)


def test_nothing_before_a_start_counts() -> None:
    layers = make()
    words, starts, state = streams(layers, 6, 2)
    starts[3] = True
    whole = layers.forward(words, starts, state)
    gradient = layers.backward(whole, np.ones_like(whole.features))
    other = words.copy()
    other[:4] = (other[:4] + 1) % 11  # the newest word at time 3 is words[4]
    assert (layers.forward(other, starts, state).features[6:] == whole.features[6:]).all()

    starts[:] = True  # then words[0] is not read at all
    activations = layers.forward(words, starts)
    gradient = layers.backward(activations, np.ones_like(activations.features))
    assert gradient.embedding.ids.tolist() == np.unique(words[1:]).tolist()


def test_the_same_bits_for_any_number_of_threads() -> None:
    layers = make("float32", vocab_size=300, embedding_dim=45, hidden_dim=83, feature_dim=31)
    words, starts, state = streams(layers, 17, 41)
    d_features = np.random.default_rng(1).standard_normal((17 * 41, 31)).astype(np.float32)
    results = []
    with threadpool_limits(1, "blas"):
        for threads in (1, 2, 3):
            with fc.num_threads(threads):
                activations = layers.forward(words, starts, state, dropout=0.2, seed=SEED)
                kept = [activations.features.tobytes(), activations.state.tobytes()]
                gradients = layers.backward(activations, d_features)
            arrays = [gradients.embedding.rows, *gradients[1:]]
            results.append(b"".join(kept + [array.tobytes() for array in arrays]))
    assert len(set(results)) == 1


def test_float32_stays_float32() -> None:
    layers = make("float32")
    words, starts, _ = streams(layers, 4, 2)
    activations = layers.forward(words, starts)
    gradients = layers.backward(activations, np.ones((8, 2)))
    arrays = [activations.features, activations.state, gradients.embedding.rows, *gradients[1:]]
    assert {array.dtype for array in arrays} == {np.dtype("float32")}


@pytest.mark.parametrize("kind", ["bfloat16", "float64", "strided", "columns"])
def test_an_embedding_that_is_given_is_used_as_it_is(kind: str) -> None:
    values = np.random.default_rng(2).standard_normal((11, 3)).astype(np.float32)
    given: Any = {
        "bfloat16": values.astype(ml_dtypes.bfloat16),
        "float64": values.astype(np.float64),
        "strided": np.repeat(values, 2, axis=0)[::2],
        "columns": np.asfortranarray(values),
    }[kind]
    layers = QRNN(**SIZES, seed=1, embedding=given)
    assert layers.parameters["embedding"] is given
    own = QRNN(**SIZES, seed=1)
    assert all((layers.parameters[name] == own.parameters[name]).all() for name in list(own.parameters)[1:])
    own.parameters["embedding"][:] = given.astype(np.float32)
    words, starts, _ = streams(layers, 4, 2)
    first, second = layers.forward(words, starts), own.forward(words, starts)
    assert first.features.tobytes() == second.features.tobytes()
    ours, theirs = (each.backward(a, np.ones((8, 2))) for each, a in ((layers, first), (own, second)))
    assert ours.embedding.rows.tobytes() == theirs.embedding.rows.tobytes()


def test_first_parameters() -> None:
    first, same, other = (QRNN(**SIZES, seed=seed).parameters for seed in (4, 4, 5))
    assert all(np.array_equal(first[name], same[name]) for name in first)
    assert not np.array_equal(first["embedding"], other["embedding"])
    assert not np.array_equal(first["gate_weights"], other["gate_weights"])
    p = QRNN(2000, embedding_dim=50, hidden_dim=64, feature_dim=30).parameters
    assert p["embedding"].std() == pytest.approx(0.1, rel=0.02)
    for name, rows, fan_in in (("gate_weights", slice(None), 100), ("feature_weights", slice(50, None), 64)):
        assert np.abs(p[name][rows]).max() == pytest.approx(fan_in**-0.5, rel=0.01)
        assert p[name][rows].std() == pytest.approx((3 * fan_in) ** -0.5, rel=0.05)
    assert not p["feature_weights"][:50].any()
    z, f, o = p["gate_biases"].reshape(3, 64)
    assert abs(z).max() <= 0.1
    assert abs(o).max() <= 0.1
    assert abs(f - 1).max() <= 0.1 + 1e-6


def test_layers_of_parameters() -> None:
    layers = make()
    copy = QRNN.from_parameters({**layers.parameters, "other": np.zeros(3)})
    words, starts, _ = streams(layers, 4, 2)
    assert (copy.forward(words, starts).features == layers.forward(words, starts).features).all()
    assert all(copy.parameters[name] is array for name, array in layers.parameters.items())
    without = {name: array for name, array in layers.parameters.items() if name != "gate_biases"}
    with pytest.raises(ValueError, match=r"^the state lacks the array 'gate_biases'$"):
        QRNN.from_parameters(without)
    for name, shape in (
        ("embedding", (11, 4)), ("gate_weights", (6, 14)), ("gate_biases", (15, 1)), ("gate_biases", (16,)),
        ("feature_weights", (7, 2)), ("feature_biases", (3,)),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"^parameters of a quasi-recurrent model cannot have the shapes \["):
            QRNN.from_parameters({**layers.parameters, name: np.zeros(shape)})


@pytest.mark.parametrize("name", list(SIZES))
def test_refused_sizes(name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, got 0$"):
        QRNN(**{**SIZES, name: 0})
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got float$"):
        QRNN(**{**SIZES, name: 2.0})


def test_refused_arguments() -> None:
    layers = make()
    words, starts, state = streams(layers, 3, 2)
    with pytest.raises(TypeError, match=r"^dtype must be float32 or float64, got float16$"):
        QRNN(**SIZES, dtype="float16")
    with pytest.raises(TypeError, match=r"^embedding must be float32, float64 or bfloat16, got int64$"):
        QRNN(**SIZES, embedding=np.zeros((11, 3), int))
    with pytest.raises(ValueError, match=r"^embedding must have shape \(11, 3\), got \(11, 4\)$"):
        QRNN(**SIZES, embedding=np.zeros((11, 4)))
    with pytest.raises(TypeError, match=r"^words must be integers, got float64$"):
        layers.forward(words * 1.0, starts)
    for shape in ((3,), (1, 2), (3, 0)):
        with pytest.raises(ValueError, match=r"^words must have shape \(T \+ 1, B\) with T and B at least 1, got"):
            layers.forward(np.zeros(shape, int), starts)
    for wrong in (-1, 11):
        with pytest.raises(ValueError, match=rf"^words must be in \[0, 11\), got {wrong}$"):
            layers.forward(np.where(words == words[0, 0], wrong, words), starts)
    with pytest.raises(TypeError, match=r"^starts must be bool, got int64$"):
        layers.forward(words, starts.astype(int))
    with pytest.raises(ValueError, match=r"^starts must have shape \(3, 2\) for words of shape \(4, 2\), got \(4, 2\)"):
        layers.forward(words, np.zeros((4, 2), bool))
    with pytest.raises(ValueError, match=r"^state must be float64 of shape \(2, 5\), got float64 of shape \(3, 5\)$"):
        layers.forward(words, starts, np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"^state must be float64 of shape \(2, 5\), got int64 of shape \(2, 5\)$"):
        layers.forward(words, starts, state.astype(int))
    with pytest.raises(ValueError, match=r"^dropout must be in \[0, 1\), got 1.0$"):
        layers.forward(words, starts, dropout=1.0)
    with pytest.raises(ValueError, match=r"^seed must be at least 0, got -1$"):
        layers.forward(words, starts, dropout=0.5, seed=(-1, 0))
    with pytest.raises(ValueError, match=r"^d_features must have shape \(6, 2\), got \(5, 2\)$"):
        layers.backward(layers.forward(words, starts), np.zeros((5, 2)))
