"""Options that ``train`` and ``compare`` share: of the text, the model and the training."""

from __future__ import annotations

from typing import Annotated

import typer

from fastcands.cli.options import named, option
from fastcands.cli.run.registry import OPTIMIZERS, PRECISIONS, TABLE_DTYPES
from fastcands.cli.text.bodies import BODIES, DEFAULT_CONTEXT
from fastcands.data import TOKENIZER_NAMES

__all__ = [
    "Body",
    "Context",
    "Dropout",
    "EmbeddingDim",
    "Files",
    "HiddenDim",
    "Optimizer",
    "Precision",
    "Seed",
    "TableDtype",
    "Tie",
    "Tokenizer",
    "VocabSize",
    "body_and_context",
    "tokenizer_name",
]

Files = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILES",
        help="Training text: files, also .gz, and folders. By default the source of Python's library.",
        show_default=False,
    ),
]
Tokenizer = Annotated[
    str | None,
    named(
        "How text is split (words, or what suits a text without spaces; python without FILES)", TOKENIZER_NAMES, "Text"
    ),
]
VocabSize = Annotated[int, option("Most words of the vocabulary.", "N", "Text")]
Body = Annotated[
    str | None, named("What stands before the class table (qrnn; feed_forward with --context)", BODIES, "Model")
]
Context = Annotated[int | None, option("Words a prediction of the feed_forward body sees (5).", "N", "Model")]
Tie = Annotated[
    bool,
    typer.Option("--tie/--no-tie", help="One array for the vectors of words, in and out.", rich_help_panel="Model"),
]
Dropout = Annotated[
    float | None,
    option("Share of inputs and hidden units that a step leaves out (by the size of the text).", "X", "Training"),
]
EmbeddingDim = Annotated[int, option("Length of a word's vector, in and out.", "N", "Model")]
HiddenDim = Annotated[int, option("Width of the hidden layer.", "N", "Model")]
TableDtype = Annotated[
    str, named("What the class vectors are stored in; bfloat16 takes half the memory", TABLE_DTYPES, "Model")
]
Optimizer = Annotated[str, named("How parameters follow their gradients", OPTIMIZERS, "Training")]
Precision = Annotated[str, named("How precisely the loss multiplies; high and medium use AMX", PRECISIONS, "Training")]
Seed = Annotated[int, option("Of parameters, order and candidates.", "N", "Training")]


def tokenizer_name(tokenizer: str | None, files: list[str] | None) -> str | None:
    """Return the tokenizer of a run.

    Parameters
    ----------
    tokenizer : str or None
        As given on the command line.
    files : list of str or None
        As given on the command line.

    Returns
    -------
    str or None
        By default python for the source of Python's library; None for the text to decide.
    """
    return "python" if tokenizer is None and not files else tokenizer


def body_and_context(body: str | None, context: int | None) -> tuple[str, int | None]:
    """Return the body of a run and the words that its predictions see.

    Parameters
    ----------
    body : str or None
        As given on the command line.
    context : int or None
        As given on the command line; without a body, it means the one that has a context.

    Returns
    -------
    body : str
        By default qrnn.
    context : int or None
        None for a body without one.
    """
    name = body if body is not None else ("qrnn" if context is None else "feed_forward")
    sees = name in BODIES and BODIES[name].sees_context
    return name, DEFAULT_CONTEXT if context is None and sees else context
