"""The picture of a comparison: held-out perplexity against seconds, and against epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastcands.cli.compare.heats import Heat, Result
from fastcands.cli.run.plot import log_ticks, panels

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
    names = list(dict.fromkeys(result.run for result in results))
    with panels(path, len(heats), (1 + 5 * len(heats), 4.6)) as (figure, axes_of_heats):
        for heat, axes in zip(heats, axes_of_heats, strict=True):
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
            words = f"{len(heat.corpus.vocabulary):,} words"
            axes.set_title(f"Equal {'time' if heat.name == 'seconds' else 'epochs'}, {words}", loc="left", fontsize=11)
            axes.set_xlabel("seconds of training" if heat.name == "seconds" else "epochs")
            axes.set_yscale("log")
            log_ticks(axes, *axes.get_ylim())
        axes_of_heats[0].set_ylabel("held-out perplexity (logarithmic)")
        handles, labels = axes_of_heats[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)


def _across(heat: Heat, evaluation: Any) -> float:
    return float(evaluation.seconds if heat.name == "seconds" else evaluation.examples / len(heat.corpus.train))
