"""What all pictures share: panels of one look, logarithmic axes, and a file that is complete or not there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastcands.cli.run.files import write_atomically

__all__ = ["BLUE", "GREY", "ORANGE", "log_ticks", "panels"]

BLUE, ORANGE, GREY = "#1f5fa8", "#c8601a", "#6b6b6b"


@contextlib.contextmanager
def panels(path: Path, count: int, size: tuple[float, float]) -> Iterator[tuple[Any, list[Any]]]:
    """Make a figure for the block to draw in, and write it when the block is done.

    Parameters
    ----------
    path : Path
        The PNG file to write.
    count : int
        Panels side by side.
    size : pair of float
        Width and height in inches.

    Yields
    ------
    figure : matplotlib figure
        For its titles and legends.
    axes : list of matplotlib axes
        One a panel, which begin at 0 on the x axis.

    Raises
    ------
    Refusal
        If the file cannot be written.
    """
    import matplotlib  # half a second, and needed only at the end

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(1, count, figsize=size, dpi=120, layout="constrained", squeeze=False)
    try:
        yield figure, list(grid[0])
        for axes in grid[0]:
            axes.set_xlim(left=0)
            axes.grid(color="#e6e6e6", linewidth=0.8)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        write_atomically(path, lambda file: figure.savefig(file, format="png"))
    finally:
        pyplot.close(figure)


def log_ticks(axes: Any, low: float, high: float) -> None:
    """Put ticks with plain numbers on a logarithmic y axis.

    Parameters
    ----------
    axes : matplotlib axes
        Where.
    low, high : float
        Ends of the range that is shown.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    # by itself, a logarithmic axis over less than a decade has one label
    axes.yaxis.set_major_locator(LogLocator(subs=range(1, 10) if high < 8 * low else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.minorticks_off()
