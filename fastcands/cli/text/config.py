"""The configuration of a run on text."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.registry import check_name
from fastcands.data import TOKENIZERS

__all__ = ["TextConfig"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(RunConfig):
    """Everything that decides the result of a run on text; without files, the text is the standard library's source.

    Attributes
    ----------
    tokenizer : str
        Name of the tokenizer.
    vocab_size, min_count : int
        Most words of the vocabulary; words that are rarer than `min_count` are left out.
    context, hidden_dim : int
        Sizes of the model, beside `embedding_dim`.
    """

    task: ClassVar[str] = "text"
    classes: ClassVar[str] = "vocabulary words"

    tokenizer: str
    vocab_size: int
    min_count: int
    context: int
    hidden_dim: int

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        Refusal
            That names the option, what came and what was expected.
        """
        check_name("--tokenizer", self.tokenizer, TOKENIZERS)
        super().check()
        self.check_integers(3, "vocab_size")
        self.check_integers(1, "min_count", "context", "hidden_dim")
