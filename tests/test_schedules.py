"""Learning rates that change with the step."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastcands import schedules
from fastcands.schedules import Schedule, cosine, inverse_sqrt, linear


def test_linear() -> None:
    rate = linear(1.0, 8, warmup=4, end=0.2)
    assert [round(rate(step), 12) for step in range(10)] == [0.2, 0.4, 0.6, 0.8, 1.0, 0.8, 0.6, 0.4, 0.2, 0.2]


def test_cosine() -> None:
    rate = cosine(1.0, 9, warmup=1, end=0.5)
    expected = [0.5, *(0.5 + 0.25 * (1 + math.cos(math.pi * k / 8)) for k in range(9)), 0.5]
    assert [rate(step) for step in range(11)] == pytest.approx(expected)
    assert rate(5) == pytest.approx(0.75)


def test_inverse_sqrt() -> None:
    """The formula of "Attention is all you need" with 10 warm-up steps, scaled to the peak."""
    rate = inverse_sqrt(0.5, warmup=9)
    for step in range(100):
        t = step + 1
        assert rate(step) == pytest.approx(0.5 * 10**0.5 * min(t**-0.5, t * 10**-1.5))
    assert inverse_sqrt(0.5)(0) == 0.5


@given(st.sampled_from([linear, cosine]), st.floats(0, 10), st.floats(0, 1), st.integers(0, 50), st.integers(1, 50))
def test_rises_to_the_peak_and_falls_to_the_end(kind: Any, peak: float, share: float, warmup: int, fall: int) -> None:
    rate = kind(peak, warmup + fall, warmup=warmup, end=peak * share)
    values = [rate(step) for step in range(warmup + fall + 3)]
    assert values[warmup] == peak
    assert values[: warmup + 1] == sorted(values[: warmup + 1])
    assert values[-3:] == pytest.approx([peak * share] * 3)
    slack = 1e-12 * peak
    assert all(later <= earlier + slack for earlier, later in zip(values[warmup:], values[warmup + 1 :], strict=False))
    assert all(peak * share - slack <= value <= peak + slack for value in values[warmup:])


def test_configurations_are_values() -> None:
    rate = linear(1.0, 8, warmup=4, end=0.2)
    assert rate == Schedule("linear", 1.0, 8, 4, 0.2) == Schedule(**dataclasses.asdict(rate))
    assert rate != cosine(1.0, 8, warmup=4, end=0.2)
    assert pickle.loads(pickle.dumps(rate)) == rate
    assert hash(pickle.loads(pickle.dumps(rate))) == hash(rate)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rate.peak = 2.0  # type: ignore[misc]


def test_module_is_public() -> None:
    assert sorted(schedules.__all__) == ["Schedule", "cosine", "inverse_sqrt", "linear"]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: linear(-1, 5), ValueError, "peak must be finite .* not negative, got -1.0"),
        (lambda: linear("1", 5), TypeError, "peak must be a number, got str"),
        (lambda: cosine(float("nan"), 5), ValueError, "peak must be finite .* got nan"),
        (lambda: linear(1, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: linear(1, None), TypeError, "steps must be an integer, got NoneType"),
        (lambda: cosine(1, 2.5), TypeError, "steps must be an integer, got float"),
        (lambda: cosine(1, 5, warmup=5), ValueError, "steps must be above warmup = 5, got 5"),
        (lambda: linear(1, 5, warmup=-1), ValueError, "warmup must be at least 0, got -1"),
        (lambda: inverse_sqrt(1, warmup=0.5), TypeError, "warmup must be an integer, got float"),
        (lambda: linear(1, 5, end=2), ValueError, "end must be at most peak = 1.0, got 2.0"),
        (lambda: linear(1, 5, end=-1), ValueError, "end must be finite .* not negative, got -1.0"),
        (lambda: Schedule("step", 1, 5), ValueError, r"shape must be one of \['linear', .*\], got 'step'"),
        (lambda: Schedule("inverse_sqrt", 1, 5), ValueError, "inverse_sqrt has no steps and no end, got steps=5"),
        (lambda: Schedule("inverse_sqrt", 1, end=0.5), ValueError, "has no steps and no end, got .* end=0.5"),
        (lambda: linear(1, 5)(-1), ValueError, "step must be at least 0, got -1"),
        (lambda: linear(1, 5)(1.5), TypeError, "step must be an integer, got float"),
    ],
)
def test_bad_arguments(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()
