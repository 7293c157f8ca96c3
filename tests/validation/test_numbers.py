"""Checks of single numbers: what passes, and what each refusal says."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest

import fastcands as fc
from fastcands.validation import numbers as validation


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint64(3), np.array(3)])
def test_sizes_are_ints(value: Any) -> None:
    size = validation.as_size(value, "n")
    assert size == 3
    assert type(size) is int


def test_a_size_may_be_its_minimum() -> None:
    assert validation.as_size(0, "n", minimum=0) == 0
    assert validation.as_size(2**80, "n") == 2**80


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "n must be at least 1, got 0"),
        (-5, ValueError, "n must be at least 1, got -5"),
        (2.0, TypeError, "n must be an integer, got float"),
        ("2", TypeError, "n must be an integer, got str"),
        (None, TypeError, "n must be an integer, got NoneType"),
        (True, TypeError, "n must be an integer, got bool"),
        (np.True_, TypeError, "n must be an integer, got bool"),
        (np.array([1, 2]), TypeError, "n must be an integer, got ndarray"),
    ],
)
def test_bad_sizes(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        validation.as_size(value, "n")
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(3), 3.4e38])
def test_numbers_that_are_not_negative(value: Any) -> None:
    number = validation.as_nonnegative(value, "x")
    assert number == value
    assert type(number) is float


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (-1, ValueError, "x must be finite (in float32) and not negative, got -1.0"),
        (np.nan, ValueError, "x must be finite (in float32) and not negative, got nan"),
        (np.inf, ValueError, "x must be finite (in float32) and not negative, got inf"),
        (3.5e38, ValueError, "x must be finite (in float32) and not negative, got 3.5e+38"),
        (True, TypeError, "x must be a number, got bool"),
        ("1", TypeError, "x must be a number, got str"),
        (1j, TypeError, "x must be a number, got complex"),
    ],
)
def test_bad_numbers(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        validation.as_nonnegative(value, "x")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("check", "good", "bad", "message"),
    [
        (validation.as_number, [-1, 0, 1e300], [math.nan, math.inf, -math.inf], "x must be finite, got "),
        (
            validation.as_positive,
            [5e-324, 2, 1e300],
            [0, -1, math.nan, math.inf],
            "x must be positive and finite, got ",
        ),
        (validation.as_fraction, [0, 0.5], [-0.5, 1, math.nan, math.inf], "x must be in [0, 1), got "),
    ],
)
def test_ranges(check: Any, good: list[float], bad: list[float], message: str) -> None:
    for value in good:
        assert check(value, "x") == value
        assert type(check(value, "x")) is float
    for value in bad:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}{float(value)}$"):
            check(value, "x")
    for other in (True, "1", None, 1j):
        with pytest.raises(TypeError, match=f"^x must be a number, got {type(other).__name__}$"):
            check(other, "x")


def test_a_fraction_may_be_one() -> None:
    assert validation.as_fraction(1, "x", or_one=True) == 1
    with pytest.raises(ValueError, match=r"^x must be in \[0, 1\], got 1.5$"):
        validation.as_fraction(1.5, "x", or_one=True)


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_flags(value: Any) -> None:
    assert validation.as_flag(True, "x") is True
    assert validation.as_flag(np.False_, "x") is False
    with pytest.raises(TypeError, match=f"^x must be a bool, got {type(value).__name__}$"):
        validation.as_flag(value, "x")


def test_numbers_of_classes() -> None:
    assert validation.as_num_classes(np.int64(7)) == 7
    with pytest.raises(ValueError, match=r"^n must be at most 9, got 10$"):
        validation.as_num_classes(10, "n", maximum=9)
    with pytest.raises(ValueError, match=rf"^num_classes must be at most {2**63 - 1}, got {2**63}$"):
        validation.as_num_classes(2**63)


class Number:
    """An integer of another class."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: fc.shard_bounds(2**70, 3),
            "num_classes must be at most 9223372036854775807, got 1180591620717411303424",
        ),
        (
            lambda: fc.SGD(0.1).learning_rate(2**64),
            "step must be at most 9223372036854775807, got 18446744073709551616",
        ),
        (
            lambda: fc.FixedUnigramSampler(5, unigrams=[1], num_reserved_ids=2**64),
            "num_reserved_ids must be at most 9223372036854775807, got 18446744073709551616",
        ),
        (
            lambda: fc.ClassTable(2**40, 2**20),
            r"num_classes \* dim must be below 2\*\*59, got 1099511627776 \* 1048576",
        ),
        (lambda: fc.SoftmaxLoss(temperature=1e-300), r"temperature must be in \[1.2e-38, 3.4e\+38\], got 1e-300"),
    ],
)
def test_numbers_that_are_too_large_or_small(call, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        call()


def test_integers_of_another_class():
    fc.nn.reset()
    for op in ("log_uniform", "learned_unigram"):
        sample = getattr(fc.nn, f"{op}_candidate_sampler")
        first = sample([[1]], 1, 4, True, 10, seed=3)
        fc.nn.reset()
        for got, expected in zip(sample([[1]], Number(1), Number(4), True, Number(10), seed=3), first, strict=True):
            np.testing.assert_array_equal(got, expected)
    arguments = [np.ones((5, 2)), None, [[1]], np.ones((1, 2)), 4]
    losses = []
    for kept in (2, Number(2)):
        fc.nn.reset()
        losses.append(fc.nn.rank_sampled_softmax_loss(*arguments, kept, 5, seed=1))
    np.testing.assert_array_equal(*losses)
