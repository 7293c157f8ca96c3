"""Adagrad with a sum of squares for each number."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import new_weight

__all__ = ["AdagradRule"]


class AdagradRule(NamedTuple):
    """``a += g**2; w -= lr * g / (sqrt(a) + epsilon)``, with one number of the state for each weight, a."""

    lr: float
    epsilon: float


@new_weight.register(AdagradRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    total = numbers[0] + gradient * gradient
    return weight - rule.lr * gradient / (math.sqrt(total) + rule.epsilon), (total,)
