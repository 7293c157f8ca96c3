"""The samplers of ``tf.nn`` and ``tf.compat.v1.nn``, for NumPy arrays.

State is kept as in TensorFlow's eager mode: one sampler for each distinct set of attributes lives in the process.
"""

from __future__ import annotations

import os

from numpy.typing import ArrayLike

from fastcands.hits import find_accidental_hits
from fastcands.nn.shared import Vocabulary, shared_sampler
from fastcands.samplers.all_candidates import AllCandidatesSampler
from fastcands.validation import as_class_ids, as_labels, as_size
from fastcands.validation_sampling import as_flag
from fastcands.values import AccidentalHits, SampledValues

__all__ = [
    "all_candidate_sampler",
    "compute_accidental_hits",
    "fixed_unigram_candidate_sampler",
    "learned_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "thread_unsafe_unigram_candidate_sampler",
    "uniform_candidate_sampler",
]


def _sample(
    op: str,
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None,
    vocabulary: Vocabulary | None = None,
) -> SampledValues:
    sampler = shared_sampler(
        op,
        range_max=range_max,
        num_true=num_true,
        num_sampled=num_sampled,
        unique=unique,
        seed=seed,
        vocabulary=vocabulary,
    )
    labels = as_labels(
        true_classes, num_true=num_true, num_classes=range_max, name="true_classes", limit_name="range_max"
    )
    return sampler.sample_checked(labels, int(num_sampled), bool(unique), "tensorflow", "range_max")


def uniform_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Draw candidates with equal probabilities: ``tf.nn.uniform_candidate_sampler``.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, range_max). They do not influence the draw.
    num_true : int
        True classes a row.
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
        If a size or a shape makes no sense, a class is out of range, or `unique` asks for more classes than there are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.uniform_candidate_sampler([[0], [3]], 1, 5, True, 1000, seed=42)
    >>> values.sampled_candidates
    array([696, 837, 589, 636, 161])
    """
    return _sample("uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


def log_uniform_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Draw candidates Zipf-like, low ids most often: ``tf.nn.log_uniform_candidate_sampler``.

    ``P(k) = log((k + 2) / (k + 1)) / log(range_max + 1)``: class ids are to be ranks by falling frequency.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, range_max). They do not influence the draw.
    num_true : int
        True classes a row.
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
        If a size or a shape makes no sense, a class is out of range, or `unique` asks for more classes than there are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.log_uniform_candidate_sampler([[0], [3]], 1, 8, True, 10000, seed=42)
    >>> values.sampled_candidates
    array([ 295,   27, 1699,   88,  573, 1032,  230,    0])
    """
    return _sample("log_uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


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
        True classes a row.
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
        If a size or a shape makes no sense, a class is out of range, or `unique` asks for more classes than there
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
    return _sample("learned_unigram", true_classes, num_true, num_sampled, unique, range_max, seed)


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
        True classes a row.
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
        If a size or a shape makes no sense, a class is out of range, or `unique` asks for more classes than there
        are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.thread_unsafe_unigram_candidate_sampler([[0], [3]], 1, 4, False, 7, seed=42)
    >>> values.sampled_candidates.tolist()
    [6, 0, 3, 5]
    """
    return _sample("thread_unsafe_unigram", true_classes, num_true, num_sampled, unique, range_max, seed)


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
        True classes a row.
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
        If a size or a shape makes no sense, a class is out of range, or `unique` asks for more classes than there
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
    return _sample("fixed_unigram", true_classes, num_true, num_sampled, unique, range_max, seed, vocabulary)


def all_candidate_sampler(
    true_classes: ArrayLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> SampledValues:
    """Take every class, each expected once: ``tf.nn.all_candidate_sampler``.

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes, each in [0, num_sampled).
    num_true : int
        True classes a row.
    num_sampled : int
        Number of classes.
    unique : bool
        Not used.
    seed : int, optional
        Not used.
    name : str, optional
        Not used.

    Returns
    -------
    SampledValues
        ``arange(num_sampled)``, and expected counts of 1.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If a size or a shape makes no sense or a class is out of range.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.all_candidate_sampler([[1]], 1, 3, True).sampled_candidates.tolist()
    [0, 1, 2]
    """
    num_sampled = as_size(num_sampled, "num_sampled")
    labels = as_labels(
        true_classes,
        num_true=as_size(num_true, "num_true"),
        num_classes=num_sampled,
        name="true_classes",
        limit_name="num_sampled",
    )
    return AllCandidatesSampler(num_sampled).sample(labels, num_sampled, unique=as_flag(unique, "unique"))


def compute_accidental_hits(
    true_classes: ArrayLike,
    sampled_candidates: ArrayLike,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> AccidentalHits:
    """Find the candidates that are true classes of a row: ``tf.nn.compute_accidental_hits``.

    Where a candidate comes several times, every copy is reported; TensorFlow reports the last one only. In NumPy::

        row, _, position = np.nonzero(true_classes[:, :, None] == sampled_candidates)

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes. Any values.
    sampled_candidates : integer array, shape (S,)
        Candidates. Any values.
    num_true : int
        True classes a row.
    seed : int, optional
        Not used.
    name : str, optional
        Not used.

    Returns
    -------
    AccidentalHits
        Row and position of each hit, row-major over the true classes and rising positions within one; weights
        -3.4028234663852886e38.

    Raises
    ------
    TypeError
        If classes or candidates are not integers.
    ValueError
        If a shape makes no sense.

    Notes
    -----
    Time O(B num_true + S + hits), and the same bits for any number of threads.

    Examples
    --------
    >>> import fastcands as fc
    >>> hits = fc.nn.compute_accidental_hits([[3, 3], [5, 3]], [3, 7, 5], num_true=2)
    >>> hits.indices.tolist(), hits.ids.tolist()
    ([0, 0, 1, 1], [0, 0, 2, 0])
    """
    labels = as_labels(true_classes, num_true=as_size(num_true, "num_true"), name="true_classes")
    sampled = as_class_ids(sampled_candidates, "sampled_candidates", ndim=1)
    return find_accidental_hits(labels, sampled)
