"""The samplers that draw: a distribution, a stream of random words, a lock."""

from __future__ import annotations

import threading
from typing import Any, Self

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
from fastcands.validation.samplers import (
    ExpectedCount,
    as_expected_count,
    as_stream_state,
    check_enough_classes,
    check_weights_digest,
)
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
        ids = as_labels(labels, num_classes=self.num_classes, may_be_one_hot=True)
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

    # a loss, which has checked its labels, calls `sample_checked` instead, unless a subclass has another `sample`
    sample.is_checks_only = True  # type: ignore[attr-defined]

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
            identity = self._identity() | self._distribution.identity()
            return identity | self._stream.state() | self._distribution.state()

    @own_error_state
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another sampler was; see `CandidateSampler.load_state_dict`."""
        place = as_stream_state(state, self._identity())
        with self._lock:
            check_weights_digest(state, self._distribution.identity())
            self._distribution.restore(state)  # refuses what does not fit before anything changes
            self._stream.restore(*place)

    @own_error_state
    def spawn(self, n: int) -> list[Self]:
        """Return samplers of the same distribution whose draws are independent, as `numpy.random.Generator.spawn` does.

        Parameters
        ----------
        n : int
            How many, at least 1.

        Returns
        -------
        list of samplers
            Of this class. Those of a sampler with a seed depend on the seed and on how many it has spawned before, not
            on what it has drawn; they have a seed themselves. Those of a sampler without a seed have none. A learned
            sampler gives each of them a copy of its counts.

        Raises
        ------
        TypeError
            If `n` is not an integer.
        ValueError
            If it is below 1.

        Examples
        --------
        One sampler for each of three workers, the same in every run:

        >>> import fastcands as fc
        >>> workers = fc.UniformSampler(1000, seed=42).spawn(3)
        >>> len({tuple(each.sample([[0]], 5).sampled_candidates.tolist()) for each in workers})
        3
        """
        count = as_size(n, "n")
        with self._lock:
            streams = self._stream.spawn(count)
            return [self._with(self._distribution.snapshot(), stream) for stream in streams]

    def _with(self, distribution: Distribution, stream: Stream) -> Self:
        sampler = type(self).__new__(type(self))
        sampler._distribution, sampler._stream = distribution, stream
        sampler._set_up()
        return sampler

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy is made of: without a seed, it starts a stream of its own."""
        with self._lock:
            stream = self._stream.state() if self._stream.seeded else None
            return {"distribution": self._distribution.snapshot(), "stream": stream}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._distribution, stream = state["distribution"], state["stream"]
        self._stream = Stream(None if stream is None else stream["seeds"])
        if stream is not None:
            self._stream.restore(**stream)
        self._set_up()
