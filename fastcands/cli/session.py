"""A run of ``fastcands train`` from its configuration to its report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.cli.console import print_json, say
from fastcands.cli.errors import INTERRUPTED, OK, Interrupted, Refusal
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.precision import precision_note
from fastcands.cli.progress import Display, make_display
from fastcands.cli.run_folder import RunFolder
from fastcands.cli.saved import Saved
from fastcands.cli.task import Task, TrainerT

__all__ = ["settings", "train_and_report"]

_SECONDS_BETWEEN_SAVES = 60.0


def train_and_report(
    task: Task[TrainerT],
    folder: Path,
    threads: int | None,
    saved: Saved[Any] | None,
    out: Console,
    err: Console,
    as_json: bool = False,
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
    out, err : rich.console.Console
        For the final tables, and for everything else.
    as_json : bool, default False
        Whether a JSON object takes the place of the tables.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Refusal
        If the data, the saved run or the folder is not usable.
    """
    with settings(threads):
        display = make_display(err)
        try:
            trainer = task.begin(display)
            note = precision_note(trainer.config)
            if note is not None:
                display.stage(note)
            if saved is not None:
                saved.restore(trainer)
            display.stage("compiling kernels (from the cache after the first run)")
            task.compile(trainer)
            metrics = _train(task, trainer, RunFolder(folder), display, err)
        except KeyboardInterrupt:
            err.print("fastcands: stopped at once; what had been saved before is as it was", soft_wrap=True)
            return INTERRUPTED
    if metrics is None:
        return INTERRUPTED
    if as_json:
        print_json(metrics)
        return OK
    task.print_summary(metrics, out)
    say(out, f"\nsaved in {folder}: {task.files}")
    return OK


@contextlib.contextmanager
def settings(threads: int | None) -> Iterator[None]:
    """Set threads and floating-point warnings for the models of a block.

    Parameters
    ----------
    threads : int or None
        Of the kernels and the model; None for all processors.

    Yields
    ------
    None
        The settings hold inside the block.

    Raises
    ------
    Refusal
        In place of a MemoryError.
    """
    try:
        # one thread for each matrix product: how BLAS splits one over threads can change its last bits
        with (
            threadpool_limits(limits=1, user_api="blas"),
            fc.num_threads(threads or fc.get_num_threads()),
            np.errstate(over="ignore", invalid="ignore"),  # a loss that is not finite ends the run by itself
        ):
            yield
    except MemoryError as error:
        raise Refusal(f"not enough memory for a model or batch of this size ({error})") from None


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
            metrics = task.final_metrics(trainer, display, interrupts)
        except Interrupted:
            folder.save(trainer)
            step = f"{trainer.counters.step:,}"
            say(err, f"stopped after step {step}; the model is saved. To go on: fastcands train --resume {folder.path}")
            return None
    folder.write_metrics(metrics)
    task.draw(folder.path, trainer, metrics)
    return metrics
