"""Results as tables: Markdown for the documentation, and on the console."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as RichTable

from bench.results import Line, Outcome, Results, Spread, numbers, outcomes, spread
from bench.tasks import TASKS, Task

__all__ = ["MARKERS", "Table", "all_tables", "figure_table", "machine", "markdown", "print_tables", "replace_between"]

MARKERS = "<!-- results: begin -->", "<!-- results: end -->"


class Table(NamedTuple):
    """A title, heads of columns, rows of cells."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def _digits(value: float) -> str:
    """Return three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"


def _with_quartiles(found: Spread) -> str:
    low, median, high = (_digits(value) for value in found)
    return median if low == high else f"{median} ({low} – {high})"


def _verdict(outcome: Outcome) -> str:
    return {None: "", True: "yes", False: "**no**"}[outcome.met]


def figure_table(found: Iterable[Outcome], title: str = "Figures") -> Table:
    """Return the figures with their quartiles and what is asked for."""
    rows = [
        [o.task.name, o.case, o.figure.name, _with_quartiles(o.spread), str(o.expected or ""), _verdict(o)]
        for o in found
    ]
    return Table(title, ["task", "case", "figure", "median (quartiles)", "asked for", "reached"], rows)


def _unit(line: Line) -> tuple[float, str]:
    """Return factor and name of the unit a task's numbers are shown in."""
    if line.measure == "bytes":
        return 2.0**-20, "MiB"
    longest = max(numbers(line))
    return (1e6, "µs") if longest < 1e-3 else (1e3, "ms")


def _sizes(line: Line) -> list[str]:
    return [f"{line.sizes[size]:,}" if line.sizes[size] else "" for size in ("V", "D", "B", "S")]


def measured_table(task: Task, results: Results) -> Table | None:
    """Return what was measured of a task: times or memory, each entry a column."""
    rows, factor, unit = [], 1.0, ""
    for case in task.cases:
        entries = results.get((task.name, case))
        if not entries:
            continue
        if not unit:
            factor, unit = _unit(max(entries.values(), key=lambda line: max(numbers(line))))
        cells = [
            _digits(factor * spread(numbers(entries[label])).median) if label in entries else ""
            for label in task.entries
        ]
        rows.append([case, *_sizes(next(iter(entries.values()))), *cells])
    if not rows:
        return None
    return Table(f"{task.title} ({unit})", ["case", "V", "D", "B", "S", *task.entries], rows)


def kernel_table(task: Task, results: Results) -> Table | None:
    """Return where time goes: each kernel a row, each case a column, milliseconds and shares."""
    from bench.phases import shares

    columns = {
        case: shares(results[task.name, case]["train_step"]) for case in task.cases if (task.name, case) in results
    }
    if not columns:
        return None
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    names.sort(key=lambda name: -max(found.get(name, 0.0) for found in columns.values()))
    cells = [[name, *(f"{100 * found.get(name, 0.0):.1f} %" for found in columns.values())] for name in names]
    return Table(task.title, ["kernel", *columns], cells)


def all_tables(results: Results) -> list[Table]:
    """Return the table of all figures, those with something asked for first, then one a task."""
    found = outcomes(results)
    asked, others = [o for o in found if o.expected], [o for o in found if not o.expected]
    tables = [figure_table(asked, "Figures with a number asked for"), figure_table(others, "Other figures")]
    for task in TASKS.values():
        table = kernel_table(task, results) if task.measure == "kernels" else measured_table(task, results)
        if table is not None:
            tables.append(table)
    return [table for table in tables if table.rows]


def machine(results: Results) -> str:
    """Return a sentence on each run: machine, commit, versions."""
    runs: dict[str, list[Line]] = {}
    for entries in results.values():
        for line in entries.values():
            runs.setdefault(line.provenance["date"], []).append(line)
    texts = []
    for date, lines in sorted(runs.items()):
        of = lines[0].provenance
        versions = {name: version for line in lines for name, version in line.provenance["versions"].items()}
        target = next((line.provenance["target"] for line in lines if line.provenance["target"]), None)
        layer = next((line.provenance["threading_layer"] for line in lines if line.provenance["threading_layer"]), None)
        commit = (of["commit"] or "unknown")[:12] + (" and changes not committed" if of["dirty"] else "")
        quick = "**A quick run on shrunk sizes: its figures say nothing.** " if of["quick"] else ""
        texts.append(
            f"{quick}Measured {date} on {of['processor']} ({target or 'target unknown'}, {of['cores']} processors, "
            f"load {of['load']} before), {of['os']}, Python {of['python']}, {of['threads']} threads, "
            f"threading layer {layer}; commit {commit}; "
            f"{', '.join(f'{name} {version}' for name, version in sorted(versions.items()))}."
        )
    return "\n\n".join(texts)


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    rule = ["---"] * len(table.heads)
    lines = ["| " + " | ".join(row) + " |" for row in [table.heads, rule, *table.rows]]
    return "\n".join([f"### {table.title}", "", *lines])


def replace_between(text: str, markers: tuple[str, str], content: str) -> str:
    """Return a text with what stands between two markers replaced."""
    begin, end = (text.find(marker) for marker in markers)
    if begin < 0 or end < begin:
        raise ValueError(f"the page must have {markers[0]} and after it {markers[1]}")
    return f"{text[: begin + len(markers[0])]}\n\n{content}\n\n{text[end:]}"


def print_tables(tables: Iterable[Table], console: Console | None = None) -> None:
    """Print tables on the console."""
    console = console or Console()
    for table in tables:
        grid = RichTable(title=table.title, title_justify="left")
        for column, head in enumerate(table.heads):
            numeric = all(not row[column] or row[column][0].isdigit() for row in table.rows)
            grid.add_column(head, justify="right" if numeric else "left")
        for row in table.rows:
            grid.add_row(*(cell.replace("**", "") for cell in row))
        console.print(grid)
