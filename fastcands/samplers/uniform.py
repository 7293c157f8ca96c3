"""Candidates drawn with equal probabilities."""

from __future__ import annotations

from fastcands.distributions.uniform import Uniform
from fastcands.samplers.stream import Seed
from fastcands.samplers.stream_sampler import StreamSampler
from fastcands.validation.numbers import as_num_classes

__all__ = ["UniformSampler"]


class UniformSampler(StreamSampler):
    """Draw classes with equal probabilities: ``P(k) = 1 / num_classes``.

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

    References
    ----------
    Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Examples
    --------
    >>> import fastcands as fc
    >>> sampler = fc.UniformSampler(1000, seed=42)
    >>> values = sampler.sample([[0], [3]], 5)
    >>> values.sampled_candidates
    array([696, 837, 589, 636, 161])
    >>> values.true_expected_count.ravel()
    array([0.005, 0.005], dtype=float32)
    """

    def __init__(self, num_classes: int, *, seed: Seed = None) -> None:
        super().__init__(Uniform(as_num_classes(num_classes)), seed)
