"""An optimizer as its options: as text, as plain numbers, and back from those."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcands.schedules import Schedule
from fastcands.validation.numbers import as_nonnegative, as_size
from fastcands.validation.optimizers import as_clip_norm

__all__ = ["BY_NAME", "Configuration", "LearningRate"]


LearningRate = float | Callable[[int], float]

BY_NAME: dict[str, type[Configuration]] = {}
"""All optimizers, those of other packages too."""


@dataclass(frozen=True, repr=False)
class Configuration:
    """The options of an optimizer: a learning rate, weight decay and a limit on each row's gradient.

    Parameters
    ----------
    lr : float or callable
        The learning rate, or a function of the step (counted from 0) that returns it. Finite and not
        negative.
    weight_decay : float, default 0
        How much of each weight is added to its gradient, in the rows of the step only.
    clip_norm : float, optional
        The largest L2 norm of a row's gradient; a longer one is scaled down, before all else.

    Raises
    ------
    TypeError
        If `lr` is neither a number nor callable, or another option is not a number.
    ValueError
        If an option is negative or not finite, or `clip_norm` is 0.
    """

    lr: LearningRate
    weight_decay: float = dataclasses.field(default=0.0, kw_only=True)
    clip_norm: float | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not callable(self.lr):
            as_nonnegative(self.lr, "lr", or_else=" or a function of the step")
        as_nonnegative(self.weight_decay, "weight_decay")
        as_clip_norm(self.clip_norm)

    def _options(self) -> dict[str, Any]:
        """Return the options in the order of the signature."""
        fields = sorted(dataclasses.fields(self), key=lambda field: field.kw_only is True)
        return {field.name: getattr(self, field.name) for field in fields}

    def __repr__(self) -> str:
        """Return the call that makes it, without the options all optimizers share where they do nothing."""
        unset = [("weight_decay", 0), ("clip_norm", None)]
        shown = [f"{name}={value!r}" for name, value in self._options().items() if (name, value) not in unset]
        return f"{type(self).__name__}({', '.join(shown)})"

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : int
            Steps made before this one; the first step is 0.

        Returns
        -------
        float
            `lr`, or ``lr(step)`` where it is a function.

        Raises
        ------
        TypeError
            If the function returns something else than a number.
        ValueError
            If `step` is negative, or the function returns a negative number or one that is not finite.

        Examples
        --------
        >>> import fastcands as fc
        >>> fc.SGD(lambda step: 0.5 / (1 + step)).learning_rate(4)
        0.1
        """
        step = as_size(step, "step", minimum=0, maximum=2**63 - 1)
        return as_nonnegative(self.lr(step), f"lr({step})") if callable(self.lr) else float(self.lr)

    def to_dict(self) -> dict[str, Any]:
        """Return name and options as plain numbers that JSON can hold.

        Returns
        -------
        dict
            ``{'name': …, 'lr': …, …}``. `lr` is a number, the options of a schedule of `fastcands.schedules`, or
            missing if it is another function.

        See Also
        --------
        fastcands.optimizers.from_dict : The way back.

        Examples
        --------
        >>> import fastcands as fc
        >>> fc.SGD(0.1).to_dict()
        {'name': 'SGD', 'lr': 0.1, 'weight_decay': 0.0, 'clip_norm': None}
        >>> fc.SGD(lambda step: 0.1).to_dict()
        {'name': 'SGD', 'weight_decay': 0.0, 'clip_norm': None}
        """
        description: dict[str, Any] = {"name": type(self).__name__}
        for name, value in self._options().items():
            if isinstance(value, Schedule):
                description[name] = dataclasses.asdict(value)
            elif value is None or isinstance(value, (bool, np.bool_)):
                description[name] = None if value is None else bool(value)
            elif not callable(value):
                description[name] = float(value)
        return description
