"""The unigram samplers of ``tf.nn``, for NumPy arrays: with given weights, or with counts learned from the labels."""

from __future__ import annotations

import os

from numpy.typing import ArrayLike

from fastcands.nn.shared import Vocabulary, sample_shared
from fastcands.validation.error_state import own_error_state
from fastcands.values import SampledValues

__all__ = [
    "fixed_unigram_candidate_sampler",
    "learned_unigram_candidate_sampler",
    "thread_unsafe_unigram_candidate_sampler",
]


@own_error_state
def learned_unigram_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Draw candidates as often as they have been true classes: ``tf.nn.learned_unigram_candidate_sampler``.

    Every class starts with a count of 1. A call draws from the counts, then adds its true classes to them.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, range_max). They do not influence the draw.
    num_true : int
        True classes an example.
    num_sampled : int
        Number S of candidates.
    unique : bool
        Whether every candidate comes once only.
    range_max : int
        Number of classes.
    seed : int, optional
        The op-level seed; the draws are TensorFlow's with no global seed set. None is random.
    name : str, optional
        Not used.

    Returns
    -------
    SampledValues
        Candidates int64 (S,), expected counts float32 of the true classes (B, num_true) and of the candidates (S,).

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a size or a shape makes no sense, a class is out of range, or `unique` needs more classes than there
        are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> def draw():
    ...     values = fc.nn.learned_unigram_candidate_sampler([[0], [3]], 1, 4, False, 7, seed=42)
    ...     return values.sampled_candidates.tolist()
    >>> draw(), draw(), draw()
    ([6, 0, 3, 5], [1, 3, 3, 5], [0, 5, 0, 3])
    """
    return sample_shared("learned_unigram", true_classes, num_true, num_sampled, unique, range_max, seed)


@own_error_state
def thread_unsafe_unigram_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Draw as `learned_unigram_candidate_sampler` does: ``tf.raw_ops.ThreadUnsafeUnigramCandidateSampler``.

    The counts are its own. Here it is as safe to call from several threads as the other.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, range_max). They do not influence the draw.
    num_true : int
        True classes an example.
    num_sampled : int
        Number S of candidates.
    unique : bool
        Whether every candidate comes once only.
    range_max : int
        Number of classes.
    seed : int, optional
        The op-level seed; the draws are TensorFlow's with no global seed set. None is random.
    name : str, optional
        Not used.

    Returns
    -------
    SampledValues
        Candidates int64 (S,), expected counts float32 of the true classes (B, num_true) and of the candidates (S,).

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a size or a shape makes no sense, a class is out of range, or `unique` needs more classes than there
        are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.thread_unsafe_unigram_candidate_sampler([[0], [3]], 1, 4, False, 7, seed=42)
    >>> values.sampled_candidates.tolist()
    [6, 0, 3, 5]
    """
    return sample_shared("thread_unsafe_unigram", true_classes, num_true, num_sampled, unique, range_max, seed)


@own_error_state
def fixed_unigram_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str | os.PathLike[str] = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: ArrayLike = (),
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Draw candidates with given weights: ``tf.nn.fixed_unigram_candidate_sampler``.

    ``P(k) = weight[k] ** distortion / sum(weight ** distortion)``. With shards, ids are those local to the shard: local
    id j is global id ``j * num_shards + shard``, and `range_max` is the number of the shard's ids.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, range_max). They do not influence the draw.
    num_true : int
        True classes an example.
    num_sampled : int
        Number S of candidates.
    unique : bool
        Whether every candidate comes once only.
    range_max : int
        Number of classes.
    vocab_file : path, optional
        A file with a class a line, its weight after the last comma. It is read at the first call with these
        attributes.
    distortion : float, default 1.0
        Power of the weights.
    num_reserved_ids : int, default 0
        So many ids come before the weights and are never drawn; below 0 is 0.
    num_shards : int, default 1
        Number of shards.
    shard : int, default 0
        Which of them the candidates come from.
    unigrams : array of numbers, shape (n,), optional
        The weights, in place of a file. A call looks at all of them to find its sampler unless they are a tuple that it
        has seen before.
    seed : int, optional
        The op-level seed; the draws are TensorFlow's with no global seed set. None is random.
    name : str, optional
        Not used.

    Returns
    -------
    SampledValues
        Candidates int64 (S,), expected counts float32 of the true classes (B, num_true) and of the candidates (S,).

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a size or a shape makes no sense, a class is out of range, or `unique` needs more classes than there
        are, if both or none of `vocab_file` and `unigrams` are given, their number does not agree with `range_max`, or
        one is no weight.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> counts = (1, 2, 4, 8, 16, 32, 64, 128, 256)
    >>> values = fc.nn.fixed_unigram_candidate_sampler(
    ...     [[0], [3]], 1, 4, True, 9, unigrams=counts, distortion=0.75, seed=42
    ... )
    >>> values.sampled_candidates.tolist()
    [8, 6, 7, 4]
    """
    vocabulary = Vocabulary(vocab_file, distortion, num_reserved_ids, num_shards, shard, unigrams)
    return sample_shared("fixed_unigram", true_classes, num_true, num_sampled, unique, range_max, seed, vocabulary)
