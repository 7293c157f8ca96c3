"""The training of a language model."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.cli.run.registry import OPTIMIZERS
from fastcands.cli.run.trainer import Rate, Trainer, spread
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.quality import perplexity
from fastcands.data import PreparedCorpus
from fastcands.models import NGramModel

__all__ = ["PerplexityEvaluation", "TextTrainer", "make_text_model"]

_EVALUATED_WORDS = 8_192  # of the validation text, at each evaluation


class PerplexityEvaluation(NamedTuple):
    """One line of ``metrics.jsonl``.

    Attributes
    ----------
    step, examples : int
        Done so far.
    seconds : float
        Of training so far, without evaluations and saving.
    examples_per_second : float
        Over the whole run so far.
    train_loss : float
        Mean of the training loss since the evaluation before.
    valid_perplexity : float
        Exact, on a fixed subset of the validation text.
    """

    step: int
    examples: int
    seconds: float
    examples_per_second: float
    train_loss: float
    valid_perplexity: float

    @property
    def quality(self) -> str:
        """How good the model is, in words."""
        return f"valid perplexity {self.valid_perplexity:.2f}"


def make_text_model(config: TextConfig, counts: NDArray[np.int64], rate: Rate) -> NGramModel:
    """Return the model of a run before the first step.

    Parameters
    ----------
    config : TextConfig
        Its sizes, optimizer and seed.
    counts : int64 array, shape (V,)
        How often each word is in the training text.
    rate : callable
        Makes a learning rate as a function of the step from the one of the first step.

    Returns
    -------
    NGramModel
        Its class biases are those of the unigram model.
    """
    choice = OPTIMIZERS[config.optimizer]
    return NGramModel(
        len(counts),
        context=config.context,
        embedding_dim=config.embedding_dim,
        hidden_dim=config.hidden_dim,
        optimizer=choice.make(rate(config.learning_rate)),
        dense_optimizer=choice.make(rate(config.learning_rate * choice.dense_share)),
        class_counts=counts,
        table_dtype=config.table_dtype,
        seed=config.seed,
    )


class TextTrainer(Trainer):
    """A language model, its loss and text, and the progress of its training.

    Parameters
    ----------
    config : TextConfig
        What to do.
    corpus : PreparedCorpus
        The text.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    corpus : PreparedCorpus
        As given.
    """

    config: TextConfig
    model: NGramModel
    evaluation_class = PerplexityEvaluation

    def __init__(
        self, config: TextConfig, corpus: PreparedCorpus, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.corpus = corpus
        counts = corpus.train.counts(len(corpus.vocabulary))
        super().__init__(config, counts, len(corpus.train), lambda rate: make_text_model(config, counts, rate), clock)

    def batch(self, positions: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return contexts and words of some positions of the training text.

        Parameters
        ----------
        positions : integer array, shape (B,)
            Positions in the text.

        Returns
        -------
        contexts : int64 array, shape (B, n)
            The words before.
        words : int32 array, shape (B,)
            The words there.
        """
        train = self.corpus.train
        return train.contexts(positions, self.config.context), train.ids[positions]

    def _train_on(self, examples: NDArray[np.int32]) -> NDArray[Any]:
        return self.model.train_step(self.loss, *self.batch(examples))

    def _evaluate(self, check: Callable[[], None]) -> PerplexityEvaluation:
        self.update_offsets()
        text = self.corpus.valid
        value = perplexity(self.model.predictor(), text, spread(len(text), _EVALUATED_WORDS), check)
        return PerplexityEvaluation(*self.figures(), value)

    def _use_tiny_model(self, config: TextConfig, counts: NDArray[np.int64], loss: Any) -> None:
        tiny = dataclasses.replace(config, context=2, hidden_dim=4)
        model = make_text_model(tiny, counts, lambda first: lambda step: 0.0)
        contexts, words = np.zeros((3, 2), np.int64), np.arange(3)
        for each in (loss, fc.SoftmaxLoss(precision=tiny.precision)):  # the exact one is timed at the end
            model.train_step(each, contexts, words)
        model.log_loss(contexts, words)

    def fingerprint(self) -> str:
        """Return a digest of the vocabulary and of all three texts."""
        corpus = self.corpus
        digest = hashlib.sha256("\n".join(corpus.vocabulary.words).encode())
        for text in (corpus.train, corpus.valid, corpus.test):
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(text.ids).data)
        return digest.hexdigest()

    def extra_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vocabulary, as bytes."""
        words = "\n".join(self.corpus.vocabulary.words).encode()
        return {"vocabulary": np.frombuffer(words, np.uint8)}

    def write_beside(self, folder: Path) -> None:
        """Write ``vocab.txt``; see `Trainer.write_beside`."""
        self.corpus.vocabulary.save(folder / "vocab.txt")
