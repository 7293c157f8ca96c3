"""A comparison from its configuration to its report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.compare.contenders import Contender
from fastcands.cli.compare.heats import Heat, Record, Result, heats, run_heat
from fastcands.cli.compare.plot import draw_comparison
from fastcands.cli.compare.report import print_results, summary
from fastcands.cli.console import print_answer, say, stderr
from fastcands.cli.errors import INTERRUPTED, OK, Interrupted
from fastcands.cli.run.files import write_text
from fastcands.cli.run.interrupts import Interrupts
from fastcands.cli.run.report import precision_note
from fastcands.cli.run.settings import settings
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.corpus import describe, read_corpus

__all__ = ["compare_and_report"]


def compare_and_report(
    config: TextConfig,
    contenders: Sequence[Contender],
    out: Path,
    *,
    seconds: float | None,
    epochs: float | None,
    epochs_vocab_size: int,
    epochs_tokens: int,
    threads: int | None,
    as_json: bool,
) -> int:
    """Run all contenders under the same conditions, and report.

    Parameters
    ----------
    config : TextConfig
        What all have in common.
    contenders : sequence of Contender
        In the order they run.
    out : Path
        Where the results go, known to be writable.
    seconds, epochs, epochs_vocab_size, epochs_tokens
        As for `heats`.
    threads : int or None
        Of the kernels and the models; None for all processors.
    as_json : bool
        Whether to print a JSON object in place of the tables.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Refusal
        If the text or the folder is not usable.
    """
    console = stderr()
    note = precision_note(config)
    if note is not None:
        say(console, note, style="dim")
    with settings(threads):
        say(console, "reading the text", style="dim")
        corpus, reason = read_corpus(config)
        if reason is not None:
            say(console, f"--tokenizer {corpus.tokenizer.name}: {reason}", style="dim")
        say(console, describe(corpus), style="dim")
        conditions = heats(
            config,
            corpus,
            seconds=seconds,
            epochs=epochs,
            epochs_vocab_size=epochs_vocab_size,
            epochs_tokens=epochs_tokens,
        )
        results = _run(conditions, contenders, out, console)
    if results is None:
        return INTERRUPTED
    figures = summary(conditions, contenders, results)
    write_text(out / "compare.json", json.dumps(figures, indent=2) + "\n")
    draw_comparison(out / "compare.png", conditions, results)

    def print_tables(figures: dict[str, Any], console: Console) -> None:
        print_results(figures, console)
        say(console, f"saved in {out}: compare.jsonl compare.json compare.png")

    print_answer(figures, print_tables, as_json)
    return OK


def _run(
    conditions: Sequence[Heat], contenders: Sequence[Contender], out: Path, console: Console
) -> list[Result] | None:
    """Run all heats; None when they were interrupted."""
    record = Record(out / "compare.jsonl")
    results: list[Result] = []
    try:
        with Interrupts() as interrupts:
            for heat in conditions:
                results += run_heat(heat, contenders, record, interrupts.check, console)
    except Interrupted:
        done = f"{len(results)} of {len(conditions) * len(contenders)} runs done"
        say(console, f"stopped; {done}, their figures are in {out / 'compare.jsonl'}")
        return None
    finally:
        record.close()
    return results
