"""Adagrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastcands.kernels.optimizers.adagrad import AdagradRule
from fastcands.optimizers.interface import MODERATE, Optimizer
from fastcands.validation.numbers import as_nonnegative
from fastcands.validation.optimizers import check_denominator

__all__ = ["Adagrad"]


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Adagrad on the rows of the step: a rate for each number that falls with its past squared gradients.

    ``g = clipped(rows) + weight_decay * table[ids]; accumulator[ids] += g**2``, then
    ``table[ids] -= lr * g / (sqrt(accumulator[ids]) + epsilon)``.

    Rare classes keep a high rate, which suits large vocabularies. Without weight decay, rows without a gradient would
    not change under dense Adagrad either, so the result is that of the dense optimizer (``torch.optim.Adagrad``).

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
    State: ``accumulator``, of the shape of the table.

    References
    ----------
    Duchi, Hazan and Singer 2011, Journal of Machine Learning Research 12, section 1.3 (diagonal form).

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.Adagrad(0.2)
    Adagrad(lr=0.2, initial_accumulator=0.1, epsilon=1e-07)
    """

    initial_accumulator: float = 0.1
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        initial = as_nonnegative(self.initial_accumulator, "initial_accumulator")
        check_denominator(("initial_accumulator", initial), ("epsilon", as_nonnegative(self.epsilon, "epsilon")))

    def _per_weight(self) -> dict[str, float]:
        return {"accumulator": float(self.initial_accumulator)}

    def _rule(self, lr: float, step: int) -> AdagradRule:
        return AdagradRule(lr, float(self.epsilon))

    def _keeps_finite(self, rule: Any) -> bool:
        # squares are below 2**80, and a step is not much longer than lr, but where squares are denormal
        return bool(rule.lr <= MODERATE and not self.weight_decay and self.initial_accumulator <= MODERATE)
