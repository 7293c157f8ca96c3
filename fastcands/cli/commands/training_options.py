"""Options that ``train`` and ``compare`` share: of the text, the model and the training."""

from __future__ import annotations

from typing import Annotated

import typer

from fastcands.cli.options import named, option
from fastcands.cli.run.registry import OPTIMIZERS, PRECISIONS, TABLE_DTYPES
from fastcands.data import TOKENIZERS

__all__ = [
    "Context",
    "EmbeddingDim",
    "Files",
    "HiddenDim",
    "Optimizer",
    "Precision",
    "Seed",
    "TableDtype",
    "Tokenizer",
    "VocabSize",
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
Tokenizer = Annotated[str | None, named("How text is split (words; python without FILES)", TOKENIZERS, "Text")]
VocabSize = Annotated[int, option("Most words of the vocabulary.", "N", "Text")]
Context = Annotated[
    int, typer.Option("--context", help="Words a prediction sees.", metavar="N", rich_help_panel="Model")
]
EmbeddingDim = Annotated[int, option("Length of a word's vector, in and out.", "N", "Model")]
HiddenDim = Annotated[int, option("Width of the tanh layer.", "N", "Model")]
TableDtype = Annotated[
    str, named("What the class vectors are stored in; bfloat16 takes half the memory", TABLE_DTYPES, "Model")
]
Optimizer = Annotated[str, named("How parameters follow their gradients", OPTIMIZERS, "Training")]
Precision = Annotated[str, named("How precisely the loss multiplies; high and medium use AMX", PRECISIONS, "Training")]
Seed = Annotated[int, option("Of parameters, order and candidates.", "N", "Training")]


def tokenizer_name(tokenizer: str | None, files: list[str] | None) -> str:
    """Return the tokenizer of a run.

    Parameters
    ----------
    tokenizer : str or None
        As given on the command line.
    files : list of str or None
        As given on the command line.

    Returns
    -------
    str
        By default words, or python for the source of Python's library.
    """
    return tokenizer if tokenizer is not None else ("words" if files else "python")
