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
from fastcands.data import BytePairTokenizer

__all__ = ["predict_words", "print_words"]

_LONGEST_BAR = 24
_SHOWN = 5  # words of the text before, of a model that has seen all of it


def predict_words(folder: Path, text: str, k: int, threads: int | None, mix: bool = False) -> dict[str, Any]:
    """Return the words that are likeliest to come next.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    text : str
        What stands before, from the start of a document.
    k : int
        How many words.
    threads : int or None
        None for all processors.
    mix : bool, default False
        Whether to predict by the mixture with the Kneser-Ney model.

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
    network, vocabulary = saved.model(), saved.vocabulary
    model = saved.mixture(network, folder) if mix else network
    if not 1 <= k <= len(vocabulary):
        raise Refusal(f"-k must be between 1 and the vocabulary's {len(vocabulary)} words, got {k}")
    history = vocabulary.encode(saved.tokenizer([text]))
    with settings(threads):
        probabilities = model.probabilities(history)
    best = np.argsort(-probabilities, kind="stable")[:k]  # ties to the lower id
    shown = saved.config.context or _SHOWN
    padded = [vocabulary.boundary_id] * shown + history.tolist()
    pairs = zip(_readable(saved, best), probabilities[best].tolist(), strict=True)
    return {
        "context": _readable(saved, padded[-shown:]),
        "model": "mixture" if mix else "network",
        "next": [{"word": word, "probability": probability} for word, probability in pairs],
    }


def _readable(saved: SavedText, ids: Any) -> list[str]:
    """Return words as people read them: byte pairs that are whole characters as these, a space as ▁."""
    words = saved.vocabulary.decode(ids)
    if not isinstance(saved.tokenizer, BytePairTokenizer):
        return words
    special = {saved.vocabulary.boundary_id, saved.vocabulary.unknown_id}
    shown = [
        word if id_ in special else saved.tokenizer.decode([word]).replace(" ", "▁").replace("\n", "⏎")
        for id_, word in zip(np.asarray(ids).tolist(), words, strict=True)
    ]
    return [word if "\N{REPLACEMENT CHARACTER}" in text else text for word, text in zip(words, shown, strict=True)]


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
