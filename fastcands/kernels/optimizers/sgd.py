"""Plain gradient descent."""

from __future__ import annotations

from typing import Any, NamedTuple

from fastcands.kernels.optimizers.rule import new_weight

__all__ = ["SGDRule"]


class SGDRule(NamedTuple):
    """``w -= lr * g``."""

    lr: float


@new_weight.register(SGDRule)
def _descend(rule: Any, weight: Any, gradient: Any, numbers: Any) -> Any:
    return weight - rule.lr * gradient, numbers
