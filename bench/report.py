"""Write tables and plots from results, without measuring: ``python -m bench.report build/bench/*.jsonl``.

Where files have the same task and case, the last run that has it counts, as a whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.results import Results, latest, read_lines
from bench.tables import MARKERS, all_tables, machine, markdown, replace_between

__all__ = ["main", "write_page"]

_DOCS = Path(__file__).parents[1] / "docs"


_CAPTIONS = {
    "growth": "Time of a step against V, B, S and D",
    "where": "Where the time of a training step goes",
    "memory": "Peak memory against B·S and V",
    "threads": "Speed on more threads",
}


def write_page(page: Path, results: Results, pictures: list[Path]) -> None:
    """Put tables and pictures between the markers of a page."""
    found = {picture.stem.removeprefix("bench-"): picture for picture in pictures}
    links = [
        f"![{caption}]({Path(os.path.relpath(found[name], page.parent)).as_posix()})"
        for name, caption in _CAPTIONS.items()
        if name in found
    ]
    parts = [machine(results), *links, *(markdown(table) for table in all_tables(results))]
    page.write_text(replace_between(page.read_text(encoding="utf-8"), MARKERS, "\n\n".join(parts)), encoding="utf-8")


def main(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="JSON lines of bench.run.")],
    page: Annotated[Path, typer.Option(help="Page whose tables are replaced.")] = _DOCS / "benchmarks.md",
    figures: Annotated[Path, typer.Option(help="Folder of the plots.")] = _DOCS / "figures",
    quick: Annotated[bool, typer.Option("--quick", help="Take quick runs too.")] = False,
) -> None:
    """Write the tables into a page of the documentation, and draw its plots."""
    from bench.plots import draw_all

    lines = [line for line in read_lines(files) if quick or not line.provenance["quick"]]
    if not lines:
        raise typer.BadParameter("no results but of quick runs; --quick takes them", param_hint="FILES")
    results = latest(lines)
    pictures = draw_all(results, figures)
    write_page(page, results, pictures)
    for path in (page, *pictures):
        typer.echo(f"written: {path}")


if __name__ == "__main__":
    typer.run(main)
