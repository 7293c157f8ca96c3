"""Candidates drawn with given weights."""

from __future__ import annotations

import os

from numpy.typing import ArrayLike

from fastcands.distributions.class_weights import class_weights
from fastcands.distributions.fixed_unigram import FixedUnigram
from fastcands.samplers.stream import Seed
from fastcands.samplers.stream_sampler import StreamSampler
from fastcands.validation.class_weights import check_one_source
from fastcands.validation.error_state import own_error_state
from fastcands.validation.numbers import as_num_classes, as_number, as_size
from fastcands.validation.samplers import as_path, check_shard

__all__ = ["FixedUnigramSampler"]

_MAX_CLASSES = 2**31 - 1  # an alias is an int32


class FixedUnigramSampler(StreamSampler):
    """Draw classes with given weights: ``P(k) = weight[k] ** distortion / sum(weight ** distortion)``.

    With shards, the sampler has the global ids i with ``i % num_shards == shard``, the reserved ones included, and
    draws local ids: local id j is global id ``j * num_shards + shard``.

    Parameters
    ----------
    num_classes : int
        Number of classes, of this shard if there are several; up to 2**31 - 1. It has to agree with the weights.
    unigrams : array of numbers, shape (n,), optional
        Weights of the classes that are not reserved: counts, probabilities, anything proportional. An array, a memmap
        or a list; a pandas Series is put in order by its index. Used as float32.
    vocab_file : path, optional
        A file with a class a line, its weight after the last comma; it may be compressed by gzip. In place of
        `unigrams`.
    distortion : float, default 1.0
        Power of the weights: 0.75 is usual, 0 makes all classes that are not reserved equally likely.
    num_reserved_ids : int, default 0
        So many ids come before the weights and are never drawn.
    num_shards : int, default 1
        Number of shards.
    shard : int, default 0
        Which of them this sampler has.
    seed : None, int, pair of int, numpy.random.SeedSequence or numpy.random.Generator, optional
        An int gives the draws of TensorFlow's op with that ``seed``; a pair those with these raw ``seed`` and
        ``seed2`` attributes. None and the pair (0, 0) are random.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If both or none of `unigrams` and `vocab_file` are given, if `num_classes` does not agree with them, if a weight
        is negative, infinite or NaN, if none is positive, or if a line of the file has no weight.
    OSError
        If the file cannot be read.

    Notes
    -----
    A draw takes the same time for any number of classes; a class takes 12 bytes.

    References
    ----------
    Walker 1977, "An efficient method for generating discrete random variables with general distributions".

    Examples
    --------
    >>> import fastcands as fc
    >>> counts = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    >>> sampler = fc.FixedUnigramSampler(9, unigrams=counts, distortion=0.75, seed=42)
    >>> values = sampler.sample([[0], [3]], 4)
    >>> values.sampled_candidates
    array([8, 6, 7, 4])
    >>> values.true_expected_count.ravel()
    array([0.03156241, 0.14309624], dtype=float32)
    """

    @own_error_state
    def __init__(
        self,
        num_classes: int,
        *,
        unigrams: ArrayLike | None = None,
        vocab_file: str | os.PathLike[str] | None = None,
        distortion: float = 1.0,
        num_reserved_ids: int = 0,
        num_shards: int = 1,
        shard: int = 0,
        seed: Seed = None,
    ) -> None:
        num_classes = as_num_classes(num_classes, maximum=_MAX_CLASSES)
        num_shards = as_size(num_shards, "num_shards")
        shard = check_shard(shard, num_shards)
        check_one_source(unigrams, vocab_file)
        path = None if vocab_file is None else as_path(vocab_file, "vocab_file")
        weights = class_weights(
            num_classes,
            unigrams,
            path,
            distortion=as_number(distortion, "distortion"),
            num_reserved_ids=as_size(num_reserved_ids, "num_reserved_ids", minimum=0, maximum=2**63 - 1),
            num_shards=num_shards,
            shard=shard,
        )
        super().__init__(FixedUnigram(weights), seed)
