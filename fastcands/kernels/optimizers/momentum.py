"""Gradient descent along a velocity."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import new_weight, rule_of_row
from fastcands.simd.pointers import as_type_of

__all__ = ["MomentumRule"]


class MomentumRule(NamedTuple):
    """``v = keep * v + g; w -= lr * (own * g + share * v)``, with one number of the state for each weight, v."""

    lr: float
    keep: float
    """Factor of the velocity in a step; for a row, in all steps since its last one."""
    own: float
    """0, or 1 by Nesterov."""
    share: float
    """1, or `keep` by Nesterov."""


@rule_of_row.register(MomentumRule)
def _catch_up(rule: Any, row: Any, numbers: Any) -> Any:
    keep = rule.keep
    if row.elapsed != 1:
        keep = keep**row.elapsed
    return as_type_of(row.factor, MomentumRule(rule.lr, keep, rule.own, rule.share)), numbers


@new_weight.register(MomentumRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    velocity = rule.keep * numbers[0] + gradient
    return weight - rule.lr * (rule.own * gradient + rule.share * velocity), (velocity,)
