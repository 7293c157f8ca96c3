"""``fastcands train`` on text: a language model, compared with counting models."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

import fastcands as fc
from fastcands.cli.run.report import peak_memory, training_metrics
from fastcands.cli.run.task import Task
from fastcands.cli.text.baselines import Baselines
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.corpus import describe, read_corpus
from fastcands.cli.text.mixing import MIXTURE, save_mixture
from fastcands.cli.text.plot import draw_perplexity
from fastcands.cli.text.saved import SavedText
from fastcands.cli.text.summary import print_text_summary, verdict
from fastcands.cli.text.trainer import TextTrainer

__all__ = ["TextTask", "measure_steps"]

_REPEATS = {"step": 15, "exact": 3}
_SECONDS_EACH = 4.0
_LEAST_TOKENS = 5_000  # below, a note says that it is too little


class TextTask(Task[TextTrainer]):
    """Training on text, with exact perplexities at the end; see `Task`."""

    config: TextConfig
    config_class = TextConfig
    saved_class = SavedText
    files = "model.npz vocab.txt config.json metrics.jsonl metrics.json curves.png"

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)
        if config.mix:
            self.files += f" {MIXTURE}"

    def read(self, stage: Callable[[str], None]) -> None:
        """Read the text; see `Task.read`."""
        stage("reading the text")
        self.corpus, reason = read_corpus(self.config)
        corpus, report = self.corpus, self.corpus.report
        self.config = dataclasses.replace(self.config, tokenizer=corpus.tokenizer.name)
        if reason is not None:
            stage(f"--tokenizer {corpus.tokenizer.name}: {reason}")
        if report.undecodable_bytes:
            stage(f"{report.undecodable_bytes:,} undecodable bytes in {report.undecodable_files:,} files replaced")
        stage(describe(corpus))
        if len(corpus.train) < _LEAST_TOKENS:
            stage(
                f"only {len(corpus.train):,} tokens of training text: a model learns little from less than "
                f"{_LEAST_TOKENS:,}"
            )
        self.config = self.config.settled(len(corpus.vocabulary))

    @property
    def needs_speed(self) -> bool:
        """Whether the time may end the run before the dropout does good; see `Task.needs_speed`."""
        config = self.config
        return config.epochs is None and config.max_seconds is not None

    def planned(self, examples_per_second: float | None) -> tuple[TextConfig, str]:
        """Plan epochs, batch, rate and dropout; see `Task.planned`."""
        return self.config.planned(len(self.corpus.train), examples_per_second)

    def make_trainer(self, config: TextConfig) -> TextTrainer:
        """Return a trainer on the text; see `Task.make_trainer`."""
        return TextTrainer(config, self.corpus)

    def final_metrics(
        self, trainer: TextTrainer, stage: Callable[[str], None], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Compute exact perplexities, and those of counting models; see `Task.final_metrics`."""
        corpus = trainer.corpus
        metrics: dict[str, Any] = {
            "vocab_size": len(corpus.vocabulary),
            "distinct_tokens": corpus.distinct_tokens,
            "train_tokens": len(corpus.train),
            "valid_tokens": len(corpus.valid),
            "test_tokens": len(corpus.test),
            **training_metrics(trainer),
        }
        self._baselines = Baselines(corpus, mix=trainer.config.mix)
        metrics |= self._baselines.measure(trainer.best_predictor(), stage, check)
        metrics["verdict"] = verdict(metrics)
        stage("timing a step")  # the last thing: it changes the model, and an interrupted run is saved
        metrics["step_seconds"], metrics["exact_step_seconds"] = measure_steps(trainer)
        metrics["peak_memory_bytes"] = peak_memory()
        self._origin = (trainer.fingerprint(), trainer.counters.best_step)
        return metrics

    def write_final(self, folder: Path) -> None:
        """Write the Kneser-Ney model of the mixture; see `Task.write_final`."""
        if self._baselines.weight is not None:
            save_mixture(folder, self._baselines.kneser_ney, self._baselines.weight, self._origin)

    def draw(self, path: Path, trainer: TextTrainer, metrics: dict[str, Any]) -> None:
        """Draw training loss and perplexity; see `Task.draw`."""
        baselines = {f"Kneser-Ney {order}-gram": metrics[f"{name}_valid_perplexity"] for name, order in _DRAWN}
        if metrics["mixture_valid_perplexity"] is not None:
            baselines["mixture"] = metrics["mixture_valid_perplexity"]
        config = trainer.config
        title = f"{metrics['vocab_size']:,} words, {config.body.replace('_', ' ')}, {config.loss.replace('_', ' ')}"
        draw_perplexity(path, trainer.counters.evaluations, trainer.counters.best_step, baselines, title)

    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print perplexities and the size of the run; see `Task.print_summary`."""
        print_text_summary(metrics, console)


_DRAWN = (("trigram", 3), ("kneser_ney_5", 5))


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
    examples = trainer.batches.take(0, 0, None)

    def median(loss: Any, repeats: int) -> float:
        times: list[float] = []
        while len(times) < repeats and sum(times) < _SECONDS_EACH:
            started = time.perf_counter()
            trainer.model.train_on(loss, trainer.corpus.train, examples)
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    exact = fc.SoftmaxLoss(precision=trainer.config.precision)
    return median(trainer.loss, _REPEATS["step"]), median(exact, _REPEATS["exact"])
