"""A run of ``fastcands train`` from its configuration to its report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.console import print_answer, say, stderr
from fastcands.cli.errors import INTERRUPTED, OK, Interrupted
from fastcands.cli.run.folder import RunFolder
from fastcands.cli.run.interrupts import Interrupts
from fastcands.cli.run.progress import Display, make_display
from fastcands.cli.run.report import precision_note
from fastcands.cli.run.resume import Saved
from fastcands.cli.run.settings import settings
from fastcands.cli.run.task import Task, TrainerT

__all__ = ["train_and_report"]

_SECONDS_BETWEEN_SAVES = 60.0


def train_and_report(
    task: Task[TrainerT], folder: Path, threads: int | None, saved: Saved[Any, Any] | None, as_json: bool = False
) -> int:
    """Train, save, evaluate, report.

    Parameters
    ----------
    task : Task
        What to do, its configuration already checked.
    folder : Path
        Where the results go, known to be writable.
    threads : int or None
        Of the kernels and the model; None for all processors.
    saved : Saved or None
        A run to go on with.
    as_json : bool, default False
        Whether to print a JSON object in place of the tables.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Refusal
        If the data, the saved run or the folder is not usable.
    """
    err = stderr()
    with settings(threads):
        display = make_display(err)
        try:
            trainer = task.begin(display.stage)
            note = precision_note(trainer.config)
            if note is not None:
                display.stage(note)
            if saved is not None:
                saved.restore(trainer)
            display.stage("compiling kernels (from the cache after the first run)")
            trainer.compile_kernels()
            metrics = _train(task, trainer, RunFolder(folder), display, err)
        except KeyboardInterrupt:
            err.print("fastcands: stopped at once; what had been saved before is as it was", soft_wrap=True)
            return INTERRUPTED
    if metrics is None:
        return INTERRUPTED

    def print_tables(metrics: dict[str, Any], out: Console) -> None:
        task.print_summary(metrics, out)
        say(out, f"\nsaved in {folder}: {task.files}")

    print_answer(metrics, print_tables, as_json)
    return OK


def _train(
    task: Task[TrainerT], trainer: TrainerT, folder: RunFolder, display: Display, err: Console
) -> dict[str, Any] | None:
    """Train to the end, save, and return the final figures; None when it was interrupted."""
    with Interrupts() as interrupts:
        try:
            last_save = time.monotonic()
            with display:
                for event in trainer.run(interrupts.check):
                    display.show(event)
                    if time.monotonic() - last_save > _SECONDS_BETWEEN_SAVES:
                        folder.save(trainer)
                        last_save = time.monotonic()
            folder.save(trainer)
            metrics = task.final_metrics(trainer, display.stage, interrupts.check)
        except Interrupted:
            folder.save(trainer)
            step = f"{trainer.counters.step:,}"
            say(err, f"stopped after step {step}; the model is saved. To go on: fastcands train --resume {folder.path}")
            return None
    folder.write_metrics(metrics)
    task.draw(folder.path / "curves.png", trainer, metrics)
    return metrics
