"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcands.kernels.optimizers.momentum import MomentumRule
from fastcands.optimizers.interface import MODERATE, Optimizer
from fastcands.validation.numbers import as_flag, as_fraction

__all__ = ["Momentum"]


@dataclass(frozen=True, repr=False)
class Momentum(Optimizer):
    """Gradient descent along a velocity, on the rows of the step.

    ``g = clipped(rows) + weight_decay * table[ids]; v[ids] = momentum * v[ids] + g; table[ids] -= lr * v[ids]``, or
    with `nesterov` ``table[ids] -= lr * (g + momentum * v[ids])``.

    Where every row is in every step it is ``torch.optim.SGD`` with momentum. Rows outside the step do not move,
    while the dense optimizer keeps moving them.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.
    momentum : float, default 0.9
        The share of the velocity that is kept from step to step, in [0, 1).
    nesterov : bool, default False
        Whether the step looks ahead along the velocity.
    catch_up : bool, default False
        What happens to the velocity of a row outside the step. False: nothing. True: it decays by `momentum` for each
        step missed, as in the dense optimizer; this is done at the row's next step.
    weight_decay : float, default 0
        Added to the gradient times the weight, in the rows of the step only.
    clip_norm : float, optional
        The largest L2 norm of a row's gradient; a longer one is scaled down, before all else. In a vector such as
        the biases each number is a row.

    Raises
    ------
    TypeError
        If an option is of another type.
    ValueError
        If a number is negative or not finite, `momentum` is not in [0, 1), `clip_norm` is 0, or `nesterov` has no
        momentum.

    Notes
    -----
    State: ``velocity``, of the shape of the table, and with `catch_up` ``last_step``, int64 (V,): the last step of each
    row, −1 before its first. `catch_up` needs the step at each update, higher each time.

    With `catch_up` the velocity of a row in the step equals that of the dense optimizer to rounding, if its gradient,
    weight decay included, was zero in the steps between. Its weights do not: the dense optimizer moves them in each of
    those steps.

    References
    ----------
    Sutskever, Martens, Dahl and Hinton 2013, ICML, section 2.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table, optimizer = np.zeros(2), fc.Momentum(1.0, momentum=0.5, catch_up=True)
    >>> state, gradient = optimizer.init(table), fc.RowGradient(np.array([1]), np.ones(1), 2)
    >>> optimizer.update(table, state, gradient, step=0)
    >>> optimizer.update(table, state, gradient, step=3)  # two steps missed
    >>> state["velocity"].tolist()
    [0.0, 1.125]
    """

    momentum: float = 0.9
    nesterov: bool = False
    catch_up: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        momentum = as_fraction(self.momentum, "momentum")
        if as_flag(self.nesterov, "nesterov") and momentum == 0:
            raise ValueError("nesterov must be False where momentum is 0, got True")
        as_flag(self.catch_up, "catch_up")

    def _per_weight(self) -> dict[str, float]:
        return {"velocity": 0}

    @property
    def _counts_steps(self) -> bool:
        return bool(self.catch_up)

    def _rule(self, lr: float, step: int) -> MomentumRule:
        momentum = float(self.momentum)
        own, share = (1.0, momentum) if self.nesterov else (0.0, 1.0)
        return MomentumRule(lr, momentum, own, share)

    def _keeps_finite(self, rule: Any) -> bool:
        # 2**40 steps make a velocity of 2**80 at most
        return bool(rule.lr <= MODERATE and not self.weight_decay)
