"""What a training run was asked to do."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from fastcands.cli.errors import Refusal
from fastcands.cli.registry import LOSSES, OPTIMIZERS, SAMPLERS, check_name
from fastcands.data import TOKENIZERS

__all__ = ["TrainConfig"]

_LARGEST = 2**31 - 1  # ids are int32 in the encoded text


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result of a run; the fields are the options of ``fastcands train``.

    Attributes
    ----------
    files, valid, test : tuple of str
        Absolute paths; all empty for the standard library's source.
    tokenizer : str
        Name of the tokenizer.
    vocab_size, min_count : int
        Most words of the vocabulary; rarer words than `min_count` are left out.
    context, embedding_dim, hidden_dim : int
        Sizes of the model.
    loss, sampler : str
        Names of them.
    num_sampled : int or None
        Candidates a step; None picks `default_num_sampled` of the vocabulary found.
    batch_size : int
        Rows a step.
    epochs, max_seconds : float or None
        Ends of the training; the first reached counts.
    optimizer : str
        Its name.
    learning_rate : float
        Of the first step; it falls to zero over the run.
    seed : int
        Of parameters, draws and order.
    """

    files: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]
    tokenizer: str
    vocab_size: int
    min_count: int
    context: int
    embedding_dim: int
    hidden_dim: int
    loss: str
    sampler: str
    num_sampled: int | None
    batch_size: int
    epochs: float | None
    max_seconds: float | None
    optimizer: str
    learning_rate: float
    seed: int

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises
        ------
        Refusal
            That names the option, what came and what was expected.
        """
        check_name("--tokenizer", self.tokenizer, TOKENIZERS)
        check_name("--loss", self.loss, LOSSES)
        check_name("--sampler", self.sampler, SAMPLERS)
        check_name("--optimizer", self.optimizer, OPTIMIZERS)
        _check_integer("--vocab-size", self.vocab_size, 3)
        for name in ("min_count", "context", "embedding_dim", "hidden_dim", "num_sampled", "batch_size"):
            value = getattr(self, name)
            if value is not None:
                _check_integer("--" + name.replace("_", "-"), value, 1)
        _check_integer("--seed", self.seed, 0)
        for name in ("epochs", "max_seconds", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise Refusal(f"--{name.replace('_', '-')} must be a number above 0, got {value}")

    def default_num_sampled(self, vocab_size: int) -> int:
        """Return the candidates of a step: as asked for, else 1024 or half of a small vocabulary."""
        return self.num_sampled if self.num_sampled is not None else min(1024, max(1, vocab_size // 2))

    def to_json(self) -> str:
        """Return the fields as a JSON object."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> TrainConfig:
        """Return the configuration that `to_json` wrote.

        Parameters
        ----------
        text : str
            The JSON object.

        Returns
        -------
        TrainConfig
            Equal to the one written.

        Raises
        ------
        ValueError
            If it is no such object.
        """
        fields = json.loads(text)
        try:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
            }
            return cls(**values)
        except (TypeError, AttributeError) as error:
            raise ValueError(str(error)) from None


def _check_integer(option: str, value: int, minimum: int) -> None:
    if value < minimum:
        raise Refusal(f"{option} must be at least {minimum}, got {value}")
    if value > _LARGEST:
        raise Refusal(f"{option} must be at most {_LARGEST}, got {value}")
