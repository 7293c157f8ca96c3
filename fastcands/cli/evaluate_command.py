"""``fastcands evaluate``: exact figures of a saved model on any text."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from fastcands.cli.console import figures_table, pairs_table, print_json, stderr, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.multilabel_commands import evaluate_multilabel
from fastcands.cli.options import AsJson, ModelFolder, Threads, check_threads
from fastcands.cli.quality import Quality, measure
from fastcands.cli.run_folder import SavedRun
from fastcands.cli.saved import task_of
from fastcands.cli.session import settings
from fastcands.data import EncodedText, ReadReport, encode_files, find_text_files
from fastcands.models import NGramPredictor

__all__ = ["evaluate"]


def evaluate(
    folder: ModelFolder,
    files: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Text: files, also .gz, and folders.", show_default=False)
    ],
    threads: Threads = None,
    as_json: AsJson = False,
) -> int:
    """Measure a saved model on text: exact perplexity, hits among the likeliest words, mean reciprocal rank.

    All figures are over the whole vocabulary, by softmax, whichever loss the model was trained with. A word that
    the vocabulary lacks counts as `<unk>`, and the end of each file as a word.

    Of a model of `--task multilabel`, FILES is one file of points, and the figures are precision@k and its
    propensity-scored kin.

    Example: `fastcands evaluate books-model more-books/`
    """
    check_threads(threads)
    if task_of(folder) == "multilabel":
        return evaluate_multilabel(folder, files, threads, as_json)
    saved = SavedRun(folder)
    predictor = saved.predictor()
    text, report = _read(files, saved)
    started = time.perf_counter()
    with settings(threads):
        quality = _measure(predictor, text, stderr())
    seconds = time.perf_counter() - started
    unknown = float(np.mean(text.ids == saved.vocabulary.unknown_id))
    metrics = _metrics(quality, unknown, report.files, seconds)
    if as_json:
        print_json(metrics)
    else:
        _print(metrics, stdout())
    return OK


def _read(files: list[str], saved: SavedRun) -> tuple[EncodedText, ReadReport]:
    report = ReadReport()
    try:
        paths: list[Path] = find_text_files(files)
        return encode_files(paths, saved.config.tokenizer, saved.vocabulary, report), report
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from None
    except ValueError as error:
        raise Refusal(str(error)) from None


def _measure(predictor: NGramPredictor, text: EncodedText, console: Console) -> Quality:
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
        return measure(predictor, text, lambda done: bar.update(task, completed=done))


def _metrics(quality: Quality, unknown: float, files: int, seconds: float) -> dict[str, Any]:
    return {
        "files": files,
        "tokens": quality.tokens,
        "unknown_share": unknown,
        "loss": quality.loss,
        "perplexity": quality.perplexity,
        **{f"hit_at_{k}": share for k, share in quality.hits.items()},
        "mean_reciprocal_rank": quality.mean_reciprocal_rank,
        "seconds": seconds,
    }


def _print(metrics: dict[str, Any], console: Console) -> None:
    table = figures_table("perplexity", "hit@1", "hit@5", "hit@10", "mean reciprocal rank")
    table.columns[0].justify = "right"
    hits = (f"{100 * metrics[f'hit_at_{k}']:.1f} %" for k in (1, 5, 10))
    table.add_row(Text(f"{metrics['perplexity']:,.2f}", style="bold"), *hits, f"{metrics['mean_reciprocal_rank']:.3f}")
    console.print(table)
    text = pairs_table()
    files = "1 file" if metrics["files"] == 1 else f"{metrics['files']:,} files"
    unknown = f"{100 * metrics['unknown_share']:.1f} % of them not in the vocabulary"
    text.add_row("text", f"{metrics['tokens']:,} tokens in {files}, {unknown}")
    text.add_row("time", f"{metrics['seconds']:.1f} s")
    console.print(text)
