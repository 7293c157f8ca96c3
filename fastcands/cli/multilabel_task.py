"""``fastcands train --task multilabel``: points with sparse features and many labels."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

import fastcands as fc
from fastcands.cli.build import log_q, make_loss, make_sampler
from fastcands.cli.console import figures_table, pairs_table
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.multilabel_config import MultilabelConfig
from fastcands.cli.multilabel_data import Propensities, read_split
from fastcands.cli.multilabel_plot import draw_precision
from fastcands.cli.multilabel_quality import CUTS, measure_frequencies, measure_rankings
from fastcands.cli.multilabel_trainer import MultilabelTrainer, make_multilabel_model
from fastcands.cli.precision import precision_metrics, precision_text
from fastcands.cli.progress import Display, duration
from fastcands.cli.report import peak_memory
from fastcands.cli.task import Task
from fastcands.data import parse_points

__all__ = ["MultilabelTask", "add_precisions"]


class MultilabelTask(Task[MultilabelTrainer]):
    """Training on points, with rankings measured at the end.

    Parameters
    ----------
    config : MultilabelConfig
        What to do, already checked.
    """

    files = "model.npz config.json metrics.jsonl metrics.json curves.png"

    def __init__(self, config: MultilabelConfig) -> None:
        self.config = config

    def begin(self, display: Display) -> MultilabelTrainer:
        """Read the points; see `Task.begin`."""
        display.stage("reading the points")
        points = read_split(self.config)
        display.stage(points.describe())
        return MultilabelTrainer(self.config.settled(points.train.num_labels), points)

    def compile(self, trainer: MultilabelTrainer) -> None:
        """Use all kernels on a tiny model; see `Task.compile`."""
        counts = np.ones(8, np.int64)
        tiny = dataclasses.replace(trainer.config, embedding_dim=4, num_sampled=8, num_resampled=None)
        sampler = make_sampler(tiny, counts)
        model = make_multilabel_model(tiny, 3, counts, lambda first: lambda step: 0.0)
        loss = dataclasses.replace(make_loss(tiny, sampler, len(counts)), ignore_index=-1)
        log_q(tiny, sampler, len(counts))
        points = parse_points("4,1 0:1 2:2\n2 1:1", 3, 8)
        model.train_step(loss, points)
        model.topk(points, 2)

    def final_metrics(self, trainer: MultilabelTrainer, display: Display, interrupts: Interrupts) -> dict[str, Any]:
        """Rank the labels of all validation and test points; see `Task.final_metrics`."""
        points, done, config = trainer.points, trainer.counters, trainer.config
        trainer.update_offsets()
        num_examples = len(points.train.labelled())
        metrics: dict[str, Any] = {
            "labels": points.train.num_labels,
            "features": points.train.num_features,
            "train_points": len(points.train),
            "valid_points": len(points.valid),
            "test_points": 0 if points.test is None else len(points.test),
            "steps": done.step,
            "examples": done.examples,
            "epochs": done.examples / num_examples,
            "seconds": done.seconds,
            "examples_per_second": done.examples / done.seconds if done.seconds else 0.0,
            "threads": fc.get_num_threads(),
            **precision_metrics(config),
        }
        counts, num_points = trainer.label_counts, len(points.train)
        propensities = Propensities(counts, num_points, config.propensity_a, config.propensity_b).values()
        for name, part in (("valid", points.valid), ("test", points.test)):
            if part is None:
                continue
            display.stage(f"ranking all {part.num_labels:,} labels for {len(part):,} {name} points")
            found = measure_rankings(trainer.model, part, propensities, lambda done: interrupts.check())
            metrics |= found.metrics(f"{name}_")
            metrics |= measure_frequencies(counts, part, propensities).metrics(f"{name}_frequency_")
        metrics["peak_memory_bytes"] = peak_memory()
        return metrics

    def draw(self, folder: Path, trainer: MultilabelTrainer, metrics: dict[str, Any]) -> None:
        """Draw training loss and precision; see `Task.draw`."""
        title = f"{metrics['labels']:,} labels, {trainer.config.loss.replace('_', ' ')}"
        draw_precision(folder / "curves.png", trainer.counters.evaluations, title)

    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print precisions and the size of the run; see `Task.print_summary`."""
        for part in ("valid", "test"):
            if metrics[f"{part}_points"]:
                table = figures_table(part, *(f"P@{k}" for k in CUTS), *(f"PSP@{k}" for k in CUTS))
                add_precisions(table, "this model", metrics, f"{part}_", "bold")
                add_precisions(table, "most frequent labels", metrics, f"{part}_frequency_")
                console.print(table)
        run = pairs_table()
        run.add_row("data", f"{metrics['labels']:,} labels, {metrics['features']:,} features")
        parts = (f"{metrics[f'{part}_points']:,} {part}" for part in ("train", "valid", "test"))
        run.add_row("points", ", ".join(parts))
        run.add_row("training", f"{duration(metrics['seconds'])}, {metrics['epochs']:.2f} epochs")
        run.add_row("speed", f"{metrics['examples_per_second']:,.0f} points/s")
        precision = precision_text(metrics)
        if precision is not None:
            run.add_row("precision", precision)
        if metrics["peak_memory_bytes"] is not None:
            run.add_row("peak memory", f"{metrics['peak_memory_bytes'] / 2**20:,.0f} MiB")
        console.print(run)


def add_precisions(table: Any, name: str, metrics: dict[str, Any], prefix: str, style: str = "") -> None:
    """Add a row of precisions, in per cent.

    Parameters
    ----------
    table : rich.table.Table
        Its columns are a name, precision@k, and propensity-scored precision@k.
    name : str
        Of the row.
    metrics : dict
        With the figures.
    prefix : str
        Begins their names.
    style : str, optional
        Of the row.
    """
    kinds = ("precision_at_", "propensity_scored_precision_at_")
    values = [metrics.get(f"{prefix}{kind}{k}") for kind in kinds for k in CUTS]
    cells = ["-" if value is None else f"{100 * value:.2f}" for value in values]
    table.add_row(Text(name, style=style), *(Text(cell, style=style) for cell in cells))
