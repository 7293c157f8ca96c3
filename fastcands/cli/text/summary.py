"""The report of a run on text, as people read it."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from fastcands.cli.console import figures_table, pairs_table, say
from fastcands.cli.run.report import add_training
from fastcands.cli.text.quality import compared

__all__ = ["print_text_summary", "verdict"]

_ROWS = (
    ("this model", "valid_perplexity", "test_perplexity", "bold"),
    ("mixed with Kneser-Ney 5-gram", "mixture_valid_perplexity", "mixture_perplexity", "bold"),
    ("Kneser-Ney 5-gram", "kneser_ney_5_valid_perplexity", "kneser_ney_5_perplexity", ""),
    ("Kneser-Ney trigram", "trigram_valid_perplexity", "trigram_perplexity", ""),
    ("unigram", "unigram_valid_perplexity", "unigram_perplexity", ""),
)


def verdict(metrics: dict[str, Any]) -> str:
    """Return which model is better on the test text, and by how much.

    Parameters
    ----------
    metrics : dict
        With the perplexities.

    Returns
    -------
    str
        A line; a model that is worse than a counting model is said to be so.

    Examples
    --------
    >>> figures = {"test_perplexity": 20.6, "mixture_perplexity": 18.0, "kneser_ney_5_perplexity": 31.5}
    >>> verdict({**figures, "trigram_perplexity": 37.6, "unigram_perplexity": 245.3})
    'on the test text, this model is 35 % better than the Kneser-Ney 5-gram model; mixed, 43 % better'
    """
    counting = {
        "Kneser-Ney 5-gram": metrics["kneser_ney_5_perplexity"],
        "Kneser-Ney trigram": metrics["trigram_perplexity"],
        "unigram": metrics["unigram_perplexity"],
    }
    best = min(counting, key=lambda name: counting[name])
    line = f"on the test text, this model is {compared(metrics['test_perplexity'], counting[best])} the {best} model"
    mixed = metrics["mixture_perplexity"]
    if mixed is None:
        return line
    # the same words, without what leads to the other model's name
    words = compared(mixed, counting[best]).removesuffix(" than").removesuffix(" as").removesuffix(",")
    return f"{line}; mixed, {words}"


def print_text_summary(metrics: dict[str, Any], console: Console) -> None:
    """Print perplexities, the verdict and the size of the run.

    Parameters
    ----------
    metrics : dict
        What ``TextTask.final_metrics`` returned.
    console : rich.console.Console
        Where to.
    """
    quality = figures_table("perplexity", "valid", "test")
    for name, valid, test, style in _ROWS:
        if metrics[test] is not None:
            quality.add_row(Text(name), f"{metrics[valid]:,.2f}", f"{metrics[test]:,.2f}", style=style)
    console.print(quality)
    say(console, f"  {metrics['verdict']}\n")

    run = pairs_table()
    run.add_row("vocabulary", f"{metrics['vocab_size']:,} of {metrics['distinct_tokens']:,} distinct tokens")
    parts = (f"{metrics[f'{part}_tokens']:,} {part}" for part in ("train", "valid", "test"))
    run.add_row("tokens", ", ".join(parts))
    run.add_row("bits a byte", f"{metrics['bits_per_byte']:.3f} on the test text")
    step, exact = metrics["step_seconds"], metrics["exact_step_seconds"]
    times = f"{1000 * step:.1f} ms; by exact softmax {1000 * exact:.1f} ms, {exact / step:.1f} times as long"
    add_training(run, metrics, "examples", ("a step", times))
    console.print(run)
