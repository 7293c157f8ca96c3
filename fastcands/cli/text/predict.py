"""The likeliest next words after a text, by a saved language model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text

from fastcands.cli.console import figures_table
from fastcands.cli.errors import Refusal
from fastcands.cli.run.settings import settings
from fastcands.cli.text.saved import SavedText
from fastcands.data import TOKENIZERS

__all__ = ["predict_words", "print_words"]

_LONGEST_BAR = 24


def predict_words(folder: Path, text: str, k: int, threads: int | None) -> dict[str, Any]:
    """Return the words that are likeliest to come next.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    text : str
        What stands before.
    k : int
        How many words.
    threads : int or None
        None for all processors.

    Returns
    -------
    dict
        Context and words, as ``--json`` prints them.

    Raises
    ------
    Refusal
        If the model cannot be used, or has fewer words.
    """
    saved = SavedText(folder)
    predictor, vocabulary, n = saved.model(), saved.vocabulary, saved.config.context
    if not 1 <= k <= len(vocabulary):
        raise Refusal(f"-k must be between 1 and the vocabulary's {len(vocabulary)} words, got {k}")
    tokens = list(TOKENIZERS[saved.config.tokenizer]([text]))
    seen = [vocabulary.boundary_id] * n + vocabulary.encode(tokens).tolist()
    with settings(threads):
        result = predictor.next_words(np.array([seen[-n:]], np.int64), k)
    pairs = zip(vocabulary.decode(result.ids[0]), result.probabilities[0], strict=True)
    return {
        "context": vocabulary.decode(seen[-n:]),
        "next": [{"word": word, "probability": float(probability)} for word, probability in pairs],
    }


def print_words(answer: dict[str, Any], console: Console) -> None:
    """Print the words as a table.

    Parameters
    ----------
    answer : dict
        What `predict_words` returned.
    console : rich.console.Console
        Where to.
    """
    console.print(Text.assemble("after ", (" ".join(answer["context"]), "bold")))
    table = figures_table("next word", "probability", "")
    table.columns[2].justify = "left"
    for pair in answer["next"]:
        probability = pair["probability"]
        bar = "█" * round(_LONGEST_BAR * probability) if console.encoding.startswith("utf") else ""
        table.add_row(Text(pair["word"]), f"{100 * probability:.2f} %", Text(bar, style="cyan"))
    console.print(table)
