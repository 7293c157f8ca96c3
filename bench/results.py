"""Results as JSON lines, and the numbers made of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.cases import Expectation
from bench.tasks import TASKS, Figure, Task

__all__ = [
    "Line", "Outcome", "Results", "Spread", "figure_values", "latest", "numbers", "outcomes", "read_lines", "spread",
    "write_line",
]  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One entry of a task on one case: a number for each round, or a dict of numbers."""

    task: str
    case: str
    sizes: dict[str, int]
    entry: str
    contender: str
    operation: str
    threads: int
    measure: str
    rounds: list[Any]
    provenance: dict[str, Any]


class Spread(NamedTuple):
    """Median and quartiles."""

    low: float
    median: float
    high: float


class Outcome(NamedTuple):
    """A figure of a task on a case, and what was asked for."""

    task: Task
    case: str
    figure: Figure
    spread: Spread
    expected: Expectation | None

    @property
    def met(self) -> bool | None:
        """Whether the median is as asked for; None where nothing is."""
        return None if self.expected is None else self.expected.met(self.spread.median)


Results = dict[tuple[str, str], dict[str, Line]]


def write_line(path: Path, line: Line) -> None:
    """Append a result to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")


def read_lines(paths: Iterable[Path]) -> Iterator[Line]:
    """Yield the results of files, those of tasks that are still there."""
    for path in paths:
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                line = Line(**json.loads(text))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}, line {number} is no result: {error}") from error
            if line.task in TASKS:
                yield line


def latest(lines: Iterable[Line]) -> Results:
    """Return for each task and case the entries of the last run that has it: ratios are of one run only."""
    found: Results = {}
    for line in sorted(lines, key=lambda line: line.provenance["date"]):
        entries = found.setdefault((line.task, line.case), {})
        if any(other.provenance["date"] != line.provenance["date"] for other in entries.values()):
            entries.clear()
        entries[line.entry] = line
    return found


def spread(values: Sequence[float]) -> Spread:
    """Return the median and the quartiles of some numbers."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    return Spread(*statistics.quantiles(values, n=4, method="inclusive"))


def numbers(line: Line, part: str | None = None) -> list[float]:
    """Return a number for each round; of memory the peak, or what it is beyond the results."""
    if line.measure != "bytes":
        return list(line.rounds)
    return [max(row["peak"] - row["results"], 0) if part == "beyond" else row["peak"] for row in line.rounds]


def figure_values(figure: Figure, entries: dict[str, Line]) -> list[float]:
    """Return the figure's value in each round."""
    over = numbers(entries[figure.over], figure.part)
    if figure.under is None:
        return [figure.scale * value for value in over]
    under = numbers(entries[figure.under], figure.part)
    return [figure.scale * value / other for value, other in zip(over, under, strict=True)]


def outcomes(results: Results) -> list[Outcome]:
    """Return all figures, in the order of tasks and cases; what is asked for at full size is not of a quick run."""
    found = []
    for task in TASKS.values():
        for case in task.cases:
            entries = results.get((task.name, case), {})
            for figure in task.figures:
                if {figure.over, figure.under or figure.over} <= set(entries):
                    quick = entries[figure.over].provenance["quick"]
                    expected = None if quick else task.expected(figure, case)
                    found.append(Outcome(task, case, figure, spread(figure_values(figure, entries)), expected))
    return found
