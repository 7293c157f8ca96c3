"""Top classes and ranks: exact against NumPy's sort, consistent with each other, NaN and ties where documented."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc
from fastcands import reference
from tests.table.test_class_table import INPUTS, LABELS, snapshot


def whole(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    """Small integers: products are exact, and ties are frequent."""
    return rng.integers(-3, 4, shape).astype(dtype)


def order_of(scores: Any) -> Any:
    """Classes by score, equal ones by id, NaN last."""
    return np.argsort(-scores, axis=1, kind="stable")


def problem(seed: int, classes: int, dim: int, rows: int, dtype: Any = np.float32) -> tuple[fc.ClassTable, Any, Any]:
    rng = np.random.default_rng(seed)
    weights, biases = whole(rng, (classes, dim), dtype), whole(rng, (classes,), dtype)
    inputs = whole(rng, (rows, dim), dtype)
    scores = inputs.astype(float) @ weights.astype(float).T + biases.astype(float)
    return fc.ClassTable.from_arrays(weights, biases), inputs, scores


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_topk_is_the_stable_sort(data: st.DataObject) -> None:
    classes = data.draw(st.sampled_from([1, 2, 7, 127, 128, 129, 500]))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    rows, dim = data.draw(st.sampled_from([0, 1, 31, 33, 70])), data.draw(st.sampled_from([1, 3, 8, 17]))
    k = data.draw(st.integers(1, classes))
    table, inputs, scores = problem(data.draw(st.integers(0, 99)), classes, dim, rows, dtype)
    with fc.num_threads(data.draw(st.sampled_from([1, 2, 5]))):
        ids, best = table.topk(inputs, k)
    expected = order_of(scores)[:, :k]
    assert_array_equal(ids, expected)
    assert_array_equal(best, np.take_along_axis(scores, expected, 1))
    assert ids.dtype == np.int64
    assert best.dtype == dtype


@pytest.mark.parametrize("storage", ["bfloat16", "transposed", "reversed", "read-only", "float64 inputs", "no biases"])
def test_any_storage(storage: str) -> None:
    table, inputs, scores = problem(1, 200, 9, 5)
    weights, biases = table.weights, table.biases
    if storage == "bfloat16":
        from ml_dtypes import bfloat16

        weights = weights.astype(bfloat16)
    elif storage == "transposed":
        weights = np.asfortranarray(weights)
    elif storage == "reversed":
        weights = np.ascontiguousarray(weights[::-1, ::-1])[::-1, ::-1]
    elif storage == "read-only":
        weights.setflags(write=False)
        inputs.setflags(write=False)
    elif storage == "float64 inputs":
        inputs = inputs.astype(np.float64)
    else:
        scores, biases = scores - biases, None
    table = fc.ClassTable.from_arrays(weights, biases)
    ids, best = table.topk(inputs, 10)
    assert_array_equal(ids, order_of(scores)[:, :10])
    assert best.dtype == (np.float64 if storage == "float64 inputs" else np.float32)
    labels = np.arange(5)
    rank = np.argsort(order_of(scores), axis=1)[labels, labels] + 1
    assert table.evaluate(labels, inputs).mean_rank == rank.mean()


@pytest.mark.parametrize("num_true", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 1000])
def test_evaluation_is_exact(num_true: int, batch_size: int) -> None:
    rng = np.random.default_rng(8)
    table = fc.ClassTable(23, 5, seed=2)
    table.biases[:] = rng.normal(size=23)
    labels, inputs = rng.integers(0, 23, (9, num_true)), rng.normal(size=(9, 5)).astype(np.float32)
    expected = reference.full_softmax(table.weights, table.biases, labels, inputs).loss.mean()
    before = snapshot(table)
    result = table.evaluate(labels, inputs, batch_size=batch_size)
    assert_allclose(result.loss, expected, rtol=1e-6)
    assert result.perplexity == np.exp(result.loss)
    assert snapshot(table) == before


@pytest.mark.parametrize("num_true", [1, 4])
@pytest.mark.parametrize("classes", [3, 128, 1001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_are_positions_in_the_sort(classes: int, num_true: int, dtype: Any) -> None:
    table, inputs, scores = problem(classes, classes, 4, 45, dtype)
    labels = np.random.default_rng(0).integers(0, classes, (45, num_true))
    rank = np.take_along_axis(np.argsort(order_of(scores), axis=1), labels, 1).min(axis=1) + 1
    result = table.evaluate(labels, inputs, k=(1, 2, 7, 5000), batch_size=40)
    assert result.mean_rank == rank.mean()
    assert_allclose(result.mean_reciprocal_rank, (1 / rank).mean(), rtol=1e-15)
    assert result.hits == {k: (rank <= k).mean() for k in (1, 2, 7, 5000)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_topk_and_evaluate_agree_on_scores_that_round(dtype: Any) -> None:
    """Scores are equal bit for bit wherever they are formed: else copies of a class would not tie."""
    rng = np.random.default_rng(5)
    weights = np.tile(rng.normal(size=(40, 33)), (13, 1)).astype(dtype)  # each class thirteen times
    inputs, labels = rng.normal(size=(50, 33)).astype(dtype), rng.integers(0, 520, 50)
    table = fc.ClassTable.from_arrays(weights, None)
    ids, scores = table.topk(inputs, 520)
    rank = np.argsort(ids, axis=1)[np.arange(50), labels] + 1
    result = table.evaluate(labels, inputs, k=tuple(range(1, 521)), batch_size=7)
    assert result.mean_rank == rank.mean()
    assert result.hits == {k: (rank <= k).mean() for k in range(1, 521)}
    assert (np.diff(scores, axis=1) <= 0).all()
    tied = np.diff(scores, axis=1) == 0
    assert tied.sum() >= 50 * 40 * 12
    assert (np.diff(ids, axis=1)[tied] > 0).all()


def test_the_same_bits_for_any_threads_and_batch() -> None:
    rng = np.random.default_rng(6)
    table = fc.ClassTable(3000, 20, seed=1)
    inputs, labels = rng.normal(size=(70, 20)).astype(np.float32), rng.integers(0, 3000, (70, 2))
    results = []
    for threads in (1, 2, 3, 7):
        with fc.num_threads(threads):
            results.append((table.topk(inputs, 50), table.evaluate(labels, inputs)))
    for topk, evaluation in results[1:]:
        assert_array_equal(topk.ids, results[0][0].ids)
        assert topk.scores.tobytes() == results[0][0].scores.tobytes()
        assert evaluation == results[0][1]
    alone = [table.topk(inputs[i : i + 1], 50) for i in range(70)]
    assert np.concatenate([part.scores for part in alone]).tobytes() == results[0][0].scores.tobytes()


def test_loss_without_ranks_is_the_same_loss() -> None:
    table = fc.ClassTable(300, 4, seed=0)
    full, bare = (table.evaluate(LABELS, INPUTS, k=k) for k in ((1,), ()))
    assert full[:2] == bare[:2]
    assert bare[2:] == ({}, None, None)
    assert table.evaluate(LABELS, INPUTS, k=3).hits.keys() == {3}


def test_nan_comes_last() -> None:
    """A class that is NaN ranks below minus infinity, by id among its like; the loss says NaN."""
    scores = np.array([[np.nan, 1.0, -np.inf, np.nan, np.inf, 1.0, -np.inf] + [np.nan] * 200], np.float32)
    table = fc.ClassTable.from_arrays(np.zeros((207, 1), np.float32), scores[0].copy())
    inputs = np.ones((1, 1), np.float32)
    order = [4, 1, 5, 2, 6, 0, 3, *range(7, 207)]
    for k in (1, 4, 5, 6, 7, 100, 207):
        ids, best = table.topk(inputs, k)
        assert ids[0].tolist() == order[:k]
        assert_array_equal(best[0], scores[0][order[:k]])
    for rank, label in enumerate(order, 1):
        result = table.evaluate([label], inputs)
        assert result.mean_rank == rank
        assert np.isnan(result.loss)
    # NaN first in the table, so that the heap is full of it before a number comes
    backwards = fc.ClassTable.from_arrays(np.zeros((207, 1), np.float32), scores[0, ::-1].copy())
    assert backwards.topk(inputs, 5).ids[0].tolist() == [202, 201, 205, 200, 204]


@pytest.mark.parametrize("storage", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("width", [1, 7, 200])
def test_no_score_is_off(width: int, storage: str) -> None:
    """Each by the magnitude of what is summed for it; a norm over all would hide a single one."""
    rng = np.random.default_rng(width)
    table = fc.ClassTable(301, width, dtype=storage, seed=0)
    assert table.biases is not None
    table.biases[:] = rng.normal(size=301)
    inputs = rng.normal(size=(45, width)).astype(table.biases.dtype)
    weights, biases = table.weights.astype(float), table.biases.astype(float)
    ids, scores = table.topk(inputs, 301)
    exact = np.take_along_axis(inputs.astype(float) @ weights.T + biases, ids, 1)
    size = np.take_along_axis(np.abs(inputs).astype(float) @ np.abs(weights).T + np.abs(biases), ids, 1)
    assert (np.abs(scores - exact) <= 2 * np.finfo(scores.dtype).eps * size).all()
    labels = ids[:, 150]
    losses = [table.evaluate(labels[i : i + 1], inputs[i : i + 1]).loss for i in range(45)]
    top = exact.max(axis=1)
    log_normalizer = top + np.log(np.exp(exact - top[:, None]).sum(axis=1))
    allowed = 4 * np.finfo(scores.dtype).eps * (1 + 2 * size.max(axis=1))
    assert (np.abs(losses - (log_normalizer - exact[:, 150])) <= allowed).all()


def test_inputs_that_are_nan_give_nan_for_their_example_only() -> None:
    table, inputs, scores = problem(3, 150, 4, 6)
    inputs[2, 1] = np.nan
    ids, best = table.topk(inputs, 3)
    assert ids[2].tolist() == [0, 1, 2]
    assert np.isnan(best[2]).all()
    others = [0, 1, 3, 4, 5]
    assert_array_equal(ids[others], order_of(scores)[others, :3])


def test_labels_that_stand_for_no_class() -> None:
    table, inputs, _ = problem(4, 50, 4, 6)
    labels = np.array([[1, 2], [3, -1], [-1, -1], [-1, 4], [5, 6], [-1, -1]])
    result = table.evaluate(labels, inputs, ignore_index=-1)
    parts = [table.evaluate([row[row >= 0]], inputs[i : i + 1]) for i, row in enumerate(labels) if row.max() >= 0]
    assert_allclose(result.loss, np.mean([part.loss for part in parts]), rtol=1e-6)
    assert result.mean_rank == np.mean([part.mean_rank for part in parts])
    assert result.hits[5] == np.mean([part.hits[5] for part in parts])
    # by batches in which some have no row that counts
    assert table.evaluate(labels, inputs, batch_size=1, ignore_index=-1).mean_rank == result.mean_rank
    with pytest.raises(ValueError, match="at least one example with a class: the mean of none is undefined"):
        table.evaluate([[-1]], inputs[:1], ignore_index=-1)


def test_huge_k_is_taken_in_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastcands.table.evaluation._FOUND_BYTES", 1)
    table, inputs, scores = problem(7, 300, 4, 5)
    assert_array_equal(table.topk(inputs, 300).ids, order_of(scores))


def test_no_array_of_examples_times_classes() -> None:
    import tracemalloc

    table = fc.ClassTable(60_000, 4, seed=0)
    inputs = np.ones((600, 4), np.float32)
    table.topk(inputs, 5), table.evaluate(np.zeros(600, int), inputs)
    tracemalloc.start()
    try:
        table.topk(inputs, 5), table.evaluate(np.zeros(600, int), inputs)
        assert tracemalloc.get_traced_memory()[1] < 600 * 60_000 * 4 / 20
    finally:
        tracemalloc.stop()


def test_evaluation_of_a_read_only_table() -> None:
    weights = np.zeros((8, 2), np.float32)
    weights.setflags(write=False)
    table = fc.ClassTable.from_arrays(weights)
    assert_allclose(table.evaluate([3], np.ones((1, 2), np.float32)).perplexity, 8, rtol=1e-6)


def test_perplexity_beyond_float64_is_infinite() -> None:
    weights = np.array([[0.0], [1000.0]], np.float32)
    result = fc.ClassTable.from_arrays(weights).evaluate([0], np.ones((1, 1), np.float32))
    assert_allclose(result.loss, 1000)
    assert result.perplexity == np.inf


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda t: t.evaluate([0, 1], INPUTS), ValueError, "inputs must have 2 rows as labels have, got 3"),
        (
            lambda t: t.evaluate([0, 1, 5], INPUTS),
            ValueError,
            r"labels must be in \[0, num_classes\) = \[0, 5\), got 5",
        ),
        (lambda t: t.evaluate([0, 1, 2], INPUTS[:, :3]), ValueError, r"inputs must have shape \(B, 4\).* got \(3, 3\)"),
        (lambda t: t.evaluate(INPUTS, LABELS), TypeError, "are labels and inputs swapped"),
        (lambda t: t.evaluate([], INPUTS[:0]), ValueError, "labels must have at least one example with a class"),
        (lambda t: t.evaluate(LABELS, INPUTS, (1,), 0), ValueError, "batch_size must be at least 1, got 0"),
        (lambda t: t.evaluate(LABELS, INPUTS, (1, 0)), ValueError, r"k\[1\] must be at least 1, got 0"),
        (lambda t: t.evaluate(LABELS, INPUTS, 2.0), TypeError, "k must be an integer, got float"),
        (lambda t: t.topk(INPUTS, 0), ValueError, "k must be at least 1, got 0"),
        (lambda t: t.topk(INPUTS, 6), ValueError, "k must be at most the 5 classes, got 6"),
        (lambda t: t.topk(INPUTS, 1.0), TypeError, "k must be an integer, got float"),
        (lambda t: t.topk(INPUTS[0], 1), ValueError, r"inputs must have shape \(B, 4\)"),
        (lambda t: t.topk(np.float32(1), 1), ValueError, r"inputs must have shape \(B, 4\).* got \(\)"),
        (lambda t: t.topk(LABELS, 1), TypeError, "inputs must be floating point, got int64"),
    ],
)
def test_bad_questions(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(fc.ClassTable(5, 4))
