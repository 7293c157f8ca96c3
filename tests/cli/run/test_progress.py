"""How a run shows its progress, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fastcands.cli.run.loop import Snapshot
from fastcands.cli.run.progress import make_display
from fastcands.cli.text.trainer import PerplexityEvaluation


def snapshot(progress: float, seconds: float) -> Snapshot:
    return Snapshot(progress, 1234, 56789, 4321.0, 3.25, seconds)


EVALUATION = PerplexityEvaluation(7, 8000, 65.0, 123.0, 4.5, 67.891)


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("fastcands.cli.run.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    display = make_display(Console(file=file, width=40))
    display.stage("reading")
    with display:
        display.show(snapshot(0.1, 10.0))
        for _ in range(30):
            now[0] += 1.0
            display.show(snapshot(0.2, 20.0))
        display.show(EVALUATION)
    assert file.getvalue().splitlines() == [
        "reading",
        " 10%  step 1,234  loss 3.250  4,321 examples/s  ? left",
        *[" 20%  step 1,234  loss 3.250  4,321 examples/s  1:20 left"] * 3,
        "after 1:05, 8,000 examples: training loss 4.500, valid perplexity 67.89",
    ]


def test_a_bar_on_a_terminal() -> None:
    file = io.StringIO()
    display = make_display(Console(file=file, width=120, force_terminal=True))
    display.stage("reading")
    with display:
        display.show(snapshot(0.25, 10.0))
        display.show(snapshot(0.5, 20.0))
        display.show(EVALUATION)
    shown = file.getvalue()
    for part in ("reading", "50%", "loss 3.250", "4,321 examples/s", "0:20 left", "perplexity 67.89"):
        assert part in shown
