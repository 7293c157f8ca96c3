"""Every class as a candidate."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcands.samplers.interface import CandidateSampler
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids, as_labels
from fastcands.validation.numbers import as_flag, as_num_classes, as_size
from fastcands.validation.samplers import ExpectedCount, as_expected_count, check_all_candidates, check_identity
from fastcands.values import SampledValues

__all__ = ["AllCandidatesSampler"]


class AllCandidatesSampler(CandidateSampler):
    """Take all classes, each expected exactly once: a sampled loss becomes the exact one.

    Parameters
    ----------
    num_classes : int
        At least 1.

    Raises
    ------
    TypeError
        If `num_classes` is not an integer.
    ValueError
        If it is out of range.

    Examples
    --------
    >>> import fastcands as fc
    >>> values = fc.AllCandidatesSampler(4).sample([[1]], 4)
    >>> values.sampled_candidates.tolist(), values.sampled_expected_count.tolist()
    ([0, 1, 2, 3], [1.0, 1.0, 1.0, 1.0])
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = as_num_classes(num_classes)

    @property
    def num_classes(self) -> int:
        """Number of classes; ids run from 0 to num_classes - 1."""
        return self._num_classes

    @own_error_state
    def sample(
        self,
        labels: ArrayLike,
        num_sampled: int,
        *,
        unique: bool = True,
        expected_count: ExpectedCount = "tensorflow",
    ) -> SampledValues:
        """Return all classes in order; see `CandidateSampler.sample`. `num_sampled` must be their number."""
        ids = as_labels(labels, num_classes=self._num_classes, may_be_one_hot=True)
        check_all_candidates(as_size(num_sampled, "num_sampled"), self._num_classes)
        as_flag(unique, "unique")
        as_expected_count(expected_count)
        return SampledValues(np.arange(num_sampled), np.ones(ids.shape, np.float32), np.ones(num_sampled, np.float32))

    @own_error_state
    def probability(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return 1 for each id: every class is taken."""
        return np.ones(as_class_ids(ids, "ids", num_classes=self._num_classes).shape)

    def state_dict(self) -> dict[str, Any]:
        """Return what tells this sampler from others; no call changes it."""
        return {"sampler": type(self).__name__, "num_classes": self._num_classes}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Check that the state is of such a sampler; see `CandidateSampler.load_state_dict`."""
        check_identity(state, self.state_dict())

    @own_error_state
    def spawn(self, n: int) -> list[Self]:
        """Return such samplers, where others return samplers with streams of their own.

        Parameters
        ----------
        n : int
            How many, at least 1.

        Returns
        -------
        list of AllCandidatesSampler
            Of as many classes.

        Raises
        ------
        TypeError
            If `n` is not an integer.
        ValueError
            If it is below 1.

        Examples
        --------
        >>> import fastcands as fc
        >>> len(fc.AllCandidatesSampler(4).spawn(2))
        2
        """
        return [type(self)(self._num_classes) for _ in range(as_size(n, "n"))]
