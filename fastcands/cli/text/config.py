"""The configuration of a run on text."""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Self

from fastcands.cli.errors import Refusal
from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.recipe import plan_text
from fastcands.cli.run.registry import check_name
from fastcands.cli.text.bodies import BODIES, body_rate
from fastcands.data import TOKENIZER_NAMES

__all__ = ["TextConfig"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(RunConfig):
    """Everything that decides the result of a run on text; without files, the text is the standard library's source.

    Attributes
    ----------
    tokenizer : str or None
        Name of the tokenizer; None until the text has been looked at.
    vocab_size, min_count : int, int or None
        Most words of the vocabulary; words that are rarer than `min_count` are left out. With a `min_count` of None,
        some words seen once are, where no others are.
    context : int or None
        Words that a prediction of the feed-forward body sees; None for other bodies.
    hidden_dim : int
        Width of the hidden layer, beside `embedding_dim`.
    body : str
        Name of the layers before the class table.
    tied : bool
        Whether the embedding and the class table are one array.
    dropout : float or None
        Share of inputs and hidden units that a step leaves out; None until the run is planned.
    mix : bool
        Whether the model is mixed with a Kneser-Ney model at the end.
    """

    task: ClassVar[str] = "text"
    classes: ClassVar[str] = "vocabulary words"

    tokenizer: str | None
    vocab_size: int
    min_count: int | None
    context: int | None
    hidden_dim: int
    # with defaults: models saved before there was a choice have no such fields
    body: str = "feed_forward"
    tied: bool = False
    dropout: float | None = 0.0
    mix: bool = False

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        Refusal
            That names the option, what came and what was expected.
        """
        if self.tokenizer is not None:
            check_name("--tokenizer", self.tokenizer, TOKENIZER_NAMES)
        check_name("--body", self.body, BODIES)
        super().check()
        self.check_integers(3, "vocab_size")
        self.check_integers(1, "min_count", "context", "hidden_dim")
        if self.context is not None and not BODIES[self.body].sees_context:
            raise Refusal(f"--context is for --body feed_forward, got --body {self.body}")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            raise Refusal(f"--dropout must be at least 0 and below 1, got {self.dropout}")

    def planned(self, tokens: int, examples_per_second: float | None) -> tuple[Self, str]:
        """Return the configuration with epochs, batch, rate and dropout, and the plan in one line.

        Parameters
        ----------
        tokens : int
            Of the training text.
        examples_per_second : float or None
            As measured, if it has been.

        Returns
        -------
        config : TextConfig
            What was given is as before.
        line : str
            For the user.
        """
        rate = self.learning_rate
        plan = plan_text(
            tokens,
            body_rate(self.body, self.optimizer, self.loss) if rate is None else rate,
            epochs=self.epochs,
            max_seconds=self.max_seconds,
            examples_per_second=examples_per_second,
            batch_size=self.batch_size,
            dropout=self.dropout,
        )
        line = plan.describe(tokens, "tokens", self.max_seconds, examples_per_second)
        return dataclasses.replace(self, **plan._asdict()), line
