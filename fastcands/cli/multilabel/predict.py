"""The best labels of a point, by a saved multi-label model."""

from __future__ import annotations

from pathlib import Path

from fastcands.cli.console import figures_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.multilabel.saved import SavedMultilabel
from fastcands.cli.run.settings import settings
from fastcands.data import parse_points

__all__ = ["predict_labels"]


def predict_labels(folder: Path, text: str, k: int, threads: int | None, as_json: bool) -> int:
    """Print the labels that suit a point best.

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
    as_json : bool
        Whether to print a JSON object in place of the table.

    Returns
    -------
    int
        The exit code.

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
    pairs = list(zip(best.ids[0].tolist(), best.scores[0].tolist(), strict=True))
    if as_json:
        print_json({"labels": [{"label": label, "logit": logit} for label, logit in pairs]})
        return OK
    table = figures_table("label", "logit")
    for label, logit in pairs:
        table.add_row(str(label), f"{logit:.3f}")
    stdout().print(table)
    return OK
