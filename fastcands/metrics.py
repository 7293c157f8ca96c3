"""How good rankings of labels are: precision@k, and precision@k that gives rare labels their due."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastcands.validation.class_weights import as_class_counts
from fastcands.validation.error_state import own_error_state
from fastcands.validation.ids import as_class_ids
from fastcands.validation.numbers import as_positive, as_size
from fastcands.validation.rankings import as_first_ranked, as_propensities, as_true_labels

__all__ = ["precision_at_k", "propensities", "propensity_scored_precision_at_k"]


@own_error_state
def propensities(label_counts: ArrayLike, num_points: int, *, a: float = 0.55, b: float = 1.5) -> NDArray[np.float64]:
    """Return how likely a label that is true for a point is to have been noted there.

    Rare labels are missed more often than frequent ones. With N points, of which n have the label::

        p = 1 / (1 + (log(N) - 1) * (b + 1)**a * (n + b)**-a)

    Parameters
    ----------
    label_counts : array of numbers, shape (V,)
        n of each label: in how many training points it is noted. Zero is allowed.
    num_points : int
        N, the training points; those without labels count.
    a, b : float, default 0.55 and 1.5
        Of the data's source: 0.5 and 0.4 were measured for Wikipedia, 0.6 and 2.6 for Amazon; the defaults are for
        everything else.

    Returns
    -------
    float64 array, shape (V,)
        Each above 0; at most 1 when `num_points` is at least 3.

    Raises
    ------
    TypeError
        If an argument is not a number.
    ValueError
        If a count is negative or not finite, there are fewer than 3 points, or `a` or `b` is not above 0, or so large
        that float64 does not hold their powers.

    References
    ----------
    Jain, Prabhu and Varma: Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
    Label Applications. KDD 2016, section 4.

    Examples
    --------
    >>> from fastcands import metrics
    >>> metrics.propensities([0, 10, 1000], num_points=10_000).round(3)
    array([0.084, 0.22 , 0.767])
    """
    counts = as_class_counts(label_counts, "label_counts")
    num_points = as_size(num_points, "num_points", minimum=3, maximum=2**63 - 1)
    a, b = as_positive(a, "a"), as_positive(b, "b")
    scale = (np.log(float(num_points)) - 1) * np.float64(b + 1) ** a
    result = np.asarray(1 / (1 + scale * (counts + b) ** -a))
    if not (result > 0).all():
        raise ValueError(f"a and b must be such that (b + 1)**a and (n + b)**-a are float64 numbers, got {a} and {b}")
    return result


def _hits(ranked: Any, starts: Any, labels: Any, k: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], Any, Any]:
    """Return the first k ids of each row, which of them are true labels of the row, and the labels, checked."""
    ids = as_first_ranked(ranked, k)
    starts_, labels_ = as_true_labels(starts, labels, len(ids))
    # a row and an id make one number, so one search finds them all
    ranked_, true_ = ids, labels_
    span = int(max(ids.max(), labels_.max(initial=0))) + 1
    if span * len(ids) >= 2**63:  # such numbers have no room: ids are numbered anew
        known = np.unique(np.concatenate([ids.reshape(-1), labels_]))
        ranked_, true_, span = np.searchsorted(known, ids), np.searchsorted(known, labels_), len(known)
    pairs = np.repeat(np.arange(len(ids)), np.diff(starts_)) * span + true_
    pairs.sort()
    wanted = ranked_ + np.arange(len(ids))[:, None] * span
    places = np.searchsorted(pairs, wanted)
    found = np.append(pairs, -1)[places] == wanted
    return ids, found, starts_, labels_


@own_error_state
def precision_at_k(ranked: ArrayLike, starts: ArrayLike, labels: ArrayLike, k: int) -> float:
    """Return the share of true labels among the k that were ranked first, over all rows.

    ``np.mean([len(set(ranked[i][:k]) & set(labels[starts[i]:starts[i + 1]])) / k for i in range(N)])``

    Parameters
    ----------
    ranked : integer array, shape (N, at least k)
        Ids of labels, the best first, each at most once a row; as ``ClassTable.topk`` gives them.
    starts : integer array, shape (N + 1,)
        Row i has the true labels ``labels[starts[i]:starts[i + 1]]``.
    labels : integer array
        The true labels, row after row.
    k : int
        At least 1.

    Returns
    -------
    float
        From 0 to 1. A row with fewer than k true labels cannot reach 1, and one without any adds 0: rows are
        counted as the Extreme Classification Repository counts them.

    Raises
    ------
    TypeError
        If an argument is not of integers.
    ValueError
        If there are no rows, fewer than k columns, or `starts` does not fit.

    Examples
    --------
    >>> from fastcands import metrics
    >>> metrics.precision_at_k([[4, 1], [0, 2]], [0, 2, 3], [1, 4, 2], k=2)
    0.75
    """
    found = _hits(ranked, starts, labels, k)[1]
    return float(found.mean())


@own_error_state
def propensity_scored_precision_at_k(
    ranked: ArrayLike, starts: ArrayLike, labels: ArrayLike, label_propensities: ArrayLike, k: int
) -> float:
    """Return precision@k with each hit counted 1 / propensity, over the most that any ranking could reach.

    With w = ``1 / label_propensities``::

        reached = sum(w[j] for i in range(N) for j in set(ranked[i][:k]) & true[i]) / (N * k)
        most = sum(sum(sorted((w[j] for j in true[i]), reverse=True)[:k]) for i in range(N)) / (N * k)
        result = reached / most

    Parameters
    ----------
    ranked : integer array, shape (N, at least k)
        Ids of labels, the best first, each at most once a row.
    starts : integer array, shape (N + 1,)
        Row i has the true labels ``labels[starts[i]:starts[i + 1]]``.
    labels : integer array
        The true labels, row after row.
    label_propensities : array, shape (V,)
        What `propensities` returns for the training points.
    k : int
        At least 1.

    Returns
    -------
    float
        From 0 to 1: a quotient of two means over all rows, as the Extreme Classification Repository has it, and not
        a mean of quotients. NaN if no row has a label.

    Raises
    ------
    TypeError
        If an argument is of another type.
    ValueError
        As in `precision_at_k`; also if an id is not below V, or a propensity not above 0.

    References
    ----------
    Jain, Prabhu and Varma: Extreme Multi-label Loss Functions for Recommendation, Tagging, Ranking & Other Missing
    Label Applications. KDD 2016, section 4.

    Examples
    --------
    >>> from fastcands import metrics
    >>> args = [[4], [0]], [0, 2, 3], [1, 4, 0]
    >>> metrics.propensity_scored_precision_at_k(*args, [0.5, 0.1, 0.5, 0.5, 0.5], k=1)
    0.3333333333333333
    """
    p, k = as_propensities(label_propensities), as_size(k, "k")
    ids, found, starts_, labels_ = _hits(ranked, starts, labels, k)
    as_class_ids(ids, "ranked", num_classes=len(p), limit_name="V")
    as_class_ids(labels_, "labels", num_classes=len(p), limit_name="V")
    weights = 1 / p
    reached = float(weights[ids[found]].sum())
    # each row's weights, the largest first
    rows = np.repeat(np.arange(len(starts_) - 1), np.diff(starts_))
    own = weights[labels_]
    own = own[np.lexsort((-own, rows))]
    most = float(own[np.arange(len(own)) - starts_[rows] < k].sum())
    return reached / most if most else float("nan")
