"""``fastcands evaluate`` and ``fastcands predict`` for models of points with many labels."""

from __future__ import annotations

import time
from pathlib import Path

from fastcands.cli.console import figures_table, pairs_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.multilabel_data import check_sizes, read_points
from fastcands.cli.multilabel_quality import CUTS, measure_rankings
from fastcands.cli.multilabel_saved import SavedMultilabel
from fastcands.cli.multilabel_task import add_precisions
from fastcands.cli.session import settings
from fastcands.data import parse_points

__all__ = ["evaluate_multilabel", "predict_multilabel"]


def evaluate_multilabel(folder: Path, files: list[str], threads: int | None, as_json: bool) -> int:
    """Measure a saved model on points.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    files : list of str
        One file of points.
    threads : int or None
        None for all processors.
    as_json : bool
        Whether a JSON object takes the place of the table.

    Returns
    -------
    int
        The exit code.

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
        found = measure_rankings(model, points, saved.propensities.values(), lambda done: None)
    without = len(points) - len(points.labelled())
    metrics = {"points": len(points), "points_without_labels": without, **found.metrics("")}
    metrics["seconds"] = time.perf_counter() - started
    if as_json:
        print_json(metrics)
        return OK
    console = stdout()
    table = figures_table("", *(f"P@{k}" for k in CUTS), *(f"PSP@{k}" for k in CUTS))
    add_precisions(table, "this model", metrics, "", "bold")
    console.print(table)
    text = pairs_table()
    text.add_row("points", f"{len(points):,}, {without:,} of them without labels")
    text.add_row("time", f"{metrics['seconds']:.1f} s")
    console.print(text)
    return OK


def predict_multilabel(folder: Path, text: str, k: int, threads: int | None, as_json: bool) -> int:
    """Say which labels suit a point best.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    text : str
        The features of one point, as in a file of points; labels before them are passed over.
    k : int
        How many labels.
    threads : int or None
        None for all processors.
    as_json : bool
        Whether a JSON object takes the place of the table.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Refusal
        If the model cannot be used, or the text is not a point.
    """
    saved = SavedMultilabel(folder)
    model = saved.model()
    num_labels = model.table.num_classes
    if not 1 <= k <= num_labels:
        raise Refusal(f"-k must be between 1 and the data's {num_labels} labels, got {k}")
    try:
        points = parse_points(text.strip(), len(model.bag.table), num_labels, "TEXT")
    except ValueError as error:
        raise Refusal(str(error)) from None
    if len(points) != 1:
        raise Refusal(f"TEXT must be the features of one point, got {len(points)} lines")
    with settings(threads):
        best = model.topk(points, k)
    pairs = list(zip(best.ids[0].tolist(), best.scores[0].tolist(), strict=True))
    if as_json:
        print_json({"labels": [{"label": label, "logit": logit} for label, logit in pairs]})
        return OK
    table = figures_table("label", "logit")
    for label, logit in pairs:
        table.add_row(str(label), f"{logit:.3f}")
    stdout().print(table)
    return OK
