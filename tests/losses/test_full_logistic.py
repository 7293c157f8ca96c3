"""The exact logistic loss: against the oracle, against derivatives, bit for bit over threads, in flat memory."""

import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import check_budget, flat, make

SHAPES = [
    (50, 7, 5, 1),
    (1000, 33, 70, 3),
    (3000, 128, 64, 2),
    (1, 1, 1, 1),
    (5001, 31, 1100, 1),
    (9000, 64, 33, 2),
]


def _arguments(problem):
    return problem.weights, problem.biases, problem.labels, problem.inputs


def _value_and_grad(problem, **options):
    return fc.nn.full_sigmoid_loss_and_grad(
        *_arguments(problem), problem.labels.shape[1], upstream=problem.upstream, **options
    )


def _check_close(got, want):
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_plain_arithmetic(shape, dtype):
    num_classes, dim, batch, num_true = shape
    problem = make(num_classes, dim, batch, 1, num_true, dtype=dtype)
    loss, gradients = _value_and_grad(problem)
    truth, plain = (
        reference.full_sigmoid(*_arguments(problem), upstream=problem.upstream, dtype=kind)
        for kind in (np.float64, dtype)
    )
    check_budget(flat(loss, gradients), truth, plain, exact(problem, "logistic", sampled=False))
    np.testing.assert_array_equal(gradients.weights.ids, np.arange(num_classes))
    np.testing.assert_allclose(fc.nn.full_sigmoid_loss(*_arguments(problem), num_true), loss, rtol=4e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_number_of_threads(shape):
    num_classes, dim, batch, num_true = shape
    problem = make(num_classes, dim, batch, 1, num_true)
    results = []
    for threads in (1, 2, 5):
        with fc.num_threads(threads):
            results.append(flat(*_value_and_grad(problem)))
    for other in results[1:]:
        for name, value in other.items():
            np.testing.assert_array_equal(results[0][name], value)


def test_gradients_are_derivatives():
    problem = make(11, 4, 3, 1, 2, dtype=np.float64)
    _, gradients = _value_and_grad(problem)
    step = 1e-3
    for name, gradient in (
        ("inputs", gradients.inputs),
        ("weights", gradients.weights.to_dense()),
        ("biases", gradients.biases.to_dense()),
    ):
        array = getattr(problem, name)
        for index in np.ndindex(array.shape):
            total = 0.0
            for shift, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):  # fourth-order central difference
                moved = array.copy()
                moved[index] += shift * step
                total += factor * (
                    fc.nn.full_sigmoid_loss(*_arguments(problem._replace(**{name: moved})), 2) @ problem.upstream
                )
            assert gradient[index] == pytest.approx(total / (12 * step), abs=1e-9), (name, index)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards(strategy, count):
    problem = make(461, 8, 9, 1, 2)
    truth = reference.full_sigmoid(*_arguments(problem), upstream=problem.upstream)
    shards = reference.to_shards(problem.weights, count, strategy)
    for biases in (problem.biases, reference.to_shards(problem.biases, count, strategy), None):
        if biases is None:
            truth = reference.full_sigmoid(problem.weights, None, *_arguments(problem)[2:], upstream=problem.upstream)
        loss, gradients = _value_and_grad(problem._replace(weights=shards, biases=biases), partition_strategy=strategy)
        np.testing.assert_allclose(loss, truth.loss, rtol=1e-6)
        _check_close(gradients.inputs, truth.d_inputs)
        dense = reference.from_shards([part.to_dense() for part in gradients.weights], strategy)
        _check_close(dense, truth.d_weights)
        if isinstance(biases, list):
            dense = reference.from_shards([part.to_dense() for part in gradients.biases], strategy)
        elif biases is not None:
            dense = gradients.biases.to_dense()
        else:
            assert gradients.biases is None
            continue
        _check_close(dense, truth.d_biases)


@pytest.mark.parametrize("width", [8, 12])
@pytest.mark.parametrize(
    "layout",
    [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: np.repeat(a, 2, axis=1)[:, ::2]],
)
def test_any_layout_gives_the_same_bits(layout, width):
    problem = make(300, width, 9, 1)
    other = layout(problem.weights)
    other.flags.writeable = False
    want, got = flat(*_value_and_grad(problem)), flat(*_value_and_grad(problem._replace(weights=other)))
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


@pytest.mark.parametrize("table", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_tables(table):
    problem = make(300, 9, 6, 1)
    problem = problem._replace(weights=problem.weights.astype(table), biases=problem.biases.astype(table))
    loss, gradients = _value_and_grad(problem)
    truth = reference.full_sigmoid(
        problem.weights.astype(float),
        problem.biases.astype(float),
        problem.labels,
        problem.inputs,
        upstream=problem.upstream,
    )
    np.testing.assert_allclose(loss, truth.loss, rtol=1e-6)
    rows = gradients.weights.rows
    assert rows.dtype == (np.float32 if table == ml_dtypes.bfloat16 else table)
    np.testing.assert_allclose(rows.astype(float), truth.d_weights, rtol=1e-3 if table == np.float16 else 0, atol=2e-6)
    _check_close(gradients.inputs, truth.d_inputs)


def test_a_class_named_twice_for_an_example_counts_once():
    problem = make(30, 4, 3, 1, 3)
    twice = problem._replace(labels=np.array([[4, 4, 7], [9, 9, 9], [1, 2, 1]]))
    got = flat(*_value_and_grad(twice))
    truth, plain = (
        reference.full_sigmoid(*_arguments(twice), upstream=twice.upstream, dtype=kind)
        for kind in (np.float64, np.float32)
    )
    check_budget(got, truth, plain, exact(twice, "logistic", sampled=False))
    once = fc.nn.full_sigmoid_loss(problem.weights, problem.biases, [[4, 7]], problem.inputs[:1], 2)
    np.testing.assert_array_equal(fc.nn.full_sigmoid_loss(*_arguments(twice), 3)[:1], once)


def test_a_batch_without_examples_has_gradients_of_zero():
    problem = make(30, 4, 6, 1)
    empty = problem._replace(labels=problem.labels[:0], inputs=problem.inputs[:0], upstream=problem.upstream[:0])
    loss, gradients = _value_and_grad(empty)
    assert loss.shape == (0,)
    assert gradients.inputs.shape == (0, 4)
    assert (gradients.weights.to_dense() == 0).all()


def test_nan_stays_in_its_row():
    problem = make(300, 4, 6, 1)
    inputs = problem.inputs.copy()
    inputs[2, 1] = np.nan
    loss = fc.nn.full_sigmoid_loss(*_arguments(problem._replace(inputs=inputs)))
    assert np.isnan(loss[2])
    assert np.isfinite(np.delete(loss, 2)).all()


def test_far_apart_logits_do_not_overflow():
    problem = make(400, 8, 16, 1, spread=300.0)
    truth = reference.full_sigmoid(*_arguments(problem), upstream=problem.upstream)
    # a logit of size z is rounded to eps z, which changes its probability by as much
    rounding = 4 * 1.2e-7 * np.abs(problem.inputs @ problem.weights.T).max()
    for name, got in flat(*_value_and_grad(problem)).items():
        want = getattr(truth, name)
        np.testing.assert_allclose(got, want, rtol=0, atol=rounding * np.abs(want).max())


def test_memory_is_flat():
    problem = make(60_000, 16, 256, 1)
    _value_and_grad(problem)
    tracemalloc.start()
    loss, gradients = _value_and_grad(problem)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    results = loss.nbytes + sum(g.ids.nbytes + g.rows.nbytes for g in gradients[1:]) + gradients.inputs.nbytes
    logits = 60_000 * 256 * 4
    assert peak < results + (8 << 20) < logits


def test_loss_object_equals_the_function():
    problem = make(50, 4, 6, 1, 2)
    loss, gradients = fc.LogisticLoss().value_and_grad(*_arguments(problem), upstream=problem.upstream)
    want, want_gradients = _value_and_grad(problem)
    np.testing.assert_array_equal(loss, want)
    np.testing.assert_array_equal(fc.LogisticLoss().value(*_arguments(problem)), want)
    np.testing.assert_array_equal(gradients.weights.rows, want_gradients.weights.rows)


def test_errors_name_the_argument():
    problem = make(20, 3, 4, 1)
    with pytest.raises(ValueError, match="inputs must have 4 rows as labels have, got 3"):
        fc.nn.full_sigmoid_loss(*_arguments(problem._replace(inputs=problem.inputs[:3])))
    with pytest.raises(ValueError, match="labels must have num_true = 2 columns"):
        fc.nn.full_sigmoid_loss(*_arguments(problem), 2)
    with pytest.raises(ValueError, match="partition_strategy must be 'mod' or 'div', got 'foo'"):
        fc.nn.full_sigmoid_loss(*_arguments(problem), 1, "foo")
