"""Sampled softmax: against the oracle, against derivatives, bit for bit over threads, and on hostile input."""

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
    (2000, 16, 31, 129, 1),
    (40, 1, 97, 64, 2),
    (500, 257, 3, 8, 1),
]


def _value_and_grad(problem, **options):
    count = len(problem.values.sampled_candidates)
    return fc.nn.sampled_softmax_loss_and_grad(
        problem.weights, problem.biases, problem.labels, problem.inputs, count, len(problem.weights),
        problem.labels.shape[1], problem.values, upstream=problem.upstream, **options,
    )  # fmt: skip


def _value(problem, **options):
    count = len(problem.values.sampled_candidates)
    return fc.nn.sampled_softmax_loss(
        problem.weights, problem.biases, problem.labels, problem.inputs, count, len(problem.weights),
        problem.labels.shape[1], problem.values, **options,
    )  # fmt: skip


def _reference(problem, dtype=np.float64, **options):
    return reference.sampled_softmax(
        problem.weights, problem.biases, problem.labels, problem.inputs, problem.values, upstream=problem.upstream,
        dtype=dtype, **options,
    )  # fmt: skip


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_plain_arithmetic(shape, dtype, remove):
    problem = make(*shape, dtype=dtype)
    loss, gradients = _value_and_grad(problem, remove_accidental_hits=remove)
    truth = _reference(problem, remove_accidental_hits=remove)
    plain = _reference(problem, dtype, remove_accidental_hits=remove)
    exactly = exact(problem, "softmax", remove_accidental_hits=remove)
    check_budget(flat(loss, gradients), truth, plain, exactly)
    assert loss.dtype == gradients.inputs.dtype == gradients.weights.rows.dtype == dtype
    np.testing.assert_allclose(_value(problem, remove_accidental_hits=remove), loss, rtol=4e-7)


def test_rows_are_sorted_unique_and_exactly_those_used():
    problem = make(200, 5, 20, 60, 2)
    _, gradients = _value_and_grad(problem)
    used = np.union1d(problem.labels, problem.values.sampled_candidates)
    np.testing.assert_array_equal(gradients.weights.ids, used)
    np.testing.assert_array_equal(gradients.biases.ids, used)
    assert gradients.weights.num_rows == 200


@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_for_any_number_of_threads(shape):
    problem = make(*shape)
    results = []
    for threads in (1, 2, 3, 8):
        with fc.num_threads(threads):
            results.append([*flat(*_value_and_grad(problem)).values(), _value(problem)])
    for other in results[1:]:
        for first, second in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("remove", [False, True])
def test_gradients_are_derivatives(remove):
    problem = make(12, 4, 3, 7, 2, dtype=np.float64)
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
    sampled = flat(*_value_and_grad(problem._replace(values=ones)))
    check_elements(sampled, exact(problem, "softmax", sampled=False))


def test_every_copy_of_a_hit_is_removed():
    weights, inputs = np.zeros((9, 2), np.float32), np.ones((1, 2), np.float32)
    values = ([4, 6, 4, 4], np.ones((1, 1)), np.ones(4))
    loss = fc.nn.sampled_softmax_loss(weights, None, [[4]], inputs, 4, 9, 1, values)
    np.testing.assert_allclose(loss, np.log(2), rtol=1e-6)
    _, gradients = fc.nn.sampled_softmax_loss_and_grad(weights, np.zeros(9, np.float32), [[4]], inputs, 4, 9, 1, values)
    np.testing.assert_allclose(gradients.biases.to_dense()[[4, 6]], [-0.5, 0.5], rtol=1e-6)


def test_an_example_whose_candidates_are_all_hits_has_no_loss():
    weights = np.ones((3, 2), np.float32)
    values = ([1], np.full((2, 1), 0.5), np.full(1, 0.5))
    loss, gradients = fc.nn.sampled_softmax_loss_and_grad(
        weights, None, [[1], [2]], np.ones((2, 2), np.float32), 1, 3, 1, values
    )
    assert loss[0] == 0
    assert loss[1] == pytest.approx(np.log(2), rel=1e-6)
    assert (gradients.inputs[0] == 0).all()


def test_golden_numbers_of_tensorflow():
    weights = (np.arange(12) * 0.1 - 0.5).reshape(6, 2).astype(np.float32)
    biases = (np.arange(6) * 0.05).astype(np.float32)
    inputs = np.array([[1, -2], [0.5, 0.25]], np.float32)
    values = (
        [3, 1, 5],
        np.array([[0.9, 0.3], [0.3, 0.3]], np.float32),
        np.array([0.3, 0.6, 0.1], np.float32),
    )
    arguments = weights, biases, np.array([[0, 3], [3, 3]]), inputs, 3, 6, 2, values
    loss, gradients = fc.nn.sampled_softmax_loss_and_grad(*arguments)
    np.testing.assert_allclose(loss, [1.810480714, 1.918485284], rtol=1e-6)
    np.testing.assert_allclose(gradients.inputs, [[0.369080782, 0.369080812], [0.243167639, 0.243167654]], rtol=1e-6)
    np.testing.assert_allclose(
        gradients.biases.to_dense(), [-0.381730199, 0.201904878, 0, -0.980105162, 0, 1.15993059], rtol=1e-6
    )
    loss = fc.nn.sampled_softmax_loss(*arguments, remove_accidental_hits=False)
    np.testing.assert_allclose(loss, [2.014430523, 2.055486202], rtol=1e-6)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shards(strategy, count):
    problem = make(61, 5, 8, 30, 2)
    shards = reference.to_shards(problem.weights, count, strategy)
    bias_shards = reference.to_shards(problem.biases, count, strategy)
    whole_loss, whole = _value_and_grad(problem)
    for biases in (problem.biases, bias_shards):
        loss, gradients = fc.nn.sampled_softmax_loss_and_grad(
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
    other = layout(problem.weights)
    other.flags.writeable = False
    want = flat(*_value_and_grad(problem))
    got = flat(*_value_and_grad(problem._replace(weights=other)))
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


def test_memmap_and_read_only_arrays(tmp_path):
    problem = make(100, 12, 9, 40)
    np.save(tmp_path / "weights.npy", problem.weights)
    mapped = problem._replace(weights=np.load(tmp_path / "weights.npy", mmap_mode="r"))
    for array in (mapped.biases, mapped.labels, mapped.inputs, *mapped.values, mapped.upstream):
        array.flags.writeable = False
    want, got = flat(*_value_and_grad(problem)), flat(*_value_and_grad(mapped))
    for name in want:
        np.testing.assert_array_equal(got[name], want[name])


@pytest.mark.parametrize("table", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
@pytest.mark.parametrize("given", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_results_are_right_to_the_rounding_of_their_dtypes(table, given):
    problem = make(90, 10, 6, 30, dtype=np.float64)
    problem = problem._replace(
        weights=problem.weights.astype(table),
        biases=problem.biases.astype(table),
        inputs=problem.inputs.astype(given),
    )
    loss, gradients = _value_and_grad(problem)
    truth = _reference(
        problem._replace(
            weights=problem.weights.astype(float),
            biases=problem.biases.astype(float),
            inputs=problem.inputs.astype(float),
        )
    )
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


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32, np.uint8, np.uint64])
def test_integer_dtypes_of_ids(kind):
    problem = make(100, 4, 6, 20)
    want = flat(*_value_and_grad(problem))
    narrow = problem._replace(
        labels=problem.labels.astype(kind),
        values=problem.values._replace(sampled_candidates=problem.values.sampled_candidates.astype(kind)),
    )
    for name, value in flat(*_value_and_grad(narrow)).items():
        np.testing.assert_array_equal(value, want[name])


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
    assert loss.shape == (0,)
    assert gradients.inputs.shape == (0, 4)
    assert gradients.weights.rows.shape == (0, 4)
    assert _value(empty).shape == (0,)


def test_true_counts_of_one_label_column_are_shared():
    problem = make(100, 4, 6, 20, 3)
    narrow = problem.values._replace(true_expected_count=np.full((6, 1), 0.5, np.float32))
    wide = problem.values._replace(true_expected_count=np.full((6, 3), 0.5, np.float32))
    np.testing.assert_array_equal(_value(problem._replace(values=narrow)), _value(problem._replace(values=wide)))


def test_nan_and_infinite_numbers_give_nan_and_stay_in_their_row():
    problem = make(100, 4, 6, 20)
    for bad in (np.nan, np.inf):
        inputs = problem.inputs.copy()
        inputs[2, 1] = bad
        loss = _value(problem._replace(inputs=inputs))
        assert np.isnan(loss[2])
        assert np.isfinite(np.delete(loss, 2)).all()


def test_far_apart_logits_do_not_overflow():
    problem = make(400, 8, 16, 50, spread=300.0)
    truth = _reference(problem)
    # a logit of size z is rounded to eps z, which changes its probability by as much
    rounding = 4 * 1.2e-7 * np.abs(problem.inputs @ problem.weights.T).max()
    for name, got in flat(*_value_and_grad(problem)).items():
        want = getattr(truth, name)
        np.testing.assert_allclose(got, want, rtol=0, atol=rounding * np.abs(want).max())


def test_the_default_sampler_is_the_log_uniform_one_and_goes_on():
    problem = make(500, 4, 6, 1)
    fc.nn.reset()
    losses = [
        fc.nn.sampled_softmax_loss(problem.weights, problem.biases, problem.labels, problem.inputs, 40, 500, seed=11)
        for _ in range(2)
    ]
    sampler = fc.LogUniformSampler(500, seed=11)
    for loss in losses:
        values = sampler.sample(problem.labels, 40)
        np.testing.assert_array_equal(
            loss,
            fc.nn.sampled_softmax_loss(
                problem.weights,
                problem.biases,
                problem.labels,
                problem.inputs,
                40,
                500,
                sampled_values=values,
            ),
        )
    assert (losses[0] != losses[1]).any()
    fc.nn.reset()


def test_loss_object_equals_the_function():
    problem = make(500, 4, 6, 1)
    loss = fc.SampledSoftmaxLoss(fc.LogUniformSampler(500, seed=3), 40)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    value = loss.value(*arguments)
    again, gradients = loss.value_and_grad(*arguments, upstream=problem.upstream)
    fc.nn.reset()
    want = fc.nn.sampled_softmax_loss(*arguments, 40, 500, seed=3)
    want_again, want_gradients = fc.nn.sampled_softmax_loss_and_grad(
        *arguments, 40, 500, seed=3, upstream=problem.upstream
    )
    fc.nn.reset()
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(again, want_again)
    np.testing.assert_array_equal(gradients.weights.rows, want_gradients.weights.rows)


def test_a_refused_call_moves_no_sampler():
    problem = make(500, 4, 6, 1)
    loss, twin = (fc.SampledSoftmaxLoss(fc.LogUniformSampler(500, seed=3), 40) for _ in range(2))
    arguments = [problem.weights, problem.biases, problem.labels, problem.inputs]
    for bad in (
        [problem.weights[:, :3], *arguments[1:]],
        [*arguments[:2], problem.labels + 500, arguments[3]],
        [*arguments[:3], problem.inputs[:5]],
    ):
        with pytest.raises(ValueError, match="must"):
            loss.value(*bad)
    with pytest.raises(ValueError, match="upstream"):
        loss.value_and_grad(*arguments, upstream=np.ones(5))
    np.testing.assert_array_equal(loss.value(*arguments), twin.value(*arguments))


def test_no_denormal_number_is_made_of_a_peaked_softmax():
    """They would take a hundred times as long; `python -m bench.run step_peaked` has the time."""
    p = make(300, 24, 40, 200, seed=4, unique=True, spread=1.0)
    inputs = p.inputs * np.float32(20)
    truth = reference.sampled_softmax(p.weights, p.biases, p.labels, inputs, p.values)
    tiny = np.finfo(np.float32).tiny
    smallest = np.abs(truth.d_weights[truth.d_weights != 0])
    assert np.count_nonzero(smallest < tiny) > 100  # the problem is peaked
    arguments = p.weights, p.biases, p.labels, inputs, 200, 300
    loss, gradients = fc.nn.sampled_softmax_loss_and_grad(*arguments, sampled_values=p.values)
    peaked = p._replace(inputs=inputs, upstream=np.ones(40))
    check_elements(flat(loss, gradients), exact(peaked, "softmax", remove_accidental_hits=True))
    for array in (gradients.inputs, gradients.weights.rows, gradients.biases.rows):
        assert (np.abs(array[array != 0]) >= tiny).all()
