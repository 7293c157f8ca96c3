"""Exact losses by bfloat16 products: against the oracle within the budget of each tier, and on hostile input.

Logits are sums of products of rounded factors, and so are gradients, whose other factor is a rounded probability. A
tier's budget is what its rounding does to the norm of an array: 2^-9 of every factor, at random, for 'medium', which
makes 2e-4 of a loss and 1e-3 to 3e-3 of a gradient where logits are of size 1; about 2^-18 for 'high', 6e-7 and 1e-6 to
6e-6. What the true classes contribute is as right as in float32.
"""

import itertools
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from fastcands.kernels.epilogues.softmax import SOFTMAX
from fastcands.losses import bf16_all_classes, exact_classes
from fastcands.losses.all_classes import AllClasses
from fastcands.losses.batch import Batch
from tests.bf16 import rounded
from tests.losses.exact import exact
from tests.losses.problems import EPS, UNITS, check_elements, flat, make

SHAPES = [  # classes, width, batch, true classes
    (50, 7, 5, 1),
    (1000, 33, 70, 3),
    (3000, 128, 64, 2),
    (2, 1, 1, 1),
    (2500, 31, 33, 5),
    (5001, 31, 1100, 1),
    (2100, 64, 1057, 1),
    (20_000, 65, 40, 2),
    (3000, 520, 3, 1),
]
BUDGETS = {"medium": {"loss": 1e-3, "gradient": 1e-2}, "high": {"loss": 2e-6, "gradient": 2e-5}}
TIERS = pytest.mark.parametrize("tier", BUDGETS)
LOSSES = {
    "softmax": (fc.SoftmaxLoss, reference.full_softmax),
    "logistic": (fc.LogisticLoss, reference.full_sigmoid),
}
KINDS = pytest.mark.parametrize("kind", LOSSES)


def _arguments(problem):
    return problem.weights, problem.biases, problem.labels, problem.inputs


def _value_and_grad(kind, tier, problem, **options):
    loss = LOSSES[kind][0](precision=tier, **options)
    return flat(*loss.value_and_grad(*_arguments(problem), problem.upstream))


def _value(kind, tier, problem, **options):
    return LOSSES[kind][0](precision=tier, **options).value(*_arguments(problem))


def _reference(kind, problem):
    wide = problem._replace(weights=problem.weights.astype(float), inputs=problem.inputs.astype(float))
    return LOSSES[kind][1](*_arguments(wide), upstream=problem.upstream)._asdict()


def _check(tier, got, truth, factor=1.0):
    for name, value in got.items():
        budget = BUDGETS[tier]["loss" if name == "loss" else "gradient"] * factor
        error, size = np.linalg.norm(value - truth[name]), np.linalg.norm(truth[name])
        assert error <= budget * size, (name, error / size)


@TIERS
@KINDS
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_the_tier(shape, kind, tier):
    num_classes, width, batch, num_true = shape
    problem = make(num_classes, width, batch, 1, num_true)
    got = _value_and_grad(kind, tier, problem)
    # one product of a width of 1 is as wrong as one factor is; many differ at random
    _check(tier, got, _reference(kind, problem), 1.0 if width > 1 else 2.0)
    check_elements(got, exact(problem, kind, sampled=False), UNITS[tier])
    np.testing.assert_allclose(_value(kind, tier, problem), got["loss"], rtol=4e-7)
    plain = _value_and_grad(kind, "highest", problem)
    equal = all((got[name] == plain[name]).all() for name in plain)
    assert not equal


@TIERS
@KINDS
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_remainder(axis, kind, tier):
    shape = [200, 33, 34]
    for count in (*range(2, 5), 15, 16, 17, 31, 32, 33, 63, 64, 65):
        shape[axis] = count
        problem = make(*shape, 1, seed=count)
        # the last class is a label: its row is followed by padding
        problem.labels[-1] = shape[0] - 1
        got = _value_and_grad(kind, tier, problem)
        _check(tier, got, _reference(kind, problem), 1.5)
        check_elements(got, exact(problem, kind, sampled=False), UNITS[tier])


@TIERS
@KINDS
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_number_of_threads(shape, kind, tier):
    num_classes, width, batch, num_true = shape
    problem = make(num_classes, width, batch, 1, num_true)
    results = []
    for threads in (1, 2, 3):
        with fc.num_threads(threads):
            results.append([*_value_and_grad(kind, tier, problem).values(), _value(kind, tier, problem)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@TIERS
@KINDS
def test_far_apart_logits_do_not_overflow(kind, tier):
    """The factors are bfloat16 numbers: products are exact, and so are losses."""
    problem = make(400, 8, 50, 1, spread=300.0)
    problem = problem._replace(weights=rounded(problem.weights), inputs=rounded(problem.inputs))
    logits = problem.inputs @ problem.weights.T + problem.biases
    problem.labels[::3, 0] = logits.argmax(axis=1)[::3]
    truth = _reference(kind, problem)
    # a logit of size z is rounded to eps z
    rounding = 4 * 1.2e-7 * np.abs(logits).max()
    got = _value_and_grad(kind, tier, problem)
    for loss in (got["loss"], _value(kind, tier, problem)):
        scale = 1 if kind == "softmax" else 400
        np.testing.assert_allclose(loss, truth["loss"], rtol=3e-7, atol=scale * rounding)
    _check(tier, got, truth)


@TIERS
def test_an_example_that_is_almost_sure_of_its_class_has_the_gradient_of_float32(tier):
    """1 - p is 1e-4 there: a rounded p would show nothing of it, a float32 has a digit or three left."""
    problem = make(300, 40, 37, 1)
    weights = np.zeros_like(problem.weights)
    labels = np.arange(37)[:, None] * 3
    weights[labels[:, 0], :37] = np.eye(37) * 15
    inputs = np.eye(37, 40, dtype=np.float32)
    problem = problem._replace(weights=weights, inputs=inputs, labels=labels, biases=np.zeros(300, np.float32))
    truth = _reference("softmax", problem)
    assert truth["loss"].max() < 1.2e-4
    got = _value_and_grad("softmax", tier, problem)
    np.testing.assert_allclose(got["loss"], truth["loss"], rtol=0, atol=4 * 1.2e-7 * 15)
    _check("medium", {name: got[name] for name in ("d_inputs", "d_weights")}, truth, 5.0)


@TIERS
@KINDS
def test_a_loss_is_not_negative_beyond_the_rounding_of_float32(kind, tier):
    problem = make(60, 50, 70, 1, spread=3.0)
    logits = problem.inputs @ problem.weights.T + problem.biases
    problem.labels[:, 0] = logits.argmax(axis=1)
    assert (_value(kind, tier, problem) >= -4 * 1.2e-7 * logits.max()).all()


@TIERS
@KINDS
def test_nan_and_infinite_inputs_stay_in_their_row(kind, tier):
    problem = make(300, 40, 40, 1)
    clean = _value_and_grad(kind, tier, problem)
    for bad, row in itertools.product((np.nan, np.inf, -np.inf), (0, 35)):
        inputs = problem.inputs.copy()
        inputs[row, 38] = bad
        hurt = problem._replace(inputs=inputs)
        got, value = _value_and_grad(kind, tier, hurt), _value(kind, tier, hurt)
        for loss in (got["loss"], value):
            assert not np.isfinite(loss[row])
            np.testing.assert_array_equal(np.delete(loss, row), np.delete(clean["loss"], row))
        assert np.isnan(got["d_inputs"][row]).any()
        others = np.delete(got["d_inputs"], row, axis=0)
        np.testing.assert_array_equal(others, np.delete(clean["d_inputs"], row, axis=0))


@TIERS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("row", [2, 99])
def test_a_bad_row_of_the_table_spoils_its_own_gradient_row_only(row, bad, tier):
    """29 columns of the panel have no example; their products with a bad row must not reach the others."""
    problem = make(100, 5, 3, 1)
    problem = problem._replace(labels=np.array([[5], [6], [7]]))
    weights = problem.weights.copy()
    weights[row] = bad
    hurt = problem._replace(weights=weights)
    assert not np.isfinite(_value("softmax", tier, hurt)).any()
    got, clean = _value_and_grad("logistic", tier, hurt), _value_and_grad("logistic", tier, problem)
    plain = _value_and_grad("logistic", "highest", hurt)
    for name in ("d_weights", "d_biases"):
        np.testing.assert_array_equal(np.delete(got[name], row, axis=0), np.delete(clean[name], row, axis=0))
    if tier == "medium":  # split factors make NaN of infinity
        np.testing.assert_allclose(got["loss"], plain["loss"], rtol=1e-3)
        np.testing.assert_allclose(got["d_weights"][row], plain["d_weights"][row], rtol=1e-2)


@TIERS
@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"ignore_index": -1}], ids=str)
@pytest.mark.parametrize("num_true", [1, 3])
@KINDS
def test_options(kind, num_true, options, tier):
    _compare(kind, tier, options, num_true)


@TIERS
@pytest.mark.parametrize("options", [{}, {"temperature": 2.0, "ignore_index": -1}], ids=str)
def test_label_smoothing(options, tier):
    _compare("softmax", tier, {"label_smoothing": 0.2, **options}, 3)


def _compare(kind, tier, options, num_true):
    """Compare a tier with 'highest' on one problem, in which classes are named twice, and some labels ignored."""
    problem = make(2100, 20, 37, 1, num_true, seed=3)
    labels = problem.labels
    labels[:7] = labels[0, 0]
    if "ignore_index" in options:
        labels[::4, 0] = -1
        labels[5] = -1
    want, got = (_value_and_grad(kind, each, problem, **options) for each in ("highest", tier))
    _check(tier, got, want, 1.5)
    formula = {name: value for name, value in options.items() if name != "ignore_index"}
    check_elements(got, exact(problem, kind, sampled=False, **formula), UNITS[tier])
    np.testing.assert_allclose(_value(kind, tier, problem, **options), got["loss"], rtol=1e-6, atol=1e-6)
    if "ignore_index" in options:
        assert got["loss"][5] == 0
        assert (got["d_inputs"][5] == 0).all()


@TIERS
@KINDS
@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 3])
def test_shards(count, strategy, kind, tier):
    problem = make(461, 8, 9, 1, 2)
    function = fc.nn.full_softmax_loss_and_grad if kind == "softmax" else fc.nn.full_sigmoid_loss_and_grad
    shards = reference.to_shards(problem.weights, count, strategy)
    for biases in (problem.biases, reference.to_shards(problem.biases, count, strategy), None):
        truth = LOSSES[kind][1](
            problem.weights, None if biases is None else problem.biases, problem.labels, problem.inputs,
            upstream=problem.upstream,
        )  # fmt: skip
        with fc.matmul_precision(tier):
            loss, gradients = function(
                shards, biases, problem.labels, problem.inputs, 2, strategy, upstream=problem.upstream
            )
        dense = reference.from_shards([part.to_dense() for part in gradients.weights], strategy)
        _check(tier, {"loss": loss, "d_inputs": gradients.inputs, "d_weights": dense}, truth._asdict(), 1.5)
        if biases is problem.biases:
            _check(tier, {"d_biases": gradients.biases.to_dense()}, truth._asdict())


@TIERS
@KINDS
@pytest.mark.parametrize("width", [37, 64])
def test_storage_and_layout_of_the_table(width, kind, tier):
    problem = make(90, width, 40, 1)
    for dtype in (ml_dtypes.bfloat16, np.float16, np.float32):
        stored = problem._replace(weights=problem.weights.astype(dtype))
        same = problem._replace(weights=stored.weights.astype(np.float32))
        got, want = _value_and_grad(kind, tier, stored), _value_and_grad(kind, tier, same)
        for name in ("loss", "d_inputs", "d_biases"):
            np.testing.assert_array_equal(got[name], want[name])
        for layout in (
            np.asfortranarray,
            lambda a: np.repeat(a, 2, axis=0)[::2],
            lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        ):
            other = layout(stored.weights)
            other.flags.writeable = False
            result = _value_and_grad(kind, tier, stored._replace(weights=other))
            for name in got:
                np.testing.assert_array_equal(result[name], got[name])


@TIERS
@KINDS
def test_logits_of_rounded_factors_are_those_of_float32(kind, tier):
    problem = make(3000, 70, 60, 1)
    problem = problem._replace(weights=rounded(problem.weights), inputs=rounded(problem.inputs))
    truth = _reference(kind, problem)["loss"]
    for loss in (_value(kind, tier, problem), _value_and_grad(kind, tier, problem)["loss"]):
        np.testing.assert_allclose(loss, truth, rtol=10 * EPS[np.dtype(np.float32)])


@TIERS
@KINDS
def test_memory_is_flat(kind, tier):
    problem = make(60_000, 16, 256, 1)
    _value_and_grad(kind, tier, problem)
    tracemalloc.start()
    got = LOSSES[kind][0](precision=tier).value_and_grad(*_arguments(problem), problem.upstream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    loss, gradients = got
    results = loss.nbytes + sum(g.ids.nbytes + g.rows.nbytes for g in gradients[1:]) + gradients.inputs.nbytes
    assert peak < results + (8 << 20) < 60_000 * 256 * 4


@KINDS
@TIERS
def test_float64_and_evaluation_are_computed_as_ever(tier, kind):
    problem = make(50, 7, 5, 1, dtype=np.float64)
    want, got = _value_and_grad(kind, "highest", problem), _value_and_grad(kind, tier, problem)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])
    problem = make(500, 7, 5, 1)
    table = fc.ClassTable.from_arrays(problem.weights, problem.biases)
    plain = table.topk(problem.inputs, 3), table.evaluate(problem.labels, problem.inputs)
    with fc.matmul_precision(tier):
        again = table.topk(problem.inputs, 3), table.evaluate(problem.labels, problem.inputs)
    np.testing.assert_array_equal(again[0].scores, plain[0].scores)
    assert again[1] == plain[1]


@TIERS
@KINDS
def test_a_batch_without_examples_has_gradients_of_zero(kind, tier):
    problem = make(30, 4, 6, 1)
    empty = problem._replace(labels=problem.labels[:0], inputs=problem.inputs[:0], upstream=problem.upstream[:0])
    got = _value_and_grad(kind, tier, empty)
    assert got["loss"].shape == (0,)
    assert (got["d_weights"] == 0).all()


@pytest.mark.parametrize(("examples", "width", "worth_it"), [(16, 16, True), (15, 64, False), (16, 15, False)])
def test_small_problems_are_not_worth_rounding(examples, width, worth_it, monkeypatch):
    monkeypatch.setattr(exact_classes, "_FEWEST_EXAMPLES", 16)
    monkeypatch.setattr(exact_classes, "_WORTH_ROUNDING", 1 << 26)
    arrays = np.zeros((1 << 18, width), np.float32), None, np.arange(examples), np.zeros((examples, width), np.float32)
    batch = Batch.of(*arrays, precision="medium")
    expected = bf16_all_classes.Bf16AllClasses if worth_it else AllClasses
    assert type(exact_classes.exact_classes(batch, SOFTMAX, needs_grad=False)) is expected
