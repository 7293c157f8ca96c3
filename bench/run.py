"""Measure: ``python -m bench.run [NAMES…]``, or ``make bench BENCH_ARGS=…``.

Every contender runs in one process of its own that lives as long as the run, and they take turns: in a round each is
called once to warm up and then for the median of three calls (of as many as 50 ms take, if they are short), and every
round begins with another one. A ratio is the median of the rounds' ratios. Results are appended to a file of JSON lines
with all that is needed to judge them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.cases import quick_case
from bench.pool import ContenderError, Pool
from bench.provenance import provenance
from bench.results import Line, latest, read_lines, write_line
from bench.tables import all_tables, machine, print_tables
from bench.tasks import Task, choose

__all__ = ["main", "measure_task"]

_OUT = Path(__file__).parents[1] / "build" / "bench"


def measure_task(
    pool: Pool, task: Task, cases: list[str], rounds: int, facts: dict[str, Any], path: Path
) -> list[Line]:
    """Measure a task on some of its cases and append the results to a file."""
    found = []
    names = [name for name in task.cases if not cases or name in cases]
    if facts["quick"] and task.grows:
        names = [names[at] for at in sorted({0, len(names) - 1}) if names]
    for name in names:
        case = quick_case(task.cases[name]) if facts["quick"] else task.cases[name]
        measured = pool.measure(task, case, min(rounds, task.most_rounds or rounds))
        for label, entry in task.entries.items():
            line = Line(
                task.name, name, dict(zip("VDBS", case, strict=True)), label, entry.contender, entry.operation,
                pool.threads_of(entry), task.measure, measured[label], facts | pool.describe(entry),
            )  # fmt: skip
            write_line(path, line)
            found.append(line)
    return found


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Tasks or groups of tasks; all by default.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of each case.")] = 9,
    case: Annotated[list[str] | None, typer.Option("--cases", help="Cases, several in quotes; all by default.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of every contender.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="Shrunk sizes, two rounds: only whether it runs.")] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Draw the plots, next to the results.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = _OUT,
) -> None:
    """Measure fastcands beside others, print tables, append JSON lines."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    try:
        tasks = choose(names or [])
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAMES") from None
    cases = [name for given in case or [] for name in given.split()]
    known = {name for task in tasks for name in task.cases}
    if not known.issuperset(cases):
        raise typer.BadParameter(f"{sorted(set(cases) - known)}; there are {sorted(known)}", param_hint="--cases")
    facts = provenance(threads, quick)
    path = out / f"{facts['date'].replace(':', '')}-{(facts['commit'] or 'unknown')[:12]}.jsonl"
    with Pool(threads) as pool:
        for task in tasks:
            with console.status(f"{task.name}: {task.title}"):
                try:
                    lines = measure_task(pool, task, cases, 2 if quick else rounds, facts, path)
                except ContenderError as error:
                    console.print(str(error), markup=False)
                    raise typer.Exit(1) from None
            print_tables(all_tables(latest(lines)), console)
    if not path.exists():
        raise typer.BadParameter("none of these tasks has one of these cases", param_hint="--cases")
    results = latest(read_lines([path]))
    console.print(machine(results).replace("**", ""), markup=False)
    console.print(f"Results: {path}", markup=False, soft_wrap=True)
    if plots:
        from bench.plots import draw_all  # matplotlib takes half a second

        for picture in draw_all(results, out):
            console.print(f"Plot: {picture}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    typer.run(main)
