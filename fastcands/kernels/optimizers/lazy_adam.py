"""Adam whose moments decay only in steps in which a row has a gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import decayed, new_weight, rule_of_row
from fastcands.simd.pointers import as_type_of

__all__ = ["LazyAdamRule"]


class LazyAdamRule(NamedTuple):
    """``w = shrink * w - lr * m / (correction * sqrt(v) + epsilon)``.

    The state has two numbers for each weight: ``m = keep1 * m + new1 * g`` and ``v = keep2 * v + new2 * g**2``.
    """

    lr: float
    """The learning rate over ``1 - beta1**t``, t counted from 1."""
    correction: float
    """``1 / sqrt(1 - beta2**t)``."""
    epsilon: float
    shrink: float
    """Factor of a weight by decoupled weight decay."""
    keep1: float
    keep2: float
    """`beta1` and `beta2`; for a row, to the power of the steps since its last one."""
    new1: float
    new2: float
    """``1 - beta1`` and ``1 - beta2``."""


@rule_of_row.register(LazyAdamRule)
def _catch_up(rule: Any, row: Any, numbers: Any) -> Any:
    keep1, keep2 = rule.keep1, rule.keep2
    if row.elapsed != 1:
        keep1, keep2 = keep1**row.elapsed, keep2**row.elapsed
    of_row = LazyAdamRule(rule.lr, rule.correction, rule.epsilon, rule.shrink, keep1, keep2, rule.new1, rule.new2)
    return as_type_of(row.factor, of_row), numbers


@decayed.register(LazyAdamRule)
def _decoupled(rule: Any, weight: Any, gradient: Any, weight_decay: Any) -> Any:
    return rule.shrink * weight, gradient


@new_weight.register(LazyAdamRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    mean = rule.keep1 * numbers[0] + rule.new1 * gradient
    square = rule.keep2 * numbers[1] + rule.new2 * (gradient * gradient)
    return weight - rule.lr * mean / (rule.correction * math.sqrt(square) + rule.epsilon), (mean, square)
