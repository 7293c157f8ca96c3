"""How good a multi-label model is on some points: exact rankings over all labels, some hundred points at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.data import ExtremeData
from fastcands.models import MultilabelModel

__all__ = ["CUTS", "Precisions", "measure_frequencies", "measure_ranking", "measure_rankings"]

CUTS = (1, 3, 5)
_CHUNK = 1024


class Precisions(NamedTuple):
    """Figures of a model on some points.

    Attributes
    ----------
    precision, scored : dict of int to float
        By k: precision@k and propensity-scored precision@k; where there are fewer than k labels, none.
    """

    precision: dict[int, float]
    scored: dict[int, float]

    def metrics(self, prefix: str) -> dict[str, float | None]:
        """Return the figures under names for ``metrics.json``; what no point has a label for is None."""
        named = {f"{prefix}precision_at_{k}": value for k, value in self.precision.items()}
        named |= {f"{prefix}propensity_scored_precision_at_{k}": value for k, value in self.scored.items()}
        return {name: None if np.isnan(value) else value for name, value in named.items()}


def measure_ranking(ranked: NDArray[Any], points: ExtremeData, propensities: NDArray[Any]) -> Precisions:
    """Return the figures of a ranking.

    Parameters
    ----------
    ranked : integer array, shape (N, k)
        The best labels of each point.
    points : ExtremeData
        N points, at least one.
    propensities : array, shape (V,)
        Of the labels.

    Returns
    -------
    Precisions
        For each of 1, 3 and 5 that is at most k.
    """
    given = ranked, points.label_starts, points.labels
    cuts = [k for k in CUTS if k <= ranked.shape[1]]
    return Precisions(
        {k: fc.metrics.precision_at_k(*given, k) for k in cuts},
        {k: fc.metrics.propensity_scored_precision_at_k(*given, propensities, k) for k in cuts},
    )


def measure_rankings(
    model: MultilabelModel, points: ExtremeData, propensities: NDArray[Any], advance: Callable[[int], object]
) -> Precisions:
    """Return the figures of a model on some points.

    Parameters
    ----------
    model : MultilabelModel
        The model.
    points : ExtremeData
        At least one.
    propensities : array, shape (V,)
        Of the labels.
    advance : callable
        Gets the number of points done, now and then; may raise to give up.

    Returns
    -------
    Precisions
        Over all the points.
    """
    k = min(CUTS[-1], points.num_labels)
    ranked = np.empty((len(points), k), np.int64)
    for start in range(0, len(points), _CHUNK):
        advance(start)
        rows = np.arange(start, min(start + _CHUNK, len(points)))
        ranked[rows] = model.topk(points.take(rows), k).ids
    advance(len(points))
    return measure_ranking(ranked, points, propensities)


def measure_frequencies(label_counts: NDArray[np.int64], points: ExtremeData, propensities: NDArray[Any]) -> Precisions:
    """Return the figures of who names the labels that are the most frequent in training, for every point.

    Parameters
    ----------
    label_counts : int64 array, shape (V,)
        In how many training points each label is.
    points : ExtremeData
        At least one.
    propensities : array, shape (V,)
        Of the labels.

    Returns
    -------
    Precisions
        Over all the points.
    """
    frequent = np.argsort(-label_counts, kind="stable")[: CUTS[-1]]
    return measure_ranking(np.broadcast_to(frequent, (len(points), len(frequent))), points, propensities)
