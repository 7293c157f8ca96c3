"""The multi-label model: a step against numeric derivatives, training to the known best, states, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.data import ExtremeData, read_extreme
from fastcands.data.synthetic_extreme import ExtremeStructure, write_synthetic
from fastcands.models import MultilabelModel


def random_points(num_points: int, longest: int, num_features: int = 9, num_labels: int = 40, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    labels = [generator.permutation(num_labels)[: generator.integers(1, longest + 1)] for _ in range(num_points)]
    features = [generator.permutation(num_features)[: generator.integers(1, 6)] for _ in range(num_points)]
    return ExtremeData(
        num_features,
        num_labels,
        np.cumsum([0, *map(len, labels)]),
        np.concatenate(labels).astype(np.int32),
        np.cumsum([0, *map(len, features)]),
        np.concatenate(features).astype(np.int32),
        generator.uniform(0.5, 2, sum(map(len, features))).astype(np.float32),
    )


def copies(model: MultilabelModel) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in model.state_dict().items()}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return list(first) == list(second) and all(first[name].tobytes() == second[name].tobytes() for name in first)


def softmax_loss(model: MultilabelModel, points: ExtremeData) -> np.ndarray:
    assert model.table.biases is not None
    logits = model.forward(points) @ model.table.weights.T + model.table.biases
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    padded = points.padded_labels(np.arange(len(points)))
    return np.array([-np.mean([row[j] for j in labels if j >= 0]) for row, labels in zip(logs, padded, strict=True)])


@pytest.mark.parametrize("longest", [3, 16, 39])
def test_a_step_of_gradient_descent_follows_the_numeric_derivative(longest: int) -> None:
    """One step of the class table, or several: with plain descent small enough they come to the same."""
    points = random_points(6, longest)
    rate = 1e-6

    def make() -> MultilabelModel:
        return MultilabelModel(9, 40, dim=3, optimizer=fc.SGD(rate), dtype="float64", seed=1)

    model, stepped = make(), make()
    values = stepped.train_step(fc.SoftmaxLoss(ignore_index=-1), points)
    np.testing.assert_allclose(values, softmax_loss(model, points), rtol=1e-8)
    after = copies(stepped)
    assert after.pop("step").tolist() == [1, stepped.table.step]
    for name, array in model.state_dict().items():
        if name == "step":
            continue
        for index in [*np.ndindex(array.shape)][:60]:
            kept, objective = array[index], []
            for distance in (-1e-4, 1e-4):
                array[index] = kept + distance
                objective.append(softmax_loss(model, points).mean())
            array[index] = kept
            numeric = (objective[1] - objective[0]) / 2e-4
            assert (kept - after[name][index]) / rate == pytest.approx(numeric, rel=1e-6, abs=1e-8), name


def test_rows_with_many_labels_go_by_themselves() -> None:
    """The padded rows are at most twice as long as needed, above sixteen."""
    points = random_points(50, 39, seed=4)
    counts = np.diff(points.label_starts)
    shapes = []

    class Watching:
        def value_and_grad(self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None) -> Any:
            shapes.append((labels.shape, int((labels >= 0).sum(axis=1).min()), upstream[0]))
            return fc.SoftmaxLoss(ignore_index=-1).value_and_grad(weights, biases, labels, inputs, upstream)

    MultilabelModel(9, 40, dim=3).train_step(Watching(), points)
    assert sum(shape[0] for shape, *_ in shapes) == 50
    assert len(shapes) == 3
    for (_, longest), shortest, upstream in shapes:
        assert longest <= max(16, 2 * shortest)
        assert upstream == np.float32(1 / 50)
    assert counts.max() > 32


LOSSES: dict[str, Any] = {
    "sampled_softmax": fc.SampledSoftmaxLoss,
    "nce": fc.NCELoss,
    "sampled_logistic": fc.SampledLogisticLoss,
    "softmax": lambda sampler, drawn, **options: fc.SoftmaxLoss(**options),
    "logistic": lambda sampler, drawn, **options: fc.LogisticLoss(**options),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExtremeData, ExtremeData, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("extreme")
    structure = ExtremeStructure(num_labels=1000, num_features=1000, cluster_labels=50, seed=1)
    report = write_synthetic(folder, structure, 3000, 500)
    return read_extreme(folder / "train.txt"), read_extreme(folder / "test.txt"), report


@pytest.mark.parametrize("name", list(LOSSES))
def test_it_learns_to_the_known_best(data: Any, name: str) -> None:
    train, test, report = data
    counts = train.label_counts()
    optimizer = fc.Adagrad(lambda step: 0.1 * max(0.0, 1 - step / 120), initial_accumulator=1e-8)
    model = MultilabelModel(1000, 1000, dim=32, optimizer=optimizer, label_counts=counts, seed=0)
    sampler = fc.FixedUnigramSampler(1000, unigrams=np.maximum(counts, 1), seed=2)
    loss = LOSSES[name](sampler, 128, ignore_index=-1)
    order = np.random.default_rng(1).permutation(np.tile(train.labelled(), 5))
    for start in range(0, len(order), 128):
        model.train_step(loss, train.take(order[start : start + 128]))
    ranked = model.topk(test, 5).ids
    found = [fc.metrics.precision_at_k(ranked, test.label_starts, test.labels, k) for k in (1, 3, 5)]
    assert (np.array(found) > 0.9 * np.array(report["test_best"])).all(), (found, report["test_best"])
    assert (np.array(found) < np.array(report["test_best"]) + 0.02).all()
    assert found[0] > 5 * report["test_frequency"][0]


def test_biases_start_at_the_frequencies() -> None:
    counts = np.array([5, 0, 2, 1])
    model = MultilabelModel(9, 4, dim=2, label_counts=counts)
    assert model.table.biases is not None
    np.testing.assert_allclose(np.exp(model.table.biases), (counts + 1) / (8 + 4), rtol=1e-6)
    no_features = ExtremeData(9, 4, *map(np.array, ([0, 0], [], [0, 0], np.zeros(0, int), [])))
    assert model.topk(no_features, 4).ids.tolist() == [[0, 2, 3, 1]]


def test_a_state_goes_on_to_the_last_bit() -> None:
    points = random_points(200, 30)

    def make(seed: int) -> tuple[MultilabelModel, Any]:
        return MultilabelModel(9, 40, dim=5, seed=seed), fc.UniformSampler(40, seed=seed)

    def train(model: MultilabelModel, sampler: Any, steps: range) -> None:
        loss = fc.SampledSoftmaxLoss(sampler, 10, ignore_index=-1)
        for step in steps:
            model.train_step(loss, points.take(np.arange(20 * step, 20 * step + 20)))

    whole = make(3)
    train(*whole, range(8))
    first = make(3)
    train(*first, range(5))
    second = make(77)
    second[0].load_state_dict(copies(first[0]))
    second[1].load_state_dict(first[1].state_dict())
    train(*second, range(5, 8))
    assert same(copies(whole[0]), copies(second[0]))
    assert not same(copies(whole[0]), copies(first[0]))


def test_the_same_bits_for_any_number_of_threads() -> None:
    points = random_points(300, 20, num_features=50, num_labels=300)
    states = []
    for threads in (1, 2, 5):
        model = MultilabelModel(50, 300, dim=20, seed=3)
        loss = fc.SampledSoftmaxLoss(fc.UniformSampler(300, seed=4), 50, ignore_index=-1)
        with fc.num_threads(threads):
            for _ in range(3):
                model.train_step(loss, points)
        states.append(copies(model))
    assert same(states[0], states[1])
    assert same(states[0], states[2])


def test_points_without_labels_have_no_loss() -> None:
    points = ExtremeData(9, 4, *map(np.array, ([0, 0, 1], [2], [0, 1, 2], [4, 5], [1.0, 1.0])))
    model = MultilabelModel(9, 4, dim=2, optimizer=fc.SGD(1.0))
    before = copies(model)
    values = model.train_step(fc.SoftmaxLoss(ignore_index=-1), points)
    assert values[0] == 0 < values[1]
    changed = np.flatnonzero((model.bag.table != before["bag"]).any(axis=1))
    assert changed.tolist() == [5]


def test_refused() -> None:
    model = MultilabelModel(9, 40, dim=3, seed=0)
    before = copies(model)
    foreign = random_points(4, 3, num_features=12)
    with pytest.raises(ValueError, match=r"^features must be in \[0, 9\), got"):
        model.train_step(fc.SoftmaxLoss(ignore_index=-1), foreign)
    with pytest.raises(ValueError, match="labels must be in"):
        model.train_step(fc.SoftmaxLoss(ignore_index=-1), random_points(40, 3, num_labels=50))
    with pytest.raises(ValueError, match=r"^label_counts must be 4 counts of at least 0, got shape \(5,\)"):
        MultilabelModel(9, 4, dim=2, label_counts=np.ones(5))
    with pytest.raises(ValueError, match=r"with the minimum -1.0$"):
        MultilabelModel(9, 4, dim=2, label_counts=[1, 2, -1, 0])
    state = copies(MultilabelModel(9, 40, dim=3, seed=1))
    with pytest.raises(ValueError, match=r"^the state lacks the array 'bag.accumulator'$"):
        model.load_state_dict({name: array for name, array in state.items() if name != "bag.accumulator"})
    with pytest.raises(ValueError, match=r"^bag must be float32 of shape \(9, 3\), got float64 of shape \(9, 3\)$"):
        model.load_state_dict({**state, "bag": np.zeros((9, 3))})
    with pytest.raises(ValueError, match=r"^the state has 'bag.velocity', which the optimizer of this model does not"):
        model.load_state_dict({**state, "bag.velocity": np.zeros((9, 3), np.float32)})
    with pytest.raises(ValueError, match=r"^logit_offsets must have shape \(40,\), got \(5,\)$"):
        model.load_state_dict({**state, "logit_offsets": np.zeros(5)})
    assert same(before, copies(model))
    model.load_state_dict(state)
    assert same(state, copies(model))


def test_the_rank_of_real_files(tmp_path: Path) -> None:
    path = tmp_path / "points.txt"
    path.write_text("3 4 3\n1 0:1\n2 1:1\n0 2:1\n")
    points = read_extreme(path)
    model = MultilabelModel(4, 3, dim=4, optimizer=fc.Adagrad(0.5), seed=0)
    for _ in range(50):
        model.train_step(fc.SoftmaxLoss(ignore_index=-1), points)
    assert model.topk(points, 1).ids.tolist() == [[1], [2], [0]]


def test_a_table_of_bfloat16() -> None:
    points = random_points(60, 6)
    finals = {}
    for dtype in (None, "bfloat16"):
        model = MultilabelModel(9, 40, dim=8, table_dtype=dtype, seed=1)
        assert model.table.weights.dtype.name == (dtype or "float32")
        assert model.bag.table.dtype == np.float32
        loss = fc.SampledLogisticLoss(fc.UniformSampler(40, seed=2), 20, ignore_index=-1)
        finals[dtype] = np.mean([model.train_step(loss, points).mean() for _ in range(80)][-20:])
    # rounded at random, rows end where float32 ones do but for noise: 1e-4 of the loss was seen
    assert finals["bfloat16"] == pytest.approx(finals[None], rel=1e-3)
    copy = MultilabelModel(9, 40, dim=8, table_dtype="bfloat16", seed=1)
    copy.load_state_dict(copies(model))
    for one in (model, copy):
        one.train_step(fc.SoftmaxLoss(ignore_index=-1), points)
    assert same(copies(model), copies(copy))
    for offsets in (None, np.linspace(-1, 1, 40, dtype=np.float32)):
        model.logit_offsets = offsets
        saved = MultilabelModel.from_state(copies(model))
        ids, scores = saved.topk(points, 5)
        assert (ids == model.topk(points, 5).ids).all()
        logits = model.forward(points) @ model.table.weights.astype(np.float32).T + model.table.biases
        logits = logits if offsets is None else logits + offsets
        np.testing.assert_allclose(scores, -np.sort(-logits, axis=1)[:, :5], rtol=0, atol=3e-6)  # of up to 9
