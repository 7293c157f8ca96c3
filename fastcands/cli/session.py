"""A run of ``fastcands train`` from its configuration to its report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

import fastcands as fc
from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import INTERRUPTED, OK, Interrupted, Refusal
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.plots import draw_curves
from fastcands.cli.progress import Display, make_display
from fastcands.cli.report import compile_kernels, measure_steps, peak_memory, print_summary
from fastcands.cli.run_folder import RunFolder, SavedRun
from fastcands.cli.trainer import Trainer, perplexity
from fastcands.data import (
    Corpus,
    EncodedText,
    PreparedCorpus,
    find_text_files,
    prepare_corpus,
    standard_library,
)
from fastcands.models import KneserNeyTrigram, NGramModel, UnigramModel

__all__ = ["train_and_report"]

_SECONDS_BETWEEN_SAVES = 60.0


def read_corpus(config: TrainConfig) -> PreparedCorpus:
    """Find, read and encode the text.

    Parameters
    ----------
    config : TrainConfig
        Names files, tokenizer and vocabulary.

    Returns
    -------
    PreparedCorpus
        The three parts as ids.

    Raises
    ------
    Refusal
        If a file cannot be read or there is not enough text.
    """
    try:
        if config.files:
            corpus = Corpus.from_paths(config.files, config.valid, config.test)
        else:
            corpus = standard_library()
            for part in ("valid", "test"):
                if paths := getattr(config, part):
                    corpus = dataclasses.replace(corpus, **{part: tuple(find_text_files(paths))})
        prepared = prepare_corpus(corpus, config.tokenizer, config.vocab_size, config.min_count)
    except OSError as error:
        raise Refusal(f"{error.filename}: {error.strerror}" if error.strerror else str(error)) from None
    except ValueError as error:
        raise Refusal(str(error)) from None
    if len(prepared.train) <= config.context:
        raise Refusal(
            f"the training text must have more tokens than --context {config.context}, got {len(prepared.train)}"
        )
    vocab_size = len(prepared.vocabulary)
    if config.num_sampled is not None and config.num_sampled > vocab_size:
        raise Refusal(f"--num-sampled must be at most the vocabulary's {vocab_size} words, got {config.num_sampled}")
    return prepared


def _describe(prepared: PreparedCorpus) -> str:
    parts = ", ".join(f"{len(getattr(prepared, part)):,} {part}" for part in ("train", "valid", "test"))
    return f"{len(prepared.vocabulary):,} words of {prepared.distinct_tokens:,} distinct ones; tokens: {parts}"


def train_and_report(
    config: TrainConfig, folder: Path, threads: int | None, saved: SavedRun | None, out: Console, err: Console
) -> int:
    """Train, save, evaluate, report.

    Parameters
    ----------
    config : TrainConfig
        What to do, already checked.
    folder : Path
        Where the results go, known to be writable.
    threads : int or None
        Of the kernels and the model; None for all processors.
    saved : SavedRun or None
        A run to go on with.
    out, err : rich.console.Console
        For the final tables, and for everything else.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    Refusal
        If the text, the saved run or the folder is not usable.
    """
    # one thread for each matrix product: how BLAS splits one over threads can change its last bits
    with (
        threadpool_limits(limits=1, user_api="blas"),
        fc.num_threads(threads or fc.get_num_threads()),
        np.errstate(over="ignore", invalid="ignore"),  # a loss that is not finite ends the run by itself
    ):
        display = make_display(err)
        try:
            display.stage("reading the text")
            corpus = read_corpus(config)
            if corpus.report.undecodable_bytes:
                files = corpus.report.undecodable_files
                display.stage(f"{corpus.report.undecodable_bytes:,} undecodable bytes in {files:,} files replaced")
            display.stage(_describe(corpus))
            num_sampled = config.default_num_sampled(len(corpus.vocabulary))
            trainer = Trainer(dataclasses.replace(config, num_sampled=num_sampled), corpus)
            if saved is not None:
                saved.restore(trainer)
            display.stage("compiling kernels (from the cache after the first run)")
            compile_kernels(trainer)
            return _train(trainer, RunFolder(folder), display, out, err)
        except KeyboardInterrupt:
            err.print("fastcands: stopped at once; what had been saved before is as it was", soft_wrap=True)
            return INTERRUPTED
        except MemoryError as error:
            raise Refusal(f"not enough memory for a model or batch of this size ({error})") from None


def _train(trainer: Trainer, folder: RunFolder, display: Display, out: Console, err: Console) -> int:
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
            metrics = _final_metrics(trainer, display, interrupts)
        except Interrupted:
            folder.save(trainer)
            err.print(
                f"stopped after step {trainer.counters.step:,}; the model is saved. "
                f"To go on: fastcands train --resume {folder.path}",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
            return INTERRUPTED
    folder.write_metrics(metrics)
    baselines = {"Kneser-Ney trigram": metrics["trigram_valid_perplexity"]}
    title = f"{metrics['vocab_size']:,} words, {trainer.config.loss.replace('_', ' ')}"
    draw_curves(folder.path / "curves.png", trainer.counters.evaluations, baselines, title)
    print_summary(metrics, out)
    out.print(f"\nsaved in {folder.path}: model.npz vocab.txt config.json metrics.jsonl metrics.json curves.png")
    return OK


def _whole(model: NGramModel, text: EncodedText, interrupts: Interrupts) -> float:
    return perplexity(model, text, np.arange(len(text)), interrupts.check)


def _final_metrics(trainer: Trainer, display: Display, interrupts: Interrupts) -> dict[str, Any]:
    corpus, done = trainer.corpus, trainer.counters
    vocab_size = len(corpus.vocabulary)
    display.stage("evaluating on the whole validation and test text")
    metrics: dict[str, Any] = {
        "vocab_size": vocab_size,
        "distinct_tokens": corpus.distinct_tokens,
        "train_tokens": len(corpus.train),
        "valid_tokens": len(corpus.valid),
        "test_tokens": len(corpus.test),
        "steps": done.step,
        "examples": done.examples,
        "epochs": done.examples / len(corpus.train),
        "seconds": done.seconds,
        "examples_per_second": done.examples / done.seconds if done.seconds else 0.0,
        "threads": fc.get_num_threads(),
        "valid_perplexity": _whole(trainer.model, corpus.valid, interrupts),
        "test_perplexity": _whole(trainer.model, corpus.test, interrupts),
    }
    display.stage("fitting the unigram and Kneser-Ney trigram models")
    for name, baseline in (("unigram", UnigramModel), ("trigram", KneserNeyTrigram)):
        interrupts.check()
        model = baseline.fit(corpus.train, vocab_size)
        metrics[f"{name}_perplexity"] = model.perplexity(corpus.test)
        metrics[f"{name}_valid_perplexity"] = model.perplexity(corpus.valid)
    display.stage("timing a step")
    metrics["step_seconds"], metrics["exact_step_seconds"] = measure_steps(trainer)
    metrics["peak_memory_bytes"] = peak_memory()
    return metrics
