"""``fastcands predict``: the likeliest next words after a text."""

from __future__ import annotations

import sys
from typing import Annotated

import numpy as np
import typer
from rich.text import Text

from fastcands.cli.console import figures_table, print_json, stdout
from fastcands.cli.errors import OK, Refusal
from fastcands.cli.multilabel_commands import predict_multilabel
from fastcands.cli.options import AsJson, ModelFolder, Threads, check_threads
from fastcands.cli.run_folder import SavedRun
from fastcands.cli.saved import task_of
from fastcands.cli.session import settings
from fastcands.data import TOKENIZERS

__all__ = ["predict"]

_LONGEST_BAR = 24


def predict(
    folder: ModelFolder,
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="What stands before; `-` reads it from stdin.", show_default=False),
    ],
    k: Annotated[int, typer.Option("-k", "--top", metavar="N", help="How many words.")] = 10,
    threads: Threads = None,
    as_json: AsJson = False,
) -> int:
    """Say which words come next after a text, with their probabilities.

    The model sees the last words of the text, as many as it was trained with `--context`; before the first word
    stands the boundary of documents, `</s>`. Probabilities are exact, over the whole vocabulary.

    Of a model of `--task multilabel`, TEXT is the features of a point, `feature:value feature:value …`, and the answer
    is its best labels.

    Example: `fastcands predict python-model "for i in range(" -k 5`
    """
    check_threads(threads)
    if task_of(folder) == "multilabel":
        return predict_multilabel(folder, sys.stdin.read() if text == "-" else text, k, threads, as_json)
    saved = SavedRun(folder)
    predictor, vocabulary, n = saved.predictor(), saved.vocabulary, saved.config.context
    if not 1 <= k <= len(vocabulary):
        raise Refusal(f"-k must be between 1 and the vocabulary's {len(vocabulary)} words, got {k}")
    if text == "-":
        text = sys.stdin.read()
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
