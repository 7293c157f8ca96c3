"""``fastcands train`` on text: a language model, compared with counting models."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

import fastcands as fc
from fastcands.cli.console import figures_table, pairs_table
from fastcands.cli.run.report import add_training, peak_memory, training_metrics
from fastcands.cli.run.task import Task
from fastcands.cli.run.trainer import spread
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.corpus import describe, read_corpus
from fastcands.cli.text.plot import draw_perplexity
from fastcands.cli.text.quality import perplexity
from fastcands.cli.text.saved import SavedText
from fastcands.cli.text.trainer import TextTrainer
from fastcands.data import EncodedText
from fastcands.models import KneserNeyTrigram, UnigramModel

__all__ = ["TextTask", "measure_steps"]

_REPEATS = {"step": 15, "exact": 3}
_SECONDS_EACH = 4.0


class TextTask(Task[TextTrainer]):
    """Training on text, with exact perplexities at the end; see `Task`."""

    config: TextConfig
    config_class = TextConfig
    saved_class = SavedText
    files = "model.npz vocab.txt config.json metrics.jsonl metrics.json curves.png"

    def begin(self, stage: Callable[[str], None]) -> TextTrainer:
        """Read the text; see `Task.begin`."""
        stage("reading the text")
        corpus = read_corpus(self.config)
        if corpus.report.undecodable_bytes:
            files = corpus.report.undecodable_files
            stage(f"{corpus.report.undecodable_bytes:,} undecodable bytes in {files:,} files replaced")
        stage(describe(corpus))
        return TextTrainer(self.config.settled(len(corpus.vocabulary)), corpus)

    def final_metrics(
        self, trainer: TextTrainer, stage: Callable[[str], None], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Compute exact perplexities, and those of counting models; see `Task.final_metrics`."""
        corpus = trainer.corpus
        vocab_size = len(corpus.vocabulary)
        trainer.update_offsets()
        predictor = trainer.model.predictor()

        def whole(text: EncodedText) -> float:
            return perplexity(predictor, text, np.arange(len(text)), check)

        stage("evaluating on the whole validation and test text")
        metrics: dict[str, Any] = {
            "vocab_size": vocab_size,
            "distinct_tokens": corpus.distinct_tokens,
            "train_tokens": len(corpus.train),
            "valid_tokens": len(corpus.valid),
            "test_tokens": len(corpus.test),
            **training_metrics(trainer),
            "valid_perplexity": whole(corpus.valid),
            "test_perplexity": whole(corpus.test),
        }
        stage("fitting the unigram and Kneser-Ney trigram models")
        for name, baseline in (("unigram", UnigramModel), ("trigram", KneserNeyTrigram)):
            check()
            model = baseline.fit(corpus.train, vocab_size)
            metrics[f"{name}_perplexity"] = model.perplexity(corpus.test)
            metrics[f"{name}_valid_perplexity"] = model.perplexity(corpus.valid)
        stage("timing a step")
        metrics["step_seconds"], metrics["exact_step_seconds"] = measure_steps(trainer)
        metrics["peak_memory_bytes"] = peak_memory()
        return metrics

    def draw(self, path: Path, trainer: TextTrainer, metrics: dict[str, Any]) -> None:
        """Draw training loss and perplexity; see `Task.draw`."""
        baselines = {"Kneser-Ney trigram": metrics["trigram_valid_perplexity"]}
        title = f"{metrics['vocab_size']:,} words, {trainer.config.loss.replace('_', ' ')}"
        draw_perplexity(path, trainer.counters.evaluations, baselines, title)

    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print perplexities and the size of the run; see `Task.print_summary`."""
        quality = figures_table("perplexity", "valid", "test")
        for name, valid, test, style in (
            ("this model", "valid_perplexity", "test_perplexity", "bold"),
            ("Kneser-Ney trigram", "trigram_valid_perplexity", "trigram_perplexity", ""),
            ("unigram", "unigram_valid_perplexity", "unigram_perplexity", ""),
        ):
            quality.add_row(Text(name), f"{metrics[valid]:,.2f}", f"{metrics[test]:,.2f}", style=style)
        console.print(quality)

        run = pairs_table()
        run.add_row("vocabulary", f"{metrics['vocab_size']:,} of {metrics['distinct_tokens']:,} distinct tokens")
        parts = (f"{metrics[f'{part}_tokens']:,} {part}" for part in ("train", "valid", "test"))
        run.add_row("tokens", ", ".join(parts))
        step, exact = metrics["step_seconds"], metrics["exact_step_seconds"]
        times = f"{1000 * step:.1f} ms; by exact softmax {1000 * exact:.1f} ms, {exact / step:.1f} times as long"
        add_training(run, metrics, "examples", ("a step", times))
        console.print(run)


def measure_steps(trainer: TextTrainer) -> tuple[float, float]:
    """Time a training step as the run made it, and an exact-softmax step of the same batch and precision.

    Both steps are whole ones: forward, loss, backward, update. They change the model, so it is saved before.

    Parameters
    ----------
    trainer : TextTrainer
        Of the run.

    Returns
    -------
    step, exact : float
        Median seconds.
    """
    batch = trainer.batch(spread(len(trainer.corpus.train), trainer.config.batch_size))

    def median(loss: Any, repeats: int) -> float:
        times: list[float] = []
        while len(times) < repeats and sum(times) < _SECONDS_EACH:
            started = time.perf_counter()
            trainer.model.train_step(loss, *batch)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    exact = fc.SoftmaxLoss(precision=trainer.config.precision)
    return median(trainer.loss, _REPEATS["step"]), median(exact, _REPEATS["exact"])
