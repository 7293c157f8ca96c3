"""Gradient descent along a velocity."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import new_weight, rule_of_row
from fastcands.simd.numbers import as_type_of

__all__ = ["MomentumRule"]


class MomentumRule(NamedTuple):
    """``v = keep * v + g; w -= lr * (own * g + share * v)``, with one number of the state for each weight, v."""

    lr: Any
    momentum: float
    keep: Any
    """`momentum` to the power of the steps since the row's last one."""
    own: Any
    """0, or 1 by Nesterov."""
    share: Any
    """1, or `momentum` by Nesterov."""


@rule_of_row.register(MomentumRule)
def _catch_up(rule: Any, row: Any, numbers: Any) -> Any:
    keep = rule.keep
    if row.elapsed != 1:
        keep = as_type_of(keep, rule.momentum**row.elapsed)
    return MomentumRule(rule.lr, rule.momentum, keep, rule.own, rule.share), numbers


@new_weight.register(MomentumRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    velocity = rule.keep * numbers[0] + gradient
    return weight - rule.lr * (rule.own * gradient + rule.share * velocity), (velocity,)
