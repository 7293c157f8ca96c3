"""The words that are most like a word, by the vectors of a saved language model."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from fastcands.cli.console import figures_table
from fastcands.cli.errors import Refusal
from fastcands.cli.text.saved import SavedText
from fastcands.data import Vocabulary

__all__ = ["find_neighbors", "print_neighbors"]


def find_neighbors(folder: Path, word: str, k: int, by: str) -> dict[str, Any]:
    """Return the words whose vectors have the highest cosines with a word's own.

    Parameters
    ----------
    folder : Path
        Where the model was saved.
    word : str
        A word of the vocabulary.
    k : int
        How many words.
    by : {'output', 'input'}
        Whose vectors: the class table's, or the embedding's.

    Returns
    -------
    dict
        The words, as ``--json`` prints them.

    Raises
    ------
    Refusal
        If the model cannot be used, or its vocabulary lacks the word.
    """
    saved = SavedText(folder)
    predictor, vocabulary = saved.model(), saved.vocabulary
    if word not in vocabulary:
        raise Refusal(f"the vocabulary of {folder} lacks the word {word!r}{_suggestion(word, vocabulary)}")
    ids, cosines = predictor.nearest(int(vocabulary.encode([word])[0]), k, by)
    pairs = zip(vocabulary.decode(ids), cosines.tolist(), strict=True)
    return {"word": word, "by": by, "neighbors": [{"word": near, "cosine": cosine} for near, cosine in pairs]}


def _suggestion(word: str, vocabulary: Vocabulary) -> str:
    # a spelling in other case is nearer than any other word; frequent words come first
    folded = word.casefold()
    near = [known for known in vocabulary.words if known.casefold() == folded]
    near += [known for known in difflib.get_close_matches(word, vocabulary.words, n=3) if known not in near]
    return f", did you mean {' or '.join(repr(known) for known in near[:3])}?" if near else ""


def print_neighbors(answer: dict[str, Any], console: Console) -> None:
    """Print the words as a table.

    Parameters
    ----------
    answer : dict
        What `find_neighbors` returned.
    console : rich.console.Console
        Where to.
    """
    table = figures_table("word", "cosine")
    for pair in answer["neighbors"]:
        table.add_row(Text(pair["word"]), f"{pair['cosine']:.3f}")
    console.print(table)
