"""The median time of calls, by a clock that calls move on."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from bench.timing import median_seconds


class Clock:
    """A clock that calls move on."""

    def __init__(self, steps: Iterator[float]) -> None:
        self.now = 0.0
        self.calls = 0
        self._steps = steps

    def __call__(self) -> float:
        return self.now

    def call(self) -> None:
        assert not gc.isenabled()
        self.calls += 1
        self.now += next(self._steps)


@pytest.mark.parametrize(
    ("steps", "calls", "median"),
    [
        ([9.0, 1.0, 5.0, 2.0], 4, 2.0),  # the first warms up, then three
        ([0.01, 0.03, 0.01, 0.02, 0.02, 0.01], 6, 0.02),  # five fit into fifty milliseconds
        ([1e-6] * 301, 301, 1e-6),
    ],
)
def test_median_of_calls(steps: list[float], calls: int, median: float) -> None:
    clock = Clock(iter(steps))
    assert median_seconds(clock.call, clock) == pytest.approx(median)
    assert clock.calls == calls
    assert gc.isenabled()
