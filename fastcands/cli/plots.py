"""The picture of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastcands.cli.files import write_atomically
from fastcands.cli.trainer import Evaluation

__all__ = ["draw_curves"]

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#c8601a", "#6b6b6b"


def draw_curves(path: Path, evaluations: Sequence[Evaluation], baselines: dict[str, float], title: str) -> None:
    """Draw training loss and validation perplexity against the time of training.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    evaluations : sequence of Evaluation
        The points, in order.
    baselines : dict of str to float
        Validation perplexities of other models, drawn as level lines.
    title : str
        Stands above the picture.
    """
    import matplotlib  # half a second, and needed only at the end

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    seconds = [evaluation.seconds for evaluation in evaluations]
    losses = [evaluation.train_loss for evaluation in evaluations]
    perplexities = [evaluation.valid_perplexity for evaluation in evaluations]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), dpi=120, layout="constrained")
    figure.suptitle(title)

    left.plot(seconds, losses, color=_BLUE, marker="o", markersize=4)
    left.set_title("Training loss", loc="left", fontsize=11)
    left.set_ylabel("nats a word")

    heights = [*perplexities, *baselines.values()]
    narrow = max(heights) < 8 * min(heights)
    right.plot(seconds, perplexities, color=_ORANGE, marker="o", markersize=4)
    right.set_yscale("log")
    # by itself, a logarithmic axis over less than a decade has one label
    right.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=range(1, 10) if narrow else (1, 2, 5)))
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.yaxis.set_minor_formatter(NullFormatter())
    right.yaxis.minorticks_off()
    right.set_title("Validation perplexity (logarithmic, lower is better)", loc="left", fontsize=11)
    for name, value in baselines.items():
        right.axhline(value, color=_GREY, linestyle="--", linewidth=1)
        right.annotate(
            f"{name} {value:,.1f}",
            (0.0, value),  # on the left, where the curve is far above
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            color=_GREY,
            fontsize=9,
        )
    if perplexities:
        right.annotate(
            f"this model {perplexities[-1]:,.1f}",
            (seconds[-1], perplexities[-1]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="right",
            color=_ORANGE,
            fontsize=9,
        )
        right.margins(y=0.15)
    for axes in (left, right):
        axes.set_xlabel("seconds of training")
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    try:
        write_atomically(path, lambda file: figure.savefig(file, format="png"))
    finally:
        pyplot.close(figure)
