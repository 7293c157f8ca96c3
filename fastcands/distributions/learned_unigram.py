"""A distribution that counts the labels it has seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastcands.distributions.interface import Distribution
from fastcands.distributions.uniform import Uniform
from fastcands.kernels.sampling.count_tree import (
    add_to_counts,
    draw_by_counts,
    find_by_weight,
    read_counts,
    tree_counts,
)
from fastcands.kernels.sampling.decay import decay_counts
from fastcands.threads import get_num_threads
from fastcands.validation.class_weights import as_counts

__all__ = ["LearnedUnigram"]

_FAN = 16
_WORD_LIMIT = 2**31  # totals from here on are drawn from 64-bit words


class LearnedUnigram(Distribution):
    """``P(k) = counts[k] / sum(counts)``, where every count starts at 1.

    Parameters
    ----------
    num_classes : int
        At least 1.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        sizes: list[int] = []
        nodes = num_classes
        while nodes > 1 or not sizes:
            nodes = -(-nodes // _FAN)
            sizes.append(nodes * _FAN)
        self._offsets = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        self._sums = np.empty(sum(sizes), np.int64)
        classes = self._sums[: sizes[0]].reshape(-1, _FAN)
        classes[:] = np.arange(1, _FAN + 1)
        np.minimum(classes[-1], num_classes - _FAN * (len(classes) - 1), out=classes[-1])
        self._sum_nodes()

    def _sum_nodes(self) -> None:
        """Compute all levels from that of the classes, then the total."""
        bounds = [*self._offsets.tolist(), len(self._sums)]
        for level in range(1, len(self._offsets)):
            children = self._sums[bounds[level - 1] : bounds[level]].reshape(-1, _FAN)
            parents = self._sums[bounds[level] : bounds[level + 1]]
            parents[: len(children)] = children[:, -1]
            parents[len(children) :] = 0
            parents = parents.reshape(-1, _FAN)
            np.cumsum(parents, axis=1, out=parents)
        self._total = int(self._sums[-1])

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return self._num_classes

    @property
    def num_positive(self) -> int:
        """Number of classes that can be drawn: all."""
        return self._num_classes

    @property
    def total(self) -> int:
        """Sum of the counts."""
        return self._total

    def draw(self, stream: NDArray[np.uint64], word: int, pairs: NDArray[np.uint64], out: NDArray[np.int64]) -> int:
        """Fill `out` with draws: a word each, or more; two from a total of 2**31 on."""
        if self._total < _WORD_LIMIT:
            return int(draw_by_counts(stream, word, self._total, self._sums, self._offsets, pairs, out))
        word = Uniform(self._total).draw(stream, word, pairs, out)
        find_by_weight(self._sums, self._offsets, out, pairs.view(np.int64))
        return word

    def _counts(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        out = np.empty(ids.size, np.int64)
        read_counts(ids.reshape(-1), self._sums, out)
        return out.reshape(ids.shape)

    def write_counts(
        self, ids: NDArray[np.int64], num_sampled: int, num_tries: float, out: NDArray[np.float32]
    ) -> None:
        """Write expected counts; count and total are rounded to float32 first, as in TensorFlow."""
        tree_counts(ids, self._sums, self._total, num_sampled, num_tries, out)

    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return ``counts[ids] / sum(counts)``."""
        return self._counts(ids) / self._total

    def learn(self, labels: NDArray[np.int64]) -> None:
        """Add one to the count of each label, repeated ones repeatedly."""
        add_to_counts(labels, 1, self._sums, self._offsets)
        self._total += len(labels)

    def counts(self) -> NDArray[np.int64]:
        """Return the count of every class.

        Returns
        -------
        int64 array, shape (num_classes,)
            A new array.
        """
        return self._counts(np.arange(self._num_classes))

    def set_counts(self, counts: NDArray[np.int64]) -> None:
        """Replace the counts.

        Parameters
        ----------
        counts : int64 array, shape (num_classes,)
            Each at least 1, their sum below 2**63.
        """
        end = len(self._sums) if len(self._offsets) == 1 else int(self._offsets[1])
        classes = self._sums[:end]
        classes[: self._num_classes] = counts
        classes[self._num_classes :] = 0
        classes = classes.reshape(-1, _FAN)
        np.cumsum(classes, axis=1, out=classes)
        self._sum_nodes()

    def decay(self, factor: float, stream: NDArray[np.uint64], block: int) -> None:
        """Multiply by a factor what each count has above 1, rounding at random.

        Parameters
        ----------
        factor : float
            From 0 to 1.
        stream : uint64 array, shape (4,)
            As for `kernels.sampling.philox.fill_pairs`.
        block : int
            The first of num_classes / 2 blocks to use.
        """
        counts = self.counts()
        threads = get_num_threads()
        decay_counts(stream, block, factor, counts, np.empty((threads, 4096), np.uint64), threads)
        self.set_counts(counts)

    def state(self) -> dict[str, Any]:
        """Return the counts."""
        return {"counts": self.counts()}

    def restore(self, state: dict[str, Any]) -> None:
        """Replace the counts by saved ones."""
        self.set_counts(as_counts(state, self._num_classes))

    def snapshot(self) -> Distribution:
        """Return a copy."""
        copy = LearnedUnigram(self._num_classes)
        copy.set_counts(self.counts())
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return {"counts": self.counts()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(len(state["counts"]))  # type: ignore[misc]
        self.set_counts(state["counts"])
