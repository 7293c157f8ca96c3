"""TensorFlow and PyTorch on the same cores as we are, and the yardstick for rounding errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import pytest

Judge = Callable[..., None]


def errors(ours: Any, exact: Any) -> list[float]:
    """Return the Euclidean and the largest difference."""
    gap = np.asarray(ours, np.float64) - exact
    return [float(np.linalg.norm(gap)), float(np.abs(gap).max(initial=0))]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Give the check that our float32 errs at most as far as plain float32 NumPy does, and 1e-6 of scale.

    The scale is the size of the exact array, or `term` where sums of terms of that size cancel.
    """

    def check(ours: Any, plain: Any, exact: Any, term: float, message: str) -> None:
        assert ours.shape == exact.shape, message
        assert np.isfinite(ours).all(), message
        for kind, our_error, budget, size in zip(
            ("norm", "max"), errors(ours, exact), errors(plain, exact), errors(exact, 0.0), strict=True
        ):
            scale = max(size, term)
            assert our_error <= budget + 1e-6 * scale, (
                f"{message}: {kind} error {our_error / scale:.2e} of scale, plain float32 has {budget / scale:.2e}"
            )

    return check
