"""The class table: steps against a dense model, every loss, shared arrays, and that a refused step changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc
from fastcands import reference


class ReferenceLoss:
    """The exact softmax in NumPy, with row gradients of the labels' classes and the ids 0 and 1 only."""

    def __init__(self) -> None:
        self.calls = 0

    def value_and_grad(
        self, weights: Any, biases: Any, labels: Any, inputs: Any, upstream: Any = None
    ) -> tuple[Any, fc.Gradients]:
        self.calls += 1
        labels = np.asarray(labels)
        values = [0, 1], np.ones((len(labels), 1)), np.ones(2)
        result = reference.sampled_softmax(
            weights, biases, labels, inputs, values, upstream=upstream, dtype=weights.dtype
        )
        ids = np.unique(np.r_[0, 1, labels.reshape(-1)])
        rows = [fc.RowGradient(ids, part[ids].copy(), len(weights)) for part in (result.d_weights, result.d_biases)]
        return result.loss, fc.Gradients(result.d_inputs, rows[0], None if biases is None else rows[1])


LABELS = np.array([[4], [2], [4]])
INPUTS = np.random.default_rng(3).normal(size=(3, 4)).astype(np.float32)


def snapshot(table: fc.ClassTable) -> list[Any]:
    arrays = [table.weights, *table.optimizer_state["weights"].values()]
    if table.biases is not None:
        arrays += [table.biases, *table.optimizer_state["biases"].values()]
    return [table.step, *(array.tobytes() for array in arrays)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", ["float32", np.float64])
@pytest.mark.parametrize("optimizer", [fc.SGD(0.5), fc.Adagrad(0.5)], ids=repr)
def test_steps_descend_the_gradient_and_leave_other_rows(optimizer: Any, dtype: Any, bias: bool) -> None:
    table = fc.ClassTable(7, 4, dtype=dtype, bias=bias, optimizer=optimizer, seed=1)
    weights, biases = table.weights.copy(), None if table.biases is None else table.biases.copy()
    state, bias_state = optimizer.init(weights), optimizer.init(np.zeros(7, dtype))
    inputs, upstream = INPUTS.astype(dtype), np.array([1.0, 2.0, 0.5])
    for step in range(3):
        expected, gradients = ReferenceLoss().value_and_grad(weights, biases, LABELS, inputs, upstream)
        result = table.train_step(ReferenceLoss(), LABELS, inputs, upstream)
        assert_array_equal(result.loss, expected)
        assert_array_equal(result.d_inputs, gradients.inputs)
        optimizer.update(weights, state, gradients.weights, step=step)
        assert_array_equal(table.weights, weights)
        if bias:
            optimizer.update(biases, bias_state, gradients.biases, step=step)
            assert_array_equal(table.biases, biases)
    assert (table.biases is not None) == bias
    assert table.step == 3
    start = fc.ClassTable(7, 4, dtype=dtype, seed=1).weights
    assert (table.weights != start).any(axis=1).tolist() == [True, True, True, False, True, False, False]


def test_training_learns() -> None:
    """Classes that inputs tell apart are told apart after a few exact steps."""
    inputs = np.eye(6, dtype=np.float32)
    table = fc.ClassTable(6, 6, optimizer=fc.Adagrad(1.0), seed=0)
    for _ in range(30):
        table.train_step(fc.SoftmaxLoss(), np.arange(6), inputs)
    assert table.evaluate(np.arange(6), inputs).perplexity < 1.2


def test_learning_rate_follows_the_steps() -> None:
    table = fc.ClassTable(5, 4, optimizer=fc.SGD(lambda step: 0.5 if step == 1 else 0.0), seed=0)
    before = [snapshot(table)[1:]]
    for _ in range(3):
        table.train_step(ReferenceLoss(), LABELS, INPUTS)
        before.append(snapshot(table)[1:])
    assert before[0] == before[1] != before[2] == before[3]


def test_initial_weights() -> None:
    table = fc.ClassTable(500, 64, seed=5)
    assert table.weights.dtype == table.biases.dtype == np.float32
    assert (table.num_classes, table.dim, table.step) == (500, 64, 0)
    expected = np.random.default_rng(5).random((500, 64), np.float32)
    assert_allclose(table.weights, (expected - 0.5) * 2 / 8, rtol=1e-6)
    assert not table.biases.any()
    assert_array_equal(fc.ClassTable(500, 64, seed=5).weights, table.weights)
    assert (fc.ClassTable(500, 64, seed=6).weights != table.weights).any()
    assert (fc.ClassTable(500, 64).weights != fc.ClassTable(500, 64).weights).any()
    # Euclidean length of a row: about 1 / sqrt(3) whatever the width
    assert_allclose(np.sqrt((table.weights**2).sum(axis=1).mean()), 3**-0.5, rtol=0.02)
    sequence = np.random.SeedSequence(9)
    assert_array_equal(
        fc.ClassTable(9, 2, seed=sequence).weights, fc.ClassTable(9, 2, seed=np.random.default_rng(9)).weights
    )


def test_from_arrays_takes_the_arrays_themselves() -> None:
    weights, biases = np.zeros((7, 4), np.float32), np.zeros(7, np.float32)
    first = fc.ClassTable.from_arrays(weights, biases, optimizer=fc.SGD(1.0))
    second = fc.ClassTable.from_arrays(weights)
    assert first.weights is second.weights is weights
    assert first.biases is biases
    assert second.biases is None
    first.train_step(ReferenceLoss(), LABELS, INPUTS)
    assert weights.any()
    assert biases.any()


def test_transposed_table_trains() -> None:
    features = np.random.default_rng(1).normal(size=(4, 7)).astype(np.float32)
    plain = fc.ClassTable.from_arrays(np.ascontiguousarray(features.T), optimizer=fc.Adagrad(0.5))
    strided = fc.ClassTable.from_arrays(features.T, optimizer=fc.Adagrad(0.5))
    for table in (plain, strided):
        table.train_step(ReferenceLoss(), LABELS, INPUTS)
    assert_allclose(strided.weights, plain.weights, rtol=1e-6)
    assert np.shares_memory(strided.weights, features)


def test_repr_names_what_matters() -> None:
    table = fc.ClassTable(7, 4, bias=False, optimizer=fc.SGD(0.5))
    assert repr(table) == "ClassTable(7, 4, dtype='float32', bias=False, optimizer=SGD(lr=0.5), step=0)"


W, B = np.zeros((5, 4), np.float32), np.zeros(5, np.float32)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: fc.ClassTable(0, 4), ValueError, "num_classes must be at least 1, got 0"),
        (lambda: fc.ClassTable(5, 0), ValueError, "dim must be at least 1, got 0"),
        (lambda: fc.ClassTable(5.0, 4), TypeError, "num_classes must be an integer, got float"),
        (lambda: fc.ClassTable(5, 4, dtype="int32"), TypeError, "float32, float64 or bfloat16, got int32"),
        (
            lambda: fc.ClassTable(5, 4, optimizer="sgd"),
            TypeError,
            "optimizer must be an Optimizer .* got str",
        ),
        (lambda: fc.ClassTable(5, 4, optimizer=fc.SGD), TypeError, "optimizer must be an Optimizer"),
        (lambda: fc.ClassTable.from_arrays([[1.0]]), TypeError, "weights must be a NumPy array, got list"),
        (lambda: fc.ClassTable.from_arrays(W.astype(int)), TypeError, "weights must be float32, float64 or bfloat16"),
        (lambda: fc.ClassTable.from_arrays(B), ValueError, r"weights must have shape \(V, D\).* got \(5,\)"),
        (lambda: fc.ClassTable.from_arrays(W[:, :0]), ValueError, r"both at least 1, got \(5, 0\)"),
        (
            lambda: fc.ClassTable.from_arrays(W, B[:4]),
            ValueError,
            r"biases must have shape \(5,\).* got \(4,\)",
        ),
        (lambda: fc.ClassTable.from_arrays(W, B[:, None]), ValueError, r"got \(5, 1\)"),
        (
            lambda: fc.ClassTable.from_arrays(W, B.astype(float)),
            TypeError,
            "biases must be float32 as weights",
        ),
        (
            lambda: fc.ClassTable.from_arrays(W, [0.0] * 5),
            TypeError,
            "biases must be a NumPy array, got list",
        ),
    ],
)
def test_bad_tables(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


class Broken(ReferenceLoss):
    """A loss whose results `change` spoils."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.change = change

    def value_and_grad(self, *args: Any) -> tuple[Any, fc.Gradients]:
        return self.change(*super().value_and_grad(*args))


def spoil_row(loss: Any, gradients: Any) -> Any:
    loss[1] = np.nan
    return loss, gradients


def spoil_biases(loss: Any, gradients: Any) -> Any:
    return loss, gradients._replace(biases=gradients.biases._replace(rows=gradients.biases.rows.astype(float)))


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (object(), TypeError, r"loss must have value_and_grad, as SoftmaxLoss\(\) has, got object"),
        (Broken(spoil_row), ValueError, "the loss of example 1 is nan: inputs or the rows of its classes"),
        (Broken(spoil_biases), TypeError, "gradient.rows must be float32 as biases is, got float64"),
        (
            Broken(lambda loss, g: (loss, g._replace(weights=[g.weights]))),
            TypeError,
            "weights must be a RowG",
        ),
        (
            Broken(lambda loss, g: (loss, g._replace(biases=None))),
            TypeError,
            "gradient of biases must be a RowG",
        ),
        (Broken(lambda loss, g: 1 // 0), ZeroDivisionError, "by zero"),
    ],
)
def test_a_refused_step_changes_nothing(loss: Any, error: type[Exception], message: str) -> None:
    table = fc.ClassTable(5, 4, seed=0)
    table.train_step(ReferenceLoss(), LABELS, INPUTS)
    before = snapshot(table)
    with pytest.raises(error, match=message):
        table.train_step(loss, LABELS, INPUTS)
    assert snapshot(table) == before


@pytest.mark.parametrize("name", ["weights", "biases"])
def test_a_table_that_cannot_be_written_is_refused_before_the_loss(name: str) -> None:
    """So that a sampler inside the loss does not move on."""
    arrays = {"weights": W.copy(), "biases": B.copy()}
    arrays[name].setflags(write=False)
    table, loss = fc.ClassTable.from_arrays(**arrays), ReferenceLoss()
    with pytest.raises(ValueError, match=f"{name} must be writable, got a read-only array"):
        table.train_step(loss, LABELS, INPUTS)
    assert loss.calls == 0


def test_a_bad_learning_rate_is_refused_before_the_loss() -> None:
    table, loss = fc.ClassTable(5, 4, optimizer=fc.SGD(lambda step: np.nan), seed=0), ReferenceLoss()
    before = snapshot(table)
    with pytest.raises(ValueError, match=r"lr\(0\) must be finite .* got nan"):
        table.train_step(loss, LABELS, INPUTS)
    assert loss.calls == 0
    assert snapshot(table) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_not_finite_change_nothing(bad: float) -> None:
    table = fc.ClassTable(5, 4, seed=0)
    before, inputs = snapshot(table), INPUTS.copy()
    inputs[2, 1] = bad
    with pytest.raises(ValueError, match=r"inputs|row 2"):
        table.train_step(fc.SoftmaxLoss(), LABELS, inputs)
    assert snapshot(table) == before


SAMPLER_LOSSES = [
    lambda s: fc.SampledSoftmaxLoss(s, 6),
    lambda s: fc.NCELoss(s, 6),
    lambda s: fc.SampledLogisticLoss(s, 6),
    lambda s: fc.NegativeSamplingLoss(s, 6),
    lambda s: fc.RankSampledSoftmaxLoss(s, 6, num_resampled=3),
    lambda s: fc.SoftmaxLoss(label_smoothing=0.1),
    lambda s: fc.LogisticLoss(),
    lambda s: fc.SampledSoftmaxLoss(s, 6, ignore_index=-1),
    lambda s: fc.SoftmaxLoss(ignore_index=-1),
]
OPTIMIZERS = [
    fc.SGD(0.5),
    fc.Momentum(0.3, catch_up=True),
    fc.Adagrad(0.5),
    fc.RowwiseAdagrad(0.5),
    fc.LazyAdam(0.1, catch_up=True),
]


@pytest.mark.parametrize("make", SAMPLER_LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_loss_trains(make: Any, dtype: str) -> None:
    """Several true classes a row; the mean loss falls, for each loss and storage."""
    inputs = np.eye(4, dtype=np.float32) * 2
    labels = [[0, 1], [2, 3], [4, 5], [6, 7]]
    loss = make(fc.UniformSampler(12, seed=3))
    if getattr(loss, "ignore_index", None) is not None:
        labels = [[0, 1], [2, -1], [4, 5], [-1, -1]]
    table = fc.ClassTable(12, 4, dtype=dtype, optimizer=fc.Adagrad(0.5), seed=0)
    losses = [table.train_step(loss, labels, inputs).loss.mean() for _ in range(25)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert table.weights.dtype.name == dtype
    assert table.biases.dtype == np.float32


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_rows_move_as_the_optimizer_moves_them(optimizer: Any) -> None:
    table = fc.ClassTable(7, 4, optimizer=optimizer, seed=1)
    weights, state = table.weights.copy(), optimizer.init(table.weights)
    for step in range(3):
        gradients = ReferenceLoss().value_and_grad(weights, table.biases, LABELS, INPUTS)[1]
        table.train_step(ReferenceLoss(), LABELS, INPUTS)
        optimizer.update(weights, state, gradients.weights, step=step)
        assert_array_equal(table.weights, weights)


def test_bfloat16_rounds_at_random_and_repeatably() -> None:
    """Steps below half a unit in the last place are not lost on average, and depend on the seed only."""
    tables = [fc.ClassTable(50, 8, dtype="bfloat16", optimizer=fc.SGD(1.0), seed=seed) for seed in (1, 1, 2)]
    for table in tables:
        table.weights[:] = 1
        for _ in range(20):
            table.train_step(fc.SoftmaxLoss(), np.zeros(50, int), np.full((50, 8), 1e-4, np.float32))
    assert_array_equal(tables[0].weights, tables[1].weights)
    assert (tables[0].weights != tables[2].weights).any()
    moved = tables[0].weights.astype(np.float32) != 1
    assert 0 < moved.mean() < 1
    assert tables[0].rounding_seed == tables[1].rounding_seed != tables[2].rounding_seed


def test_initial_weights_do_not_depend_on_how_many_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {dtype: fc.ClassTable(11, 3, dtype=dtype, seed=4).weights for dtype in ("float32", "float64", "bfloat16")}
    monkeypatch.setattr("fastcands.table.class_table._BLOCK", 3)
    for dtype, weights in whole.items():
        assert_array_equal(fc.ClassTable(11, 3, dtype=dtype, seed=4).weights, weights)
    assert_array_equal(whole["bfloat16"], whole["float32"].astype(whole["bfloat16"].dtype))


def test_tables_that_share_weights_see_each_others_steps() -> None:
    """With one memory of the optimizer between them, two tables are one; with one each, they are not."""
    shared = np.zeros((7, 4), np.float32)
    one = fc.ClassTable.from_arrays(np.zeros((7, 4), np.float32), optimizer=fc.Adagrad(0.5))
    first = fc.ClassTable.from_arrays(shared, optimizer=fc.Adagrad(0.5))
    second = fc.ClassTable.from_arrays(shared, optimizer=fc.Adagrad(0.5), optimizer_state=first.optimizer_state)
    for turn in range(4):
        one.train_step(ReferenceLoss(), LABELS, INPUTS)
        (first, second)[turn % 2].train_step(ReferenceLoss(), LABELS, INPUTS)
    assert_array_equal(shared, one.weights)
    assert (first.step, second.step) == (2, 2)
    own = fc.ClassTable.from_arrays(shared, optimizer=fc.Adagrad(0.5))
    own.train_step(ReferenceLoss(), LABELS, INPUTS)
    one.train_step(ReferenceLoss(), LABELS, INPUTS)
    assert (shared != one.weights).any()


def test_a_table_tied_to_an_embedding() -> None:
    """The embedding's own gradient is applied by another optimizer, to the memory of the table."""
    embedding, words = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32), np.array([3, 1, 3])
    table = fc.ClassTable.from_arrays(embedding, optimizer=fc.SGD(0.1))
    dense = embedding.copy()
    result = table.train_step(ReferenceLoss(), LABELS, embedding[words])
    gradient = ReferenceLoss().value_and_grad(dense, None, LABELS, dense[words])[1]
    fc.SGD(0.2).update(embedding, {}, fc.RowGradient.from_pairs(words, result.d_inputs, 7))
    expected = dense - np.float32(0.1) * gradient.weights.to_dense()
    np.subtract.at(expected, words, np.float32(0.2) * gradient.inputs)
    assert_allclose(embedding, expected, rtol=1e-5, atol=1e-6)


def test_inputs_that_are_rows_of_the_table_itself() -> None:
    table = fc.ClassTable(7, 4, optimizer=fc.SGD(0.5), seed=0)
    copy = fc.ClassTable(7, 4, optimizer=fc.SGD(0.5), seed=0)
    with_view = table.train_step(fc.SoftmaxLoss(), [1, 2, 3], table.weights[:3])
    with_copy = copy.train_step(fc.SoftmaxLoss(), [1, 2, 3], copy.weights[:3].copy())
    assert_array_equal(with_view.d_inputs, with_copy.d_inputs)
    assert_array_equal(table.weights, copy.weights)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([], r"optimizer_state must be a dict with \['biases', 'weights'\], got list"),
        ({"weights": {}}, r"must be a dict with .* got \['weights'\]"),
        ({"weights": {}, "biases": {}}, "optimizer_state of weights must be .*accumulator"),
        ({"weights": 3, "biases": {}}, "optimizer_state of weights must be .* got int"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fc.ClassTable.from_arrays(W, B, optimizer_state=state)


@pytest.mark.parametrize("failing", ["weights", "biases"])
def test_an_update_that_cannot_be_compiled_changes_nothing(failing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step runs every update without rows before the loss is called."""
    table, loss = fc.ClassTable(5, 4, seed=0), ReferenceLoss()
    before, row_step = snapshot(table), fc.Adagrad._row_step

    def broken(self: Any, *args: Any, name: str, **options: Any) -> Any:
        if name == failing:
            raise OSError(28, "No space left on device")
        return row_step(self, *args, name=name, **options)

    monkeypatch.setattr(fc.Adagrad, "_row_step", broken)
    with pytest.raises(OSError, match="No space"):
        table.train_step(loss, LABELS, INPUTS)
    assert loss.calls == 0
    assert snapshot(table) == before


@pytest.mark.parametrize("dtype", ["text", "", (), float("nan"), {1}])
def test_a_dtype_that_is_none(dtype: Any) -> None:
    with pytest.raises(TypeError, match="dtype must be float32, float64 or bfloat16, got"):
        fc.ClassTable(4, 2, dtype=dtype)


def test_an_optimizer_state_without_arrays() -> None:
    weights, state = np.ones((4, 2), np.float32), {"weights": {"accumulator": 3}}
    with pytest.raises(
        TypeError, match=r"optimizer_state\['weights'\]\['accumulator'\] must be a NumPy array, got int"
    ):
        fc.ClassTable.from_arrays(weights, optimizer=fc.Adagrad(0.1), optimizer_state=state)


def test_options_of_evaluate_that_are_no_integers() -> None:
    table = fc.ClassTable(4, 2, seed=1)
    assert table.evaluate([1], np.ones((1, 2)), k=np.array(2)).hits.keys() == {2}
    with pytest.raises(TypeError, match="ignore_index must be an integer or None, got list"):
        table.evaluate([1], np.ones((1, 2)), ignore_index=[None, None])


def test_weights_in_a_memoryview() -> None:
    weights = np.arange(8.0).reshape(4, 2)
    one, other = (fc.SoftmaxLoss().value(each, None, [1], np.ones((1, 2))) for each in (weights, memoryview(weights)))
    assert_array_equal(one, other)
