"""The picture of a multi-label run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastcands.cli.files import write_atomically
from fastcands.cli.multilabel_trainer import PrecisionEvaluation

__all__ = ["draw_precision"]

_BLUE, _ORANGE = "#1f5fa8", "#c8601a"


def draw_precision(path: Path, evaluations: Sequence[PrecisionEvaluation], title: str) -> None:
    """Draw training loss and validation precision@1 against the time of training.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    evaluations : sequence of PrecisionEvaluation
        The points, in order.
    title : str
        Stands above the picture.
    """
    import matplotlib  # half a second, and needed only at the end

    matplotlib.use("Agg")
    from matplotlib import pyplot

    seconds = [evaluation.seconds for evaluation in evaluations]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), dpi=120, layout="constrained")
    figure.suptitle(title)
    left.plot(seconds, [e.train_loss for e in evaluations], color=_BLUE, marker="o", markersize=4)
    left.set_title("Training loss", loc="left", fontsize=11)
    left.set_ylabel("nats a point")
    right.plot(seconds, [100 * e.valid_precision_at_1 for e in evaluations], color=_ORANGE, marker="o", markersize=4)
    right.set_title("Validation precision@1 (per cent, higher is better)", loc="left", fontsize=11)
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("seconds of training")
        axes.set_xlim(left=0)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        write_atomically(path, lambda file: figure.savefig(file, format="png"))
    finally:
        pyplot.close(figure)
