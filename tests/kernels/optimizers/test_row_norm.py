"""Sums of squares of a row, and the factor that clips it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from fastcands.kernels.optimizers.row_norm import clip_factor, mean_square, square_sum
from fastcands.kernels.optimizers.rule import Row


def limit(row: Any, clip_norm: float) -> float:
    return float(clip_factor(row.ctypes.data, len(row), row.itemsize, clip_norm))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [1, 7, 64, 1001])
def test_limit_of_a_row(dtype: Any, width: int) -> None:
    row = np.random.default_rng(width).normal(size=width).astype(dtype)
    exact = math.fsum(float(x) ** 2 for x in row)
    assert square_sum(row.ctypes.data, width, row.itemsize) == pytest.approx(exact, rel=1e-14)
    norm = math.sqrt(exact)
    assert limit(row, norm * 1.001) == 1
    assert limit(row, norm / 3) == pytest.approx(1 / 3, rel=1e-6)
    assert limit(np.zeros(width, dtype), 1e-30) == 1


def test_limit_of_bad_rows() -> None:
    assert limit(np.array([1, np.nan], np.float32), 1e-3) == 1
    assert limit(np.array([1, np.inf], np.float64), 1e-3) == 0
    assert limit(np.array([3e200, 4e200]), 1.0) == pytest.approx(2e-201, rel=1e-12)


@pytest.mark.parametrize(("factor", "weight_decay"), [(1, 0), (0.5, 0), (1, 0.25), (0.5, 0.25)])
@pytest.mark.parametrize(("dtype", "stored"), [("f8", "f8"), ("f4", "f4"), ("f4", "u2")])
def test_mean_square_is_that_of_the_clipped_and_decayed_gradient(
    factor: float, weight_decay: float, dtype: str, stored: str
) -> None:
    rng = np.random.default_rng(0)
    gradient, weights = rng.normal(size=(2, 37)).astype(dtype)
    kept = weights
    if stored == "u2":
        kept = (weights.view(np.uint32) >> 16).astype(np.uint16)
        weights = (kept.astype(np.uint32) << 16).view(np.float32)
    kind = gradient.dtype.type
    row = Row(
        gradient.ctypes.data,
        kept.ctypes.data,
        37,
        gradient.itemsize,
        kept.itemsize,
        kind(factor),
        kind(weight_decay),
        1.0,
    )
    exact = np.mean((factor * gradient.astype(float) + weight_decay * weights.astype(float)) ** 2)
    assert mean_square(row) == pytest.approx(exact, rel=1e-14)
