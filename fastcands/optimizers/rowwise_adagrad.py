"""Adagrad with one accumulator a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcands.kernels.optimizers.rowwise_adagrad import RowwiseAdagradRule
from fastcands.optimizers.interface import MODERATE, Optimizer
from fastcands.validation.numbers import as_nonnegative
from fastcands.validation.optimizers import check_denominator

__all__ = ["RowwiseAdagrad"]


@dataclass(frozen=True, repr=False)
class RowwiseAdagrad(Optimizer):
    """Adagrad with one rate a row, which falls with the mean of the row's squared gradients.

    ``g = clipped(rows) + weight_decay * table[ids]; accumulator[ids] += (g**2).mean(axis=1)``, then
    ``table[ids] -= (lr / (sqrt(accumulator[ids]) + epsilon))[:, None] * g``.

    Its state is D times smaller than Adagrad's, and so is the memory that a step moves for it: the choice for tables
    that fill the memory. Rare classes keep a high rate, as with Adagrad.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. The function must
        depend on nothing else: it may be called several times a step.
    initial_accumulator : float, default 0.1
        What the accumulator starts from; not negative.
    epsilon : float, default 1e-7
        Added to the root; not negative. Not both may be 0: a zero gradient would then be divided by zero.
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
        If one is negative or not finite, `clip_norm` is 0, or `initial_accumulator` and `epsilon` are both 0 in
        float32.

    Notes
    -----
    State: ``accumulator``, (V,). The mean is taken in float64.

    References
    ----------
    Mudigere et al. 2022, ISCA, "Software-hardware co-design for fast and scalable training of deep learning
    recommendation models", section 4.1.4.

    Examples
    --------
    >>> import numpy as np
    >>> import fastcands as fc
    >>> table, optimizer = np.zeros((3, 2)), fc.RowwiseAdagrad(1.0, initial_accumulator=0)
    >>> state = optimizer.init(table)
    >>> optimizer.update(table, state, fc.RowGradient(np.array([1]), np.array([[1.0, 7.0]]), 3))
    >>> state["accumulator"].tolist()
    [0.0, 25.0, 0.0]
    """

    initial_accumulator: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        initial = as_nonnegative(self.initial_accumulator, "initial_accumulator")
        check_denominator(("initial_accumulator", initial), ("epsilon", as_nonnegative(self.epsilon, "epsilon")))

    def _per_row(self) -> dict[str, float]:
        return {"accumulator": float(self.initial_accumulator)}

    def _rule(self, lr: float, step: int) -> RowwiseAdagradRule:
        return RowwiseAdagradRule(lr, float(self.epsilon), rate=0.0)

    def _keeps_finite(self, rule: Any) -> bool:
        # the root may be 0 where squares are denormal, so the rate is up to lr / epsilon
        return bool(
            rule.lr <= MODERATE
            and not self.weight_decay
            and rule.epsilon >= 1 / MODERATE**2
            and self.initial_accumulator <= MODERATE
        )
