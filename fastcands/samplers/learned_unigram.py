"""Candidates drawn with the frequencies of the labels seen so far."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcands.distributions.learned_unigram import LearnedUnigram
from fastcands.samplers.stream import Seed
from fastcands.samplers.stream_sampler import StreamSampler
from fastcands.validation.class_weights import check_total
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_fraction, as_num_classes
from fastcands.validation.samplers import check_mergeable

__all__ = ["LearnedUnigramSampler"]

_MAX_CLASSES = 2**31 - 2  # TensorFlow's limit


class LearnedUnigramSampler(StreamSampler):
    """Draw classes as often as they have been labels: ``P(k) = counts[k] / sum(counts)``, every count starting at 1.

    Each call of `sample` draws from the counts so far and then counts its labels.

    Parameters
    ----------
    num_classes : int
        From 1 to 2**31 - 2.
    seed : None, int, pair of int, numpy.random.SeedSequence or numpy.random.Generator, optional
        An int gives the draws of TensorFlow's op with that ``seed``; a pair those with these raw ``seed`` and
        ``seed2`` attributes. None and the pair (0, 0) are random.

    Raises
    ------
    TypeError
        If `num_classes` is not an integer or `seed` is none of the above.
    ValueError
        If `num_classes` is out of range or a seed of the pair does not fit 64 bits.

    Notes
    -----
    The counts have 64 bits and are part of `state_dict`. They lie in a tree with sixteen children a node: a draw or an
    update takes time O(log(num_classes) / log(16)), a class takes 8.5 bytes. Draws are TensorFlow's until the counts
    add up to 2**31, where TensorFlow stops learning.

    Examples
    --------
    >>> import fastcands as fc
    >>> sampler = fc.LearnedUnigramSampler(7, seed=42)
    >>> [sampler.sample([[0], [3]], 4, unique=False).sampled_candidates.tolist() for _ in range(3)]
    [[6, 0, 3, 5], [1, 3, 3, 5], [0, 5, 0, 3]]
    >>> sampler.counts()
    array([4, 1, 1, 4, 1, 1, 1])
    """

    _distribution: LearnedUnigram

    def __init__(self, num_classes: int, *, seed: Seed = None) -> None:
        super().__init__(LearnedUnigram(as_num_classes(num_classes, maximum=_MAX_CLASSES)), seed)

    @own_error_state
    def update(self, labels: ArrayLike) -> None:
        """Count labels without drawing.

        Parameters
        ----------
        labels : integer array of any shape
            Each in [0, num_classes); repeated ones count repeatedly.

        Raises
        ------
        TypeError
            If `labels` are not integers.
        ValueError
            If one is out of range. Nothing is counted then.
        """
        ids = as_class_ids(labels, "labels", num_classes=self.num_classes)
        with self._lock:
            self._distribution.learn(ids.reshape(-1))

    def counts(self) -> NDArray[np.int64]:
        """Return the count of every class.

        Returns
        -------
        int64 array, shape (num_classes,)
            At least 1 each; a new array.
        """
        with self._lock:
            return self._distribution.counts()

    @own_error_state
    def merge(self, other: LearnedUnigramSampler) -> None:
        """Add what another sampler has learned, as if its labels had been counted here too.

        Parameters
        ----------
        other : LearnedUnigramSampler
            With as many classes; it is left alone.

        Raises
        ------
        TypeError
            If `other` is no such sampler.
        ValueError
            If it has another number of classes, or the counts would add up to 2**63 or more.
        """
        check_mergeable(other, self.num_classes)
        learned = other.counts()
        learned -= 1
        with self._lock:
            counts = self._distribution.counts()
            check_total(counts, learned)
            self._distribution.set_counts(counts + learned)

    @own_error_state
    def decay(self, factor: float) -> None:
        """Forget part of what has been learned: multiply by a factor what each count has above 1.

        ``counts = 1 + round((counts - 1) * factor)``, where a fraction is rounded up with the probability of its size:
        right on average however small the counts are.

        Parameters
        ----------
        factor : float
            From 0, which forgets everything, to 1, which keeps everything.

        Raises
        ------
        TypeError
            If `factor` is not a number.
        ValueError
            If it is not from 0 to 1.
        """
        kept = as_fraction(factor, "factor", or_one=True)
        with self._lock:
            word = self._stream.reserve(self.num_classes)
            self._distribution.decay(kept, self._stream.words, word // 4)
