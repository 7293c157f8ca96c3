"""``fastcands neighbors``: the words that are most like a word, by the vectors of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from fastcands.cli.console import print_answer
from fastcands.cli.errors import Refusal
from fastcands.cli.options import AsJson, ModelFolder
from fastcands.cli.run.registry import check_name
from fastcands.cli.text.neighbors import find_neighbors, print_neighbors

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
) -> None:
    """List the words whose vectors point most nearly in the direction of a word's own, by cosine.

    Example: `fastcands neighbors python-model ValueError -k 5`
    """
    check_name("--by", by, _SIDES)
    if k < 1:
        raise Refusal(f"-k must be at least 1, got {k}")
    print_answer(find_neighbors(folder, word, k, by), print_neighbors, as_json)
