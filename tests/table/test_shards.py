"""Shards: bounds as the losses cut tables, and parts that share the table's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastcands as fc


@pytest.mark.parametrize(
    ("num_classes", "num_shards", "expected"),
    [(13, 5, [0, 3, 6, 9, 11, 13]), (5, 3, [0, 2, 4, 5]), (4, 4, [0, 1, 2, 3, 4]), (9, 1, [0, 9])],
)
def test_bounds(num_classes: int, num_shards: int, expected: list[int]) -> None:
    assert fc.shard_bounds(num_classes, num_shards).tolist() == expected


def test_bounds_of_a_huge_table() -> None:
    bounds = fc.shard_bounds(10**12 + 1, 7)
    assert bounds[-1] == 10**12 + 1
    assert set(np.diff(bounds).tolist()) == {10**12 // 7, 10**12 // 7 + 1}


@pytest.mark.parametrize("strategy", ["div", "mod"])
@pytest.mark.parametrize("num_shards", [1, 2, 3, 7])
def test_losses_accept_the_parts(strategy: Any, num_shards: int) -> None:
    table = fc.ClassTable(23, 4, seed=0)
    table.biases[:] = np.arange(23)
    parts = table.shards(num_shards, strategy)
    assert all(np.shares_memory(part.weights, table.weights) for part in parts)
    inputs, labels = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32), [[0], [22], [7], [8], [15]]
    whole = fc.nn.full_softmax_loss(table.weights, table.biases, labels, inputs)
    split = fc.nn.full_softmax_loss(
        [part.weights for part in parts],
        [part.biases for part in parts],
        labels,
        inputs,
        partition_strategy=strategy,
    )
    assert_allclose(split, whole, rtol=1e-6)


def test_training_a_part_trains_the_table() -> None:
    table = fc.ClassTable(10, 3, seed=0)
    before, state = table.weights.copy(), table.optimizer_state["weights"]["accumulator"].copy()
    part = table.shards(3)[1]
    part.train_step(fc.SoftmaxLoss(), [0], np.ones((1, 3), np.float32))
    changed = (table.weights != before).any(axis=1)
    assert changed.tolist() == [4 <= i < 7 for i in range(10)]
    assert_array_equal((table.optimizer_state["weights"]["accumulator"] != state).any(axis=1), changed)
    assert (part.step, table.step) == (1, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fc.shard_bounds(5, 6), ValueError, "num_shards must be at most the 5 classes, got 6"),
        (lambda: fc.shard_bounds(5, 0), ValueError, "num_shards must be at least 1, got 0"),
        (lambda: fc.shard_bounds(0, 1), ValueError, "num_classes must be at least 1, got 0"),
        (lambda: fc.shard_bounds(5, 2.0), TypeError, "num_shards must be an integer, got float"),
        (
            lambda: fc.ClassTable(5, 2).shards(2, "row"),
            ValueError,
            "partition_strategy must be 'mod' or 'div', got 'row'",
        ),
    ],
)
def test_bad_shards(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
