"""Results as plots: time against each size, threads, memory, and where time goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from bench.phases import shares
from bench.results import Line, Results, numbers, spread
from bench.tasks import TASKS, Task

__all__ = ["draw_all"]

# one hue each, told apart by the common kinds of colour blindness (Okabe and Ito), and by the shape of the points
_STYLES = {
    "fastcands": ("#0072b2", "o"),
    "TensorFlow": ("#d55e00", "s"),
    "PyTorch": ("#cc79a7", "^"),
    "NumPy": ("#009e73", "D"),
    "3 products": ("#555555", "v"),
}
_SIZES = {"V": "classes V", "B": "batch B", "S": "candidates S", "D": "width D", "B·S": "batch × candidates B·S"}
_STYLE_SHEET = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
}
_WIDTH, _DPI = 7.2, 200  # inches: about 700 pixels on a page, sharp on a screen with twice as many


def _compact(value: float, _: Any = None) -> str:
    """Return a number that is short: 4.2 M, 200 k, 8,192, 0.05."""
    if value >= 1e6:
        return f"{value / 1e6:.2g} M"
    if value >= 2e4 or (value >= 1e4 and value % 1e3 == 0):
        return f"{value / 1e3:.0f} k"
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


def _label(axis: Any, ticks: Sequence[float] | None = None, decades: float = 3.0) -> None:
    """Label a logarithmic axis with plain numbers: at given places, or more of them where it spans little."""
    axis.set_major_locator(FixedLocator(ticks) if ticks else LogLocator(subs=(1, 2, 5) if decades < 1.5 else (1,)))
    axis.set_major_formatter(FuncFormatter(_compact))
    axis.set_minor_formatter(NullFormatter())


def _size(line: Line, grows: str) -> int:
    return line.sizes["B"] * line.sizes["S"] if grows == "B·S" else line.sizes[grows]


def _spread_out(heights: list[float], gap: float) -> list[float]:
    """Return heights moved apart to `gap` at least, in their order, with the middle kept."""
    order = np.argsort(heights)
    placed = np.asarray(heights, float)[order]
    for _ in range(100):
        close = np.flatnonzero(np.diff(placed) < gap * 0.999)
        for i in close:
            push = (gap - (placed[i + 1] - placed[i])) / 2
            placed[i] -= push
            placed[i + 1] += push
    result = np.empty_like(placed)
    result[order] = placed
    return list(result)


def _label_ends(axes: Any, ends: dict[str, tuple[float, float, str]]) -> None:
    """Write each curve's name beside its last point, none over another."""
    axes.figure.canvas.draw()
    pixels = {name: axes.transData.transform((x, y)) for name, (x, y, _) in ends.items()}
    right = max(x for x, _ in pixels.values())
    line_height = 11 * axes.figure.dpi / 72
    heights = _spread_out([y for _, y in pixels.values()], line_height)
    for (name, (_, _, colour)), height in zip(ends.items(), heights, strict=True):
        where = axes.transAxes.inverted().transform((right, height))
        axes.annotate(
            name, where, xycoords="axes fraction", xytext=(6, 0), textcoords="offset points", va="center",
            color=colour, fontsize=8.5, annotation_clip=False,
        )  # fmt: skip


def _curves(
    axes: Any, task: Task, results: Results, value: Callable[[Line], Sequence[float]], label: bool = True
) -> bool:
    """Draw the median and a band of the quartiles for every entry; whether there was anything."""
    assert task.grows is not None
    ends, every_x, every_y = {}, [], []
    for entry in task.entries:
        lines = [results[key][entry] for case in task.cases if entry in results.get(key := (task.name, case), {})]
        if not lines:
            continue
        x = [_size(line, task.grows) for line in lines]
        low, middle, high = np.transpose([spread(list(value(line))) for line in lines])
        name, _, kind = entry.partition(", ")
        colour, marker = _STYLES[name]
        dashed = "--" if kind == "forward" or name == "3 products" else "-"
        axes.plot(x, middle, dashed, color=colour, marker=marker)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        ends[entry.replace(", forward and backward", " + backward")] = x[-1], middle[-1], colour
        every_x += x
        every_y += list(middle)
    if not ends:
        return False
    axes.set(xscale="log", yscale="log", xlabel=_SIZES[task.grows])
    places = sorted(set(every_x))
    _label(axes.xaxis, places[:: (len(places) + 3) // 4])
    axes.xaxis.set_minor_locator(FixedLocator(places))
    _label(axes.yaxis, decades=np.log10(max(every_y) / min(every_y)))
    if label:
        _label_ends(axes, ends)
    return True


def _growth(results: Results) -> Any:
    figure, grid = plt.subplots(2, 2, figsize=(_WIDTH, 5.6), sharey=True)
    figure.subplots_adjust(left=0.1, right=0.87, top=0.87, bottom=0.09, hspace=0.38, wspace=0.08)
    drawn = False
    middles = []
    for at, size in enumerate("VBSD"):
        task, axes = TASKS[f"growth_{size}"], grid.flat[at]
        drawn |= _curves(axes, task, results, lambda line: [1e3 * s for s in numbers(line)], label=at % 2 == 1)
        lines = [line for case in task.cases for line in results.get((task.name, case), {}).values()]
        fixed = [s for s in "VBSD" if s != size]
        if lines:
            middles = [f"{s} = {_compact(lines[0].sizes[s])}" for s in fixed]
            axes.set_title(", ".join(middles))
        if at % 2 == 0:
            axes.set_ylabel("milliseconds")
    figure.suptitle("Sampled softmax, value and gradients", x=0.1, ha="left", fontsize=11)
    return figure if drawn else None


def _threads(results: Results) -> Any:
    task = TASKS["threads"]
    found = [(case, results[task.name, case]) for case in task.cases if (task.name, case) in results]
    if not found:
        return None
    _, entries = found[0]
    figure, axes = plt.subplots(figsize=(_WIDTH * 0.6, 3.4))
    figure.subplots_adjust(left=0.12, right=0.78, top=0.85, bottom=0.14)
    ends, counts = {}, sorted({line.threads for line in entries.values()})
    for name in dict.fromkeys(entry.partition(", ")[0] for entry in entries):
        lines = sorted((line for entry, line in entries.items() if entry.startswith(name)), key=lambda one: one.threads)
        base = numbers(lines[0])
        x = [line.threads for line in lines]
        low, middle, high = np.transpose(
            [spread([one / now for one, now in zip(base, numbers(line), strict=True)]) for line in lines]
        )
        colour, marker = _STYLES[name]
        axes.plot(x, middle, color=colour, marker=marker)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        ends[name] = x[-1], middle[-1], colour
    axes.plot(counts, counts, ":", color="#999999", linewidth=1.2)
    ends["ideal"] = counts[-1], counts[-1], "#777777"
    axes.set(xlabel="threads", ylabel="times as fast as on 1 thread", xticks=counts)
    axes.set_title("Sampled softmax, value and gradients, case c", pad=12)
    _label_ends(axes, ends)
    return figure


def _memory(results: Results) -> Any:
    figure, panels = plt.subplot_mosaic(
        [["memory_growth_BS", "memory_growth_V"], ["memory_growth_exact", "memory_growth_exact"]],
        figsize=(_WIDTH, 5.4),
    )
    figure.subplots_adjust(left=0.1, right=0.835, top=0.93, bottom=0.09, wspace=0.62, hspace=0.42)
    drawn = False
    for name, axes in panels.items():
        drawn |= _curves(axes, TASKS[name], results, lambda line: [b / 2**20 for b in numbers(line)])
        axes.set_title("Softmax over all classes" if name.endswith("exact") else "Sampled softmax, value and gradients")
        axes.set_ylabel("peak of a call, MiB")
    panels["memory_growth_exact"].set_box_aspect(0.36)
    return figure if drawn else None


def _where(results: Results) -> Any:
    task = TASKS["where"]
    columns = {
        case: shares(results[task.name, case]["train_step"]) for case in task.cases if (task.name, case) in results
    }
    if not columns:
        return None
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    names.sort(key=lambda name: -sum(found.get(name, 0) for found in columns.values()))
    figure, axes = plt.subplots(figsize=(_WIDTH, 1.6 + 0.42 * len(columns) + 0.11 * len(names)))
    colours = plt.get_cmap("tab20")(np.linspace(0, 1, max(len(names), 2)))
    for row, (case, found) in enumerate(columns.items()):
        left = 0.0
        sizes = results[task.name, case]["train_step"].sizes
        for name, colour in zip(names, colours, strict=True):
            share = 100 * found.get(name, 0.0)
            axes.barh(row, share, left=left, color=colour, height=0.7, label=name if row == 0 else None)
            if share >= 4:
                axes.text(left + share / 2, row, f"{share:.0f} %", ha="center", va="center", fontsize=8)
            left += share
        columns[case] = {f"{case}: " + ", ".join(f"{k} {_compact(v)}" for k, v in sizes.items()): 0.0}
    axes.set_yticks(range(len(columns)), [next(iter(label)) for label in columns.values()], fontsize=8)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set(xlabel="% of the time of ClassTable.train_step with Adagrad", xlim=(0, 100))
    figure.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    figure.set_layout_engine("constrained")
    return figure


def draw_all(results: Results, folder: Path) -> list[Path]:
    """Draw the plots that there are results for; return their files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    plots = {"growth": _growth, "threads": _threads, "memory": _memory, "where": _where}
    with plt.rc_context(_STYLE_SHEET):
        for name, draw in plots.items():
            figure = draw(results)
            if figure is not None:
                path = folder / f"bench-{name}.png"
                figure.savefig(path, dpi=_DPI)
                drawn.append(path)
            plt.close("all")
    return drawn
