"""What a sampler needs of a distribution over classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PARALLEL_FROM", "Distribution", "FixedDistribution"]

PARALLEL_FROM = 32768  # draws or ids; below, starting the threads costs more than they gain


class Distribution(ABC):
    """P(class) for classes 0 ... num_classes - 1, and how to draw one from a stream of random words.

    Arguments are trusted: a sampler has checked them.
    """

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes."""

    @property
    @abstractmethod
    def num_positive(self) -> int:
        """Number of classes that can be drawn."""

    @abstractmethod
    def draw(self, stream: NDArray[np.uint64], word: int, pairs: NDArray[np.uint64], out: NDArray[np.int64]) -> int:
        """Fill `out` with independent draws.

        Parameters
        ----------
        stream : uint64 array, shape (4,)
            As for `kernels.sampling.philox.fill_pairs`.
        word : int
            Index in the stream of the first word to use.
        pairs : uint64 array, shape (at least 2 * n + 8,)
            Scratch.
        out : int64 array, shape (n,)
            Written.

        Returns
        -------
        int
            Index of the word after the last one used.
        """

    @abstractmethod
    def write_counts(
        self, ids: NDArray[np.int64], num_sampled: int, num_tries: float, out: NDArray[np.float32]
    ) -> None:
        """Write the expected count of each id, rounded where TensorFlow rounds.

        Parameters
        ----------
        ids : int64 array, shape (n,)
            Each in [0, num_classes).
        num_sampled : int
            Candidates of the draw.
        num_tries : float
            Tries it took, a whole number.
        out : float32 array, shape (n,)
            Written.
        """

    @abstractmethod
    def probability(self, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probability of each id in full precision.

        Parameters
        ----------
        ids : int64 array, any shape
            Each in [0, num_classes).

        Returns
        -------
        float64 array, the shape of `ids`
            Their sum over all classes is 1.
        """

    def never_drawn(self, ids: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which ids have no expected count above 0, None where no class is such.

        Parameters
        ----------
        ids : int64 array, any shape
            Each in [0, num_classes).

        Returns
        -------
        bool array, the shape of `ids`, or None
            True where the probability is 0, in the float32 of expected counts.
        """
        return None

    @abstractmethod
    def learn(self, labels: NDArray[np.int64]) -> None:
        """Take note of the labels of a call that has succeeded; nothing unless the distribution is a learned one.

        Parameters
        ----------
        labels : int64 array, shape (n,)
            Each in [0, num_classes).
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what changes from call to call.

        Returns
        -------
        dict
            NumPy arrays and ints of its own; empty unless the distribution is a learned one.
        """

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned.

        Parameters
        ----------
        state : dict
            May hold other entries too.

        Raises
        ------
        TypeError, ValueError
            If the entries do not suit this distribution, which has not changed then.
        """

    @abstractmethod
    def snapshot(self) -> Distribution:
        """Return a distribution that stays as this one is now.

        Returns
        -------
        Distribution
            This one, unless it is a learned one.
        """


class FixedDistribution(Distribution):
    """A distribution that no call changes."""

    def learn(self, labels: NDArray[np.int64]) -> None:
        """Do nothing.

        Parameters
        ----------
        labels : int64 array
            Not looked at.
        """

    def state(self) -> dict[str, Any]:
        """Return nothing.

        Returns
        -------
        dict
            Empty.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Do nothing.

        Parameters
        ----------
        state : dict
            Not looked at.
        """

    def snapshot(self) -> Distribution:
        """Return this distribution.

        Returns
        -------
        Distribution
            This one.
        """
        return self
