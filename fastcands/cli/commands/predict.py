"""``fastcands predict``: the likeliest next words after a text, or the best labels of a point."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from fastcands.cli.console import print_answer
from fastcands.cli.multilabel.predict import predict_labels, print_labels
from fastcands.cli.options import AsJson, Mix, ModelFolder, Threads, check_threads, refuse_mix
from fastcands.cli.run.resume import task_of
from fastcands.cli.text.predict import predict_words, print_words

__all__ = ["predict"]


def predict(
    folder: ModelFolder,
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="What stands before; `-` reads it from stdin.", show_default=False),
    ],
    k: Annotated[int, typer.Option("-k", "--top", metavar="N", help="How many words.")] = 10,
    mix: Mix = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Say which words come next after a text, with their probabilities.

    The model sees the text as the beginning of a document, a feed-forward one its last words, as many as it was trained
    with `--context`; before the first word stands the boundary of documents, `</s>`. Probabilities are exact, over the
    whole vocabulary. With `--mix`, they are those of the mixture with the Kneser-Ney model.

    Of a model of `--task multilabel`, TEXT is the features of a point, `feature:value feature:value …`, and the answer
    is its best labels.

    Example: `fastcands predict python-model "for i in range(" -k 5`
    """
    check_threads(threads)
    if text == "-":
        text = sys.stdin.read()
    if task_of(folder) == "multilabel":
        refuse_mix(mix)
        print_answer(predict_labels(folder, text, k, threads), print_labels, as_json)
    else:
        print_answer(predict_words(folder, text, k, threads, bool(mix)), print_words, as_json)
