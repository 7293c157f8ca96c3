"""How good a multi-label model is on some points: exact rankings of all labels, some thousand points at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

import fastcands as fc
from fastcands.cli.console import figures_table
from fastcands.data import ExtremeData
from fastcands.models import MultilabelModel

__all__ = [
    "CUTS",
    "Precisions",
    "add_precisions",
    "best_labels",
    "measure_frequencies",
    "measure_rankings",
    "precisions_table",
]

CUTS = (1, 3, 5)
_CHUNK = 1024


class Precisions(NamedTuple):
    """Figures of a model on some points.

    Attributes
    ----------
    precision, scored : dict of int to float
        By k: precision@k and propensity-scored precision@k, for each k that is at most the number of labels.
    """

    precision: dict[int, float]
    scored: dict[int, float]

    def metrics(self, prefix: str) -> dict[str, float | None]:
        """Return the figures under names for ``metrics.json``; None where no point has a label."""
        named = {f"{prefix}precision_at_{k}": value for k, value in self.precision.items()}
        named |= {f"{prefix}propensity_scored_precision_at_{k}": value for k, value in self.scored.items()}
        return {name: None if np.isnan(value) else value for name, value in named.items()}


def _measure(ranked: NDArray[Any], points: ExtremeData, propensities: NDArray[Any]) -> Precisions:
    """Return the figures of a ranking, shape (N, k)."""
    given = ranked, points.label_starts, points.labels
    cuts = [k for k in CUTS if k <= ranked.shape[1]]
    return Precisions(
        {k: fc.metrics.precision_at_k(*given, k) for k in cuts},
        {k: fc.metrics.propensity_scored_precision_at_k(*given, propensities, k) for k in cuts},
    )


def best_labels(
    model: MultilabelModel, points: ExtremeData, k: int, check: Callable[[], None] | None = None
) -> NDArray[np.int64]:
    """Return the labels that a model ranks first.

    Parameters
    ----------
    model : MultilabelModel
        The model.
    points : ExtremeData
        N points.
    k : int
        How many labels of each.
    check : callable, optional
        Called now and then; may raise to give up.

    Returns
    -------
    int64 array, shape (N, k)
        The best first.
    """
    ranked = np.empty((len(points), k), np.int64)
    for start in range(0, len(points), _CHUNK):
        if check is not None:
            check()
        rows = np.arange(start, min(start + _CHUNK, len(points)))
        ranked[rows] = model.topk(points.take(rows), k).ids
    return ranked


def measure_rankings(
    model: MultilabelModel, points: ExtremeData, propensities: NDArray[Any], check: Callable[[], None] | None = None
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
    check : callable, optional
        Called now and then; may raise to give up.

    Returns
    -------
    Precisions
        Over all the points.
    """
    ranked = best_labels(model, points, min(CUTS[-1], points.num_labels), check)
    return _measure(ranked, points, propensities)


def measure_frequencies(label_counts: NDArray[np.int64], points: ExtremeData, propensities: NDArray[Any]) -> Precisions:
    """Return the figures of a ranking of labels by their frequency in training, the same for every point.

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
    return _measure(np.broadcast_to(frequent, (len(points), len(frequent))), points, propensities)


def precisions_table(name: str) -> Table:
    """Return an empty table for `add_precisions`.

    Parameters
    ----------
    name : str
        Stands above the names of the rows.

    Returns
    -------
    rich.table.Table
        Without rows.
    """
    return figures_table(name, *(f"P@{k}" for k in CUTS), *(f"PSP@{k}" for k in CUTS))


def add_precisions(table: Table, name: str, metrics: dict[str, Any], prefix: str, style: str = "") -> None:
    """Add a row of precisions, in per cent.

    Parameters
    ----------
    table : rich.table.Table
        From `precisions_table`.
    name : str
        Of the row.
    metrics : dict
        With those of `Precisions.metrics`.
    prefix : str
        Begins their names.
    style : str, optional
        Of the row.
    """
    kinds = ("precision_at_", "propensity_scored_precision_at_")
    values = [metrics.get(f"{prefix}{kind}{k}") for kind in kinds for k in CUTS]
    cells = ["-" if value is None else f"{100 * value:.2f}" for value in values]
    table.add_row(Text(name, style=style), *(Text(cell, style=style) for cell in cells))
