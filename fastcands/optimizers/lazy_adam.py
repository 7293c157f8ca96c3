"""Adam for rows that are not in every step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastcands.kernels.optimizers.lazy_adam import LazyAdamRule
from fastcands.optimizers.interface import MODERATE, Optimizer
from fastcands.validation.numbers import as_flag, as_fraction, as_nonnegative
from fastcands.validation.optimizers import check_denominator

__all__ = ["LazyAdam"]


@dataclass(frozen=True, repr=False)
class LazyAdam(Optimizer):
    """Adam on the rows of the step.

    With ``g = clipped(rows)`` and t = step + 1: ``m[ids] = beta1 * m[ids] + (1 - beta1) * g``,
    ``v[ids] = beta2 * v[ids] + (1 - beta2) * g**2``, and then ``table[ids] -= lr * weight_decay * table[ids]``,
    ``table[ids] -= lr * m_hat / (sqrt(v_hat) + epsilon)`` with ``m_hat = m[ids] / (1 - beta1**t)`` and
    ``v_hat = v[ids] / (1 - beta2**t)``.

    Where every row is in every step it is Adam, with weight decay AdamW (``torch.optim.AdamW``). Rows outside the
    step do not move, while dense Adam keeps moving them; `catch_up` chooses what happens to their moments.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.
    beta1, beta2 : float, default 0.9 and 0.999
        The share of the moments that is kept from step to step, in [0, 1).
    epsilon : float, default 1e-8
        Added to the root; above 0.
    catch_up : bool, default False
        What happens to the moments of a row outside the step. False: nothing (``torch.optim.SparseAdam``,
        TensorFlow's LazyAdam). True: they decay by `beta1` and `beta2` for each step missed, as in
        dense Adam; this is done at the row's next step.
    weight_decay : float, default 0
        Shrinks the weights themselves by the factor ``1 - lr * weight_decay``, in the rows of the step only.
    clip_norm : float, optional
        The largest L2 norm of a row's gradient; a longer one is scaled down, before all else. In a vector such as
        the biases each number is a row.

    Raises
    ------
    TypeError
        If an option is of another type.
    ValueError
        If a number is negative or not finite, `beta1` or `beta2` is not in [0, 1), or `epsilon` or `clip_norm` is 0.

    Notes
    -----
    State: ``first_moment`` and ``second_moment``, of the shape of the table, and with `catch_up` ``last_step``, int64
    (V,): the last step of each row, −1 before its first. The step is needed at each update, and with `catch_up`
    higher each time.

    With `catch_up` the moments of a row in the step equal those of dense Adam to rounding, if its gradient was zero
    in the steps between. Its weights do not: dense Adam moves them in each of those steps.

    References
    ----------
    Kingma and Ba 2015, ICLR, algorithm 1. Loshchilov and Hutter 2019, ICLR, algorithm 2 (decoupled weight decay).

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table, optimizer = np.zeros(2), fc.LazyAdam(0.25)
    >>> state = optimizer.init(table)
    >>> optimizer.update(table, state, fc.RowGradient(np.array([1]), np.array([3.0]), 2), step=0)
    >>> table.round(6).tolist()
    [0.0, -0.25]
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    catch_up: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        as_fraction(self.beta1, "beta1")
        as_fraction(self.beta2, "beta2")
        check_denominator(("epsilon", as_nonnegative(self.epsilon, "epsilon")))
        as_flag(self.catch_up, "catch_up")

    def _per_weight(self) -> dict[str, float]:
        return {"first_moment": 0, "second_moment": 0}

    @property
    def _counts_steps(self) -> bool:
        return bool(self.catch_up)

    @property
    def _needs_step(self) -> bool:
        return True

    def _rule(self, lr: float, step: int) -> LazyAdamRule:
        beta1, beta2, t = float(self.beta1), float(self.beta2), step + 1
        return LazyAdamRule(
            lr=lr / (1 - beta1**t),
            correction=1 / math.sqrt(1 - beta2**t),
            epsilon=float(self.epsilon),
            shrink=float(1 - lr * self.weight_decay),
            keep1=beta1,
            keep2=beta2,
            new1=1 - beta1,
            new2=1 - beta2,
        )

    def _keeps_finite(self, rule: Any) -> bool:
        # the second moment may be 0 beside a first one of 2**40
        return bool(rule.lr <= MODERATE and abs(rule.shrink) <= 1 and rule.epsilon >= 1 / MODERATE**2)
