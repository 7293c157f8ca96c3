"""The results of a comparison: a table for each heat, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fastcands.cli.compare.contenders import Contender
from fastcands.cli.compare.heats import Heat, Result
from fastcands.cli.console import duration, figures_table, say
from fastcands.cli.run.report import precision_metrics, precision_text

__all__ = ["print_results", "summary"]


def summary(heats: Sequence[Heat], contenders: Sequence[Contender], results: Sequence[Result]) -> dict[str, Any]:
    """Return the results as they stand in ``compare.json``.

    Parameters
    ----------
    heats : sequence of Heat
        The conditions.
    contenders : sequence of Contender
        Who took part.
    results : sequence of Result
        Of all heats.

    Returns
    -------
    dict
        ``heats``, each with its conditions and ``runs``, the best first.
    """
    return {
        "heats": [
            {
                "heat": heat.name,
                "vocab_size": len(heat.corpus.vocabulary),
                "train_tokens": len(heat.corpus.train),
                "valid_tokens": len(heat.corpus.valid),
                "max_seconds": heat.config.max_seconds,
                "epochs": heat.config.epochs,
                **precision_metrics(heat.config),
                "runs": _runs(heat, contenders, results),
            }
            for heat in heats
        ]
    }


def _runs(heat: Heat, contenders: Sequence[Contender], results: Sequence[Result]) -> list[dict[str, Any]]:
    by_name = {contender.name: contender for contender in contenders}
    own = [result for result in results if result.heat == heat.name]
    exact = next((result.best.valid_perplexity for result in own if result.run.partition("@")[0] == "softmax"), None)
    runs = [
        {
            "run": result.run,
            "body": by_name[result.run].configure(heat.config).body,
            "loss": by_name[result.run].loss,
            "sampler": by_name[result.run].sampler_name,
            "num_sampled": by_name[result.run].candidates(heat.config, len(heat.corpus.vocabulary)),
            "valid_perplexity": result.best.valid_perplexity,
            "relative_to_softmax": None if exact is None else result.best.valid_perplexity / exact,
            "steps": result.final.step,
            "examples": result.final.examples,
            "epochs": result.epochs,
            "seconds": result.final.seconds,
            "examples_per_second": result.final.examples_per_second,
        }
        for result in own
    ]
    return sorted(runs, key=lambda run: float(run["valid_perplexity"]))


def print_results(results: dict[str, Any], console: Console) -> None:
    """Print a table for each heat.

    Parameters
    ----------
    results : dict
        What `summary` returned.
    console : rich.console.Console
        Where to.
    """
    for heat in results["heats"]:
        equal = (
            f"{heat['max_seconds']:g} s"
            if heat["heat"] == "seconds"
            else f"{heat['epochs']:g} {'epoch' if heat['epochs'] == 1 else 'epochs'}"
        )
        precision = precision_text(heat)
        say(
            console,
            f"equal {heat['heat']}: {equal} each; {heat['vocab_size']:,} words, {heat['train_tokens']:,} tokens"
            + ("" if precision is None else f"; precision {precision}"),
            style="bold",
        )
        timed = heat["heat"] == "seconds"  # then the time is the same for all, as otherwise the epochs are
        table = figures_table("run", "perplexity", "to softmax", "words/s", "epochs" if timed else "time")
        for run in heat["runs"]:
            relative = run["relative_to_softmax"]
            table.add_row(
                Text(run["run"].replace(":", " ")),
                f"{run['valid_perplexity']:,.2f}",
                "" if relative is None else f"{100 * (relative - 1):+.1f} %",
                f"{run['examples_per_second']:,.0f}",
                f"{run['epochs']:.2f}" if timed else duration(run["seconds"]),
            )
        console.print(table)
