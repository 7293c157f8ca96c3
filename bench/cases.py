"""The sizes that losses are measured at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CASES", "Case", "Problem", "make_problem"]


class Case(NamedTuple):
    """Classes V, width D, batch B, candidates S."""

    classes: int
    width: int
    batch: int
    candidates: int


CASES = {
    "a": Case(100_000, 128, 128, 1024),
    "b": Case(1_000_000, 128, 512, 8192),
    "c": Case(1_000_000, 256, 1024, 8192),
    "d": Case(793_000, 512, 256, 8192),
}


class Problem(NamedTuple):
    """A table, and a batch whose labels are Zipf-like."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    labels: NDArray[np.int64]
    inputs: NDArray[np.float32]


def make_problem(case: Case) -> Problem:
    """Return the same random problem for every contender."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((case.classes, case.width), dtype=np.float32) * np.float32(0.05)
    labels = np.exp(rng.random((case.batch, 1)) * np.log1p(case.classes)).astype(np.int64) - 1
    inputs = rng.standard_normal((case.batch, case.width), dtype=np.float32)
    return Problem(weights, np.zeros(case.classes, np.float32), np.clip(labels, 0, case.classes - 1), inputs)
