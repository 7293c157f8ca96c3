"""Adagrad with a sum of squares for each row."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from fastcands.kernels.optimizers.row_norm import mean_square
from fastcands.kernels.optimizers.rule import new_weight, rule_of_row
from fastcands.simd.pointers import as_type_of

__all__ = ["RowwiseAdagradRule"]


class RowwiseAdagradRule(NamedTuple):
    """``a += mean(g**2); w -= rate * g`` with ``rate = lr / (sqrt(a) + epsilon)``; a is the state's number of the row.

    The loop over a row's weights finds in the first-level cache what the mean has read.
    """

    lr: float
    epsilon: float
    rate: float
    """Of a row: `rule_of_row` computes it."""


@rule_of_row.register(RowwiseAdagradRule)
def _rate_of_row(rule: Any, row: Any, numbers: Any) -> Any:
    lr, epsilon, _ = as_type_of(row.factor, rule)
    total = as_type_of(row.factor, np.float64(numbers[0]) + mean_square(row))
    rate = lr / (as_type_of(row.factor, math.sqrt(total)) + epsilon)
    return RowwiseAdagradRule(lr, epsilon, rate), (total,)


@new_weight.register(RowwiseAdagradRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    return weight - rule.rate * gradient, numbers
