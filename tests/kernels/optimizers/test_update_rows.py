"""The loop over rows: formulas as they are in Python, and only the rows of the step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from fastcands.kernels.optimizers.adagrad import AdagradRule
from fastcands.kernels.optimizers.lazy_adam import LazyAdamRule
from fastcands.kernels.optimizers.momentum import MomentumRule
from fastcands.kernels.optimizers.rule import decayed, new_weight
from fastcands.kernels.optimizers.sgd import SGDRule
from fastcands.kernels.optimizers.update_rows import RowUpdate, update_rows

RULES = [
    SGDRule(0.5),
    MomentumRule(0.5, 0.9, 1.0, 0.9),
    AdagradRule(0.5, 1e-7),
    LazyAdamRule(0.5, 1.5, 1e-8, 0.75, 0.9, 0.99, 0.1, 0.01),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_step_is_the_formula_for_each_weight_of_the_rows(rule: Any, num_threads: int) -> None:
    """In float64, where Python computes the same bits."""
    rng = np.random.default_rng(0)
    num_numbers = {SGDRule: 0, LazyAdamRule: 2}.get(type(rule), 1)
    table, *matrices = rng.normal(size=(1 + num_numbers, 20, 7)) ** 2
    places = np.array([3, 4, 17, 9])
    gradient = rng.normal(size=(4, 7))
    expected, expected_matrices = table.copy(), [matrix.copy() for matrix in matrices]
    for row, gradient_of_row in zip(places, gradient, strict=True):
        for d, g in enumerate(gradient_of_row):
            weight, g = decayed(rule, float(table[row, d]), float(g), 0.125)
            numbers = tuple(float(matrix[row, d]) for matrix in matrices)
            expected[row, d], numbers = new_weight(rule, weight, g, numbers)
            for matrix, number in zip(expected_matrices, numbers, strict=True):
                matrix[row, d] = number
    update = RowUpdate(
        rule=rule,
        table=table,
        per_weight=tuple(matrices),
        per_row=(),
        last_step=np.empty(0, np.int64),
        ids=places,
        places=places,
        rows=gradient,
        weight_decay=0.125,
        clip_norm=math.inf,
        seed=np.uint64(0),
        step=0,
    )
    update_rows(update, None, num_threads)
    assert_array_equal(table, expected)
    for matrix, expected_matrix in zip(matrices, expected_matrices, strict=True):
        assert_array_equal(matrix, expected_matrix)
