"""The best labels of a point, by a saved multi-label model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.console import figures_table
from fastcands.cli.errors import Refusal
from fastcands.cli.multilabel.saved import SavedMultilabel
from fastcands.cli.run.settings import settings
from fastcands.data import parse_points

__all__ = ["predict_labels", "print_labels"]


def predict_labels(folder: Path, text: str, k: int, threads: int | None) -> dict[str, Any]:
    """Return the labels that suit a point best.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    text : str
        The features of one point, as in a file of points; labels before them are ignored.
    k : int
        How many labels.
    threads : int or None
        None for all processors.

    Returns
    -------
    dict
        The labels, as ``--json`` prints them.

    Raises
    ------
    Refusal
        If the model cannot be used, or the text is not a point.
    """
    model = SavedMultilabel(folder).model()
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
    pairs = zip(best.ids[0].tolist(), best.scores[0].tolist(), strict=True)
    return {"labels": [{"label": label, "logit": logit} for label, logit in pairs]}


def print_labels(answer: dict[str, Any], console: Console) -> None:
    """Print the labels as a table.

    Parameters
    ----------
    answer : dict
        What `predict_labels` returned.
    console : rich.console.Console
        Where to.
    """
    table = figures_table("label", "logit")
    for pair in answer["labels"]:
        table.add_row(str(pair["label"]), f"{pair['logit']:.3f}")
    console.print(table)
