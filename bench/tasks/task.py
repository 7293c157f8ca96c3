"""What a task is: who computes what at which sizes, and which numbers come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.cases import EXPECTED, Case, Expectation

__all__ = ["Entry", "Figure", "Task", "per_call"]


@dataclass(frozen=True)
class Entry:
    """An operation of a contender."""

    contender: str
    operation: str
    threads: int | None = None
    """None: as many as the run has."""


@dataclass(frozen=True)
class Figure:
    """A number made of measured ones: a ratio of two entries, round by round, or one entry in a unit."""

    name: str
    over: str
    under: str | None = None
    scale: float = 1.0
    part: str | None = None
    """Which of several numbers a round has: for memory ``peak``, or ``beyond`` for what is no result."""


@dataclass(frozen=True)
class Task:
    """Entries side by side on the same cases."""

    name: str
    title: str
    cases: Mapping[str, Case]
    entries: Mapping[str, Entry]
    figures: tuple[Figure, ...] = ()
    measure: str = "seconds"
    """``seconds``, ``bytes`` or ``kernels``: the request to the processes."""
    most_rounds: int | None = None
    grows: str | None = field(default=None)
    """The size that differs between the cases, where they make a curve."""

    def expected(self, figure: Figure, case: str) -> Expectation | None:
        """Return what is asked for, if anything is."""
        return EXPECTED.get((self.name, figure.name), {}).get(case)


def per_call(label: str) -> Figure:
    """Return the time of an entry in microseconds, as a figure."""
    return Figure(f"{label}, µs", label, scale=1e6)
