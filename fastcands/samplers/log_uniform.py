"""Candidates drawn from a Zipf-like distribution, for classes sorted by falling frequency."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike

from fastcands.distributions.log_uniform import LogUniform
from fastcands.samplers.stream import Seed
from fastcands.samplers.stream_sampler import StreamSampler
from fastcands.validation.class_weights import as_frequencies
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_num_classes

__all__ = ["LogUniformSampler"]

_PLAINLY = 0.5  # nats; a corpus's ids sorted by the counts of another corpus cost less


class LogUniformSampler(StreamSampler):
    """Draw classes log-uniformly: ``P(k) = log((k + 2) / (k + 1)) / log(num_classes + 1)``.

    About ``1 / (k + 1)``: right where class ids are ranks, the most frequent class first.

    Parameters
    ----------
    num_classes : int
        From 1 to 2**63 - 1.
    seed : None, int, pair of int, numpy.random.SeedSequence or numpy.random.Generator, optional
        An int gives the draws of TensorFlow's ops with that ``seed``; a pair those with these raw ``seed`` and
        ``seed2`` attributes. None and the pair (0, 0) are random.

    Raises
    ------
    TypeError
        If `num_classes` is not an integer or `seed` is none of the above.
    ValueError
        If `num_classes` is out of range or a seed of the pair does not fit 64 bits.

    Examples
    --------
    >>> import fastcands as fc
    >>> sampler = fc.LogUniformSampler(10000, seed=42)
    >>> sampler.sample([[0], [3]], 8).sampled_candidates
    array([ 295,   27, 1699,   88,  573, 1032,  230,    0])
    >>> sampler.probability([0, 9999]).round(6)
    array([7.5257e-02, 1.1000e-05])
    """

    def __init__(self, num_classes: int, *, seed: Seed = None) -> None:
        super().__init__(LogUniform(as_num_classes(num_classes)), seed)

    @own_error_state
    def check(self, counts: ArrayLike) -> float:
        """Warn if classes are plainly not sorted by falling frequency, as this sampler needs them.

        The cost of the order is the rise of the cross entropy between frequencies and sampler::

            q = counts / counts.sum()
            cost = -((q - np.sort(q)[::-1]) * np.log(sampler.probability(np.arange(len(q))))).sum()

        Parameters
        ----------
        counts : array of numbers, shape (num_classes,)
            How often each class is a label, or anything proportional.

        Returns
        -------
        float
            The cost in nats, 0 for sorted classes.

        Raises
        ------
        TypeError
            If `counts` are not numbers.
        ValueError
            If their shape is another, one is negative, infinite or NaN, or all are 0.

        Warns
        -----
        UserWarning
            If the cost is above 0.5 nats.

        Examples
        --------
        >>> import numpy as np
        >>> import fastcands as fc
        >>> fc.LogUniformSampler(1000).check(1000.0 / np.arange(1, 1001))
        0.0
        """
        frequency = as_frequencies(counts, self.num_classes)
        frequency /= frequency.sum()
        surprise = -np.log(self.probability(np.arange(self.num_classes)))
        cost = float((frequency - np.sort(frequency)[::-1]) @ surprise)
        if cost > _PLAINLY:
            warnings.warn(
                f"class ids are not sorted by falling frequency: this order costs the log-uniform sampler {cost:.2f} "
                "nats a label. Sort the classes, or draw with FixedUnigramSampler(unigrams=counts)",
                UserWarning,
                stacklevel=3,  # through the decorator
            )
        return cost
