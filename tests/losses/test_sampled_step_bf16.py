"""Sampled losses by bfloat16 products: against the oracle within the budget of each tier, and on hostile input.

The candidates' logits are sums of products of rounded factors, and so are the gradients, whose other factor is a
rounded probability. A tier's budget is what its rounding does to the norm of an array: 2^-9 of every factor, at random,
for 'medium', which makes 2e-3 to 4e-3 of a gradient where logits are of size 1; about 2^-18 for 'high', 2e-6 to 6e-6.
Factors that are bfloat16 numbers already make exact products: then logits are as right as in float32.
"""

import itertools

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.bf16 import rounded
from tests.losses.exact import exact
from tests.losses.problems import EPS, UNITS, check_elements, flat, make

SHAPES = [  # classes, width, batch, candidates, true classes
    (50, 7, 5, 9, 1),
    (1000, 33, 70, 300, 3),
    (700, 128, 64, 1500, 2),
    (3, 1, 1, 1, 1),
    (300, 31, 33, 257, 5),
    (2000, 16, 31, 129, 4),
    (40, 1, 97, 64, 2),
    (500, 257, 3, 8, 1),
    (3000, 40, 1100, 2300, 1),
    (600, 300, 290, 150, 1),
]
BUDGETS = {"medium": {"loss": 1.5e-3, "gradient": 1e-2}, "high": {"loss": 5e-6, "gradient": 2e-5}}
TIERS = pytest.mark.parametrize("tier", BUDGETS)
FUNCTIONS = {
    "softmax": (fc.nn.sampled_softmax_loss_and_grad, fc.nn.sampled_softmax_loss, reference.sampled_softmax),
    "logistic": (fc.nn.nce_loss_and_grad, fc.nn.nce_loss, reference.sampled_logistic),
}
KINDS = pytest.mark.parametrize("kind", FUNCTIONS)


def _arguments(problem):
    count = len(problem.values.sampled_candidates)
    tables = problem.weights, problem.biases, problem.labels, problem.inputs
    return *tables, count, len(problem.weights), problem.labels.shape[1], problem.values


def _value_and_grad(kind, tier, problem, **options):
    with fc.matmul_precision(tier):
        return flat(*FUNCTIONS[kind][0](*_arguments(problem), upstream=problem.upstream, **options))


def _value(kind, tier, problem, **options):
    with fc.matmul_precision(tier):
        return FUNCTIONS[kind][1](*_arguments(problem), **options)


def _reference(kind, problem, **options):
    wide = problem._replace(weights=problem.weights.astype(float), inputs=problem.inputs.astype(float))
    result = FUNCTIONS[kind][2](
        wide.weights, wide.biases, wide.labels, wide.inputs, wide.values, upstream=wide.upstream, **options
    )
    return result._asdict()


def _check(tier, got, truth, factor=1.0):
    for name, value in got.items():
        budget = BUDGETS[tier]["loss" if name == "loss" else "gradient"] * factor
        error, size = np.linalg.norm(value - truth[name]), np.linalg.norm(truth[name])
        assert error <= budget * size, (name, error / size)


def _differs(tier, got, kind, problem, **options):
    """Check that the tier was computed, where it can be."""
    plain = _value_and_grad(kind, "highest", problem, **options)
    equal = all((got[name] == plain[name]).all() for name in plain)
    assert not equal


@TIERS
@KINDS
@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_the_tier(shape, remove, kind, tier):
    problem = make(*shape)
    got = _value_and_grad(kind, tier, problem, remove_accidental_hits=remove)
    _check(tier, got, _reference(kind, problem, remove_accidental_hits=remove))
    check_elements(got, exact(problem, kind, remove_accidental_hits=remove), UNITS[tier])
    _differs(tier, got, kind, problem, remove_accidental_hits=remove)
    value = _value(kind, tier, problem, remove_accidental_hits=remove)
    np.testing.assert_allclose(value, got["loss"], rtol=2e-6)


@TIERS
@KINDS
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_every_remainder(axis, kind, tier):
    shape = [200, 33, 34, 35, 1]
    for count in (*range(1, 4), 15, 16, 17, 30, 31, 32, 63, 64, 65):
        shape[axis] = count
        problem = make(*shape, seed=count)
        problem = problem._replace(labels=problem.labels % 150)
        got = _value_and_grad(kind, tier, problem)
        _check(tier, got, _reference(kind, problem), 1.5)
        check_elements(got, exact(problem, kind, remove_accidental_hits=kind == "softmax"), UNITS[tier])


@TIERS
@KINDS
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_number_of_threads(shape, kind, tier):
    problem = make(*shape)
    results = []
    for threads in (1, 2, 3, 8):
        with fc.num_threads(threads):
            got = _value_and_grad(kind, tier, problem, remove_accidental_hits=True)
            results.append([*got.values(), _value(kind, tier, problem)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


def _exact_factors(*shape, spread):
    problem = make(*shape, spread=spread)
    return problem._replace(weights=rounded(problem.weights), inputs=rounded(problem.inputs))


@TIERS
def test_far_apart_logits_do_not_overflow(tier):
    """Far beyond what float32 can hold from the highest true logit; the products are exact, so the loss is too."""
    problem = _exact_factors(400, 8, 50, 90, spread=300.0)
    problem.labels[::3, 0] = (problem.inputs @ problem.weights.T + problem.biases).argmax(axis=1)[::3]
    truth = _reference("softmax", problem)
    above = problem.inputs @ problem.weights[problem.values.sampled_candidates].T
    above = above.max(axis=1) - (problem.inputs * problem.weights[problem.labels[:, 0]]).sum(axis=1)
    assert (above > 100).any()
    assert (above < 20).any()
    rounding = 4 * 1.2e-7 * np.abs(problem.inputs @ problem.weights.T).max()
    got = _value_and_grad("softmax", tier, problem)
    for threads in (1, 2, 3):
        with fc.num_threads(threads):
            again = _value_and_grad("softmax", tier, problem)
        for name, value in got.items():
            np.testing.assert_array_equal(again[name], value)
    np.testing.assert_allclose(got["loss"], truth["loss"], rtol=0, atol=rounding)
    _check(tier, got, truth)
    np.testing.assert_allclose(_value("softmax", tier, problem), truth["loss"], rtol=0, atol=rounding)


@TIERS
def test_one_example_that_needs_another_reference_changes_no_other(tier):
    problem = make(300, 40, 70, 200)
    calm = _value_and_grad("softmax", tier, problem)
    biases = problem.biases.copy()
    biases[299] = 90.0
    labels = problem.labels % 250
    values = problem.values._replace(sampled_candidates=problem.values.sampled_candidates % 250)
    calm = problem._replace(labels=labels, values=values)
    wild = calm._replace(
        biases=biases, values=values._replace(sampled_candidates=np.r_[values.sampled_candidates[1:], 299])
    )
    truth = _reference("softmax", wild)
    _check(tier, _value_and_grad("softmax", tier, wild), truth)
    # only one example has the class with the high logit as its label: its reference is high enough, the others' are not
    labels = labels.copy()
    labels[41] = 299
    wild = wild._replace(labels=labels)
    for remove in (False, True):
        truth = _reference("softmax", wild, remove_accidental_hits=remove)
        got = _value_and_grad("softmax", tier, wild, remove_accidental_hits=remove)
        np.testing.assert_allclose(got["loss"], truth["loss"], rtol=2 * BUDGETS[tier]["loss"], atol=1e-5)
        np.testing.assert_allclose(got["d_inputs"], truth["d_inputs"], rtol=0, atol=0.03 if tier == "medium" else 1e-4)


@TIERS
@KINDS
def test_nan_and_infinite_inputs_give_nan_and_stay_in_their_row(kind, tier):
    problem = make(100, 40, 40, 70)
    clean = _value_and_grad(kind, tier, problem)
    for bad, row in itertools.product((np.nan, np.inf, -np.inf), (0, 35)):
        inputs = problem.inputs.copy()
        inputs[row, 38] = bad
        hurt = problem._replace(inputs=inputs)
        got, value = _value_and_grad(kind, tier, hurt), _value(kind, tier, hurt)
        for loss in (got["loss"], value):
            assert not np.isfinite(loss[row])
            np.testing.assert_allclose(np.delete(loss, row), np.delete(clean["loss"], row), rtol=1e-6)
        assert np.isnan(got["d_inputs"][row]).any()
        others = np.delete(got["d_inputs"], row, axis=0)
        np.testing.assert_array_equal(others, np.delete(clean["d_inputs"], row, axis=0))


@TIERS
@KINDS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_row_of_the_table_that_is_not_used_does_nothing(kind, tier, bad):
    problem = make(100, 5, 3, 40)
    used = np.union1d(problem.labels, problem.values.sampled_candidates)
    clean = _value_and_grad(kind, tier, problem)
    weights = problem.weights.copy()
    weights[np.setdiff1d(np.arange(100), used)] = bad
    got = _value_and_grad(kind, tier, problem._replace(weights=weights))
    for name in clean:
        np.testing.assert_array_equal(got[name], clean[name])


@TIERS
def test_a_bad_candidate_spoils_its_own_gradient_row_only(tier):
    """29 columns of the panel have no example; their products with a bad row must not reach the others."""
    problem = make(100, 5, 3, 40, unique=True)
    labels = np.setdiff1d(np.arange(100), problem.values.sampled_candidates)[:3, None]
    problem = problem._replace(labels=labels)
    weights, bad = problem.weights.copy(), problem.values.sampled_candidates[7]
    weights[bad] = np.nan
    got = _value_and_grad("softmax", tier, problem._replace(weights=weights))
    assert np.isnan(got["loss"]).all()
    got = _value_and_grad("logistic", tier, problem._replace(weights=weights))
    assert np.isnan(got["loss"]).all()
    clean = _value_and_grad("logistic", tier, problem)
    for name in ("d_weights", "d_biases"):
        np.testing.assert_array_equal(np.delete(got[name], bad, axis=0), np.delete(clean[name], bad, axis=0))
        assert np.isnan(got[name][bad]).all()


@TIERS
def test_an_example_whose_candidates_are_all_hits_has_no_loss(tier):
    weights, inputs = np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)
    values = fc.SampledValues(np.array([1, 1]), np.full((2, 1), 0.5, np.float32), np.full(2, 0.5, np.float32))
    with fc.matmul_precision(tier):
        loss, gradients = fc.nn.sampled_softmax_loss_and_grad(weights, None, [[1], [2]], inputs, 2, 3, 1, values)
    assert loss[0] == 0
    assert loss[1] == pytest.approx(np.log(3), rel=1e-6)
    assert (gradients.inputs[0] == 0).all()


@TIERS
def test_a_label_can_be_far_above_and_far_below_what_float32_holds(tier):
    """Losses of 0 and of 300: sums of exponentials that underflow, and such that need another reference."""
    weights, inputs = np.zeros((40, 3), np.float32), np.ones((33, 3), np.float32)
    labels = np.arange(33)[:, None]
    values = fc.SampledValues(np.arange(33, 40), np.ones((33, 1), np.float32), np.ones(7, np.float32))
    for height, want in ((-300.0, 300 + np.log(7)), (0.0, np.log(8)), (300.0, 0.0)):
        biases = np.where(np.arange(40) < 33, height, 0).astype(np.float32)
        with fc.matmul_precision(tier):
            loss, gradients = fc.nn.sampled_softmax_loss_and_grad(weights, biases, labels, inputs, 7, 40, 1, values)
        np.testing.assert_allclose(loss, want, rtol=1e-6)
        share = 0 if height > 0 else 1 / 7 if height < 0 else 1 / 8
        np.testing.assert_allclose(gradients.biases.to_dense()[33:], 33 * share, rtol=BUDGETS[tier]["gradient"])


OPTIONS = [
    {},
    {"temperature": 0.5},
    {"ignore_index": -1},
    {"remove_accidental_hits": False},
    {"label_smoothing": 0.2},
    {"label_smoothing": 0.1, "temperature": 2.0, "ignore_index": -1},
]


@TIERS
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("num_true", [1, 3])
def test_options_of_the_softmax(num_true, options, tier):
    problem = make(60, 20, 37, 45, num_true, seed=3)
    _compare(fc.SampledSoftmaxLoss, options, problem, tier)


@TIERS
@pytest.mark.parametrize("loss", [fc.NCELoss, fc.NegativeSamplingLoss, fc.SampledLogisticLoss])
@pytest.mark.parametrize("options", [{}, {"temperature": 0.5}, {"ignore_index": -1}, {"log_normalizer": 1.5}], ids=str)
@pytest.mark.parametrize("num_true", [1, 3])
def test_options_of_logistic_losses(num_true, options, loss, tier):
    problem = make(60, 20, 37, 45, num_true, seed=4)
    if "log_normalizer" in options and loss is not fc.NCELoss:
        with pytest.raises(TypeError, match="log_normalizer"):
            loss(fc.UniformSampler(60, seed=1), 45, **options)
        return
    # copies of a class with different expected counts are separate candidates
    counts = np.random.default_rng(1).choice([0.25, 0.5, 0.9], 45).astype(np.float32)
    problem = problem._replace(values=problem.values._replace(sampled_expected_count=counts))
    _compare(loss, options, problem, tier)


def _compare(loss, options, problem, tier):
    """Compare a tier with 'highest' on one problem, in which some labels are ignored where that is an option."""
    labels = problem.labels.copy()
    if "ignore_index" in options:
        labels[::4, 0] = -1
        labels[5] = -1
    results = []
    for precision in ("highest", tier):
        made = loss(fc.UniformSampler(60, seed=1), 45, precision=precision, **options)
        arguments = problem.weights, problem.biases, labels, problem.inputs
        value = made.value(*arguments, sampled_values=problem.values)
        got = made.value_and_grad(*arguments, problem.upstream, sampled_values=problem.values)
        results.append(flat(*got))
        np.testing.assert_allclose(value, got[0], rtol=2e-6, atol=1e-6)
    _check(tier, results[1], results[0])
    kind = "softmax" if loss is fc.SampledSoftmaxLoss else "logistic"
    formula = {
        "remove_accidental_hits": loss in (fc.SampledSoftmaxLoss, fc.SampledLogisticLoss),
        "subtract_log_q": loss is not fc.NegativeSamplingLoss,
        **{name: value for name, value in options.items() if name != "ignore_index"},
    }
    check_elements(results[1], exact(problem._replace(labels=labels), kind, **formula), UNITS[tier])


@TIERS
@KINDS
def test_storage_and_layout_of_the_table(kind, tier):
    problem = make(90, 37, 40, 70)
    for dtype in (ml_dtypes.bfloat16, np.float16, np.float32):
        stored = problem._replace(weights=problem.weights.astype(dtype))
        same = problem._replace(weights=stored.weights.astype(np.float32))
        got, want = _value_and_grad(kind, tier, stored), _value_and_grad(kind, tier, same)
        for name in ("loss", "d_inputs", "d_biases"):
            np.testing.assert_array_equal(got[name], want[name])
        for layout in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: a[:, ::-1].copy()[:, ::-1]):
            other = _value_and_grad(kind, tier, stored._replace(weights=layout(stored.weights)))
            for name in got:
                np.testing.assert_array_equal(other[name], got[name])


@TIERS
def test_logits_of_rounded_factors_are_those_of_float32(tier):
    problem = _exact_factors(500, 70, 60, 300, spread=0.3)
    for kind in FUNCTIONS:
        truth = _reference(kind, problem)["loss"]
        for loss in (_value(kind, tier, problem), _value_and_grad(kind, tier, problem)["loss"]):
            np.testing.assert_allclose(loss, truth, rtol=30 * EPS[np.dtype(np.float32)])


@KINDS
@pytest.mark.parametrize("tier", BUDGETS)
def test_float64_is_computed_as_such(kind, tier):
    problem = make(50, 7, 5, 9, dtype=np.float64)
    want, got = _value_and_grad(kind, "highest", problem), _value_and_grad(kind, tier, problem)
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])
