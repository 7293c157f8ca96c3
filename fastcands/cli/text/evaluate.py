"""Exact figures of a saved language model on any text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

import fastcands as fc
from fastcands.cli.console import figures_table, pairs_table, stderr
from fastcands.cli.errors import Refusal
from fastcands.cli.run.settings import settings
from fastcands.cli.text.mixing import has_mixture
from fastcands.cli.text.quality import HITS, bits_per_byte, perplexity_of_loss
from fastcands.cli.text.saved import SavedText
from fastcands.data import EncodedText, ReadReport, encode_files, find_text_files
from fastcands.models import Mixture, WordPredictor

__all__ = ["evaluate_text", "print_text_figures"]


def evaluate_text(folder: Path, files: list[str], threads: int | None, mix: bool | None = None) -> dict[str, Any]:
    """Measure a saved model on text.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    files : list of str
        Files and folders of text.
    threads : int or None
        None for all processors.
    mix : bool, optional
        Whether to measure the mixture with the Kneser-Ney model too; by default where the model has one.

    Returns
    -------
    dict
        The figures, as ``--json`` prints them.

    Raises
    ------
    Refusal
        If model or text cannot be used.
    """
    saved = SavedText(folder)
    predictor = saved.model()
    mixture = saved.mixture(predictor, folder) if (has_mixture(folder) if mix is None else mix) else None
    text, report = _read(files, saved)
    started = time.perf_counter()
    with settings(threads):
        quality = _measure(predictor, text, stderr())
        mixed = {} if mixture is None else _measure_mixture(mixture, text)
    seconds = time.perf_counter() - started
    return {
        "files": report.files,
        "tokens": len(text),
        "bytes": report.bytes,
        "unknown_share": float(np.mean(text.ids == saved.vocabulary.unknown_id)),
        "loss": quality.loss,
        "perplexity": perplexity_of_loss(quality.loss),
        "bits_per_byte": bits_per_byte(quality.loss, len(text), report.bytes),
        **mixed,
        **{f"hit_at_{k}": quality.hits[k] for k in HITS},
        "mean_reciprocal_rank": quality.mean_reciprocal_rank,
        "seconds": seconds,
    }


def _measure_mixture(mixture: Mixture, text: EncodedText) -> dict[str, float]:
    """Return the perplexities of a mixture and of its Kneser-Ney model."""
    loss, counted = (-float(model.log_probabilities(text).mean()) for model in (mixture, mixture.second))
    return {
        "mixture_perplexity": perplexity_of_loss(loss),
        "kneser_ney_5_perplexity": perplexity_of_loss(counted),
        "mixture_weight": mixture.weight,
    }


def _read(files: list[str], saved: SavedText) -> tuple[EncodedText, ReadReport]:
    report = ReadReport()
    try:
        paths = find_text_files(files)
        return encode_files(paths, saved.tokenizer, saved.vocabulary, report), report
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from None
    except ValueError as error:
        raise Refusal(str(error)) from None


def _measure(predictor: WordPredictor, text: EncodedText, console: Console) -> fc.Evaluation:
    """Measure, with a bar where there is a terminal to draw it on."""
    with Progress(
        TextColumn("evaluating"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("evaluating", total=len(text))
        return predictor.evaluate_text(text, HITS, lambda done: bar.update(task, completed=done))


def print_text_figures(metrics: dict[str, Any], console: Console) -> None:
    """Print the figures as tables.

    Parameters
    ----------
    metrics : dict
        What `evaluate_text` returned.
    console : rich.console.Console
        Where to.
    """
    table = figures_table("perplexity", *(f"hit@{k}" for k in HITS), "mean reciprocal rank")
    table.columns[0].justify = "right"
    hits = (f"{100 * metrics[f'hit_at_{k}']:.1f} %" for k in HITS)
    table.add_row(Text(f"{metrics['perplexity']:,.2f}", style="bold"), *hits, f"{metrics['mean_reciprocal_rank']:.3f}")
    console.print(table)
    text = pairs_table()
    if "mixture_perplexity" in metrics:
        mixed, counted = metrics["mixture_perplexity"], metrics["kneser_ney_5_perplexity"]
        text.add_row(
            "mixed", f"perplexity {mixed:,.2f} with the Kneser-Ney 5-gram model, which alone has {counted:,.2f}"
        )
    text.add_row("bits a byte", f"{metrics['bits_per_byte']:.3f}")
    files = "1 file" if metrics["files"] == 1 else f"{metrics['files']:,} files"
    unknown = f"{100 * metrics['unknown_share']:.1f} % of them not in the vocabulary"
    text.add_row("text", f"{metrics['tokens']:,} tokens in {files}, {unknown}")
    text.add_row("time", f"{metrics['seconds']:.1f} s")
    console.print(text)
