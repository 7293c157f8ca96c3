"""Tables of bfloat16 from end to end: all is as for a float32 table of the same numbers, but that rows are rounded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastcands as fc
from fastcands import reference
from tests.table.test_class_table import OPTIMIZERS, snapshot

HALF = np.dtype(ml_dtypes.bfloat16)
CLASSES, DIM = 60, 12
RNG = np.random.default_rng(6)
INPUTS = RNG.normal(size=(20, DIM)).astype(np.float32)
LABELS = RNG.integers(0, CLASSES, (20, 2))


def half_table(optimizer: Any = fc.Adagrad(0.5), order: str = "C", seed: int = 2) -> fc.ClassTable:  # noqa: B008
    rng = np.random.default_rng(seed)
    weights = np.asarray(rng.normal(size=(CLASSES, DIM)), HALF, order=order)  # type: ignore[call-overload]
    biases = rng.normal(size=CLASSES).astype(np.float32)
    return fc.ClassTable.from_arrays(weights, biases, optimizer=optimizer, seed=seed)


def float32_twin(table: fc.ClassTable) -> fc.ClassTable:
    """A float32 table of the same numbers, at the same step."""
    assert table.biases is not None
    state = {name: {key: array.copy() for key, array in part.items()} for name, part in table.optimizer_state.items()}
    twin = fc.ClassTable.from_arrays(
        table.weights.astype(np.float32), table.biases.copy(), optimizer=table.optimizer, optimizer_state=state
    )
    twin.step = table.step
    return twin


def sampled(precision: str | None = None, seed: int = 4) -> fc.SampledSoftmaxLoss:
    return fc.SampledSoftmaxLoss(fc.LogUniformSampler(CLASSES, seed=seed), 16, precision=precision)


def bits(weights: Any) -> Any:
    return np.ascontiguousarray(weights).view(np.uint16).astype(np.int64)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "sampled"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_step_is_the_one_of_float32_with_rows_rounded(optimizer: Any, exact: bool, order: str) -> None:
    table = half_table(optimizer, order)
    for step in range(3):
        loss = fc.SoftmaxLoss() if exact else sampled(seed=step)
        ids = loss.value_and_grad(table.weights, table.biases, LABELS, INPUTS)[1].weights.ids
        twin, before = float32_twin(table), table.weights.copy()
        expected = twin.train_step(fc.SoftmaxLoss() if exact else sampled(seed=step), LABELS, INPUTS)
        result = table.train_step(fc.SoftmaxLoss() if exact else sampled(seed=step), LABELS, INPUTS)
        assert_array_equal(result.loss, expected.loss)
        assert_array_equal(result.d_inputs, expected.d_inputs)
        assert_array_equal(table.biases, twin.biases)
        for name, part in twin.optimizer_state.items():
            for key, array in part.items():
                assert_array_equal(table.optimizer_state[name][key], array)
        # the next number of the same sign or the one before it, each at times
        up = bits(table.weights)[ids] - (twin.weights[ids].view(np.uint32) >> 16).astype(np.int64)
        assert set(np.unique(up).tolist()) == {0, 1}
        others = np.setdiff1d(np.arange(CLASSES), ids)
        assert_array_equal(bits(table.weights)[others], bits(before)[others])


@pytest.mark.parametrize("biases", [HALF, np.float32, None], ids=str)
@pytest.mark.parametrize("num_shards", [0, 1, 3])
@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "sampled"])
def test_gradients_are_those_of_a_float32_table(biases: Any, num_shards: int, strategy: str, exact: bool) -> None:
    """Float32 rows, not rounded to what the table is stored in."""
    weights = half_table().weights
    bias = None if biases is None else np.linspace(-1, 1, CLASSES).astype(biases)

    def gradients(weights: Any, bias: Any) -> fc.Gradients:
        if num_shards:
            parts = fc.ClassTable.from_arrays(weights, bias).shards(num_shards, strategy)  # type: ignore[arg-type]
            weights = [part.weights for part in parts]
            bias = None if bias is None else [part.biases for part in parts]
        if exact:
            return fc.nn.full_softmax_loss_and_grad(weights, bias, LABELS, INPUTS, 2, strategy)[1]
        values = fc.UniformSampler(CLASSES, seed=3).sample(LABELS, 16)
        return fc.nn.sampled_softmax_loss_and_grad(
            weights, bias, LABELS, INPUTS, 16, CLASSES, 2, values, partition_strategy=strategy
        )[1]

    narrow = gradients(weights, bias)
    wide = gradients(weights.astype(np.float32), None if bias is None else bias.astype(np.float32))
    for got, expected in ((narrow.weights, wide.weights), (narrow.biases, wide.biases)):
        if expected is None:
            assert got is None
            continue
        pairs = zip(got, expected, strict=True) if num_shards else [(got, expected)]
        for one, other in pairs:
            assert one.rows.dtype == np.float32
            assert_array_equal(one.ids, other.ids)
            assert_array_equal(one.rows, other.rows)


@pytest.mark.parametrize("tier", ["highest", "high", "medium"])
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "sampled"])
def test_training_is_the_same_for_any_threads(exact: bool, tier: str) -> None:
    def after(threads: int) -> list[Any]:
        table, loss = half_table(), fc.SoftmaxLoss(precision=tier) if exact else sampled(tier)
        with fc.num_threads(threads):
            losses = [table.train_step(loss, LABELS, INPUTS).loss.mean() for _ in range(8)]
        assert losses[-1] < losses[0]
        return snapshot(table)

    assert after(1) == after(2) == after(3)


def test_questions_are_answered_as_by_a_float32_table() -> None:
    table = half_table()
    twin = float32_twin(table)
    assert table.evaluate(LABELS, INPUTS) == twin.evaluate(LABELS, INPUTS)
    for got, expected in zip(table.topk(INPUTS, 7), twin.topk(INPUTS, 7), strict=True):
        assert_array_equal(got, expected)
    truth = reference.full_softmax(twin.weights, twin.biases, LABELS, INPUTS).loss.mean()
    assert table.evaluate(LABELS, INPUTS).loss == pytest.approx(truth, rel=1e-6)


def test_evaluation_and_ranks_do_not_go_by_the_setting() -> None:
    table = half_table()
    expected, best = table.evaluate(LABELS, INPUTS), table.topk(INPUTS, 5)
    with fc.matmul_precision("medium"):
        assert table.evaluate(LABELS, INPUTS) == expected
        for got, known in zip(table.topk(INPUTS, 5), best, strict=True):
            assert_array_equal(got, known)


def test_replaced_rows_count_at_once() -> None:
    table = half_table()
    rows = np.full((2, DIM), 1 + 2.0**-8 + 2.0**-12, np.float32) * np.sign(INPUTS[:2]) * 9
    table.weights[[5, 41]] = rows  # rounds to nearest
    assert np.abs(table.weights[[5, 41]].astype(np.float32) / rows - 1).max() <= 2.0**-8
    assert table.topk(INPUTS[:2], 1).ids.tolist() == [[5], [41]]
    assert table.evaluate([5, 41], INPUTS[:2], k=1).hits[1] == 1
    table.train_step(sampled(), LABELS, INPUTS)
    assert table.step == 1


@pytest.mark.parametrize("mmap", [False, "r", "r+"])
def test_a_saved_table(mmap: Any, tmp_path: Path) -> None:
    path, other = tmp_path / "table.npz", tmp_path / "other.npz"
    table = half_table()
    table.train_step(sampled(), LABELS, INPUTS)
    table.save(path)
    with np.load(path) as arrays:
        assert_array_equal(arrays["weights"].view(HALF), table.weights)
        assert arrays["weights"].nbytes == 2 * CLASSES * DIM
        assert arrays["weights.accumulator"].dtype == arrays["biases"].dtype == np.float32
    copy = fc.ClassTable.load(path, mmap=mmap)
    assert copy.weights.dtype == HALF
    assert copy.evaluate(LABELS, INPUTS) == table.evaluate(LABELS, INPUTS)
    for got, expected in zip(copy.topk(INPUTS, 5), table.topk(INPUTS, 5), strict=True):
        assert_array_equal(got, expected)
    if mmap == "r":
        with pytest.raises(ValueError, match="weights must be writable, got a read-only array"):
            copy.train_step(sampled(), LABELS, INPUTS)
    else:
        for one in (table, copy):
            one.train_step(sampled(seed=9), LABELS, INPUTS)
    copy.save(other)
    assert snapshot(fc.ClassTable.load(other)) == snapshot(copy) == snapshot(table)
    copy.close()


def test_parts_train_the_table_and_round_by_bits_of_their_own() -> None:
    table = half_table(fc.SGD(1.0))
    table.weights[:] = 1
    assert table.biases is not None
    table.biases[:] = 0
    parts = table.shards(3)
    for part in parts:
        part.train_step(fc.SoftmaxLoss(), [0, 1], np.full((2, DIM), 1e-2, np.float32))
    assert len({part.rounding_seed for part in parts}) == 3
    changed = [part.weights.tobytes() for part in parts]
    assert len(set(changed)) == 3
    assert b"".join(changed) == table.weights.tobytes()


@pytest.mark.parametrize("given", [HALF, np.float16, np.float64], ids=str)
def test_inputs_of_another_dtype(given: Any) -> None:
    table, inputs = half_table(), INPUTS.astype(given)
    twin = float32_twin(table)
    expected = reference.full_softmax(twin.weights, twin.biases, LABELS, inputs.astype(float))
    loss, gradients = fc.SoftmaxLoss().value_and_grad(table.weights, table.biases, LABELS, inputs)
    assert (loss.dtype, gradients.inputs.dtype, gradients.weights.rows.dtype) == (given, given, np.float32)
    np.testing.assert_allclose(gradients.weights.rows, expected.d_weights, atol=2e-6)
    losses = [table.train_step(fc.SoftmaxLoss(), LABELS, inputs).loss.astype(float).mean() for _ in range(10)]
    assert losses[-1] < losses[0]
    assert table.weights.dtype == HALF


def test_the_memory_of_a_table() -> None:
    table = fc.ClassTable(100, 8, dtype="bfloat16", seed=0)
    assert table.weights.nbytes == 2 * 100 * 8
    assert table.biases is not None
    assert table.biases.dtype == table.optimizer_state["weights"]["accumulator"].dtype == np.float32
    assert repr(table).startswith("ClassTable(100, 8, dtype='bfloat16'")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "table.npz"
    half_table().save(path)
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    with pytest.raises(ImportError, match=r"dtype 'bfloat16' needs the package ml_dtypes \(pip install ml_dtypes\)"):
        fc.ClassTable(5, 2, dtype="bfloat16")
    with pytest.raises(ImportError, match=r"table.npz: holds bfloat16, which needs the package ml_dtypes"):
        fc.ClassTable.load(path)
