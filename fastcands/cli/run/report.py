"""What the report of every run says: how far and how fast it trained, in which precision, in how much memory."""

from __future__ import annotations

import sys
from typing import Any

from rich.table import Table

import fastcands as fc
from fastcands.cli.console import duration
from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.trainer import Trainer

__all__ = [
    "add_training",
    "peak_memory",
    "precision_metrics",
    "precision_note",
    "precision_text",
    "training_metrics",
]


def _computed(precision: str) -> tuple[str, str]:
    """Return the precision that float32 losses are computed in here, and whether AMX is usable or why not."""
    with fc.matmul_precision(precision):
        config = fc.show_config(mode="dicts")
    assert config is not None  # with this mode
    section = config["matmul precision"]
    return section["computed as"], section["instruction set"]


def precision_note(config: RunConfig) -> str | None:
    """Return a line for the start of a run whose precision is not available here, else None.

    Parameters
    ----------
    config : RunConfig
        Of the run.

    Returns
    -------
    str or None
        With the reason.
    """
    computed, reason = _computed(config.precision)
    if computed == config.precision:
        return None
    return f"--precision {config.precision} computes as {computed} here: {reason}"


def precision_metrics(config: RunConfig) -> dict[str, str]:
    """Return what ``metrics.json`` says of precision.

    Parameters
    ----------
    config : RunConfig
        Of the run.

    Returns
    -------
    dict
        ``precision`` as configured, ``computed_precision``, ``table_dtype``.
    """
    return {
        "precision": config.precision,
        "computed_precision": _computed(config.precision)[0],
        "table_dtype": config.table_dtype,
    }


def precision_text(metrics: dict[str, Any]) -> str | None:
    """Return what a summary says of precision, None where everything is as by default.

    Parameters
    ----------
    metrics : dict
        With those of `precision_metrics`.

    Returns
    -------
    str or None
        In words.

    Examples
    --------
    >>> precision_text({"precision": "medium", "computed_precision": "highest", "table_dtype": "bfloat16"})
    'medium (computed as highest), table of bfloat16'
    """
    asked, computed, dtype = (metrics[name] for name in ("precision", "computed_precision", "table_dtype"))
    if (asked, dtype) == ("highest", "float32"):
        return None
    return f"{asked}{'' if asked == computed else f' (computed as {computed})'}, table of {dtype}"


def training_metrics(trainer: Trainer) -> dict[str, Any]:
    """Return what ``metrics.json`` says of the training itself.

    Parameters
    ----------
    trainer : Trainer
        At the end of its run.

    Returns
    -------
    dict
        Steps, examples, epochs, the step of the best model, seconds, speed, threads and precision.
    """
    done = trainer.counters
    return {
        "steps": done.step,
        "examples": done.examples,
        "epochs": done.examples / trainer.batches.num_examples,
        "best_step": done.best_step,
        "seconds": done.seconds,
        "examples_per_second": done.examples / done.seconds if done.seconds else 0.0,
        "threads": fc.get_num_threads(),
        **precision_metrics(trainer.config),
    }


def peak_memory() -> int | None:
    """Return the most resident memory the process has had, in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def add_training(table: Table, metrics: dict[str, Any], examples: str, *more: tuple[str, str]) -> None:
    """Add rows about the training to a summary.

    Parameters
    ----------
    table : rich.table.Table
        From `fastcands.cli.console.pairs_table`.
    metrics : dict
        With those of `training_metrics`, and ``peak_memory_bytes``.
    examples : str
        What the examples are called.
    *more : pair of str
        Further rows, before that of the memory.
    """
    best = f"the best model is that of step {metrics['best_step']:,} of {metrics['steps']:,}"
    table.add_row("training", f"{duration(metrics['seconds'])}, {metrics['epochs']:.2f} epochs; {best}")
    table.add_row("speed", f"{metrics['examples_per_second']:,.0f} {examples}/s")
    precision = precision_text(metrics)
    if precision is not None:
        table.add_row("precision", precision)
    for name, value in more:
        table.add_row(name, value)
    if metrics["peak_memory_bytes"] is not None:
        table.add_row("peak memory", f"{metrics['peak_memory_bytes'] / 2**20:,.0f} MiB")
