"""Candidates from the batch itself: the true classes of all its examples, alone or with sampled ones."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastcands.values import SampledValues

__all__ = ["Frequencies", "add_batch_classes"]


class Frequencies(Protocol):
    """A distribution of labels: how often each class is one."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""

    def probability(self, ids: Any) -> NDArray[np.float64]:
        """Return the probability of some classes as labels."""


def add_batch_classes(
    frequencies: Frequencies, labels: NDArray[np.int64], drawn: SampledValues | None, unique: bool
) -> SampledValues:
    """Return the batch's classes and the drawn ones, with the expected count of a class among both.

    A class of probability p is expected N p times among N labels, and at least once with probability
    ``1 - (1 - p)**N``. The expected counts of drawn candidates are added to the former; with the latter they are
    combined as independent events.
    """
    own, first = np.unique(labels, return_index=True) if unique else (labels.reshape(-1), np.arange(labels.size))
    if not len(own) and drawn is None:  # without examples it does not matter which candidate this is
        return SampledValues(np.zeros(1, np.int64), np.ones(labels.shape), np.ones(1))

    def combined(ids: NDArray[np.int64], drawn_counts: Any) -> NDArray[np.float64]:
        p = np.asarray(frequencies.probability(ids), np.float64)
        if not unique:
            return labels.size * p + np.asarray(drawn_counts, np.float64)
        with np.errstate(divide="ignore"):  # p = 1: the count is 1
            missing = np.exp(labels.size * np.log1p(-p))
        return np.asarray(1 - missing * (1 - np.minimum(np.asarray(drawn_counts, np.float64), 1)))

    label_counts = combined(labels, 0 if drawn is None else drawn.true_expected_count)
    own_counts = label_counts.reshape(-1)[first]
    if drawn is None:
        return SampledValues(own, label_counts, own_counts)
    others = drawn.sampled_candidates
    if np.ndim(others) != 1:
        raise ValueError(
            "the sampler must draw one set of candidates for all examples beside in_batch, got shape "
            f"{np.shape(others)}"
        )
    other_counts = combined(others, drawn.sampled_expected_count)
    if unique:
        new = ~np.isin(others, own)
        others, other_counts = others[new], other_counts[new]
    return SampledValues(np.concatenate([own, others]), label_counts, np.concatenate([own_counts, other_counts]))
