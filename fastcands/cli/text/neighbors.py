"""The words that a saved language model takes to be most like a word."""

from __future__ import annotations

import difflib
from pathlib import Path

from rich.text import Text

from fastcands.cli.console import figures_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.text.saved import SavedText
from fastcands.data import Vocabulary

__all__ = ["list_neighbors"]


def list_neighbors(folder: Path, word: str, k: int, by: str, as_json: bool) -> int:
    """Print the words whose vectors have the highest cosines with a word's own.

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
    as_json : bool
        Whether to print a JSON object in place of the table.

    Returns
    -------
    int
        The exit code.

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
    words = vocabulary.decode(ids)
    if as_json:
        pairs = zip(words, cosines.tolist(), strict=True)
        print_json({"word": word, "by": by, "neighbors": [{"word": near, "cosine": value} for near, value in pairs]})
        return OK
    table = figures_table("word", "cosine")
    for near, cosine in zip(words, cosines, strict=True):
        table.add_row(Text(near), f"{cosine:.3f}")
    stdout().print(table)
    return OK


def _suggestion(word: str, vocabulary: Vocabulary) -> str:
    # a spelling in other case is nearer than any other word; frequent words come first
    folded = word.casefold()
    near = [known for known in vocabulary.words if known.casefold() == folded]
    near += [known for known in difflib.get_close_matches(word, vocabulary.words, n=3) if known not in near]
    return f", did you mean {' or '.join(repr(known) for known in near[:3])}?" if near else ""
