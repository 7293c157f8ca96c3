"""Sampled softmax over resampled candidates: against the oracle, TensorFlow's numbers, and choices made by hand."""
# ruff: noqa: E501 - one case a line

import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from tests.losses.exact import exact
from tests.losses.problems import check_budget, flat, make

SHAPES = [  # classes, width, batch, candidates, kept, true classes
    (50, 7, 5, 9, 4, 1),
    (1000, 33, 70, 300, 57, 3),
    (1700, 128, 64, 1500, 1499, 2),
    (2, 1, 1, 2, 1, 1),
    (80, 16, 97, 64, 1, 5),
]
STRATEGIES = [(1, "mod"), (2, "div"), (3, "mod"), (7, "div")]


def _tables(problem):
    return problem.weights, problem.biases, problem.labels, problem.inputs


def _arguments(problem, kept):
    count = len(problem.values.sampled_candidates)
    return *_tables(problem), count, kept, len(problem.weights), problem.labels.shape[1], problem.values


def _reference(problem, kept, dtype=np.float64, **options):
    return reference.rank_sampled_softmax(
        *_tables(problem), problem.values, kept, upstream=problem.upstream, dtype=dtype, **options
    )


def _resampled(problem, kept, temperature):
    """Return the problem with the candidates that are kept, as the oracle chooses them."""
    ids, true_counts, counts = problem.values
    best, _ = reference.resample(problem.weights, problem.biases, problem.inputs, ids, kept, temperature=temperature)
    return problem._replace(values=fc.SampledValues(ids[best], true_counts, counts[best]))


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_within_the_budget_of_plain_arithmetic(shape, dtype, temperature, remove):
    *sizes, kept, num_true = shape
    problem = make(*sizes, num_true, dtype=dtype, unique=True)
    loss, gradients = fc.nn.rank_sampled_softmax_loss_and_grad(
        *_arguments(problem, kept), temperature, remove, upstream=problem.upstream
    )
    options = {"temperature": temperature, "remove_accidental_hits": remove}
    truth, plain = (_reference(problem, kept, kind, **options) for kind in (np.float64, dtype))
    exactly = exact(_resampled(problem, kept, temperature), "softmax", remove_accidental_hits=remove)
    check_budget(flat(loss, gradients), truth, plain, exactly)
    value = fc.nn.rank_sampled_softmax_loss(*_arguments(problem, kept), temperature, remove)
    np.testing.assert_allclose(value, loss, rtol=4e-7)


@pytest.mark.parametrize(("count", "strategy"), STRATEGIES)
def test_shards_and_threads_do_not_change_a_bit(count, strategy):
    problem = make(61, 5, 8, 30, 2)
    want = flat(*fc.nn.rank_sampled_softmax_loss_and_grad(*_arguments(problem, 11), upstream=problem.upstream))
    shards = problem._replace(
        weights=reference.to_shards(problem.weights, count, strategy),
        biases=reference.to_shards(problem.biases, count, strategy),
    )
    arguments = *_tables(shards), 30, 11, 61, 2, problem.values, 1.0, True, strategy
    for threads in (1, 2, 5):
        with fc.num_threads(threads):
            loss, gradients = fc.nn.rank_sampled_softmax_loss_and_grad(*arguments, upstream=problem.upstream)
        np.testing.assert_array_equal(loss, want["loss"])
        np.testing.assert_array_equal(gradients.inputs, want["d_inputs"])
        for parts, name in ((gradients.weights, "d_weights"), (gradients.biases, "d_biases")):
            dense = reference.from_shards([part.to_dense() for part in parts], strategy)
            np.testing.assert_array_equal(dense, want[name])


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("strategy", ["mod", "div"])
def test_golden_numbers_of_tensorflows_own_test(count, strategy):
    weights = (np.arange(10)[:, None] + np.arange(5) * 0.1).astype(np.float32)
    biases = (np.arange(10) * 0.1).astype(np.float32)
    inputs = np.array([[0, 1, 2, 3, 4], [10, 11, 12, 13, 14]], np.float32)
    labels, counts = np.array([[0, 1], [1, 2]]), np.full((2, 1), 0.5, np.float32)
    if count > 1:
        weights, biases = (reference.to_shards(part, count, strategy) for part in (weights, biases))
    loss = fc.nn.rank_sampled_softmax_loss(
        weights, biases, labels, inputs, 5, 3, 10, 2, ([3, 4, 5, 6, 7], counts, np.full(5, 0.5, np.float32)), 1.0, False,
        strategy,
    )  # fmt: skip
    np.testing.assert_allclose(loss, [65.65004, 330.55], rtol=1e-6)
    want = fc.nn.sampled_softmax_loss(
        weights, biases, labels, inputs, 3, 10, 2, ([5, 6, 7], counts, np.full(3, 0.5, np.float32)), False, strategy
    )
    np.testing.assert_array_equal(loss, want)


@pytest.mark.parametrize(
    ("temperature", "want"),
    [
        (1.0, [0.69314718, 1.31326163]),
        (2.12, [0.69314718, 1.31326163]),
        (2.13, [7.00091124, 0.69314718]),
        (3.0, [7.00091124, 0.69314718]),
    ],
)
def test_golden_numbers_at_temperatures(temperature, want):
    weights, inputs = np.array([[1, 2], [3, 4]], np.float32), np.array([[6, -2.5], [-11, 10.5]], np.float32)
    values = [0, 1], np.ones((2, 1), np.float32), np.ones(2, np.float32)
    arguments = weights, np.zeros(2, np.float32), [[0], [1]], inputs, 2, 1, 2, 1, values, temperature, False, "div"
    np.testing.assert_allclose(fc.nn.rank_sampled_softmax_loss(*arguments), want, rtol=1e-6)


def test_ties_go_to_the_lower_position():
    problem = make(9, 3, 4, 5)
    problem = problem._replace(weights=np.zeros_like(problem.weights), biases=np.zeros_like(problem.biases))
    problem = problem._replace(values=problem.values._replace(sampled_candidates=np.array([5, 4, 3, 2, 1])))
    _, gradients = fc.nn.rank_sampled_softmax_loss_and_grad(*_arguments(problem, 2))
    assert set(gradients.weights.ids) == {5, 4, *problem.labels.reshape(-1)}


def test_no_gradient_goes_through_the_choice():
    problem = make(12, 4, 3, 7, 2, dtype=np.float64, unique=True)
    arguments = {"remove_accidental_hits": False, "resampling_temperature": 0.5}
    _, gradients = fc.nn.rank_sampled_softmax_loss_and_grad(
        *_arguments(problem, 3), **arguments, upstream=problem.upstream
    )
    step = 1e-4
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
                other = problem._replace(**{name: moved})
                total += factor * (
                    fc.nn.rank_sampled_softmax_loss(*_arguments(other, 3), **arguments) @ problem.upstream
                )
            assert gradient[index] == pytest.approx(total / (12 * step), abs=1e-8), (name, index)


def test_the_default_sampler_learns_and_goes_on():
    problem = make(200, 4, 6, 1, 2)
    fc.nn.reset()
    losses = [fc.nn.rank_sampled_softmax_loss(*_tables(problem), 40, 9, 200, 2, seed=11) for _ in range(3)]
    fc.nn.reset()
    sampler = fc.LearnedUnigramSampler(200, seed=11)
    for loss in losses:
        values = sampler.sample(problem.labels, 40)
        want = fc.nn.rank_sampled_softmax_loss(*_tables(problem), 40, 9, 200, 2, values)
        np.testing.assert_array_equal(loss, want)
    assert (losses[0] != losses[1]).any()


def _logits(problem, dtype=np.float64):
    ids = problem.values.sampled_candidates
    return problem.inputs.astype(dtype) @ problem.weights[ids].astype(dtype).T + problem.biases[ids]


def _of_kept(problem, positions, remove, dtype=np.float64):
    """Return the oracle's loss of each example over its own positions of the candidates."""
    ids, true_counts, counts = problem.values
    rows = []
    for i, kept in enumerate(positions):
        one = slice(i, i + 1)
        values = ids[kept], true_counts[one], counts[kept]
        tables = problem.weights, problem.biases, problem.labels[one], problem.inputs[one]
        row = reference.sampled_softmax(
            *tables, values, remove_accidental_hits=remove, upstream=problem.upstream[one], dtype=dtype
        )
        rows.append(row)
    joined = [np.concatenate([row.loss for row in rows]), np.concatenate([row.d_inputs for row in rows])]
    return reference.Result(*joined, sum(row.d_weights for row in rows), sum(row.d_biases for row in rows))


def _loss(problem, kept, **options):
    sampler = fc.UniformSampler(len(problem.weights), seed=1)
    return fc.RankSampledSoftmaxLoss(sampler, len(problem.values.sampled_candidates), kept, **options)


@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("remove", [False, True])
def test_each_example_has_its_own_candidates(exclude, remove):
    problem = make(60, 6, 300, 40, 3, unique=True)
    scores = _logits(problem)
    if exclude:
        hits = (problem.labels[:, :, None] == problem.values.sampled_candidates).any(axis=1)
        assert hits.any()
        scores[hits] = -np.inf
    kept = np.sort(np.argsort(-scores, axis=1, kind="stable")[:, :7], axis=1)
    loss = _loss(problem, 7, per_example=True, exclude_hits=exclude, remove_accidental_hits=remove)
    got = flat(*loss.value_and_grad(*_tables(problem), upstream=problem.upstream, sampled_values=problem.values))
    ids, true_counts, counts = problem.values
    kept_values = fc.SampledValues(ids[kept], true_counts, counts[kept])
    exactly = exact(problem._replace(values=kept_values), "softmax", remove_accidental_hits=remove)
    check_budget(got, *(_of_kept(problem, kept, remove, dtype) for dtype in (np.float64, np.float32)), exactly)
    np.testing.assert_allclose(
        loss.value(*_tables(problem), sampled_values=problem.values), got["loss"], rtol=4e-7, atol=1e-6
    )


@pytest.mark.parametrize("remove", [False, True])
def test_true_classes_of_the_batch_are_not_chosen(remove):
    problem = make(60, 6, 9, 40, 2, unique=True)
    scores = np.log(np.exp(_logits(problem)).sum(axis=0))
    hits = np.isin(problem.values.sampled_candidates, problem.labels)
    assert hits[np.argsort(-scores)[:7]].any()
    scores[hits] = -np.inf
    kept = np.sort(np.argsort(-scores, kind="stable")[:7])
    loss = _loss(problem, 7, exclude_hits=True, remove_accidental_hits=remove)
    got = flat(*loss.value_and_grad(*_tables(problem), upstream=problem.upstream, sampled_values=problem.values))
    ids, true_counts, counts = problem.values
    kept_values = fc.SampledValues(ids[kept], true_counts, counts[kept])
    exactly = exact(problem._replace(values=kept_values), "softmax", remove_accidental_hits=remove)
    check_budget(got, *(_of_kept(problem, [kept] * 9, remove, dtype) for dtype in (np.float64, np.float32)), exactly)


@pytest.mark.parametrize("per_example", [False, True])
def test_hits_are_kept_where_other_candidates_run_out(per_example):
    problem = make(4, 3, 2, 4, unique=True)
    problem = problem._replace(labels=np.array([[1, 2], [2, 1]]), values=fc.SampledValues(
        np.array([0, 1, 2]), np.ones((2, 2)), np.ones(3)))  # fmt: skip
    sampler = fc.UniformSampler(4, seed=1)
    loss = fc.RankSampledSoftmaxLoss(sampler, 3, 2, exclude_hits=True, per_example=per_example)
    got = loss.value(*_tables(problem), sampled_values=problem.values)
    want = _of_kept(problem, [[0]] * 2, remove=True).loss  # the hit that is chosen is masked in the loss
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_ignored_labels_are_no_hits():
    problem = make(60, 6, 9, 40, 2, unique=True)
    ignored = problem.labels.copy()
    ignored[:, 1] = -1
    want = problem._replace(
        labels=problem.labels[:, :1],
        values=problem.values._replace(true_expected_count=problem.values.true_expected_count[:, :1]),
    )
    for options in ({"exclude_hits": True}, {"exclude_hits": True, "per_example": True}):
        loss = _loss(problem, 7, ignore_index=-1, **options).value(
            problem.weights, problem.biases, ignored, problem.inputs, sampled_values=problem.values
        )
        alone = _loss(problem, 7, **options).value(*_tables(want), sampled_values=want.values)
        np.testing.assert_allclose(loss, alone, rtol=1e-6)


@pytest.mark.parametrize("per_example", [False, True])
def test_no_rows_and_nan(per_example):
    problem = make(60, 6, 9, 40, 2, unique=True)
    loss = _loss(problem, 7, per_example=per_example)
    empty = problem._replace(
        labels=problem.labels[:0], inputs=problem.inputs[:0],
        values=problem.values._replace(true_expected_count=problem.values.true_expected_count[:0]),
    )  # fmt: skip
    value, gradients = loss.value_and_grad(*_tables(empty), sampled_values=empty.values)
    assert value.shape == (0,)
    assert gradients.weights.rows.shape == (0, 6)
    for bad in (np.nan, np.inf):
        inputs = problem.inputs.copy()
        inputs[4, 2] = bad
        value = loss.value(*_tables(problem._replace(inputs=inputs)), sampled_values=problem.values)
        assert np.isnan(value[4])
        assert np.isfinite(np.delete(value, 4)).all()


def test_loss_object_equals_the_function():
    problem = make(200, 4, 6, 1, 2)
    loss = fc.RankSampledSoftmaxLoss(fc.LearnedUnigramSampler(200, seed=3), 40, 9, temperature=0.5)
    value, gradients = loss.value_and_grad(*_tables(problem), upstream=problem.upstream)
    fc.nn.reset()
    want, want_gradients = fc.nn.rank_sampled_softmax_loss_and_grad(
        *_tables(problem), 40, 9, 200, 2, None, 0.5, seed=3, upstream=problem.upstream
    )
    fc.nn.reset()
    np.testing.assert_array_equal(value, want)
    np.testing.assert_array_equal(gradients.weights.rows, want_gradients.weights.rows)


OK = make(20, 3, 4, 5, seed=1)
CASES = [
    ({"num_sampled": 21, "num_resampled": 30, "partition_strategy": None}, ValueError, r"num_sampled \(21\) must be at most num_classes \(20\)"),
    ({"num_sampled": 3, "num_resampled": 3, "partition_strategy": None}, ValueError, r"num_resampled \(3\) must be less than num_sampled \(3\)"),
    ({"num_sampled": 2, "num_resampled": 3}, ValueError, r"num_resampled \(3\) must be less than num_sampled \(2\)"),
    ({"num_sampled": 2, "num_resampled": 1, "partition_strategy": None}, ValueError, "partition_strategy must be 'mod' or 'div', got None"),
    ({"num_resampled": 0}, ValueError, "num_resampled must be at least 1, got 0"),
    ({"resampling_temperature": 0.0}, ValueError, "resampling_temperature must be positive and finite, got 0.0"),
    ({"resampling_temperature": -1}, ValueError, "resampling_temperature must be positive and finite, got -1.0"),
    ({"resampling_temperature": np.nan}, ValueError, "resampling_temperature must be positive and finite, got nan"),
    ({"resampling_temperature": "1"}, TypeError, "resampling_temperature must be a number, got str"),
    ({"remove_accidental_hits": 1}, TypeError, "remove_accidental_hits must be a bool, got int"),
    ({"num_sampled": 4, "sampled_values": OK.values}, ValueError, "num_sampled must be the number of sampled_candidates, 5, got 4"),
    ({"labels": OK.inputs, "inputs": OK.labels}, TypeError, "labels must be integers, got float32"),
]  # fmt: skip
CASES = [pytest.param(*case, id=case[2][:40]) for case in CASES]


@pytest.mark.parametrize(("changes", "error", "message"), CASES)
def test_refused_calls_name_the_argument_and_move_no_sampler(changes, error, message):
    arguments = dict(zip(("weights", "biases", "labels", "inputs"), _tables(OK), strict=True))
    arguments |= {"num_sampled": 5, "num_resampled": 2, "num_classes": 20, "seed": 4}
    fc.nn.reset()
    first = fc.nn.rank_sampled_softmax_loss(**arguments)
    fc.nn.reset()
    for function in (fc.nn.rank_sampled_softmax_loss, fc.nn.rank_sampled_softmax_loss_and_grad):
        with pytest.raises(error, match=message):
            function(**arguments | changes)
    np.testing.assert_array_equal(fc.nn.rank_sampled_softmax_loss(**arguments), first)
    fc.nn.reset()


def test_errors_of_the_loss_object():
    sampler = fc.UniformSampler(20, seed=1)
    with pytest.raises(ValueError, match=r"num_resampled \(5\) must be less than num_sampled \(5\)"):
        fc.RankSampledSoftmaxLoss(sampler, 5, 5)
    with pytest.raises(ValueError, match=r"temperature must be positive and finite, got 0\.0"):
        fc.RankSampledSoftmaxLoss(sampler, 5, 2, temperature=0.0)
    for name in ("remove_accidental_hits", "exclude_hits", "per_example", "unique"):
        with pytest.raises(TypeError, match=f"{name} must be a bool, got int"):
            fc.RankSampledSoftmaxLoss(sampler, 5, 2, **{name: 1})
    loss = fc.RankSampledSoftmaxLoss(sampler, 5, 2)
    per_row = np.zeros((4, 5), int), np.ones((4, 1)), np.ones((4, 5))
    few = np.array([3, 4]), np.ones((4, 1)), np.ones(2)
    for values, shape in ((per_row, r"\(4, 5\)"), (few, r"\(2,\)")):
        with pytest.raises(ValueError, match=f"one set of more than num_resampled = 2 candidates, got shape {shape}"):
            loss.value(*_tables(OK), sampled_values=values)
