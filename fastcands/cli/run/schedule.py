"""How far a run is, and the learning rate that follows from it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["WARMUP_STEPS", "Schedule"]

WARMUP_STEPS = 10
"""Steps in which the rate rises: the first ones of Adagrad and Adam are as long as the rate, whatever the gradient."""


class Schedule:
    """Progress of a run from 0 to 1, and learning rates that fall linearly to zero with it.

    In a run bounded by examples alone, the progress depends on them alone, so the run can be repeated to
    the last bit; in one bounded by time it depends on the clock.

    Parameters
    ----------
    total_examples : int or None
        Examples of the whole run; None for no such bound.
    max_seconds : float or None
        Seconds of training; None for no such bound. At least one of the two is needed.

    Attributes
    ----------
    progress : float
        As of the last `update`.

    Examples
    --------
    >>> schedule = Schedule(total_examples=100, max_seconds=None)
    >>> schedule.update(examples=50, seconds=3.0)
    >>> schedule.rate(0.4)(1000), schedule.finished
    (0.2, False)
    """

    def __init__(self, total_examples: int | None, max_seconds: float | None) -> None:
        self.total_examples = total_examples
        self.max_seconds = max_seconds
        self.progress = 0.0

    def update(self, examples: int, seconds: float) -> None:
        """Set the progress from what has been done so far.

        Parameters
        ----------
        examples : int
            Examples trained on.
        seconds : float
            Seconds of training.
        """
        shares = []
        if self.total_examples is not None:
            shares.append(examples / self.total_examples)
        if self.max_seconds is not None:
            shares.append(seconds / self.max_seconds)
        self.progress = min(1.0, max(shares))

    @property
    def finished(self) -> bool:
        """Whether a bound has been reached."""
        return self.progress >= 1.0

    def rate(self, first: float) -> Callable[[int], float]:
        """Return a learning rate for an optimizer: it rises to `first` in some steps, and falls linearly to zero.

        Parameters
        ----------
        first : float
            The rate at progress 0.

        Returns
        -------
        callable
            Takes the step and returns the rate at the progress of the last `update`, lower in the first
            `WARMUP_STEPS` steps.
        """
        return lambda step: first * (1.0 - self.progress) * min(1.0, (step + 1) / WARMUP_STEPS)
