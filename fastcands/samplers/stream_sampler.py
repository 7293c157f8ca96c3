"""The samplers that draw: a distribution, a stream of random words, a lock."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcands.distributions.interface import Distribution
from fastcands.kernels.sampling.expected_counts import inclusion_probabilities
from fastcands.samplers.drawing import Workspace, draw_unique, draw_with_repetition
from fastcands.samplers.interface import CandidateSampler
from fastcands.samplers.stream import Seed, Stream
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids, as_labels
from fastcands.validation.numbers import as_flag, as_size
from fastcands.validation.samplers import ExpectedCount, as_expected_count, as_stream_state, check_enough_classes
from fastcands.values import SampledValues

__all__ = ["StreamSampler"]


class StreamSampler(CandidateSampler):
    """A distribution and a place in a random stream; each public sampler chooses the distribution.

    Parameters
    ----------
    distribution : Distribution
        What to draw from.
    seed : None, int, pair of int, numpy.random.SeedSequence or numpy.random.Generator
        As for `Stream`.
    """

    def __init__(self, distribution: Distribution, seed: Seed) -> None:
        self._distribution = distribution
        self._stream = Stream(seed)
        self._set_up()

    def _set_up(self) -> None:
        # one call at a time: a sampler's state moves from call to call, and the scratch memory is one
        self._lock = threading.RLock()
        self._workspace = Workspace()

    @property
    def num_classes(self) -> int:
        """Number of classes; ids run from 0 to num_classes - 1."""
        return self._distribution.num_classes

    @own_error_state
    def sample(
        self,
        labels: ArrayLike,
        num_sampled: int,
        *,
        unique: bool = True,
        expected_count: ExpectedCount = "tensorflow",
    ) -> SampledValues:
        """Draw candidates; see `CandidateSampler.sample`."""
        ids = as_labels(labels, num_classes=self.num_classes)
        return self.sample_checked(
            ids,
            as_size(num_sampled, "num_sampled"),
            as_flag(unique, "unique"),
            as_expected_count(expected_count),
            "num_classes",
        )

    def sample_checked(
        self, labels: NDArray[np.int64], num_sampled: int, unique: bool, kind: ExpectedCount, limit_name: str
    ) -> SampledValues:
        """Draw candidates; of the arguments only the number of classes is still to be checked.

        Parameters
        ----------
        labels : int64 array, shape (B, T)
            Each in [0, num_classes).
        num_sampled : int
            At least 1.
        unique : bool
            Whether every candidate comes once only.
        kind : {'tensorflow', 'unbiased'}
            Of the expected counts.
        limit_name : str
            What the caller calls the number of classes.

        Returns
        -------
        SampledValues
            As from `sample`.

        Raises
        ------
        ValueError
            If there are not enough distinct classes.
        """
        distribution, stream, workspace = self._distribution, self._stream, self._workspace
        timed = kind == "unbiased"
        flat_labels = labels.reshape(-1)
        with self._lock:
            if unique:
                check_enough_classes(num_sampled, distribution.num_positive, distribution.num_classes, limit_name)
            word = stream.reserve(num_sampled)
            if unique:
                end = 4 * stream.position
                drawn = draw_unique(distribution, stream.words, word, end, num_sampled, workspace, timed=timed)
            else:
                drawn = draw_with_repetition(distribution, stream.words, word, num_sampled, workspace)
            # candidates and labels in one array: at small sizes a call costs what its steps cost
            ids = np.concatenate((drawn.ids, flat_labels))
            counts = np.empty(len(ids), np.float32)
            if kind == "tensorflow":
                distribution.write_counts(ids, num_sampled, float(drawn.num_tries), counts)
            elif unique:
                inclusion_probabilities(distribution.probability(ids), drawn.time, counts)
            else:
                np.multiply(distribution.probability(ids), num_sampled, out=counts, casting="same_kind")
            distribution.learn(flat_labels)
        return SampledValues(drawn.ids, counts[num_sampled:].reshape(labels.shape), counts[:num_sampled])

    @own_error_state
    def probability(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each id; see `CandidateSampler.probability`."""
        checked = as_class_ids(ids, "ids", num_classes=self.num_classes)
        with self._lock:
            return self._distribution.probability(checked)

    def never_drawn(self, labels: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which labels have weight 0; see `CandidateSampler.never_drawn`."""
        return self._distribution.never_drawn(labels)

    def _identity(self) -> dict[str, Any]:
        return {"sampler": type(self).__name__, "num_classes": self.num_classes}

    def state_dict(self) -> dict[str, Any]:
        """Return all that decides about later draws; see `CandidateSampler.state_dict`."""
        with self._lock:
            return self._identity() | self._stream.state() | self._distribution.state()

    @own_error_state
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another sampler was; see `CandidateSampler.load_state_dict`."""
        seeds, position = as_stream_state(state, self._identity())
        with self._lock:
            self._distribution.restore(state)  # refuses what does not fit before anything changes
            self._stream.restore(seeds, position)

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {"distribution": self._distribution.snapshot(), **self._stream.state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._distribution = state["distribution"]
        self._stream = Stream(state["seeds"])
        self._stream.restore(state["seeds"], state["position"])
        self._set_up()
