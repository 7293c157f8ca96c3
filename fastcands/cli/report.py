"""The figures at the end of a run: timed, written to ``metrics.json``, and shown as a table."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

import fastcands as fc
from fastcands.cli.build import log_q, make_loss, make_model, make_sampler
from fastcands.cli.precision import precision_text
from fastcands.cli.progress import duration
from fastcands.cli.trainer import Trainer

__all__ = ["compile_kernels", "measure_steps", "peak_memory", "print_summary"]

_REPEATS = {"step": 15, "exact": 3}
_SECONDS_EACH = 4.0


def compile_kernels(trainer: Trainer) -> float:
    """Use all kernels of a run once, on a tiny model, so that no compilation is timed as training.

    Parameters
    ----------
    trainer : Trainer
        Left as it is.

    Returns
    -------
    float
        Seconds it took: next to nothing when the kernels are in the cache.
    """
    started = time.perf_counter()
    counts = np.ones(8, np.int64)
    tiny = dataclasses.replace(
        trainer.config, context=2, embedding_dim=4, hidden_dim=4, num_sampled=8, num_resampled=None
    )
    sampler = make_sampler(tiny, counts)
    model = make_model(tiny, counts, lambda first: lambda step: 0.0)
    loss = make_loss(tiny, sampler, len(counts))
    log_q(tiny, sampler, len(counts))
    contexts, words = np.zeros((3, 2), np.int64), np.arange(3)
    for each in (loss, fc.SoftmaxLoss(precision=tiny.precision)):
        model.train_step(each, contexts, words)
    model.log_loss(contexts, words)
    return time.perf_counter() - started


def measure_steps(trainer: Trainer) -> tuple[float, float]:
    """Time a training step as the run made it, and an exact-softmax step of the same batch and precision.

    Both steps are whole ones: forward, loss, backward, update. They change the model, so it is saved before.

    Parameters
    ----------
    trainer : Trainer
        Of the run.

    Returns
    -------
    step, exact : float
        Median seconds.
    """
    size = min(trainer.config.batch_size, len(trainer.corpus.train))
    batch = trainer.batch(np.arange(size) * len(trainer.corpus.train) // size)

    def median(loss: Any, repeats: int) -> float:
        times: list[float] = []
        while len(times) < repeats and sum(times) < _SECONDS_EACH:
            started = time.perf_counter()
            trainer.model.train_step(loss, *batch)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    exact = fc.SoftmaxLoss(precision=trainer.config.precision)
    return median(trainer.loss, _REPEATS["step"]), median(exact, _REPEATS["exact"])


def peak_memory() -> int | None:
    """Return the most resident memory the process has had, in bytes; None where the system does not tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def print_summary(metrics: dict[str, Any], console: Console) -> None:
    """Print the final tables: perplexities, and what the run was.

    Parameters
    ----------
    metrics : dict
        What ``metrics.json`` holds.
    console : rich.console.Console
        Where to.
    """
    quality = Table(box=SIMPLE_HEAD, header_style="bold")
    quality.add_column("perplexity")
    quality.add_column("valid", justify="right")
    quality.add_column("test", justify="right")
    for name, key, style in (
        ("this model", "", "bold"),
        ("Kneser-Ney trigram", "trigram_", ""),
        ("unigram", "unigram_", ""),
    ):
        test = metrics[f"{key}perplexity" if key else "test_perplexity"]
        quality.add_row(name, f"{metrics[f'{key}valid_perplexity']:,.2f}", f"{test:,.2f}", style=style)

    run = Table(show_header=False, box=None, padding=(0, 2))
    run.add_column(style="bold")
    run.add_column()
    run.add_row("vocabulary", f"{metrics['vocab_size']:,} of {metrics['distinct_tokens']:,} distinct tokens")
    parts = (f"{metrics[f'{part}_tokens']:,} {part}" for part in ("train", "valid", "test"))
    run.add_row("tokens", ", ".join(parts))
    run.add_row("training", f"{duration(metrics['seconds'])}, {metrics['epochs']:.2f} epochs")
    run.add_row("speed", f"{metrics['examples_per_second']:,.0f} examples/s")
    precision = precision_text(metrics)
    if precision is not None:
        run.add_row("precision", precision)
    step, exact = metrics["step_seconds"], metrics["exact_step_seconds"]
    run.add_row(
        "a step",
        f"{1000 * step:.1f} ms; by exact softmax {1000 * exact:.1f} ms, {exact / step:.1f} times as long",
    )
    if metrics["peak_memory_bytes"] is not None:
        run.add_row("peak memory", f"{metrics['peak_memory_bytes'] / 2**20:,.0f} MiB")
    console.print(quality)
    console.print(run)
