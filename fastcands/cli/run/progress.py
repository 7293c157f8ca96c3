"""How a run shows its progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from fastcands.cli.console import duration, say
from fastcands.cli.run.loop import EvaluationEvent, Snapshot

__all__ = ["Display", "make_display"]

_SECONDS_BETWEEN_LINES = 10.0


def _time_left(snapshot: Snapshot, seconds_before: float, progress_before: float) -> str:
    """Estimate the seconds left from what this session has done."""
    done = snapshot.progress - progress_before
    if done <= 0:
        return "?"
    return duration((snapshot.seconds - seconds_before) * (1 - snapshot.progress) / done)


class Display(Protocol):
    """What the command tells its user while it works; used as a context manager around the training."""

    def stage(self, message: str) -> None:
        """Say what happens next; for what comes before and after training."""

    def __enter__(self) -> Self:
        """Start to show the training."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""

    def show(self, event: Snapshot | EvaluationEvent) -> None:
        """Show how training stands."""


class _Bar:
    """A progress bar that is redrawn a few times a second, and a line for each evaluation above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._first: Snapshot | None = None
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=4,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=1.0, status="")

    def stage(self, message: str) -> None:
        self._console.print(message, style="dim")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, event: Snapshot | EvaluationEvent) -> None:
        if not isinstance(event, Snapshot):
            self._bar.console.print(evaluation_line(event), highlight=False)
            return
        if self._first is None:
            self._first = event
        left = _time_left(event, self._first.seconds, self._first.progress)
        status = f"loss {event.train_loss:.3f} · {event.examples_per_second:,.0f} examples/s · {left} left"
        self._bar.update(self._task, completed=event.progress, status=status)


class _Lines:
    """A line for the first step, then every ten seconds, and for each evaluation.

    What is said before training is held back until it starts: where the text is refused, that line alone is on stderr.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._first: Snapshot | None = None
        self._last_line = -math.inf  # so the first step has a line
        self._held: list[str] | None = []

    def _line(self, text: str) -> None:
        say(self._console, text)

    def stage(self, message: str) -> None:
        if self._held is None:
            self._line(message)
        else:
            self._held.append(message)

    def __enter__(self) -> Self:
        for message in self._held or ():
            self._line(message)
        self._held = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def show(self, event: Snapshot | EvaluationEvent) -> None:
        if not isinstance(event, Snapshot):
            self._line(evaluation_line(event))
            return
        if self._first is None:
            self._first = event
        if time.monotonic() - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = time.monotonic()
        left = _time_left(event, self._first.seconds, self._first.progress)
        self._line(
            f"{event.progress:4.0%}  step {event.step:,}  loss {event.train_loss:.3f}  "
            f"{event.examples_per_second:,.0f} examples/s  {left} left"
        )


def evaluation_line(evaluation: EvaluationEvent) -> str:
    """Return what is said about an evaluation."""
    return (
        f"after {duration(evaluation.seconds)}, {evaluation.examples:,} examples: "
        f"training loss {evaluation.train_loss:.3f}, {evaluation.quality}"
    )


def make_display(console: Console) -> Display:
    """Return the display that suits a console: a bar on a terminal, lines elsewhere.

    Parameters
    ----------
    console : rich.console.Console
        Where to write.

    Returns
    -------
    Display
        Not yet started.
    """
    return _Bar(console) if console.is_terminal else _Lines(console)
