"""A run of ``fastcands train`` from its configuration to its report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.console import print_answer, say, stderr
from fastcands.cli.errors import INTERRUPTED, OK, BrokenDown, Interrupted, Refusal
from fastcands.cli.run.folder import RunFolder
from fastcands.cli.run.interrupts import Interrupts
from fastcands.cli.run.loop import EvaluationEvent, Snapshot
from fastcands.cli.run.progress import Display, make_display
from fastcands.cli.run.report import precision_note
from fastcands.cli.run.resume import Saved
from fastcands.cli.run.settings import settings
from fastcands.cli.run.task import Task, TrainerT
from fastcands.cli.run.trainer import Trainer

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
            trainer = _begin(task, saved, display)
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


def _begin(task: Task[TrainerT], saved: Saved[Any, Any] | None, display: Display) -> TrainerT:
    """Read, plan and compile; return the trainer where the run begins or goes on."""
    task.read(display.stage)
    note = precision_note(task.config)
    if note is not None:
        display.stage(note)
    compiling = "compiling kernels (from the cache after the first run)"
    if saved is not None:
        trainer = task.make_trainer(task.config)
        saved.restore(trainer)
        display.stage(compiling)
        trainer.compile_kernels()
        return trainer
    config, line = task.planned(None)
    trainer = task.make_trainer(config)
    display.stage(compiling)
    trainer.compile_kernels()
    if task.needs_speed:
        config, line = task.planned(trainer.measure_speed())
        del trainer  # its memory is needed again
        trainer = task.make_trainer(config)
    display.stage(line)
    return trainer


def _train(
    task: Task[TrainerT], trainer: TrainerT, folder: RunFolder, display: Display, err: Console
) -> dict[str, Any] | None:
    """Train to the end, save, and return the final figures; None when it was interrupted."""
    done = trainer.counters
    with Interrupts() as interrupts:
        try:
            saves = _Saves(folder, trainer)
            with display:
                for event in trainer.run(interrupts.check):
                    display.show(event)
                    saves.after(event)
            folder.save(trainer)
            if done.lost:
                display.stage(f"stopped: {done.step:,} steps, and none since step {done.best_step:,} was better")
            metrics = task.final_metrics(trainer, display.stage, interrupts.check)
        except Interrupted:
            folder.save(trainer)
            step = f"{done.step:,}"
            say(err, f"stopped after step {step}; the model is saved. To go on: fastcands train --resume {folder.path}")
            return None
        except BrokenDown as error:
            folder.save(trainer)
            raise Refusal(f"{error}. The best model, of step {done.best_step:,}, is saved in {folder.path}") from None
    task.write_final(folder.path)
    folder.write_metrics(metrics)
    task.draw(folder.path / "curves.png", trainer, metrics)
    return metrics


class _Saves:
    """Saves a run once a minute, and after each evaluation that found a new best model.

    A model that takes long to write is written less often: saving takes at most a twentieth of the time.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder, self._trainer = folder, trainer
        self._last, self._taken = time.monotonic(), 0.0
        self._best = trainer.counters.best_step

    def after(self, event: Snapshot | EvaluationEvent) -> None:
        """Save if it is time to."""
        now, best = time.monotonic(), self._trainer.counters.best_step
        new_best = best != self._best and now - self._last > 20 * self._taken
        if new_best or now - self._last > _SECONDS_BETWEEN_SAVES:
            self._folder.save(self._trainer)
            self._last, self._best = time.monotonic(), best
            self._taken = self._last - now
