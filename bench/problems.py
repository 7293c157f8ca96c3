"""The same random problem for every contender: each process makes its own, from the same seeds."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.cases import Case

__all__ = ["Problem", "log_uniform_probability", "make_problem", "make_table", "tries_for", "write_unigrams"]


class Problem(NamedTuple):
    """A table, and a batch whose labels are Zipf-like."""

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    labels: NDArray[np.int64]
    inputs: NDArray[np.float32]


@functools.lru_cache(maxsize=1)
def make_table(classes: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights and biases. The last table is kept: the operations of a case share it."""
    weights = np.empty((classes, width), np.float32)
    np.random.default_rng(0).random(out=weights, dtype=np.float32)
    weights -= np.float32(0.5)
    weights *= np.float32(0.2)
    return weights, np.zeros(classes, np.float32)


def make_problem(case: Case) -> Problem:
    """Return the table of a case and a batch for it; labels have shape (B, 1)."""
    rng = np.random.default_rng(1)
    labels = np.exp(rng.random((case.batch, 1)) * np.log1p(case.classes)).astype(np.int64) - 1
    inputs = rng.standard_normal((case.batch, case.width), dtype=np.float32)
    return Problem(*make_table(case.classes, case.width), np.clip(labels, 0, case.classes - 1), inputs)


def log_uniform_probability(ids: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Return how likely the log-uniform sampler draws each class."""
    return np.log1p(1 / (ids + 1.0)) / np.log1p(classes)


def tries_for(classes: int, candidates: int) -> int:
    """Return how many log-uniform draws have so many distinct classes among them, on average."""
    log_miss = np.log1p(-log_uniform_probability(np.arange(classes), classes))
    low, high = candidates, 2 * candidates
    while -np.expm1(high * log_miss).sum() < candidates:
        low, high = high, 2 * high
    while high - low > 1 + low // 256:
        middle = (low + high) // 2
        low, high = (low, middle) if -np.expm1(middle * log_miss).sum() >= candidates else (middle, high)
    return high


def write_unigrams(path: Path, classes: int) -> None:
    """Write a vocabulary file of Zipf-like weights in random order, for samplers that read one."""
    weights = 1e6 / np.random.default_rng(1).permutation(np.arange(1, classes + 1))
    path.write_text("\n".join(f"{weight:.6g}" for weight in weights))
