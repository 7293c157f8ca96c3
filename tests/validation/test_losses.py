"""Options of the losses: values against formulas written out row by row, gradients against differences of values."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import fastcands as fc
from tests.losses.problems import flat, make

SAMPLED = [fc.SampledSoftmaxLoss, fc.NCELoss, fc.SampledLogisticLoss, fc.NegativeSamplingLoss]
EXACT = [fc.SoftmaxLoss, fc.LogisticLoss]
V, D, B, T, S = 11, 3, 5, 3, 8
IGNORED = np.array([[1, -7, 4], [-7, -7, -7], [2, 2, -7], [-7, 9, 9], [5, 3, 0]])


def _problem(seed=0):
    """Give labels that are candidates too, and repeated candidates each with its own expected count."""
    problem = make(V, D, B, S, T, dtype=np.float64, seed=seed, spread=0.8)
    ids = np.array([4, 2, 2, 9, 4, 4, 7, 1])
    counts = np.random.default_rng(seed).choice([0.3, 0.7, 1.9], S)
    true_counts = problem.values.true_expected_count.astype(float)
    return problem._replace(labels=np.abs(IGNORED), values=fc.SampledValues(ids, true_counts, counts))


def _per_example(problem, seed=3):
    rng = np.random.default_rng(seed)
    return problem._replace(
        values=problem.values._replace(
            sampled_candidates=rng.integers(0, V, (B, S)), sampled_expected_count=rng.random((B, S)) + 0.1
        )
    )


def _loss(kind, **options):
    return kind(**options) if kind in EXACT else kind(fc.UniformSampler(V, seed=1), S, **options)


class Formula(NamedTuple):
    """The loss of one row, written out."""

    kind: Any
    temperature: float = 1.0
    ignore_index: int | None = None
    log_normalizer: Any = 0.0
    label_smoothing: float = 0.0
    remove_accidental_hits: bool = True

    def _columns(self, o, labels, values, row):
        """Return the row's logits and targets, one for each column."""
        if self.kind is fc.SoftmaxLoss:
            return o, np.bincount(labels, minlength=V) / len(labels)
        if self.kind is fc.LogisticLoss:
            return o, np.isin(np.arange(V), labels).astype(float)
        given = self.kind is not fc.NegativeSamplingLoss
        places = np.arange(T) if self.ignore_index is None else np.flatnonzero(values.places[row])
        true = o[labels] - given * np.log(values.true_counts[row, places])
        ids, counts = values.ids[row], values.counts[row]
        drop = self.kind is fc.SampledLogisticLoss or (
            self.kind is fc.SampledSoftmaxLoss and self.remove_accidental_hits
        )
        kept = ~np.isin(ids, labels) if drop else np.ones(len(ids), bool)
        other = (o[ids] - given * np.log(counts))[kept]
        return np.append(true, other), np.append(np.full(len(labels), 1 / len(labels)), np.zeros(len(other)))

    def __call__(self, problem):
        class Values(NamedTuple):
            ids: Any
            counts: Any
            true_counts: Any
            places: Any

        ids, true_counts, counts = problem.values
        values = Values(
            np.broadcast_to(ids, (B, S)),
            np.broadcast_to(counts, (B, S)),
            np.broadcast_to(true_counts, (B, T)),
            problem.labels != self.ignore_index,
        )
        losses = np.zeros(B)
        biases = 0 if problem.biases is None else problem.biases
        for row in range(B):
            labels = problem.labels[row]
            labels = labels[labels != self.ignore_index] if self.ignore_index is not None else labels
            if not len(labels):
                continue
            o = (problem.weights @ problem.inputs[row] + biases) / self.temperature
            z, target = self._columns(o, labels, values, row)
            if self.kind in (fc.SampledSoftmaxLoss, fc.SoftmaxLoss):
                target = (1 - self.label_smoothing) * target + self.label_smoothing / len(z)
                losses[row] = np.log(np.exp(z).sum()) - target @ z
            else:
                z = z - np.broadcast_to(self.log_normalizer, B)[row]
                losses[row] = np.log1p(np.exp(z)).sum() - target @ z
        return losses


def _check(loss, formula, problem):
    """Compare values with the formula, and gradients with fourth-order differences along random directions."""
    extra = {} if formula.kind in EXACT else {"sampled_values": problem.values}

    def value(problem):
        return loss.value(problem.weights, problem.biases, problem.labels, problem.inputs, **extra)

    got, gradients = loss.value_and_grad(
        problem.weights, problem.biases, problem.labels, problem.inputs, problem.upstream, **extra
    )
    want = formula(problem)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(value(problem), want, rtol=1e-12, atol=1e-12)
    rng, step = np.random.default_rng(1), 1e-3
    for name, gradient in (
        ("inputs", gradients.inputs),
        ("weights", gradients.weights.to_dense()),
        ("biases", gradients.biases.to_dense()),
    ):
        array = getattr(problem, name)
        for _ in range(3):
            direction = rng.normal(size=array.shape)
            total = 0.0
            for shift, factor in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                moved = problem._replace(**{name: array + shift * step * direction})
                total += factor * (value(moved) @ problem.upstream)
            assert (gradient * direction).sum() == pytest.approx(total / (12 * step), abs=2e-8), name
    return got, gradients


@pytest.mark.parametrize("temperature", [0.5, 3])
@pytest.mark.parametrize("kind", SAMPLED + EXACT)
def test_temperature(kind, temperature):
    _check(_loss(kind, temperature=temperature), Formula(kind, temperature), _problem())


@pytest.mark.parametrize("kind", SAMPLED + EXACT)
def test_temperature_without_biases(kind):
    problem = _problem()._replace(biases=None)
    extra = {} if kind in EXACT else {"sampled_values": problem.values}
    loss, gradients = _loss(kind, temperature=0.5).value_and_grad(
        problem.weights, None, problem.labels, problem.inputs, **extra
    )
    np.testing.assert_allclose(loss, Formula(kind, 0.5)(problem), rtol=1e-12)
    assert gradients.biases is None


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("kind", SAMPLED + EXACT)
def test_ignored_labels_count_for_nothing(kind, per_example):
    problem = _problem()._replace(labels=IGNORED)
    problem = _per_example(problem) if per_example else problem
    formula = Formula(kind, 0.7, ignore_index=-7)
    loss, gradients = _check(_loss(kind, temperature=0.7, ignore_index=-7), formula, problem)
    assert loss[1] == 0
    assert (gradients.inputs[1] == 0).all()
    # an ignored row touches nothing: whatever its input is
    inputs = problem.inputs.copy()
    inputs[1] = 1e3
    extra = {} if kind in EXACT else {"sampled_values": problem.values}
    again, moved = _loss(kind, temperature=0.7, ignore_index=-7).value_and_grad(
        problem.weights, problem.biases, IGNORED, inputs, problem.upstream, **extra
    )
    np.testing.assert_array_equal(again, loss)
    np.testing.assert_allclose(moved.weights.to_dense(), gradients.weights.to_dense(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(moved.biases.to_dense(), gradients.biases.to_dense(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", SAMPLED + EXACT)
def test_a_class_can_stand_for_padding(kind):
    problem = _problem()._replace(labels=np.where(IGNORED == -7, 2, np.where(IGNORED == 2, 6, IGNORED)))
    _check(_loss(kind, ignore_index=2), Formula(kind, ignore_index=2), problem)


@pytest.mark.parametrize("kind", SAMPLED + EXACT)
def test_all_labels_ignored(kind):
    problem = _problem()
    loss = _loss(kind, ignore_index=-7)
    value, gradients = loss.value_and_grad(problem.weights, problem.biases, np.full((B, T), -7), problem.inputs)
    assert (value == 0).all()
    assert (gradients.inputs == 0).all()
    assert (gradients.weights.to_dense() == 0).all()
    assert (gradients.biases.to_dense() == 0).all()


@pytest.mark.parametrize("kind", SAMPLED)
def test_samplers_do_not_learn_from_ignored_labels(kind):
    problem = _problem()
    sampler = fc.LearnedUnigramSampler(V, seed=1)
    loss = kind(sampler, S, ignore_index=-7)
    loss.value(problem.weights, problem.biases, IGNORED, problem.inputs)
    seen = 1 + np.bincount(IGNORED[IGNORED >= 0], minlength=V)
    np.testing.assert_allclose(sampler.probability(np.arange(V)), seen / seen.sum(), rtol=1e-6)
    loss.value(problem.weights, problem.biases, np.full((B, T), -7), problem.inputs)
    np.testing.assert_allclose(sampler.probability(np.arange(V)), seen / seen.sum(), rtol=1e-6)


@pytest.mark.parametrize("kind", SAMPLED)
def test_expected_counts_of_a_draw_go_to_the_labels_that_count(kind):
    problem = _problem()
    loss = kind(fc.LogUniformSampler(V, seed=5), S, ignore_index=-7)
    value = loss.value(problem.weights, problem.biases, IGNORED, problem.inputs)
    present = IGNORED[IGNORED >= 0]
    drawn = fc.LogUniformSampler(V, seed=5).sample(present[:, None], S)
    counts = np.ones((B, T))
    counts[IGNORED >= 0] = drawn.true_expected_count[:, 0]
    values = fc.SampledValues(drawn.sampled_candidates, counts, drawn.sampled_expected_count.astype(float))
    want = Formula(kind, ignore_index=-7)(problem._replace(labels=IGNORED, values=values))
    np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("kind", SAMPLED)
def test_candidates_of_each_row(kind, temperature):
    _check(_loss(kind, temperature=temperature), Formula(kind, temperature), _per_example(_problem()))


@pytest.mark.parametrize("shape", [(50, 7, 5, 9, 1), (1000, 33, 70, 300, 3), (1, 1, 1, 1, 1), (300, 31, 33, 257, 5)])
@pytest.mark.parametrize("kind", SAMPLED)
def test_equal_candidates_for_each_row_are_those_of_the_batch(kind, shape):
    problem = make(*shape)
    ids, true_counts, counts = problem.values
    sampler = fc.UniformSampler(shape[0], seed=1)
    loss = kind(sampler, shape[3], unique=False)
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs, problem.upstream
    want = flat(*loss.value_and_grad(*arguments, sampled_values=problem.values))
    values = np.tile(ids, (shape[2], 1)), true_counts, np.tile(counts, (shape[2], 1))
    results = []
    for threads in (1, 3):
        with fc.num_threads(threads):
            results.append(flat(*loss.value_and_grad(*arguments, sampled_values=values)))
    for name, array in want.items():
        np.testing.assert_array_equal(results[0][name], results[1][name])
        np.testing.assert_allclose(results[0][name], array, rtol=0, atol=3e-6 * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("per_example", [False, True])
@pytest.mark.parametrize("shift", [1.5, -2, np.linspace(-1, 2, B), np.arange(B)])
def test_log_normalizer(shift, per_example):
    problem = _per_example(_problem()) if per_example else _problem()
    formula = Formula(fc.NCELoss, 0.7, log_normalizer=shift)
    _check(_loss(fc.NCELoss, temperature=0.7, log_normalizer=shift), formula, problem)


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_label_smoothing_of_a_sample(remove, ignored):
    problem = _problem()._replace(labels=IGNORED if ignored else _problem().labels)
    options = {"label_smoothing": 0.2, "temperature": 0.7, "ignore_index": -7, "remove_accidental_hits": remove}
    _check(_loss(fc.SampledSoftmaxLoss, **options), Formula(fc.SampledSoftmaxLoss, **options), problem)


@pytest.mark.parametrize("ignored", [False, True])
def test_label_smoothing_of_all_classes(ignored):
    problem = _problem()._replace(labels=IGNORED if ignored else _problem().labels)
    options = {"label_smoothing": 0.2, "temperature": 0.7, "ignore_index": -7}
    _check(_loss(fc.SoftmaxLoss, **options), Formula(fc.SoftmaxLoss, **options), problem)


@pytest.mark.parametrize("kind", [fc.SampledSoftmaxLoss, fc.SoftmaxLoss])
def test_label_smoothing_has_the_same_bits_for_any_number_of_threads(kind):
    problem = make(3000, 17, 70, 300, 2)
    sampler = () if kind is fc.SoftmaxLoss else (fc.UniformSampler(3000, seed=1), 300)
    extra = {} if kind is fc.SoftmaxLoss else {"sampled_values": problem.values}
    results = []
    for threads in (1, 2, 5):
        with fc.num_threads(threads):
            loss = kind(*sampler, label_smoothing=0.1)
            results.append(
                flat(*loss.value_and_grad(problem.weights, problem.biases, problem.labels, problem.inputs, **extra))
            )
    for other in results[1:]:
        for name, array in other.items():
            np.testing.assert_array_equal(array, results[0][name])


NUMBER_OPTIONS = [
    ("temperature", 0, ValueError, r"temperature must be positive and finite, got 0\.0"),
    ("temperature", -1.5, ValueError, r"temperature must be positive and finite, got -1\.5"),
    ("temperature", np.nan, ValueError, "temperature must be positive and finite, got nan"),
    ("temperature", np.inf, ValueError, "temperature must be positive and finite, got inf"),
    ("temperature", "1", TypeError, "temperature must be a number, got str"),
    ("temperature", True, TypeError, "temperature must be a number, got bool"),
    ("ignore_index", True, TypeError, "ignore_index must be an integer or None, got bool"),
    ("ignore_index", 1.0, TypeError, "ignore_index must be an integer or None, got float"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), NUMBER_OPTIONS)
def test_errors_name_the_option(name, value, error, message):
    for kind in SAMPLED + EXACT:
        with pytest.raises(error, match=message):
            _loss(kind, **{name: value})


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (1, ValueError, r"label_smoothing must be in \[0, 1\), got 1\.0"),
        (-0.1, ValueError, r"label_smoothing must be in \[0, 1\), got -0\.1"),
        (np.nan, ValueError, r"label_smoothing must be in \[0, 1\), got nan"),
        ("a", TypeError, "label_smoothing must be a number, got str"),
        (False, TypeError, "label_smoothing must be a number, got bool"),
    ],
)
def test_errors_of_label_smoothing(value, error, message):
    for kind in (fc.SampledSoftmaxLoss, fc.SoftmaxLoss):
        with pytest.raises(error, match=message):
            _loss(kind, label_smoothing=value)


def test_labels_are_not_smoothed_over_candidates_of_each_row():
    problem = _per_example(_problem())
    loss = _loss(fc.SampledSoftmaxLoss, label_smoothing=0.1)
    with pytest.raises(ValueError, match=r"label_smoothing must be 0 when sampled_candidates are \(B, S\)"):
        loss.value(problem.weights, problem.biases, problem.labels, problem.inputs, sampled_values=problem.values)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("a", TypeError, "log_normalizer must be a number or an array of numbers, got <U1"),
        (True, TypeError, "log_normalizer must be a number or an array of numbers, got bool"),
        (np.zeros((2, 1)), ValueError, r"log_normalizer must be a number or have shape \(B,\), got \(2, 1\)"),
        (np.nan, ValueError, "log_normalizer must be finite, got NaN or infinity"),
        ([0.0, np.inf], ValueError, "log_normalizer must be finite, got NaN or infinity"),
    ],
)
def test_errors_of_the_log_normalizer(value, error, message):
    with pytest.raises(error, match=message):
        _loss(fc.NCELoss, log_normalizer=value)


def test_a_log_normalizer_of_another_batch_is_refused():
    problem = _problem()
    loss = _loss(fc.NCELoss, log_normalizer=np.zeros(B + 1))
    before = loss.sampler.state_dict()
    with pytest.raises(ValueError, match=r"log_normalizer must be a number or have shape \(5,\), got \(6,\)"):
        loss.value(problem.weights, problem.biases, problem.labels, problem.inputs)
    assert loss.sampler.state_dict() == before


def test_errors_of_flags_and_sizes():
    for kind in SAMPLED:
        with pytest.raises(TypeError, match="unique must be a bool, got int"):
            _loss(kind, unique=1)
        with pytest.raises(TypeError, match="sampler must have a sample method, got NoneType"):
            kind(None, 5)
        with pytest.raises(ValueError, match="num_sampled must be at least 1, got 0"):
            kind(fc.UniformSampler(V), 0)
        with pytest.raises(ValueError, match="num_sampled must be at most the sampler's 11 classes when unique"):
            kind(fc.UniformSampler(V), V + 1)
    with pytest.raises(TypeError, match="remove_accidental_hits must be a bool, got str"):
        _loss(fc.SampledSoftmaxLoss, remove_accidental_hits="mod")


@pytest.mark.parametrize("kind", SAMPLED)
def test_errors_of_candidates_of_each_row(kind):
    problem = _per_example(_problem())
    ids, true_counts, counts = problem.values
    for values, message in (
        ((ids[:4], true_counts, counts[:4]), "sampled_candidates must have 5 rows as labels have, got 4"),
        ((ids, true_counts, counts[:4]), r"sampled_expected_count must have shape \(5, 8\), got \(4, 8\)"),
        ((ids + 11, true_counts, counts), r"sampled_candidates must be in \[0, num_classes\) = \[0, 11\), got \d+"),
        ((ids, true_counts, counts * 0), r"sampled_expected_count must be positive and finite, got 0.0 at \[0, 0\]"),
        ((ids[:, :0], true_counts, counts[:, :0]), "sampled_candidates must have at least one candidate, got none"),
    ):
        with pytest.raises(ValueError, match=message):
            _loss(kind).value(problem.weights, problem.biases, problem.labels, problem.inputs, sampled_values=values)
