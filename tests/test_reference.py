"""The oracle itself: TensorFlow's recorded numbers, hand computation, numeric derivatives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from fastcands import reference

GOLDEN = json.loads((Path(__file__).parent / "golden" / "losses.json").read_text())
SAMPLED_LOSSES = {"nce_loss": reference.sampled_logistic, "sampled_softmax_loss": reference.sampled_softmax}


def case_id(case: dict[str, Any]) -> str:
    return f"{case['loss_function']}-{'without' if case['remove_accidental_hits'] else 'with'}_hits"


@pytest.mark.parametrize("case", GOLDEN["gradients"]["cases"], ids=case_id)
def test_losses_and_gradients_are_tensorflows(case: dict[str, Any]) -> None:
    g = GOLDEN["gradients"]
    result = SAMPLED_LOSSES[case["loss_function"]](
        g["weights"],
        g["biases"],
        g["labels"],
        g["inputs"],
        g["sampled_values"],
        remove_accidental_hits=case["remove_accidental_hits"],
    )
    for name, values in result._asdict().items():
        assert_allclose(values, case[name], rtol=2e-6, atol=3e-7, err_msg=name)


@pytest.mark.parametrize("case", GOLDEN["losses"]["cases"], ids=case_id)
@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("num_shards", [1, 3])
def test_losses_are_those_of_tensorflows_own_tests(case: dict[str, Any], num_shards: int, strategy: str) -> None:
    rng = np.random.RandomState(0)
    weights, biases, inputs = rng.randn(5, 10), rng.randn(5), rng.randn(3, 10)
    g = GOLDEN["losses"]
    values = g["sampled"], np.full((3, 1), 0.5), np.full(4, 0.5)
    dense = [
        reference.from_shards(reference.to_shards(part, num_shards, strategy), strategy) for part in (weights, biases)
    ]
    logits, _ = reference.sampled_logits(*dense, g["labels"], inputs, values)
    assert_allclose(logits, g["logits"], rtol=1e-5, atol=1e-6)
    removal = case["remove_accidental_hits"]
    loss = SAMPLED_LOSSES[case["loss_function"]](
        *dense, g["labels"], inputs, values, remove_accidental_hits=removal
    ).loss
    # nce: the recorded figures clip probabilities at 1e-4
    assert_allclose(loss, case["loss"], rtol=1e-4 if case["loss_function"] == "nce_loss" else 1e-6)


@pytest.mark.parametrize("num_true", [1, 2, 3, 4])
def test_logits_and_targets_are_those_of_tensorflows_own_tests(num_true: int) -> None:
    rng = np.random.RandomState(0)
    for t in range(1, num_true + 1):  # one stream through all the cases
        labels = rng.randint(0, 5, 3 * t)
        weights, biases, inputs = rng.randn(5, 10), rng.randn(5), rng.randn(3, 10)
    g = GOLDEN["logits"]
    assert_array_equal(labels, g["labels"][str(num_true)])
    labels = labels.reshape(3, num_true)
    values = g["sampled"], np.full((3, 1), 0.5), np.full(4, 0.5)
    plain, targets = reference.sampled_logits(weights, biases, labels, inputs, values, subtract_log_q=False)
    assert_allclose(plain[0], g["first_row"][str(num_true)], rtol=2e-6, atol=1e-6)
    assert_array_equal(targets, [[1 / num_true] * num_true + [0] * 4] * 3)
    corrected, _ = reference.sampled_logits(weights, biases, labels, inputs, values)
    assert_allclose(corrected, plain - np.log(0.5))
    removed, _ = reference.sampled_logits(weights, biases, labels, inputs, values, remove_accidental_hits=True)
    hit = (labels[:, :, None] == np.array(g["sampled"])).any(axis=1)
    assert hit.any()
    assert_array_equal(np.exp(removed[:, num_true:]) == 0, hit)
    assert_array_equal(removed[:, :num_true], corrected[:, :num_true])


def test_rank_loss_keeps_the_best_candidates() -> None:
    g = GOLDEN["rank"]
    weights = np.arange(10)[:, None] + np.arange(5) * 0.1
    biases = 0.1 * np.arange(10)
    kept, scores = reference.resample(weights, biases, g["inputs"], g["sampled"], g["num_resampled"])
    assert_array_equal(np.array(g["sampled"])[kept], g["kept"])
    assert_allclose(scores, g["scores"], rtol=1e-6)
    values = g["sampled"], np.full((2, 1), 0.5), np.full(5, 0.5)
    arguments = weights, biases, g["labels"], g["inputs"]
    ranked = reference.rank_sampled_softmax(*arguments, values, 3, remove_accidental_hits=False)
    assert_allclose(ranked.loss, g["loss"], rtol=1e-6)
    plain = reference.sampled_softmax(*arguments, (g["kept"], values[1], np.full(3, 0.5)), remove_accidental_hits=False)
    for ours, expected in zip(ranked, plain, strict=True):
        assert_array_equal(ours, expected)


@pytest.mark.parametrize("case", GOLDEN["temperature"]["cases"], ids=lambda case: str(case["temperature"]))
def test_rank_loss_at_a_temperature(case: dict[str, Any]) -> None:
    g = GOLDEN["temperature"]
    kept, scores = reference.resample(g["weights"], None, g["inputs"], g["sampled"], 1, temperature=case["temperature"])
    assert_array_equal(kept, case["kept"])
    assert_allclose(scores, case["scores"], rtol=1e-6)
    loss = reference.rank_sampled_softmax(
        g["weights"],
        None,
        g["labels"],
        g["inputs"],
        (g["sampled"], np.ones((2, 1)), np.ones(2)),
        1,
        temperature=case["temperature"],
        remove_accidental_hits=False,
    ).loss
    assert_allclose(loss, case["loss"], rtol=1e-6)


def test_equal_scores_keep_the_lower_positions() -> None:
    kept, _ = reference.resample(np.eye(3), None, [[1.0, 1.0, 1.0]], [2, 0, 1, 0], 2)
    assert_array_equal(kept, [0, 1])
    kept, scores = reference.resample(np.eye(3), None, np.zeros((0, 3)), [2, 0, 1], 2)  # no rows, all equal
    assert_array_equal(kept, [0, 1])
    assert_array_equal(scores, [-np.inf] * 3)


def test_hits_list_every_copy_of_a_candidate() -> None:
    hits = reference.accidental_hits([[3, 5], [0, 3]], [3, 7, 5, 3])
    assert_array_equal(hits.indices, [0, 0, 0, 1, 1])
    assert_array_equal(hits.ids, [0, 3, 2, 0, 3])
    assert_array_equal(hits.weights, np.full(5, -3.4028234663852886e38, np.float32))
    assert [part.dtype.name for part in hits] == ["int32", "int64", "float32"]


def test_hits_repeat_with_repeated_labels_in_row_major_order() -> None:
    hits = reference.accidental_hits([[3, 3], [5, 3]], [3, 7, 5])
    assert_array_equal(hits.indices, [0, 0, 1, 1])
    assert_array_equal(hits.ids, [0, 0, 2, 0])


@pytest.mark.parametrize(("labels", "sampled"), [(np.zeros((0, 2), int), [1]), ([[1]], [])])
def test_hits_of_nothing(labels: Any, sampled: Any) -> None:
    assert [len(part) for part in reference.accidental_hits(labels, sampled)] == [0, 0, 0]


def test_probabilities() -> None:
    for num_classes in (1, 2, 7, 1000):
        ids = np.arange(num_classes)
        assert_allclose(reference.log_uniform_probability(ids, num_classes).sum(), 1)
        assert_allclose(reference.uniform_probability(ids, num_classes).sum(), 1)
    # head against tail: log(2 / 1) / log((V + 1) / V)
    p = reference.log_uniform_probability([0, 9], 10)
    assert_allclose(p, [np.log(2) / np.log(11), np.log(11 / 10) / np.log(11)])


@pytest.mark.parametrize(
    ("p", "num_sampled", "num_tries", "expected"),
    [
        (0.6, 2, 2, 1.2),  # no try was rejected: it may exceed 1
        (0.6, 2, 3, 0.936),
        (1.0, 1, 5, 1.0),
        (0.0, 3, 7, 0.0),
        (1e-12, 3, 7, 7e-12),  # no cancellation
    ],
)
def test_expected_counts(p: float, num_sampled: int, num_tries: int, expected: float) -> None:
    assert_allclose(reference.expected_count(p, num_sampled, num_tries), expected, rtol=1e-10)


def test_placement_of_13_ids_in_5_shards() -> None:
    ids = np.arange(13)
    div = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10], [11, 12]]
    mod = [[0, 5, 10], [1, 6, 11], [2, 7, 12], [3, 8], [4, 9]]
    for strategy, expected in (("div", div), ("mod", mod)):
        shards = reference.to_shards(ids, 5, strategy)
        assert [part.tolist() for part in shards] == expected
        shard, row = reference.locate(ids, 13, 5, strategy)
        assert [expected[s][r] for s, r in zip(shard, row, strict=True)] == ids.tolist()
        assert_array_equal(reference.from_shards(shards, strategy), ids)


def test_unknown_strategy() -> None:
    with pytest.raises(ValueError, match="'mod' or 'div', got 'foo'"):
        reference.locate([0], 1, 1, "foo")


def test_exact_losses_by_hand() -> None:
    weights, inputs = np.array([[1.0], [0.0], [-2.0]]), np.array([[0.5]])
    logits = np.array([0.5, 0.1, -1.0])
    log_p = logits - np.log(np.exp(logits).sum())
    biases = [0.0, 0.1, 0.0]
    assert_allclose(reference.full_softmax(weights, biases, [1], inputs).loss, -log_p[1])
    assert_allclose(reference.full_softmax(weights, biases, [[0, 2]], inputs).loss, -(log_p[0] + log_p[2]) / 2)
    assert_allclose(reference.full_softmax(weights, biases, [[2, 2]], inputs).loss, -log_p[2])
    p = 1 / (1 + np.exp(-logits))
    expected = -np.log(1 - p[0]) - np.log(p[1]) - np.log(p[2])
    assert_allclose(reference.full_sigmoid(weights, biases, [[1, 2]], inputs).loss, expected)
    # the target is 1 however often a class is named
    assert_allclose(reference.full_sigmoid(weights, biases, [[1, 2, 2]], inputs).loss, expected)


def test_a_sample_of_every_other_class_is_the_exact_softmax() -> None:
    rng = np.random.default_rng(1)
    weights, biases, inputs = rng.normal(size=(6, 3)), rng.normal(size=6), rng.normal(size=(4, 3))
    labels = np.array([0, 5, 2, 2])
    exact = reference.full_softmax(weights, biases, labels, inputs)
    values = np.arange(6), np.ones((4, 1)), np.ones(6)
    sampled = reference.sampled_softmax(weights, biases, labels, inputs, values)
    for ours, expected in zip(sampled, exact, strict=True):
        assert_allclose(ours, expected, atol=1e-14)


def problem(rng: np.random.Generator, num_true: int) -> dict[str, Any]:
    return {
        "weights": rng.normal(size=(7, 3)),
        "biases": rng.normal(size=7),
        "labels": rng.integers(0, 7, (5, num_true)),
        "inputs": rng.normal(size=(5, 3)),
    }


VALUES = [3, 1, 1, 6], np.linspace(0.2, 0.9, 5)[:, None], [0.7, 0.3, 0.3, 0.1]  # one candidate twice
LOSSES: dict[str, Callable[..., reference.Result]] = {
    "softmax": lambda **p: reference.sampled_softmax(sampled_values=VALUES, **p),
    "softmax-hits": lambda **p: reference.sampled_softmax(sampled_values=VALUES, remove_accidental_hits=False, **p),
    "nce": lambda **p: reference.sampled_logistic(sampled_values=VALUES, **p),
    "logistic": lambda **p: reference.sampled_logistic(sampled_values=VALUES, remove_accidental_hits=True, **p),
    "negative": lambda **p: reference.sampled_logistic(sampled_values=VALUES, subtract_log_q=False, **p),
    "rank": lambda **p: reference.rank_sampled_softmax(sampled_values=VALUES, num_resampled=2, **p),
    "full_softmax": reference.full_softmax,
    "full_sigmoid": reference.full_sigmoid,
}


@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_derivatives(name: str, num_true: int) -> None:
    """Fourth-order differences along every axis, with weights of the rows."""
    loss, p = LOSSES[name], problem(np.random.default_rng(7), num_true)
    upstream = np.array([1.0, -0.5, 2.0, 0.0, 0.25])
    result = loss(**p, upstream=upstream)
    h = 1e-3
    for argument in ("inputs", "weights", "biases"):
        numeric = np.zeros_like(p[argument])
        for index in np.ndindex(numeric.shape):
            total = 0.0
            for k, c in ((-2, 1), (-1, -8), (1, 8), (2, -1)):
                moved = {**p, argument: p[argument].copy()}
                moved[argument][index] += k * h
                total += c * float(loss(**moved).loss @ upstream)
            numeric[index] = total / (12 * h)
        assert np.abs(numeric).max() > 0.01
        assert_allclose(getattr(result, f"d_{argument}"), numeric, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_plain_float32_is_float32_throughout_and_close(name: str) -> None:
    p = problem(np.random.default_rng(3), 2)
    p = {key: v.astype(np.float32) if v.dtype == np.float64 else v for key, v in p.items()}
    single, double = LOSSES[name](**p, dtype=np.float32), LOSSES[name](**p)
    for ours, exact in zip(single, double, strict=True):
        assert ours.dtype == np.float32
        assert exact.dtype == np.float64
        assert_allclose(ours, exact, rtol=1e-5, atol=1e-5)
    assert any((ours != exact).any() for ours, exact in zip(single, double, strict=True))


@pytest.mark.parametrize("name", LOSSES)
def test_no_rows_give_no_loss(name: str) -> None:
    p = problem(np.random.default_rng(3), 2)
    p |= {"labels": p["labels"][:0], "inputs": p["inputs"][:0]}
    values = VALUES[0], np.ones((0, 1)), VALUES[2]
    extra = {} if name.startswith("full") else {"sampled_values": values}
    function = {
        "full_softmax": reference.full_softmax,
        "full_sigmoid": reference.full_sigmoid,
        "rank": lambda **q: reference.rank_sampled_softmax(num_resampled=2, **q),
    }.get(name, reference.sampled_logistic if name in ("nce", "logistic", "negative") else None)
    result = (function or reference.sampled_softmax)(**p, **extra)
    assert [part.shape for part in result] == [(0,), (0, 3), (7, 3), (7,)]
    assert not any(part.any() for part in result)


def test_without_biases_they_are_zero() -> None:
    p = problem(np.random.default_rng(3), 2)
    zero = LOSSES["softmax"](**{**p, "biases": np.zeros(7)})
    for ours, expected in zip(LOSSES["softmax"](**{**p, "biases": None}), zero, strict=True):
        assert_array_equal(ours, expected)


def test_a_row_whose_only_candidate_is_a_hit_has_no_loss() -> None:
    values = [2], [[0.5]], [0.5]
    result = reference.sampled_softmax(np.ones((3, 2)), np.zeros(3), [2], np.ones((1, 2)), values)
    assert not any(part.any() for part in result)
