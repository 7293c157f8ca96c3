"""The picture of a multi-label run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastcands.cli.multilabel.trainer import PrecisionEvaluation
from fastcands.cli.run.plot import BLUE, ORANGE, panels

__all__ = ["draw_precision"]


def draw_precision(path: Path, evaluations: Sequence[PrecisionEvaluation], best_step: int, title: str) -> None:
    """Draw training loss and validation precision@1 against the time of training.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    evaluations : sequence of PrecisionEvaluation
        The points, in order.
    best_step : int
        Step of the model that is kept; its point is marked.
    title : str
        Stands above the picture.
    """
    seconds = [e.seconds for e in evaluations]
    with panels(path, 2, (10, 4)) as (figure, (left, right)):
        figure.suptitle(title)
        left.plot(seconds, [e.train_loss for e in evaluations], color=BLUE, marker="o", markersize=4)
        left.set_title("Training loss", loc="left", fontsize=11)
        left.set_ylabel("nats a point")
        right.plot(seconds, [100 * e.valid_precision_at_1 for e in evaluations], color=ORANGE, marker="o", markersize=4)
        for e in evaluations:
            if e.step == best_step:
                right.plot(e.seconds, 100 * e.valid_precision_at_1, color=ORANGE, marker="*", markersize=13, zorder=3)
                label = f"best, kept: {100 * e.valid_precision_at_1:.1f} %"
                right.annotate(
                    label,
                    (e.seconds, 100 * e.valid_precision_at_1),
                    xytext=(0, -16),
                    textcoords="offset points",
                    ha="right",
                    color=ORANGE,
                    fontsize=9,
                )
        right.set_title("Validation precision@1 (per cent, higher is better)", loc="left", fontsize=11)
        right.set_ylim(bottom=0)
        for axes in (left, right):
            axes.set_xlabel("seconds of training")
