"""Exact figures of a saved multi-label model on any points."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.console import pairs_table
from fastcands.cli.errors import Refusal
from fastcands.cli.multilabel.points import check_sizes, read_points
from fastcands.cli.multilabel.quality import add_precisions, measure_rankings, precisions_table
from fastcands.cli.multilabel.saved import SavedMultilabel
from fastcands.cli.run.settings import settings

__all__ = ["evaluate_points", "print_point_figures"]


def evaluate_points(folder: Path, files: list[str], threads: int | None) -> dict[str, Any]:
    """Measure a saved model on points.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    files : list of str
        One file of points.
    threads : int or None
        None for all processors.

    Returns
    -------
    dict
        The figures, as ``--json`` prints them.

    Raises
    ------
    Refusal
        If model or file cannot be used.
    """
    if len(files) != 1:
        raise Refusal(f"FILES: a model of --task multilabel takes one file, got {len(files)}")
    saved = SavedMultilabel(folder)
    model = saved.model()
    points = read_points(files[0])
    check_sizes(points, len(model.bag.table), model.table.num_classes, files[0], "the model has")
    started = time.perf_counter()
    with settings(threads):
        found = measure_rankings(model, points, saved.propensities.values())
    without = len(points) - len(points.labelled())
    metrics = {"points": len(points), "points_without_labels": without, **found.metrics("")}
    metrics["seconds"] = time.perf_counter() - started
    return metrics


def print_point_figures(metrics: dict[str, Any], console: Console) -> None:
    """Print the figures as tables.

    Parameters
    ----------
    metrics : dict
        What `evaluate_points` returned.
    console : rich.console.Console
        Where to.
    """
    table = precisions_table("")
    add_precisions(table, "this model", metrics, "", "bold")
    console.print(table)
    text = pairs_table()
    text.add_row("points", f"{metrics['points']:,}, {metrics['points_without_labels']:,} of them without labels")
    text.add_row("time", f"{metrics['seconds']:.1f} s")
    console.print(text)
