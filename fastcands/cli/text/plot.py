"""The picture of a run on text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastcands.cli.run.plot import BLUE, GREY, ORANGE, log_ticks, panels
from fastcands.cli.text.trainer import PerplexityEvaluation

__all__ = ["draw_perplexity"]


def draw_perplexity(
    path: Path, evaluations: Sequence[PerplexityEvaluation], best_step: int, baselines: dict[str, float], title: str
) -> None:
    """Draw training loss and validation perplexity against the time of training.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    evaluations : sequence of PerplexityEvaluation
        The points, in order.
    best_step : int
        Step of the model that is kept; its point is marked.
    baselines : dict of str to float
        Validation perplexities of other models, drawn as level lines.
    title : str
        Stands above the picture.
    """
    from matplotlib.ticker import MaxNLocator

    seconds = [evaluation.seconds for evaluation in evaluations]
    perplexities = [evaluation.valid_perplexity for evaluation in evaluations]
    with panels(path, 2, (10, 4)) as (figure, (left, right)):
        figure.suptitle(title)
        left.plot(seconds, [evaluation.train_loss for evaluation in evaluations], color=BLUE, marker="o", markersize=4)
        left.set_title("Training loss", loc="left", fontsize=11)
        left.set_ylabel("nats a word")

        heights = [*perplexities, *baselines.values()]
        right.plot(seconds, perplexities, color=ORANGE, marker="o", markersize=4)
        right.set_yscale("log")
        log_ticks(right, min(heights), max(heights))
        right.set_title("Validation perplexity (logarithmic, lower is better)", loc="left", fontsize=11)
        for name, value in baselines.items():
            right.axhline(value, color=GREY, linestyle="--", linewidth=1)
            # where the curve is far away: it begins above all lines, and ends below most
            below = value <= min(perplexities, default=0.0)
            right.annotate(
                f"{name} {value:,.1f}",
                (0.0 if below else 1.0, value),
                xycoords=("axes fraction", "data"),
                xytext=(4 if below else -4, 3),
                textcoords="offset points",
                ha="left" if below else "right",
                color=GREY,
                fontsize=9,
            )
        for evaluation in evaluations:
            if evaluation.step == best_step:
                point = (evaluation.seconds, evaluation.valid_perplexity)
                right.plot(*point, color=ORANGE, marker="*", markersize=13, zorder=3)
                right.annotate(
                    f"best, kept: {evaluation.valid_perplexity:,.1f}",
                    point,
                    xytext=(0, 18),
                    textcoords="offset points",
                    ha="right",
                    color=ORANGE,
                    fontsize=9,
                )
        right.margins(y=0.15)
        for axes in (left, right):
            axes.set_xlabel("seconds of training")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
