"""Learning rates that change with the step: a linear rise, then a fall of a certain shape.

Any function of the step will do as a learning rate. These can also be pickled, compared, printed and saved with the
optimizer they belong to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fastcands.validation.numbers import as_nonnegative, as_size

__all__ = ["Schedule", "cosine", "inverse_sqrt", "linear"]

_SHAPES = ("linear", "cosine", "inverse_sqrt")


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of the step; `linear`, `cosine` and `inverse_sqrt` make it.

    Parameters
    ----------
    shape : {'linear', 'cosine', 'inverse_sqrt'}
        How it falls.
    peak : float
        The highest rate, at step `warmup`.
    steps : int, optional
        Where the fall ends; above `warmup`. None for 'inverse_sqrt', which does not end.
    warmup : int, default 0
        Steps of the rise: step s has ``peak * (s + 1) / (warmup + 1)``.
    end : float, default 0
        The rate from step `steps` on, at most `peak`. 0 for 'inverse_sqrt'.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        If a number is negative or not finite, or they do not fit together.

    Examples
    --------
    >>> import fastcands as fc
    >>> rate = fc.schedules.linear(0.4, 10, warmup=3)
    >>> [round(rate(step), 3) for step in range(6)]
    [0.1, 0.2, 0.3, 0.4, 0.343, 0.286]
    """

    shape: str
    peak: float
    steps: int | None = None
    warmup: int = 0
    end: float = 0.0

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise ValueError(f"shape must be one of {list(_SHAPES)}, got {self.shape!r}")
        peak, end = as_nonnegative(self.peak, "peak"), as_nonnegative(self.end, "end")
        warmup = as_size(self.warmup, "warmup", minimum=0)
        if self.shape == "inverse_sqrt":
            if self.steps is not None or end != 0:
                raise ValueError(f"inverse_sqrt has no steps and no end, got steps={self.steps}, end={end}")
        elif as_size(self.steps, "steps") <= warmup:
            raise ValueError(f"steps must be above warmup = {warmup}, got {self.steps}")
        if end > peak:
            raise ValueError(f"end must be at most peak = {peak}, got {end}")

    def __call__(self, step: int) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step : int
            Steps made before this one; the first step is 0.

        Returns
        -------
        float
            Between 0 and `peak`.

        Raises
        ------
        TypeError, ValueError
            If `step` is not an integer, or negative.
        """
        step = as_size(step, "step", minimum=0)
        if step < self.warmup:
            return self.peak * (step + 1) / (self.warmup + 1)
        if self.steps is None:
            return self.peak * math.sqrt((self.warmup + 1) / (step + 1))
        done = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        share = 1 - done if self.shape == "linear" else (1 + math.cos(math.pi * done)) / 2
        return self.peak * share + self.end * (1 - share)  # exactly `peak` and `end` at the ends


def linear(peak: float, steps: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """Return a learning rate that falls along a line.

    ``peak * (step + 1) / (warmup + 1)`` before step `warmup`, then
    ``end + (peak - end) * (steps - step) / (steps - warmup)``, and `end` from step `steps` on.

    Parameters
    ----------
    peak : float
        The highest rate, at step `warmup`.
    steps : int
        Where the fall ends; above `warmup`.
    warmup : int, default 0
        Steps of the rise.
    end : float, default 0
        The last rate, at most `peak`.

    Returns
    -------
    Schedule
        A function of the step.

    Raises
    ------
    TypeError, ValueError
        As `Schedule` has them.

    Examples
    --------
    >>> import fastcands as fc
    >>> rate = fc.schedules.linear(1.0, 4)
    >>> [rate(step) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return Schedule("linear", peak, as_size(steps, "steps"), warmup, end)


def cosine(peak: float, steps: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """Return a learning rate that falls along half a cosine.

    ``peak * (step + 1) / (warmup + 1)`` before step `warmup`, then
    ``end + (peak - end) * (1 + cos(pi * (step - warmup) / (steps - warmup))) / 2``, and `end` from step `steps` on.

    Parameters
    ----------
    peak : float
        The highest rate, at step `warmup`.
    steps : int
        Where the fall ends; above `warmup`.
    warmup : int, default 0
        Steps of the rise.
    end : float, default 0
        The last rate, at most `peak`.

    Returns
    -------
    Schedule
        A function of the step.

    Raises
    ------
    TypeError, ValueError
        As `Schedule` has them.

    References
    ----------
    Loshchilov and Hutter 2017, ICLR, "SGDR: stochastic gradient descent with warm restarts", equation 5.

    Examples
    --------
    >>> import fastcands as fc
    >>> rate = fc.schedules.cosine(1.0, 4)
    >>> [round(rate(step), 3) for step in range(5)]
    [1.0, 0.854, 0.5, 0.146, 0.0]
    """
    return Schedule("cosine", peak, as_size(steps, "steps"), warmup, end)


def inverse_sqrt(peak: float, *, warmup: int = 0) -> Schedule:
    """Return a learning rate that falls with the root of the steps made, and never ends.

    ``peak * (step + 1) / (warmup + 1)`` before step `warmup`, then ``peak * sqrt((warmup + 1) / (step + 1))``.

    Parameters
    ----------
    peak : float
        The highest rate, at step `warmup`.
    warmup : int, default 0
        Steps of the rise.

    Returns
    -------
    Schedule
        A function of the step.

    Raises
    ------
    TypeError, ValueError
        As `Schedule` has them.

    References
    ----------
    Vaswani et al. 2017, NeurIPS, "Attention is all you need", equation 3, whose ``warmup_steps`` is ``warmup + 1``.

    Examples
    --------
    >>> import fastcands as fc
    >>> rate = fc.schedules.inverse_sqrt(1.0)
    >>> [round(rate(step), 3) for step in (0, 3, 99)]
    [1.0, 0.5, 0.1]
    """
    return Schedule("inverse_sqrt", peak, None, warmup)
