"""``fastcands neighbors``: the words a model takes to be most like a word."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer
from rich.text import Text

from fastcands.cli.console import figures_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.options import AsJson, ModelFolder
from fastcands.cli.registry import check_name
from fastcands.cli.run_folder import SavedRun
from fastcands.data import Vocabulary

__all__ = ["neighbors"]

_SIDES = ("output", "input")


def neighbors(
    folder: ModelFolder,
    word: Annotated[str, typer.Argument(metavar="WORD", help="A word of the vocabulary.", show_default=False)],
    k: Annotated[int, typer.Option("-k", "--top", metavar="N", help="How many words.")] = 10,
    by: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Whose vectors: output (words that come in like places), input (words with like words after them).",
            autocompletion=lambda incomplete: [side for side in _SIDES if side.startswith(incomplete)],
        ),
    ] = "output",
    as_json: AsJson = False,
) -> int:
    """List the words whose vectors point most nearly in the direction of a word's own, by cosine.

    Example: `fastcands neighbors python-model ValueError -k 5`
    """
    check_name("--by", by, _SIDES)
    if k < 1:
        raise Refusal(f"-k must be at least 1, got {k}")
    saved = SavedRun(folder)
    predictor, vocabulary = saved.predictor(), saved.vocabulary
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
