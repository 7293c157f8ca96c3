"""Zipf-like: class k about as likely as 1 / (k + 1)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import PARALLEL_FROM, FixedDistribution
from fastcands.kernels.sampling.log_uniform import (
    draw_log_uniform,
    draw_log_uniform_parallel,
    log_uniform_counts,
)
from fastcands.threads import get_num_threads

__all__ = ["LogUniform"]


class LogUniform(FixedDistribution):
    """``P(k) = log((k + 2) / (k + 1)) / log(num_classes + 1)``.

    Parameters
    ----------
    num_classes : int
        From 1 to 2**63 - 1.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._log_range = math.log1p(num_classes)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._num_classes

    @property
    def num_positive(self) -> int:
        """Number of classes that can be drawn: all."""
        return self._num_classes

    def draw(self, stream: NDArray[np.uint64], word: int, pairs: NDArray[np.uint64], out: NDArray[np.int64]) -> int:
        """Fill `out` with draws: two words each."""
        args = (stream, word >> 1, self._num_classes, self._log_range, pairs, out)
        if len(out) >= PARALLEL_FROM and get_num_threads() > 1:
            draw_log_uniform_parallel(*args, get_num_threads())
        else:
            draw_log_uniform(*args)
        return word + 2 * len(out)

    def write_counts(
        self, ids: NDArray[np.int64], num_sampled: int, num_tries: float, out: NDArray[np.float32]
    ) -> None:
        """Write expected counts, from the formula with the quotient rounded to float64, as TensorFlow does."""
        log_uniform_counts(ids, self._log_range, num_sampled, num_tries, out)

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``log1p(1 / (k + 1)) / log1p(num_classes)`` for each id k."""
        p: NDArray[np.float64] = np.log1p(1.0 / (ids + 1.0)) / self._log_range
        return p
