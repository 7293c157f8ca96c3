"""A distribution given by a weight for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import FixedDistribution
from fastcands.kernels.sampling.alias_table import draw_by_alias, pair_cells, start_cells
from fastcands.kernels.sampling.unigram_weights import sum_in_order, weight_counts
from fastcands.threads import get_num_threads

__all__ = ["FixedUnigram"]

_BLOCK = 4096  # classes listed at a time when the table is built


class FixedUnigram(FixedDistribution):
    """``P(k) = weights[k] / sum(weights)``.

    Twelve bytes a class: the weight and a cell of the alias table.

    Parameters
    ----------
    weights : float32 array, shape (num_classes,)
        Finite, not negative, at least one positive, and finite when multiplied by num_classes. Kept, not copied.
    """

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self._set_up(weights)

    def _set_up(self, weights: NDArray[np.float32]) -> None:
        n = len(weights)
        self._weights = weights
        total, positive = sum_in_order(weights)
        self._total, self._num_positive = float(total), int(positive)
        # whether no weight is 0, nor so small that its expected count is
        self._draws_all = self._num_positive == n and bool(np.float32(weights.min() / self._total) > 0)
        self._aliases = np.empty((n, 2), np.int32)
        self._stays = self._aliases.view(np.float32)
        start_cells(self._aliases, self._stays, get_num_threads())
        poor, rich = np.empty((2, _BLOCK), np.int32)
        pair_cells(weights, self._total, self._aliases, self._stays, poor, rich)
        self._reciprocal = np.uint64(2**32 // n)
        self._reject_below = np.uint32(0 if n & (n - 1) == 0 else 2**32 % n)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self._weights)

    @property
    def num_positive(self) -> int:
        """Number of classes of positive weight."""
        return self._num_positive

    def draw(self, stream: NDArray[np.uint64], word: int, pairs: NDArray[np.uint64], out: NDArray[np.int64]) -> int:
        """Fill `out` with draws: two words each, or more."""
        constants = (self._reciprocal, self._reject_below, self._aliases, self._stays)
        return int(draw_by_alias(stream, word, *constants, pairs, out))

    def write_counts(
        self, ids: NDArray[np.int64], num_sampled: int, num_tries: float, out: NDArray[np.float32]
    ) -> None:
        """Write expected counts, from a total in float64."""
        weight_counts(ids, self._weights, self._total, num_sampled, num_tries, out)

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``weights[ids] / sum(weights)``."""
        p: NDArray[np.float64] = self._weights[ids].astype(np.float64) / self._total
        return p

    def never_drawn(self, ids: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return where the weight is 0, or next to nothing beside the total."""
        return None if self._draws_all else np.asarray(self.probability(ids).astype(np.float32) == 0)

    def __getstate__(self) -> dict[str, Any]:
        return {"weights": self._weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set_up(state["weights"])
