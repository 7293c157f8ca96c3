"""Which examples a step trains on: an order for each epoch, and a place in it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batches", "Shuffled"]


class Batches(Protocol):
    """The batches of every epoch; what they are depends on seed, epoch and position alone."""

    @property
    def num_examples(self) -> int:
        """Examples of an epoch, at least 1."""

    def take(self, epoch: int, position: int, most: int | None) -> NDArray[Any]:
        """Return the examples of the next step.

        Parameters
        ----------
        epoch : int
            From 0.
        position : int
            Examples of the epoch that have been taken, less than `num_examples`.
        most : int or None
            Examples that may still be taken; a batch may be larger by less than one row of it.

        Returns
        -------
        integer array
            As the model takes it; its size is the number of examples.
        """


class Shuffled:
    """All examples in another random order in each epoch.

    Parameters
    ----------
    num_examples : int
        At least 1.
    batch_size : int
        Of a step; the last one of an epoch may be smaller.
    seed : int
        Of the orders.

    Examples
    --------
    >>> batches = Shuffled(5, batch_size=3, seed=1)
    >>> first, second = batches.take(0, 0, None), batches.take(0, 3, None)
    >>> sorted([*first.tolist(), *second.tolist()])
    [0, 1, 2, 3, 4]
    """

    def __init__(self, num_examples: int, batch_size: int, seed: int) -> None:
        self.num_examples = num_examples
        self._batch_size, self._seed = batch_size, seed
        self._order: tuple[int, NDArray[np.int32]] | None = None

    def take(self, epoch: int, position: int, most: int | None) -> NDArray[np.int32]:
        """Return the examples of the next step; see `Batches.take`."""
        if self._order is None or self._order[0] != epoch:
            order = np.arange(self.num_examples, dtype=np.int32)
            np.random.default_rng([self._seed, 2, epoch]).shuffle(order)
            self._order = epoch, order
        size = self._batch_size if most is None else min(self._batch_size, most)
        return self._order[1][position : position + size]
