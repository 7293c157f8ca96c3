"""The picture of a comparison: held-out perplexity against seconds, and against epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcands.cli.comparison import Heat, Result
from fastcands.cli.files import write_atomically

__all__ = ["draw_comparison"]

# told apart also without colour vision: by brightness, and by the marker
_COLOURS = ("#1b1b1b", "#1f5fa8", "#c8601a", "#2a8a57", "#8d4fa8", "#c23b5b", "#0e8a96", "#8a6d1b")
_MARKERS = "osD^vP*X"


def draw_comparison(path: Path, heats: Sequence[Heat], results: Sequence[Result]) -> None:
    """Draw all runs of each heat in one panel.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    heats : sequence of Heat
        One panel each.
    results : sequence of Result
        Of all heats.
    """
    import matplotlib  # half a second, and needed only at the end

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(result.run for result in results))
    figure, panels = pyplot.subplots(
        1, len(heats), figsize=(1 + 5 * len(heats), 4.6), dpi=120, layout="constrained", squeeze=False
    )
    for heat, axes in zip(heats, panels[0], strict=True):
        for result in (result for result in results if result.heat == heat.name):
            number = names.index(result.run)
            axes.plot(
                [_across(heat, evaluation) for evaluation in result.evaluations],
                [evaluation.valid_perplexity for evaluation in result.evaluations],
                color=_COLOURS[number % len(_COLOURS)],
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=4,
                linewidth=1.4,
                label=result.run.replace(":", " "),
            )
        _dress(axes, heat)
    panels[0][0].set_ylabel("held-out perplexity (logarithmic)")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    try:
        write_atomically(path, lambda file: figure.savefig(file, format="png"))
    finally:
        pyplot.close(figure)


def _across(heat: Heat, evaluation: Any) -> float:
    return float(evaluation.seconds if heat.name == "seconds" else evaluation.examples / len(heat.corpus.train))


def _dress(axes: Any, heat: Heat) -> None:
    """Titles, labels and ticks of a panel."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    words = f"{len(heat.corpus.vocabulary):,} words"
    axes.set_title(f"Equal {'time' if heat.name == 'seconds' else 'epochs'}, {words}", loc="left", fontsize=11)
    axes.set_xlabel("seconds of training" if heat.name == "seconds" else "epochs")
    axes.set_xlim(left=0)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # by itself, a logarithmic axis over less than a decade has one label
    axes.yaxis.set_major_locator(LogLocator(subs=range(1, 10) if high < 8 * low else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.minorticks_off()
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
