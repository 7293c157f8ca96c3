"""NCE and its relatives: against the oracle, against derivatives, bit for bit over threads, and on hostile input."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import check_budget, check_elements, flat, make

SHAPES = [  # classes, width, batch, candidates, true classes
    (50, 7, 5, 9, 1),
    (1000, 33, 70, 300, 3),
    (700, 128, 64, 1500, 2),
    (1, 1, 1, 1, 1),
    (300, 31, 33, 257, 5),
    (2000, 16, 31, 129, 4),
    (40, 1, 97, 64, 2),
    (500, 257, 3, 8, 1),
]


def _arguments(problem):
    count = len(problem.values.sampled_candidates)
    tables = problem.weights, problem.biases, problem.labels, problem.inputs
    return *tables, count, len(problem.weights), problem.labels.shape[1], problem.values


def _value_and_grad(problem, **options):
    return fc.nn.nce_loss_and_grad(*_arguments(problem), upstream=problem.upstream, **options)


def _value(problem, **options):
    return fc.nn.nce_loss(*_arguments(problem), **options)


def _reference(problem, dtype=np.float64, **options):
    return reference.sampled_logistic(
        problem.weights, problem.biases, problem.labels, problem.inputs, problem.values, upstream=problem.upstream,
        dtype=dtype, **options,
    )  # fmt: skip


def _with_own_counts(problem, seed=5):
    """Give every candidate an expected count of its own, copies of one class included, but a few that agree."""
    rng = np.random.default_rng(seed)
    counts = rng.choice([0.25, 0.5, *rng.random(5)], len(problem.values.sampled_candidates)) + 0.1
    return problem._replace(values=problem.values._replace(sampled_expected_count=counts.astype(np.float32)))


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_plain_arithmetic(shape, dtype, remove):
    problem = make(*shape, dtype=dtype)
    loss, gradients = _value_and_grad(problem, remove_accidental_hits=remove)
    truth = _reference(problem, remove_accidental_hits=remove)
    plain = _reference(problem, dtype, remove_accidental_hits=remove)
    exactly = exact(problem, "logistic", remove_accidental_hits=remove)
    check_budget(flat(loss, gradients), truth, plain, exactly)
    assert loss.dtype == gradients.inputs.dtype == gradients.weights.rows.dtype == dtype
    np.testing.assert_allclose(_value(problem, remove_accidental_hits=remove), loss, rtol=4e-7)


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("shape", [(5, 7, 9, 31, 1), (7, 17, 40, 300, 3), (1, 3, 2, 40, 2), (60, 8, 33, 1100, 5)])
def test_copies_of_a_candidate_keep_their_own_expected_counts(shape, remove):
    problem = _with_own_counts(make(*shape))
    got = flat(*_value_and_grad(problem, remove_accidental_hits=remove))
    truth = _reference(problem, remove_accidental_hits=remove)
    plain = _reference(problem, np.float32, remove_accidental_hits=remove)
    check_budget(got, truth, plain, exact(problem, "logistic", remove_accidental_hits=remove))


def test_rows_are_sorted_unique_and_exactly_those_used():
    problem = _with_own_counts(make(200, 5, 20, 160, 2))
    _, gradients = _value_and_grad(problem)
    used = np.union1d(problem.labels, problem.values.sampled_candidates)
    np.testing.assert_array_equal(gradients.weights.ids, used)
    np.testing.assert_array_equal(gradients.biases.ids, used)
    assert gradients.weights.num_rows == 200


@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_number_of_threads(shape):
    problem = _with_own_counts(make(*shape))
    results = []
    for threads in (1, 2, 3, 8):
        with fc.num_threads(threads):
            results.append([*flat(*_value_and_grad(problem, remove_accidental_hits=True)).values(), _value(problem)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("remove", [False, True])
def test_gradients_are_derivatives(remove):
    problem = _with_own_counts(make(12, 4, 3, 17, 2, dtype=np.float64))
    _, gradients = _value_and_grad(problem, remove_accidental_hits=remove)
    step = 1e-3
    arrays = {
        "inputs": (problem.inputs, gradients.inputs),
        "weights": (problem.weights, gradients.weights.to_dense()),
        "biases": (problem.biases, gradients.biases.to_dense()),
    }
    for name, (array, gradient) in arrays.items():
        for index in np.ndindex(array.shape):
            total = 0.0
            for shift, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):  # fourth-order central difference
                moved = array.copy()
                moved[index] += shift * step
                total += factor * (
                    _value(problem._replace(**{name: moved}), remove_accidental_hits=remove) @ problem.upstream
                )
            assert gradient[index] == pytest.approx(total / (12 * step), abs=1e-9), (name, index)


def test_equals_the_exact_loss_when_all_classes_are_candidates():
    problem = make(60, 9, 11, 60, unique=True)
    ones = fc.SampledValues(np.arange(60), np.ones((11, 1), np.float32), np.ones(60, np.float32))
    sampled = flat(*_value_and_grad(problem._replace(values=ones), remove_accidental_hits=True))
    check_elements(sampled, exact(problem, "logistic", sampled=False))


def test_every_copy_of_a_hit_is_removed():
    weights, biases, inputs = np.zeros((9, 2), np.float32), np.zeros(9, np.float32), np.ones((1, 2), np.float32)
    for counts in (np.ones(4), np.array([1.0, 1.0, 0.5, 0.25])):
        arguments = weights, biases, [[4]], inputs, 4, 9, 1, ([4, 6, 4, 4], np.ones((1, 1)), counts), True
        np.testing.assert_allclose(fc.nn.nce_loss(*arguments), 2 * np.log(2), rtol=1e-6)
        _, gradients = fc.nn.nce_loss_and_grad(*arguments)
        np.testing.assert_allclose(gradients.biases.to_dense()[[4, 6]], [-0.5, 0.5], rtol=1e-6)


def test_an_example_whose_candidates_are_all_hits_has_the_loss_of_its_true_class():
    weights, inputs = np.ones((3, 2), np.float32), np.ones((2, 2), np.float32)
    values = ([1], np.ones((2, 1)), np.ones(1))
    loss, gradients = fc.nn.nce_loss_and_grad(weights, None, [[1], [2]], inputs, 1, 3, 1, values, True)
    true = np.log1p(np.exp(-2.0))
    np.testing.assert_allclose(loss, [true, 2 * true + 2], rtol=1e-6)
    np.testing.assert_allclose(gradients.inputs[0], -1 / (1 + np.exp(2.0)), rtol=1e-6)


GOLDEN = {
    "weights": (np.arange(12) * 0.1 - 0.5).reshape(6, 2).astype(np.float32),
    "biases": (np.arange(6) * 0.05).astype(np.float32),
    "labels": np.array([[0, 3], [3, 3]]),
    "inputs": np.array([[1, -2], [0.5, 0.25]], np.float32),
    "num_sampled": 3,
    "num_classes": 6,
    "num_true": 2,
    "sampled_values": (
        [3, 1, 5],
        np.array([[0.9, 0.3], [0.3, 0.3]], np.float32),
        np.array([0.3, 0.6, 0.1], np.float32),
    ),
}


def test_golden_numbers_of_tensorflow():
    loss, gradients = fc.nn.nce_loss_and_grad(**GOLDEN)
    np.testing.assert_allclose(loss, [5.968018055, 7.431073189], rtol=1e-6)
    np.testing.assert_allclose(gradients.inputs, [[0.282701343, 0.54339391], [0.441603363, 0.73874867]], rtol=1e-6)
    np.testing.assert_allclose(
        gradients.biases.to_dense(), [0.0999749005, 1.24868619, 0, 2.41490149, 0, 1.81481576], rtol=1e-6
    )
    rows = [
        [0.0999749005, -0.199949801], [0.954066038, -1.17158175], [0, 0], [1.69898784, -1.60819149], [0, 0],
        [1.33962309, -1.49126422],
    ]  # fmt: skip
    np.testing.assert_allclose(gradients.weights.to_dense(), rows, rtol=1e-6)


def test_golden_numbers_of_tensorflow_without_hits():
    loss, gradients = fc.nn.nce_loss_and_grad(**GOLDEN, remove_accidental_hits=True)
    np.testing.assert_allclose(loss, [4.61501503, 5.767130852], rtol=1e-6)
    np.testing.assert_allclose(gradients.inputs, [[0.208547637, 0.395086467], [0.360542476, 0.576626897]], rtol=1e-6)
    np.testing.assert_allclose(
        gradients.biases.to_dense(), [0.0999749005, 1.24868619, 0, 0.862755299, 0, 1.81481576], rtol=1e-6
    )
    np.testing.assert_allclose(gradients.weights.to_dense()[3], [0.552146196, -0.327769578], rtol=1e-6)


@pytest.mark.parametrize(("count", "strategy"), [(1, "mod"), (3, "div"), (3, "mod")])
def test_golden_loss_of_tensorflows_own_test(count, strategy):
    rng = np.random.RandomState(0)  # the stream that the numbers were made from
    weights, biases, hidden = (rng.randn(*shape).astype(np.float32) for shape in ((5, 10), (5,), (3, 10)))
    weights, biases = (reference.to_shards(part, count, strategy) for part in (weights, biases))
    values = [1, 0, 2, 3], np.full((3, 1), 0.5, np.float32), np.full(4, 0.5, np.float32)
    arguments = weights, biases, np.array([[0], [1], [2]]), hidden, 4, 5, 1, values
    loss = fc.nn.nce_loss(*arguments, partition_strategy=strategy)
    # the recorded figures clip probabilities at 1e-4
    np.testing.assert_allclose(loss, [2.8258057, 4.566373, 5.5665183], rtol=1e-4)
    loss = fc.nn.nce_loss(*arguments, True, strategy)
    np.testing.assert_allclose(loss, [2.364158, 4.38443, 2.8010283], rtol=1e-4)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards(strategy, count):
    problem = _with_own_counts(make(61, 5, 8, 30, 2))
    shards = reference.to_shards(problem.weights, count, strategy)
    bias_shards = reference.to_shards(problem.biases, count, strategy)
    whole_loss, whole = _value_and_grad(problem)
    for biases in (problem.biases, bias_shards):
        loss, gradients = fc.nn.nce_loss_and_grad(
            shards, biases, problem.labels, problem.inputs, 30, 61, 2, problem.values,
            partition_strategy=strategy, upstream=problem.upstream,
        )  # fmt: skip
        np.testing.assert_array_equal(loss, whole_loss)
        np.testing.assert_array_equal(gradients.inputs, whole.inputs)
        dense = reference.from_shards([part.to_dense() for part in gradients.weights], strategy)
        np.testing.assert_array_equal(dense, whole.weights.to_dense())
        bias_parts = gradients.biases if isinstance(biases, list) else [gradients.biases]
        dense = reference.from_shards([part.to_dense() for part in bias_parts], strategy)
        np.testing.assert_array_equal(dense, whole.biases.to_dense())


@pytest.mark.parametrize(
    "layout", [np.asfortranarray, lambda a: np.repeat(a, 2, axis=0)[::2], lambda a: a[::-1].copy()[::-1]]
)
def test_any_layout_gives_the_same_bits(layout):
    problem = make(100, 12, 9, 40)
    other = problem._replace(weights=layout(problem.weights))
    for array in (other.weights, other.biases, other.labels, other.inputs, *other.values, other.upstream):
        array.flags.writeable = False
    want, got = flat(*_value_and_grad(problem)), flat(*_value_and_grad(other))
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


KINDS = [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]


@pytest.mark.parametrize(("table", "given"), list(itertools.product(KINDS, KINDS)))
def test_results_are_right_to_the_rounding_of_their_dtypes(table, given):
    problem = make(90, 10, 6, 30, dtype=np.float64)
    problem = problem._replace(
        weights=problem.weights.astype(table), biases=problem.biases.astype(table), inputs=problem.inputs.astype(given)
    )
    loss, gradients = _value_and_grad(problem, remove_accidental_hits=True)
    truth = _reference(problem, remove_accidental_hits=True)
    arithmetic = 1e-14 if np.float64 in (table, given) else 1e-6
    stored = np.float32 if table == ml_dtypes.bfloat16 else table  # its gradient is not rounded to bfloat16
    for got, want, dtype in (
        (loss, truth.loss, given),
        (gradients.inputs, truth.d_inputs, given),
        (gradients.weights.to_dense(), truth.d_weights, stored),
        (gradients.biases.to_dense(), truth.d_biases, stored),
    ):
        assert got.dtype == dtype
        rounding = float(ml_dtypes.finfo(dtype).eps) / 2
        np.testing.assert_allclose(got.astype(float), want, rtol=rounding, atol=arithmetic * np.abs(want).max())


def test_without_biases():
    problem = make(100, 4, 6, 20)
    zero = flat(*_value_and_grad(problem._replace(biases=np.zeros(100, np.float32))))
    loss, gradients = _value_and_grad(problem._replace(biases=None))
    assert gradients.biases is None
    np.testing.assert_array_equal(loss, zero["loss"])
    np.testing.assert_array_equal(gradients.weights.to_dense(), zero["d_weights"])


def test_no_rows():
    problem = make(100, 4, 6, 20)
    empty = problem._replace(
        labels=problem.labels[:0], inputs=problem.inputs[:0], upstream=problem.upstream[:0],
        values=problem.values._replace(true_expected_count=problem.values.true_expected_count[:0]),
    )  # fmt: skip
    loss, gradients = _value_and_grad(empty)
    assert loss.shape == _value(empty).shape == (0,)
    assert gradients.inputs.shape == (0, 4)
    assert gradients.weights.rows.shape == (0, 4)


def test_true_counts_of_one_label_column_are_shared():
    problem = make(100, 4, 6, 20, 3)
    narrow = problem.values._replace(true_expected_count=np.full((6, 1), 0.5, np.float32))
    wide = problem.values._replace(true_expected_count=np.full((6, 3), 0.5, np.float32))
    np.testing.assert_array_equal(_value(problem._replace(values=narrow)), _value(problem._replace(values=wide)))


def test_nan_and_infinite_numbers_stay_in_their_row():
    problem = make(100, 4, 6, 20)
    want = flat(*_value_and_grad(problem))
    for bad in (np.nan, np.inf):
        inputs = problem.inputs.copy()
        inputs[2, 1] = bad
        loss, gradients = _value_and_grad(problem._replace(inputs=inputs))
        assert not np.isfinite(loss[2])
        for name, got in (("loss", loss), ("d_inputs", gradients.inputs)):
            np.testing.assert_array_equal(np.delete(got, 2, axis=0), np.delete(want[name], 2, axis=0))


def test_far_apart_logits_do_not_overflow():
    problem = make(400, 8, 16, 50, spread=300.0)
    truth = _reference(problem)
    # a logit of size z is rounded to eps z, which changes its probability by as much
    rounding = 4 * 1.2e-7 * np.abs(problem.inputs @ problem.weights.T).max()
    for name, got in flat(*_value_and_grad(problem)).items():
        want = getattr(truth, name)
        np.testing.assert_allclose(got, want, rtol=0, atol=rounding * np.abs(want).max())


@pytest.mark.parametrize("num_true", [1, 3])
def test_the_default_sampler_is_the_log_uniform_one_and_goes_on(num_true):
    problem = make(500, 4, 6, 1, num_true)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs, 40, 500, num_true
    fc.nn.reset()
    losses = [fc.nn.nce_loss(*arguments, seed=11) for _ in range(2)]
    sampler = fc.LogUniformSampler(500, seed=11)
    for loss in losses:
        want = fc.nn.nce_loss(*arguments, sampled_values=sampler.sample(problem.labels, 40))
        np.testing.assert_array_equal(loss, want)
    assert (losses[0] != losses[1]).any()
    fc.nn.reset()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (fc.NCELoss, {}),
        (fc.SampledLogisticLoss, {"remove_accidental_hits": True}),
        (fc.NegativeSamplingLoss, {"subtract_log_q": False}),
    ],
)
def test_loss_objects_compute_their_formula(kind, options):
    problem = make(30, 4, 6, 1, 2)
    loss, twin = kind(fc.UniformSampler(30, seed=3), 12), kind(fc.UniformSampler(30, seed=3), 12)
    tables = problem.weights, problem.biases, problem.labels, problem.inputs
    values = fc.UniformSampler(30, seed=3).sample(problem.labels, 12)
    got = flat(*loss.value_and_grad(*tables, upstream=problem.upstream))
    np.testing.assert_array_equal(twin.value(*tables), got["loss"])
    drawn = problem._replace(values=values)
    truth, plain = (_reference(drawn, dtype, **options) for dtype in (np.float64, np.float32))
    check_budget(got, truth, plain, exact(drawn, "logistic", **options))
    given = flat(*loss.value_and_grad(*tables, upstream=problem.upstream, sampled_values=values))
    for name, array in given.items():
        np.testing.assert_array_equal(array, got[name])


def test_refused_calls_name_the_argument_and_move_no_sampler():
    problem = make(500, 4, 6, 1)
    arguments = {
        "weights": problem.weights, "biases": problem.biases, "labels": problem.labels, "inputs": problem.inputs,
        "num_sampled": 40, "num_classes": 500, "seed": 3,
    }  # fmt: skip
    fc.nn.reset()
    first = fc.nn.nce_loss(**arguments)
    fc.nn.reset()
    for change, error, message in (
        ({"remove_accidental_hits": "mod"}, TypeError, "remove_accidental_hits must be a bool, got str"),
        ({"labels": problem.inputs, "inputs": problem.labels}, TypeError, "labels must be integers, got float32"),
        ({"labels": problem.labels[:5]}, ValueError, "inputs must have 5 rows as labels have, got 6"),
        ({"num_true": 2}, ValueError, r"labels must have num_true = 2 columns, got shape \(6, 1\)"),
        ({"num_classes": 501}, ValueError, "num_classes must be at most the 500 rows of weights, got 501"),
        ({"num_sampled": 0}, ValueError, "num_sampled must be at least 1, got 0"),
        ({"partition_strategy": "foo"}, ValueError, "partition_strategy must be 'mod' or 'div', got 'foo'"),
        ({"upstream": np.ones(5)}, ValueError, r"upstream must have shape \(6,\) as labels have rows, got \(5,\)"),
        ({"sampled_values": ([1], [[1.0]], [1.0])}, ValueError, "num_sampled must be the number of sampled_candidates"),
        ({"sampled_values": ([1] * 40, [[0.0]], [1.0])}, ValueError, "true_expected_count must be positive"),
    ):  # fmt: skip
        for function in (fc.nn.nce_loss, fc.nn.nce_loss_and_grad):
            if "upstream" in change and function is fc.nn.nce_loss:
                continue
            with pytest.raises(error, match=message):
                function(**arguments | change)
    np.testing.assert_array_equal(fc.nn.nce_loss(**arguments), first)
    fc.nn.reset()
