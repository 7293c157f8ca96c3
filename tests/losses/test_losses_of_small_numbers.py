"""Losses of float16 tables of small numbers, and what denormal numbers change: `docs/precision.md` has the bounds.

Denormal numbers count as 0 in products and sums, so a sum of products may be off by 2^-126 for each product and for
each unit of its factors, as `_slack` says.
"""

import ml_dtypes
import numpy as np
import pytest

import fastcands as fc
from fastcands import reference
from fastcands.losses import exact_classes
from fastcands.table.evaluation import evaluate, top_classes_of
from tests.losses.exact import exact
from tests.losses.problems import UNITS, check_elements, flat, make

V, D, B, S = 120, 40, 37, 90
TINY = 2.0**-126
SAMPLER = fc.UniformSampler(V, seed=1)
TIERS = ("highest", "high", "medium")
KINDS = {
    "softmax": (lambda **options: fc.SampledSoftmaxLoss(SAMPLER, S, **options), {"remove_accidental_hits": True}),
    "logistic": (lambda **options: fc.NCELoss(SAMPLER, S, **options), {}),
}
EXACT = {"softmax": fc.SoftmaxLoss, "logistic": fc.LogisticLoss}
WHICH = ("sampled", "for each example", "all classes")


@pytest.fixture(autouse=True)
def _small_problems_in_tiers(monkeypatch):
    monkeypatch.setattr(exact_classes, "_FEWEST_EXAMPLES", 0)
    monkeypatch.setattr(exact_classes, "_WORTH_ROUNDING", 0)


def _halves():
    """Weights around 1e-5 and biases of 5e-5, nearly all denormal in float16; inputs that make logits of them."""
    rng = np.random.default_rng(3)
    p = make(V, D, B, S, 2, seed=3)
    weights = (rng.normal(size=(V, D)) * 1.5e-5).astype(np.float16)
    biases = np.where(np.arange(V) % 2, 5e-5, -3e-5).astype(np.float16)
    assert (np.abs(weights) < 6.1e-5).mean() > 0.99
    inputs = (rng.normal(size=(B, D)) * 2e4).astype(np.float32)
    upstream = p.upstream / np.float32(100)  # the table's gradients are float16 numbers too
    return p._replace(weights=weights, biases=biases, inputs=inputs, upstream=upstream)


def _per_example(problem):
    rng = np.random.default_rng(4)
    values = fc.SampledValues(
        rng.integers(0, V, (B, S)), problem.values.true_expected_count, (rng.random((B, S)) + 0.1).astype(np.float32)
    )
    return problem._replace(values=values)


def _results(problem, kind, which, precision="highest"):
    """Return loss and gradients of one of the losses, and the value alone."""
    loss, more = EXACT[kind](precision=precision), {}
    if which != "all classes":
        loss, more = KINDS[kind][0](precision=precision), {"sampled_values": problem.values}
    arguments = problem.weights, problem.biases, problem.labels, problem.inputs
    results = flat(*loss.value_and_grad(*arguments, problem.upstream, **more))
    return results | {"value": loss.value(*arguments, **more)}


def _exactly(problem, kind, which):
    if which == "all classes":
        return exact(problem, kind, sampled=False)
    return exact(problem, kind, **KINDS[kind][1])


@pytest.mark.parametrize("precision", TIERS)
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("kind", KINDS)
def test_float16_tables_of_small_numbers(kind, which, precision):
    problem = _per_example(_halves()) if which == "for each example" else _halves()
    wide = problem._replace(weights=problem.weights.astype(np.float32), biases=problem.biases.astype(np.float32))
    got, same = _results(problem, kind, which, precision), _results(wide, kind, which, precision)
    for name, value in got.items():
        np.testing.assert_array_equal(value, same[name].astype(value.dtype), err_msg=name)
    del same["value"]
    unit = None if precision == "highest" or which == "for each example" else UNITS[precision]
    check_elements(same, _exactly(problem, kind, which), unit)
    if precision == "highest":
        zero = _results(problem._replace(weights=0 * problem.weights, biases=0 * problem.biases), kind, which)
        assert np.abs(zero["loss"] - got["loss"]).max() > 1  # as if the numbers were 0: that is no rounding


def test_functions_of_nn_on_float16_tables_of_small_numbers():
    p = _halves()
    arguments, oracle = (p.weights, p.biases, p.labels, p.inputs), reference
    sampled = {"num_true": 2, "sampled_values": p.values}
    for got, want in (
        (fc.nn.sampled_softmax_loss(*arguments, S, V, **sampled),
         oracle.sampled_softmax(*arguments, p.values)),
        (fc.nn.nce_loss(*arguments, S, V, **sampled), oracle.sampled_logistic(*arguments, p.values)),
        (fc.nn.rank_sampled_softmax_loss(*arguments, S, 30, V, **sampled),
         oracle.rank_sampled_softmax(*arguments, p.values, 30)),
        (fc.nn.full_softmax_loss(*arguments, num_true=2), oracle.full_softmax(*arguments)),
        (fc.nn.full_sigmoid_loss(*arguments, num_true=2), oracle.full_sigmoid(*arguments)),
    ):  # fmt: skip
        np.testing.assert_allclose(got, want.loss, rtol=2e-6)


def test_float16_inputs_of_small_numbers():
    p = _halves()
    small, large = p.weights, (p.inputs / 1e3).astype(np.float32)  # the two factors change places
    arguments = large[:B], None, p.labels % B, small[:B]
    want = reference.full_softmax(*arguments)
    loss, gradients = fc.nn.full_softmax_loss_and_grad(*arguments, num_true=2)
    assert loss.dtype == gradients.inputs.dtype == np.float16
    np.testing.assert_allclose(loss, want.loss, rtol=1e-3)
    np.testing.assert_allclose(gradients.weights.rows, want.d_weights, rtol=1e-5, atol=1e-10)


def test_ranks_and_best_classes_of_float16_tables_of_small_numbers():
    p = _halves()
    wide = p.weights.astype(np.float64) @ p.inputs.T.astype(np.float64) + p.biases[:, None]
    ids, scores = top_classes_of(p.weights, p.biases, p.inputs, 7)
    np.testing.assert_array_equal(ids, np.argsort(-wide.T, axis=1, kind="stable")[:, :7])
    np.testing.assert_allclose(scores, np.take_along_axis(wide.T, ids, 1), rtol=1e-5)
    labels = p.labels[:, :1]
    result = evaluate(p.weights, p.biases, labels, p.inputs, (1, 5), 16, None)
    want = reference.full_softmax(p.weights, p.biases, labels, p.inputs).loss
    np.testing.assert_allclose(result.loss, want.mean(), rtol=1e-6)
    above = (wide > np.take_along_axis(wide, labels.T, 0)).sum(axis=0) + 1
    assert result.mean_rank == above.mean()


def _slack(left, right, tiny=TINY):
    """Bound what flushing changes in the products left @ right.T."""
    left, right = np.abs(left.astype(float)), np.abs(right.astype(float))
    return tiny * (left.shape[1] + left.sum(axis=1)[:, None] + right.sum(axis=1))


def _denormals(storage, dtype):
    """Weights and biases that are denormal in their storage, and inputs that make logits of them all the same."""
    rng, tiny = np.random.default_rng(5), 2.0**-1022 if storage == np.float64 else TINY
    p = make(V, D, B, S, seed=5, dtype=dtype)
    weights = (rng.uniform(-0.9, 0.9, (V, D)) * tiny).astype(storage)
    return p._replace(
        weights=weights, upstream=p.upstream / dtype(1e6), biases=(rng.uniform(-0.9, 0.9, V) * tiny).astype(storage),
        inputs=(rng.normal(size=(B, D)) * 0.03 / tiny).astype(dtype),
    ), tiny  # fmt: skip


@pytest.mark.parametrize(
    ("storage", "dtype"),
    [(np.float32, np.float32), (ml_dtypes.bfloat16, np.float32), (np.float32, np.float64), (np.float64, np.float64),
     (ml_dtypes.bfloat16, np.float64)],
)  # fmt: skip
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("kind", KINDS)
def test_denormal_weights_change_a_logit_by_no_more_than_they_may(kind, which, storage, dtype):
    p, tiny = _denormals(storage, dtype)
    if which == "for each example":
        p = _per_example(p)._replace(values=fc.SampledValues(
            np.random.default_rng(0).integers(0, V, (B, S)), p.values.true_expected_count,
            np.full((B, S), 0.5, np.float32),
        ))  # fmt: skip
    slack = _slack(p.inputs, p.weights, tiny).max(axis=1)
    assert 0.3 < slack.min() < slack.max() < 3  # enough to be seen, and the weights themselves are no larger
    count = V if which == "all classes" else S + 1
    allowed = 2 * slack if kind == "softmax" else count * slack
    want = _exactly(p, kind, which).truth
    for precision in TIERS:
        got = _results(p, kind, which, precision)
        for name in ("loss", "value"):
            assert (np.abs(got[name] - want.loss) <= allowed + 2e-3 * np.abs(want.loss)).all(), precision
    scores = top_classes_of(p.weights, p.biases, p.inputs, V)
    exactly = p.inputs.astype(float) @ p.weights.astype(float).T + p.biases.astype(float)
    error = np.abs(scores.scores - np.take_along_axis(exactly, scores.ids, 1))
    assert (error <= slack[:, None] + 1e-5).all()


@pytest.mark.parametrize("precision", TIERS)
@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_among_the_denormals(kind, which, precision):
    """Weights of examples of 1e-33 make gradients, of which some are denormal."""
    p = make(V, D, B, S, seed=6)
    p = _per_example(p) if which == "for each example" else p
    tier = precision if which != "for each example" else "highest"
    reach = _reach(p, which) if tier != "highest" and kind == "softmax" else 1.0
    p = p._replace(upstream=(p.upstream * 1e-33 * reach).astype(np.float32))
    got, want = _results(p, kind, which, tier), _exactly(p, kind, which)
    del got["value"]
    x, w = np.abs(p.inputs), np.abs(p.weights)
    ids = np.arange(V) if which == "all classes" else p.values.sampled_candidates
    ids = np.broadcast_to(ids, (B, ids.shape[-1]))
    terms = ids.shape[1] + 1  # of an example; how many a class has at most:
    of_class = np.bincount(np.concatenate([p.labels.ravel(), ids.ravel()])).max()
    numbers = {
        "d_inputs": (terms, terms * w.max(axis=0)),
        "d_weights": (of_class, of_class * x.max(axis=0)),
        "d_biases": (of_class, of_class),
    }
    for name, (products, factors) in numbers.items():
        known, sums, truth = (getattr(part, name) for part in (want.factors, want.sums, want.truth))
        slack = 3 * TINY * reach * (products + factors)
        assert np.abs(truth).max() > 10 * np.max(slack), name  # the bound tells something
        error = np.abs(got[name].astype(float) - truth)
        assert (error <= 10 * (UNITS.get(tier, 1.2e-7) * known + 1.2e-7 * sums) + slack).all(), name


def _reach(problem, which):
    """Return e^h where the highest logit of an example lies h above its true one: the tiers start from that one."""
    z = problem.inputs.astype(float) @ problem.weights.T.astype(float) + problem.biases
    ids, true_counts, counts = problem.values
    true = np.take_along_axis(z, problem.labels, 1)
    if which == "all classes":
        return np.exp((z.max(axis=1) - true[:, 0]).max())
    others = (z[:, ids] - np.log(counts)).max(axis=1)
    return np.exp((others - (true - np.log(true_counts))[:, 0]).max())


@pytest.mark.parametrize("counts", [np.float32(1e-40), np.float32(3e-45), np.float64(3e-310), np.float64(5e-324)])
@pytest.mark.parametrize("kind", KINDS)
def test_logarithms_of_denormal_expected_counts(kind, counts):
    """They are taken before anything is flushed, in float64."""
    p = make(V, D, B, S, seed=7)
    values = fc.SampledValues(p.values.sampled_candidates, np.full((B, 1), counts), np.full(S, counts))
    p = p._replace(values=values)
    got = _results(p, kind, "sampled")
    del got["value"]
    check_elements(got, _exactly(p, kind, "sampled"))
