"""Every class equally likely."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import PARALLEL_FROM, FixedDistribution
from fastcands.kernels.sampling.expected_counts import expected_counts
from fastcands.kernels.sampling.uniform import draw_uniform, draw_uniform_parallel
from fastcands.threads import get_num_threads

__all__ = ["Uniform"]


class Uniform(FixedDistribution):
    """``P(k) = 1 / num_classes``.

    Parameters
    ----------
    num_classes : int
        From 1 to 2**63 - 1.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        power_of_two = num_classes & (num_classes - 1) == 0
        self._bound = np.uint64(num_classes)
        self._reciprocal = np.uint64((2**64 - 1) // num_classes)
        # a power of two divides 2**64: no word is rejected
        self._reject_below = np.uint64(0 if power_of_two else 2**64 % num_classes)

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
        args = (stream, word >> 1, self._bound, self._reciprocal, self._reject_below, pairs, out)
        if len(out) >= PARALLEL_FROM and get_num_threads() > 1 and draw_uniform_parallel(*args, get_num_threads()):
            return word + 2 * len(out)
        return 2 * int(draw_uniform(*args))

    def write_counts(
        self, ids: NDArray[np.int64], num_sampled: int, num_tries: float, out: NDArray[np.float32]
    ) -> None:
        """Write the expected count, the same for every class."""
        first = out[:1]
        first.fill(np.float32(1.0 / self._num_classes))
        expected_counts(first, num_sampled, num_tries)
        out[1:] = first

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return 1 / num_classes for each id."""
        return np.full(ids.shape, 1.0 / self._num_classes)
