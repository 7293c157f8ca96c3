"""Pages and plots from stored lines, and the two commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from matplotlib import pyplot
from typer.testing import CliRunner

from bench import report, run
from bench.plots import draw_all
from bench.provenance import provenance
from bench.results import Line, latest, read_lines, write_line
from bench.tables import MARKERS
from bench.tasks import TASKS

FACTS = provenance(2, quick=False)
RUNNER = CliRunner()


def app(command: object) -> typer.Typer:
    made = typer.Typer()
    made.command()(command)  # type: ignore[arg-type]
    return made


def made_up(task: str, quick: bool = False) -> list[Line]:
    """Return lines of a task with made-up numbers that grow with the sizes."""
    rng = np.random.default_rng(0)
    lines = []
    for case, sizes in TASKS[task].cases.items():
        for at, (entry, known) in enumerate(TASKS[task].entries.items()):
            base = (1 + at) * 1e-9 * sizes.batch * max(sizes.candidates, 1) * max(sizes.width, 1) / (known.threads or 1)
            rounds: list[object] = [float(base * x) for x in rng.uniform(0.9, 1.1, 5)]
            if TASKS[task].measure == "bytes":
                rounds = [{"peak": int(1e9 * x), "results": 10} for x in rounds]
            if TASKS[task].measure == "kernels":
                rounds = [
                    {"total": 1.0, "sampled_loss.logits.form_tiles": 0.5, "new_idea.kernel": 0.25} for _ in rounds
                ]
            lines.append(
                Line(
                    task,
                    case,
                    dict(zip("VDBS", sizes, strict=True)),
                    entry,
                    known.contender,
                    known.operation,
                    known.threads or 2,
                    TASKS[task].measure,
                    rounds,
                    FACTS | {"quick": quick},
                )
            )
    return lines


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "results.jsonl"
    for task in TASKS:
        for line in made_up(task):
            write_line(path, line)
    return path


def test_a_report_of_everything(stored: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Benchmarks\n\n{MARKERS[0]}\n{MARKERS[1]}\n\nthe end\n")
    arguments = [str(stored), "--page", str(page), "--figures", str(tmp_path / "figures")]
    result = RUNNER.invoke(app(report.main), arguments)
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert text.startswith("# Benchmarks\n")
    assert text.endswith("\nthe end\n")
    for task in TASKS.values():
        assert task.title in text
    assert "| new idea.kernel | 25.0 % |" in text
    assert "](figures/bench-memory.png)" in text
    names = {"bench-growth.png", "bench-threads.png", "bench-memory.png", "bench-where.png"}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == names
    for name in names:
        image = pyplot.imread(tmp_path / "figures" / name)
        assert image.shape[1] >= 800
        assert image[..., :3].std() > 0.02  # there is something on it
    again = page.read_text()
    RUNNER.invoke(app(report.main), arguments)
    assert page.read_text() == again


def test_plots_of_what_there_is(tmp_path: Path) -> None:
    assert draw_all({}, tmp_path) == []
    assert [path.name for path in draw_all(latest(made_up("threads")), tmp_path)] == ["bench-threads.png"]
    assert [path.name for path in draw_all(latest(made_up("growth_V")), tmp_path)] == ["bench-growth.png"]


def test_quick_runs_do_not_get_into_the_documentation(tmp_path: Path) -> None:
    path = tmp_path / "quick.jsonl"
    for line in made_up("step", quick=True):
        write_line(path, line)
    result = RUNNER.invoke(app(report.main), [str(path), "--page", str(tmp_path / "none.md")])
    assert result.exit_code == 2
    assert "no results but of quick runs" in result.output


def test_a_quick_run_measures_and_writes_lines(tmp_path: Path) -> None:
    """Of fastcands alone: the others stand in another environment."""
    result = RUNNER.invoke(app(run.main), ["train_step", "where", "--quick", "--cases", "a", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "train_step / value_and_grad" in result.output
    assert "outside of kernels" in result.output
    assert "say nothing" in result.output
    (path,) = tmp_path.glob("*.jsonl")
    lines = list(read_lines([path]))
    assert [line.entry for line in lines] == ["train_step", "value_and_grad", "train_step"]
    for line in lines:
        assert len(line.rounds) == 2
        assert line.provenance["versions"]["fastcands"]
        assert line.provenance["threading_layer"]
        assert json.loads(path.read_text().splitlines()[0])["sizes"]["V"] == line.sizes["V"] == 5_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "unknown: nothing"),
        (["step", "--cases", "z"], "there are"),
        (["step", "--rounds", "0"], "greater than or"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_starts(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = RUNNER.invoke(app(run.main), [*arguments, "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []
