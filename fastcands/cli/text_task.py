"""``fastcands train`` on text: a language model, compared with counting models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

import fastcands as fc
from fastcands.cli.config import TrainConfig
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.plots import draw_curves
from fastcands.cli.precision import precision_metrics
from fastcands.cli.progress import Display
from fastcands.cli.quality import perplexity, spread
from fastcands.cli.report import compile_kernels, measure_steps, peak_memory, print_summary
from fastcands.cli.task import Task
from fastcands.cli.text import describe, read_corpus
from fastcands.cli.trainer import Trainer
from fastcands.data import EncodedText
from fastcands.models import KneserNeyTrigram, UnigramModel

__all__ = ["TextTask"]


class TextTask(Task[Trainer]):
    """Training on text, with exact perplexities at the end.

    Parameters
    ----------
    config : TrainConfig
        What to do, already checked.
    """

    files = "model.npz vocab.txt config.json metrics.jsonl metrics.json curves.png"

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def begin(self, display: Display) -> Trainer:
        """Read the text; see `Task.begin`."""
        display.stage("reading the text")
        corpus = read_corpus(self.config)
        if corpus.report.undecodable_bytes:
            files = corpus.report.undecodable_files
            display.stage(f"{corpus.report.undecodable_bytes:,} undecodable bytes in {files:,} files replaced")
        display.stage(describe(corpus))
        return Trainer(self.config.settled(len(corpus.vocabulary)), corpus)

    def compile(self, trainer: Trainer) -> None:
        """Use all kernels on a tiny model; see `Task.compile`."""
        compile_kernels(trainer)

    def final_metrics(self, trainer: Trainer, display: Display, interrupts: Interrupts) -> dict[str, Any]:
        """Compute exact perplexities, and those of counting models; see `Task.final_metrics`."""
        corpus, done = trainer.corpus, trainer.counters
        vocab_size = len(corpus.vocabulary)
        trainer.update_offsets()
        predictor = trainer.model.predictor()

        def whole(text: EncodedText) -> float:
            return perplexity(predictor, text, spread(text, len(text)), interrupts.check)

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
            **precision_metrics(trainer.config),
            "valid_perplexity": whole(corpus.valid),
            "test_perplexity": whole(corpus.test),
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

    def draw(self, folder: Path, trainer: Trainer, metrics: dict[str, Any]) -> None:
        """Draw training loss and perplexity; see `Task.draw`."""
        baselines = {"Kneser-Ney trigram": metrics["trigram_valid_perplexity"]}
        title = f"{metrics['vocab_size']:,} words, {trainer.config.loss.replace('_', ' ')}"
        draw_curves(folder / "curves.png", trainer.counters.evaluations, baselines, title)

    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print perplexities and the size of the run; see `Task.print_summary`."""
        print_summary(metrics, console)
