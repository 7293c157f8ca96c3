"""The likeliest next words after a text, by a saved language model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.text import Text

from fastcands.cli.console import figures_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.run.settings import settings
from fastcands.cli.text.saved import SavedText
from fastcands.data import TOKENIZERS

__all__ = ["predict_words"]

_LONGEST_BAR = 24


def predict_words(folder: Path, text: str, k: int, threads: int | None, as_json: bool) -> int:
    """Print the words that are likeliest to come next.

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
    as_json : bool
        Whether to print a JSON object in place of the table.

    Returns
    -------
    int
        The exit code.

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
    words = vocabulary.decode(result.ids[0])
    probabilities = [float(p) for p in result.probabilities[0]]
    context = vocabulary.decode(seen[-n:])
    if as_json:
        pairs = zip(words, probabilities, strict=True)
        next_words = [{"word": word, "probability": probability} for word, probability in pairs]
        print_json({"context": context, "next": next_words})
        return OK
    console = stdout()
    console.print(Text.assemble("after ", (" ".join(context), "bold")))
    table = figures_table("next word", "probability", "")
    table.columns[2].justify = "left"
    for word, probability in zip(words, probabilities, strict=True):
        bar = "█" * round(_LONGEST_BAR * probability) if console.encoding.startswith("utf") else ""
        table.add_row(Text(word), f"{100 * probability:.2f} %", Text(bar, style="cyan"))
    console.print(table)
    return OK
