"""The embedding bag against its formula and numeric derivatives; hostile bags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.models import EmbeddingBag

Bags = tuple[np.ndarray, np.ndarray, np.ndarray]


def random_bags(num_rows: int, num_features: int, longest: int, seed: int = 0) -> Bags:
    """Bags of which some are empty, and one feature in nearly all of them."""
    generator = np.random.default_rng(seed)
    rows = [generator.permutation(num_features)[: generator.integers(0, longest + 1)] for _ in range(num_rows)]
    rows = [np.union1d(row, [3])[::-1] if len(row) else row for row in rows]
    starts = np.cumsum([0, *map(len, rows)])
    features = np.concatenate([*rows, np.zeros(0, np.int64)]).astype(np.int32)
    return starts, features, generator.standard_normal(len(features)).astype(np.float32)


def by_formula(table: np.ndarray, bags: Bags) -> np.ndarray:
    starts, features, values = bags
    sums = np.zeros((len(starts) - 1, table.shape[1]))
    for i, target in enumerate(sums):
        own = slice(starts[i], starts[i + 1])
        v = values[own].astype(np.float64)
        length = np.sqrt((v * v).sum())
        for feature, value in zip(features[own], v, strict=True):
            target += value / (length or 1) * table[feature]
    return sums


@pytest.mark.parametrize("dim", [1, 7, 64])
@pytest.mark.parametrize("num_rows", [1, 2, 101])
def test_forward_is_the_formula(num_rows: int, dim: int) -> None:
    for dtype, tolerance in (("float64", 1e-14), ("float32", 1e-6)):
        bag = EmbeddingBag(30, dim, dtype=dtype, seed=1)
        bags = random_bags(num_rows, 30, 25)
        sums = bag.forward(*bags)
        assert sums.dtype == dtype
        np.testing.assert_allclose(sums, by_formula(bag.table.astype(np.float64), bags), rtol=0, atol=tolerance)


@pytest.mark.parametrize("num_rows", [1, 12])
def test_backward_is_the_numeric_derivative(num_rows: int) -> None:
    bag = EmbeddingBag(9, 3, dtype="float64", seed=1)
    bags = random_bags(num_rows, 9, 6, seed=2)
    upstream = np.random.default_rng(3).standard_normal((num_rows, 3))
    gradient = bag.backward(*bags, upstream)
    assert gradient.ids.tolist() == sorted({*bags[1].tolist()})
    dense = gradient.to_dense()
    for index in np.ndindex(bag.table.shape):
        kept, values = bag.table[index], []
        for distance in (-1e-3, 1e-3):
            bag.table[index] = kept + distance
            values.append((bag.forward(*bags) * upstream).sum())
        bag.table[index] = kept
        assert dense[index] == pytest.approx((values[1] - values[0]) / 2e-3, abs=1e-10)  # it is linear


def test_the_same_bits_for_any_number_of_threads() -> None:
    bag = EmbeddingBag(200, 33, seed=1)
    bags = random_bags(300, 200, 40)
    upstream = np.random.default_rng(1).standard_normal((300, 33)).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 7, 16):
        with fc.num_threads(threads):
            gradient = bag.backward(*bags, upstream)
            results.append(bag.forward(*bags).tobytes() + gradient.ids.tobytes() + gradient.rows.tobytes())
    assert len(set(results)) == 1


def test_empty_bags() -> None:
    bag = EmbeddingBag(5, 2)
    none = np.zeros(0, np.int32), np.zeros(0, np.float32)
    assert bag.forward([0], *none).shape == (0, 2)
    assert bag.forward([0, 0, 0], *none).tolist() == [[0, 0], [0, 0]]
    gradient = bag.backward([0, 0, 0], *none, np.ones((2, 2), np.float32))
    assert (gradient.ids.shape, gradient.rows.shape, gradient.num_rows) == ((0,), (0, 2), 5)
    # a zero is a feature that says nothing
    assert bag.forward([0, 2], [1, 4], [0.0, 0.0]).tolist() == [[0, 0]]
    assert not bag.backward([0, 2], [1, 4], [0.0, 0.0], np.ones((1, 2), np.float32)).rows.any()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_values_of_any_size(scale: float) -> None:
    """Their squares are beyond float32."""
    bag = EmbeddingBag(5, 2, seed=1)
    plain = bag.forward([0, 2], [1, 4], np.float32([3, 4]))
    np.testing.assert_allclose(bag.forward([0, 2], [1, 4], np.float32([3 * scale, 4 * scale])), plain, rtol=1e-6)


def test_arrays_of_other_kinds() -> None:
    bag = EmbeddingBag(30, 4, seed=1)
    starts, features, values = random_bags(20, 30, 9)
    expected = bag.forward(starts, features, values)
    for kind in (np.int64, np.uint8, np.uint32):
        given = features.astype(kind)
        given.flags.writeable = False
        assert (bag.forward(starts.astype(kind), given, values) == expected).all()
    wide = np.zeros((2, len(values)), np.float32).T
    wide[:, 1] = values
    assert (bag.forward(starts.tolist(), features.tolist(), wide[:, 1]) == expected).all()
    upstream = np.asfortranarray(np.ones((20, 4)))
    assert (bag.backward(starts, features, values, upstream).rows != 0).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"features": [0, 5]}, ValueError, r"^features must be in \[0, 5\), got 5$"),
        ({"features": [-1, 4]}, ValueError, r"^features must be in \[0, 5\), got -1$"),
        ({"features": [2**32, 4]}, ValueError, r"^features must be in \[0, 5\), got 4294967296$"),
        ({"features": [0.0, 1.0]}, TypeError, "^features must be integers, got float64$"),
        ({"features": [[0, 1]]}, ValueError, r"^features must have one dimension, got shape \(1, 2\)$"),
        ({"starts": [0.0, 2.0]}, TypeError, "^starts must be integers, got float64$"),
        ({"starts": [0, 1]}, ValueError, "^starts must rise from 0 to 2, the number of features given$"),
        ({"starts": [1, 2]}, ValueError, "^starts must rise"),
        ({"starts": [0, 2, 1, 2]}, ValueError, "^starts must rise"),
        ({"starts": np.zeros(0, int)}, ValueError, "^starts must rise"),
        ({"values": [1.0]}, ValueError, r"^values must have shape \(2,\) as features do, got \(1,\)$"),
    ],
)
def test_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"starts": [0, 2], "features": [0, 1], "values": [1.0, 2.0]} | change
    bag = EmbeddingBag(5, 2)
    with pytest.raises(error, match=message):
        bag.forward(**arguments)
    with pytest.raises(error, match=message):
        bag.backward(**arguments, d_sums=np.ones((1, 2), np.float32))


def test_refused_gradients_and_sizes() -> None:
    with pytest.raises(ValueError, match=r"^d_sums must have shape \(1, 2\), got \(2, 1\)$"):
        EmbeddingBag(5, 2).backward([0, 2], [0, 1], [1.0, 2.0], np.ones((2, 1), np.float32))
    for sizes in ((0, 2), (5, 0)):
        with pytest.raises(ValueError, match=r"must be at least 1, got 0$"):
            EmbeddingBag(*sizes)
    with pytest.raises(TypeError, match=r"^num_features must be an integer, got float$"):
        EmbeddingBag(5.0, 2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^dtype must be float32 or float64, got float16$"):
        EmbeddingBag(5, 2, dtype="float16")
