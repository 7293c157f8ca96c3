"""The samplers of ``tf.nn`` and ``tf.compat.v1.nn``, for NumPy arrays.

State is kept as in TensorFlow's eager mode: one sampler for each distinct set of attributes lives in the process.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastcands.nn.shared import sample_shared
from fastcands.samplers.accidental_hits import find_accidental_hits
from fastcands.samplers.all_candidates import AllCandidatesSampler
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids, as_labels
from fastcands.validation.numbers import as_flag, as_size
from fastcands.values import AccidentalHits, SampledValues

__all__ = [
    "all_candidate_sampler",
    "compute_accidental_hits",
    "log_uniform_candidate_sampler",
    "uniform_candidate_sampler",
]


@own_error_state
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
        If a size or a shape makes no sense, a class is out of range, or `unique` needs more classes than there are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.uniform_candidate_sampler([[0], [3]], 1, 5, True, 1000, seed=42)
    >>> values.sampled_candidates
    array([696, 837, 589, 636, 161])
    """
    return sample_shared("uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


@own_error_state
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
        If a size or a shape makes no sense, a class is out of range, or `unique` needs more classes than there are.

    Examples
    --------
    >>> import fastcands as fc
    >>> fc.nn.reset()
    >>> values = fc.nn.log_uniform_candidate_sampler([[0], [3]], 1, 8, True, 10000, seed=42)
    >>> values.sampled_candidates
    array([ 295,   27, 1699,   88,  573, 1032,  230,    0])
    """
    return sample_shared("log_uniform", true_classes, num_true, num_sampled, unique, range_max, seed)


@own_error_state
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
        True classes an example.
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


@own_error_state
def compute_accidental_hits(
    true_classes: ArrayLike,
    sampled_candidates: ArrayLike,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> AccidentalHits:
    """Find the candidates that are true classes of an example: ``tf.nn.compute_accidental_hits``.

    Where a candidate comes several times, every copy is reported; TensorFlow reports the last one only. In NumPy::

        row, _, position = np.nonzero(true_classes[:, :, None] == sampled_candidates)

    Parameters
    ----------
    true_classes : integer array, shape (B, num_true), or (B,) if num_true is 1
        True classes. Any values.
    sampled_candidates : integer array, shape (S,)
        Candidates. Any values.
    num_true : int
        True classes an example.
    seed : int, optional
        Not used.
    name : str, optional
        Not used.

    Returns
    -------
    AccidentalHits
        Example and position of each hit, row-major over the true classes and rising positions within one; weights
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
