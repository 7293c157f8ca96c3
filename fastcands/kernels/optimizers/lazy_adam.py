"""Adam, whose moments fall only when a row has a gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import decayed, new_weight, rule_of_row
from fastcands.simd.numbers import as_type_of

__all__ = ["LazyAdamRule"]


class LazyAdamRule(NamedTuple):
    """``m = keep1 * m + new1 * g; v = keep2 * v + new2 * g**2``, the two numbers of the state for each weight, then
    ``w = shrink * w - lr * m / (correction * sqrt(v) + epsilon)``.
    """  # fmt: skip

    lr: Any
    """The learning rate over ``1 - beta1**t``, t counted from 1."""
    correction: Any
    """``1 / sqrt(1 - beta2**t)``."""
    epsilon: Any
    shrink: Any
    """What decoupled weight decay leaves of a weight."""
    beta1: float
    beta2: float
    keep1: Any
    keep2: Any
    """`beta1` and `beta2` to the power of the steps since the row's last one."""
    new1: Any
    new2: Any
    """``1 - beta1`` and ``1 - beta2``."""


@rule_of_row.register(LazyAdamRule)
def _catch_up(rule: Any, row: Any, numbers: Any) -> Any:
    keep1, keep2 = rule.keep1, rule.keep2
    if row.elapsed != 1:
        keep1 = as_type_of(keep1, rule.beta1**row.elapsed)
        keep2 = as_type_of(keep2, rule.beta2**row.elapsed)
    of_row = LazyAdamRule(
        rule.lr, rule.correction, rule.epsilon, rule.shrink, rule.beta1, rule.beta2, keep1, keep2, rule.new1, rule.new2
    )
    return of_row, numbers


@decayed.register(LazyAdamRule)
def _decoupled(rule: Any, weight: Any, gradient: Any, weight_decay: Any) -> Any:
    return rule.shrink * weight, gradient


@new_weight.register(LazyAdamRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    mean = rule.keep1 * numbers[0] + rule.new1 * gradient
    square = rule.keep2 * numbers[1] + rule.new2 * (gradient * gradient)
    return weight - rule.lr * mean / (rule.correction * math.sqrt(square) + rule.epsilon), (mean, square)
