"""The class table: steps against a dense model, exact evaluation, and that a refused step changes nothing."""

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


@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_evaluation_is_exact(num_true: int, batch_size: int) -> None:
    rng = np.random.default_rng(8)
    table = fc.ClassTable(23, 5, seed=2)
    table.biases[:] = rng.normal(size=23)
    labels, inputs = rng.integers(0, 23, (9, num_true)), rng.normal(size=(9, 5)).astype(np.float32)
    expected = reference.full_softmax(table.weights, table.biases, labels, inputs).loss.mean()
    before = snapshot(table)
    loss, perplexity = table.evaluate(labels, inputs, batch_size)
    assert_allclose(loss, expected, rtol=1e-6)
    assert perplexity == np.exp(loss)
    assert snapshot(table) == before


def test_evaluation_of_a_read_only_table() -> None:
    weights = np.zeros((8, 2), np.float32)
    weights.setflags(write=False)
    table = fc.ClassTable.from_arrays(weights)
    assert_allclose(table.evaluate([3], np.ones((1, 2), np.float32)).perplexity, 8, rtol=1e-6)


def test_perplexity_beyond_float64_is_infinite() -> None:
    weights = np.array([[0.0], [1000.0]], np.float32)
    table = fc.ClassTable.from_arrays(weights)
    loss, perplexity = table.evaluate([0], np.ones((1, 1), np.float32))
    assert_allclose(loss, 1000)
    assert perplexity == np.inf


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
        (lambda: fc.ClassTable(5, 4, dtype="int32"), TypeError, "float32 or float64, got int32"),
        (
            lambda: fc.ClassTable(5, 4, optimizer="sgd"),
            TypeError,
            "optimizer must be an Optimizer .* got str",
        ),
        (lambda: fc.ClassTable(5, 4, optimizer=fc.SGD), TypeError, "optimizer must be an Optimizer"),
        (lambda: fc.ClassTable.from_arrays([[1.0]]), TypeError, "weights must be a NumPy array, got list"),
        (lambda: fc.ClassTable.from_arrays(W.astype(int)), TypeError, "weights must be float32 or float64"),
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


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([0, 1], INPUTS), ValueError, r"inputs must have shape \(2, 4\), got \(3, 4\)"),
        (([0, 1, 5], INPUTS), ValueError, r"labels must be in \[0, num_classes\) = \[0, 5\), got 5 at \[2\]"),
        (([0, 1, 2], INPUTS[:, :3]), ValueError, r"inputs must have shape \(3, 4\), got \(3, 3\)"),
        ((INPUTS, LABELS), TypeError, "are labels and inputs swapped"),
        (([], INPUTS[:0]), ValueError, "labels must have at least one row: the mean of none is undefined"),
        (([0, 1, 2], INPUTS, 0), ValueError, "batch_size must be at least 1, got 0"),
    ],
)
def test_bad_evaluations(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fc.ClassTable(5, 4).evaluate(*arguments)


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
        (Broken(spoil_row), ValueError, "the loss of row 1 is nan: inputs or the rows of its classes"),
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
