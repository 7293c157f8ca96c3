"""``fastcands evaluate``: exact figures of a saved model on any text, or on any points."""

from __future__ import annotations

from typing import Annotated

import typer

from fastcands.cli.console import print_answer
from fastcands.cli.multilabel.evaluate import evaluate_points, print_point_figures
from fastcands.cli.options import AsJson, Mix, ModelFolder, Threads, check_threads, refuse_mix
from fastcands.cli.run.resume import task_of
from fastcands.cli.text.evaluate import evaluate_text, print_text_figures

__all__ = ["evaluate"]


def evaluate(
    folder: ModelFolder,
    files: Annotated[
        list[str], typer.Argument(metavar="FILES", help="Text: files, also .gz, and folders.", show_default=False)
    ],
    mix: Mix = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Measure a saved model on text: exact perplexity, hits among the likeliest words, mean reciprocal rank.

    All figures are over the whole vocabulary, by softmax, whichever loss the model was trained with. A word that
    the vocabulary lacks counts as `<unk>`, and the end of each file as a word. Where the model was mixed with a
    Kneser-Ney model, the perplexity of the mixture stands beside its own.

    Of a model of `--task multilabel`, FILES is one file of points, and the figures are precision@k and
    propensity-scored precision@k.

    Example: `fastcands evaluate books-model more-books/`
    """
    check_threads(threads)
    if task_of(folder) == "multilabel":
        refuse_mix(mix)
        print_answer(evaluate_points(folder, files, threads), print_point_figures, as_json)
    else:
        print_answer(evaluate_text(folder, files, threads, mix), print_text_figures, as_json)
