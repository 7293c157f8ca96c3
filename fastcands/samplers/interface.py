"""What all samplers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcands.validation.samplers import ExpectedCount
from fastcands.values import SampledValues

__all__ = ["CandidateSampler"]


class CandidateSampler(ABC):
    """A source of candidate classes that keeps its own state and may be used from several threads."""

    @property
    @abstractmethod
    def num_classes(self) -> int:
        """Number of classes; ids run from 0 to num_classes - 1."""

    @abstractmethod
    def sample(
        self,
        labels: ArrayLike,
        num_sampled: int,
        *,
        unique: bool = True,
        expected_count: ExpectedCount = "tensorflow",
    ) -> SampledValues:
        """Draw candidates and count what was to be expected.

        Parameters
        ----------
        labels : integer array, shape (B, T) or (B,)
            True classes, each in [0, num_classes). They do not influence this draw.
        num_sampled : int
            Number S of candidates.
        unique : bool, default True
            Whether every candidate comes once only.
        expected_count : {'tensorflow', 'unbiased'}, default 'tensorflow'
            What the counts are; see `docs/samplers.md`.

        Returns
        -------
        SampledValues
            Candidates (S,) in the order of the draw, expected counts of the labels (B, T) and of the candidates (S,).

        Raises
        ------
        TypeError
            If `labels` are not integers, `num_sampled` is not an integer or `unique` not a bool.
        ValueError
            If a label is out of range, a shape or size makes no sense, or there are not enough distinct classes. The
            state has not changed then.
        """

    @abstractmethod
    def probability(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return the probability that a single draw is the class, for each id.

        Parameters
        ----------
        ids : integer array of any shape
            Each in [0, num_classes).

        Returns
        -------
        float64 array, the shape of `ids`
            Probabilities.

        Raises
        ------
        TypeError
            If `ids` are not integers.
        ValueError
            If an id is out of range.
        """

    def never_drawn(self, labels: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which labels can have no expected count above 0; a loss asks before it draws.

        Parameters
        ----------
        labels : int64 array of any shape
            Each in [0, num_classes).

        Returns
        -------
        bool array, the shape of `labels`, or None
            None where no class is such.
        """
        return None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return all that decides about later draws, as a dict of ints, strings and NumPy arrays.

        Returns
        -------
        dict
            For `load_state_dict` of a sampler made with the same arguments.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the sampler that gave this state was.

        Parameters
        ----------
        state : dict
            From `state_dict` of a sampler of the same kind and number of classes.

        Raises
        ------
        TypeError
            If `state` is not a dict of the right types.
        ValueError
            If it belongs to a different sampler. The state has not changed then.
        """
