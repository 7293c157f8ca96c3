"""``fastcands train --task multilabel``: points with sparse features and many labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from fastcands.cli.console import pairs_table
from fastcands.cli.multilabel.config import MultilabelConfig
from fastcands.cli.multilabel.plot import draw_precision
from fastcands.cli.multilabel.points import Propensities, read_split
from fastcands.cli.multilabel.quality import add_precisions, measure_frequencies, measure_rankings, precisions_table
from fastcands.cli.multilabel.saved import SavedMultilabel
from fastcands.cli.multilabel.trainer import MultilabelTrainer, points_rate
from fastcands.cli.run.recipe import plan_points, suits_exact_loss
from fastcands.cli.run.report import add_training, peak_memory, training_metrics
from fastcands.cli.run.task import Task

__all__ = ["MultilabelTask"]


class MultilabelTask(Task[MultilabelTrainer]):
    """Training on points, with rankings measured at the end; see `Task`."""

    config: MultilabelConfig
    config_class = MultilabelConfig
    saved_class = SavedMultilabel
    files = "model.npz config.json metrics.jsonl metrics.json curves.png"

    def read(self, stage: Callable[[str], None]) -> None:
        """Read the points; see `Task.read`."""
        stage("reading the points")
        self.points = read_split(self.config)
        stage(self.points.describe())
        train, config = self.points.train, self.config
        if config.choose_loss:
            exact = suits_exact_loss(len(train.labelled()), train.num_labels)
            config = dataclasses.replace(config, choose_loss=False, loss="logistic" if exact else config.loss)
            reason = "few enough for all labels in each step" if exact else "too many for all labels in each step"
            stage(f"--loss {config.loss}: points and labels are {reason}")
        self.config = config.settled(train.num_labels)

    @property
    def needs_speed(self) -> bool:
        """Nothing of the plan depends on it; see `Task.needs_speed`."""
        return False

    def planned(self, examples_per_second: float | None) -> tuple[MultilabelConfig, str]:
        """Plan epochs, batch and rate; see `Task.planned`."""
        config, train = self.config, self.points.train
        points, rate = len(train.labelled()), config.learning_rate
        plan = plan_points(
            points,
            train.num_labels,
            len(train.labels),
            points_rate(config.optimizer, config.loss) if rate is None else rate,
            epochs=config.epochs,
            batch_size=config.batch_size,
        )
        complete = dataclasses.replace(
            config, epochs=plan.epochs, batch_size=plan.batch_size, learning_rate=plan.learning_rate
        )
        return complete, plan.describe(points, "points", config.max_seconds)

    def make_trainer(self, config: MultilabelConfig) -> MultilabelTrainer:
        """Return a trainer on the points; see `Task.make_trainer`."""
        return MultilabelTrainer(config, self.points)

    def final_metrics(
        self, trainer: MultilabelTrainer, stage: Callable[[str], None], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Rank the labels of all validation and test points; see `Task.final_metrics`."""
        points, config = trainer.points, trainer.config
        model = trainer.best_model()
        metrics: dict[str, Any] = {
            "labels": points.train.num_labels,
            "features": points.train.num_features,
            "train_points": len(points.train),
            "valid_points": len(points.valid),
            "test_points": 0 if points.test is None else len(points.test),
            **training_metrics(trainer),
        }
        counts, num_points = trainer.class_counts, len(points.train)
        propensities = Propensities(counts, num_points, config.propensity_a, config.propensity_b).values()
        for name, part in (("valid", points.valid), ("test", points.test)):
            if part is None:
                continue
            stage(f"ranking all {part.num_labels:,} labels for {len(part):,} {name} points")
            metrics |= measure_rankings(model, part, propensities, check).metrics(f"{name}_")
            metrics |= measure_frequencies(counts, part, propensities).metrics(f"{name}_frequency_")
        metrics["peak_memory_bytes"] = peak_memory()
        return metrics

    def draw(self, path: Path, trainer: MultilabelTrainer, metrics: dict[str, Any]) -> None:
        """Draw training loss and precision; see `Task.draw`."""
        title = f"{metrics['labels']:,} labels, {trainer.config.loss.replace('_', ' ')}"
        draw_precision(path, trainer.counters.evaluations, trainer.counters.best_step, title)

    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print precisions and the size of the run; see `Task.print_summary`."""
        for part in ("valid", "test"):
            if metrics[f"{part}_points"]:
                table = precisions_table(part)
                add_precisions(table, "this model", metrics, f"{part}_", "bold")
                add_precisions(table, "most frequent labels", metrics, f"{part}_frequency_")
                console.print(table)
        run = pairs_table()
        run.add_row("data", f"{metrics['labels']:,} labels, {metrics['features']:,} features")
        parts = (f"{metrics[f'{part}_points']:,} {part}" for part in ("train", "valid", "test"))
        run.add_row("points", ", ".join(parts))
        add_training(run, metrics, "points")
        console.print(run)
