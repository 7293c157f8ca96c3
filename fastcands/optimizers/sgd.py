"""Plain gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcands.kernels.optimizers.sgd import SGDRule
from fastcands.optimizers.interface import MODERATE, Optimizer

__all__ = ["SGD"]


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Plain gradient descent on the rows of the step.

    ``g = clipped(rows) + weight_decay * table[ids]; table[ids] -= lr * g``

    Nothing is remembered. The step is that of ``torch.optim.SGD`` without momentum, on the rows of the step.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.
    weight_decay : float, default 0
        Added to the gradient times the weight, in the rows of the step only.
    clip_norm : float, optional
        The largest L2 norm of a row's gradient; a longer one is scaled down, before all else. In a vector such as
        the biases each number is a row.

    Raises
    ------
    TypeError
        If an option is not a number (`lr`: nor callable).
    ValueError
        If one is negative or not finite, or `clip_norm` is 0.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.SGD(0.1)
    SGD(lr=0.1)
    """

    def _rule(self, lr: float, step: int) -> SGDRule:
        return SGDRule(lr)

    def _keeps_finite(self, rule: Any) -> bool:
        return bool(rule.lr <= MODERATE and not self.weight_decay)
