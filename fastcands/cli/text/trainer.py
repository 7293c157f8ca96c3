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
from fastcands.cli.text.bodies import BODIES
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.quality import perplexity
from fastcands.data import EncodedText, PreparedCorpus

__all__ = ["PerplexityEvaluation", "TextTrainer", "make_text_model"]

_EVALUATED_WORDS = 8_192  # of the validation text, at each evaluation
_READ_WORDS = 1 << 18  # from its beginning: a recurrent body reads all words before those that are evaluated


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
        Exact, on a fixed subset of the validation text: 8,192 words spread over its first 262,144.
    """

    step: int
    examples: int
    seconds: float
    examples_per_second: float
    train_loss: float
    valid_perplexity: float

    @property
    def cost(self) -> float:
        """The perplexity."""
        return self.valid_perplexity

    @property
    def quality(self) -> str:
        """How good the model is, in words."""
        return f"valid perplexity {self.valid_perplexity:.2f}"


def make_text_model(config: TextConfig, counts: NDArray[np.int64], rate: Rate) -> Any:
    """Return the model of a run before the first step.

    Parameters
    ----------
    config : TextConfig
        Its body, sizes, optimizer and seed; planned.
    counts : int64 array, shape (V,)
        How often each word is in the training text.
    rate : callable
        Makes a learning rate as a function of the step from the one of the first step.

    Returns
    -------
    NGramModel or QRNNModel
        Its class biases are those of the unigram model.
    """
    choice = OPTIMIZERS[config.optimizer]
    assert config.learning_rate is not None
    assert config.dropout is not None
    common = {
        "embedding_dim": config.embedding_dim,
        "hidden_dim": config.hidden_dim,
        "tied": config.tied,
        "dropout": config.dropout,
        "optimizer": choice.make(rate(config.learning_rate)),
        "dense_optimizer": choice.make(rate(config.learning_rate * choice.dense_share)),
        "class_counts": counts,
        "table_dtype": config.table_dtype,
        "seed": config.seed,
    }
    return BODIES[config.body].make(config, len(counts), common)


class TextTrainer(Trainer):
    """A language model, its loss and text, and the progress of its training.

    Parameters
    ----------
    config : TextConfig
        What to do; planned.
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
    evaluation_class = PerplexityEvaluation

    def __init__(
        self, config: TextConfig, corpus: PreparedCorpus, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.corpus = corpus
        counts = corpus.train.counts(len(corpus.vocabulary))
        assert config.batch_size is not None
        batches = BODIES[config.body].batches(corpus.train, config.batch_size, config.seed)
        super().__init__(config, counts, batches, lambda rate: make_text_model(config, counts, rate), clock)

    def _train_on(self, examples: NDArray[Any]) -> NDArray[Any]:
        values: NDArray[Any] = self.model.train_on(self.loss, self.corpus.train, examples)
        return values

    def _evaluate(self, check: Callable[[], None]) -> PerplexityEvaluation:
        self.update_offsets()
        text = self.corpus.valid
        predictor = self.model.predictor(self.corpus.vocabulary.boundary_id)
        value = perplexity(predictor, text, spread(min(len(text), _READ_WORDS), _EVALUATED_WORDS), check)
        return PerplexityEvaluation(*self.figures(), value)

    def best_predictor(self) -> Any:
        """Return the best model measured so far, for predictions.

        Returns
        -------
        NGramPredictor or QRNNPredictor
            Of the state that was kept.
        """
        return BODIES[self.config.body].restore(self.best_state(), self.config, self.corpus.vocabulary.boundary_id)

    def _use_tiny_model(self, config: TextConfig, counts: NDArray[np.int64], loss: Any) -> None:
        context = 2 if BODIES[config.body].sees_context else None
        # with dropout: what is planned may have it
        tiny = dataclasses.replace(config, context=context, hidden_dim=4, dropout=0.5)
        model = make_text_model(tiny, counts, lambda first: lambda step: 0.0)
        text = EncodedText.from_documents([[0, 1, 2], [3, 4]], boundary_id=len(counts) - 1)
        examples = BODIES[config.body].batches(text, len(text), 0).take(0, 0, None)
        for each in (loss, fc.SoftmaxLoss(precision=tiny.precision)):  # the exact one is timed at the end
            model.train_on(each, text, examples)
        model.predictor(text.boundary_id).log_probabilities(text)

    def fingerprint(self) -> str:
        """Return a digest of the vocabulary and of all three texts: the tokenizer shows in them."""
        corpus = self.corpus
        digest = hashlib.sha256("\n".join(corpus.vocabulary.words).encode())
        for text in (corpus.train, corpus.valid, corpus.test):
            digest.update(len(text).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(text.ids).data)
        return digest.hexdigest()

    def extra_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vocabulary and the tokenizer, as bytes."""
        words = "\n".join(self.corpus.vocabulary.words).encode()
        tokenizer = self.corpus.tokenizer.to_json().encode()
        return {"vocabulary": np.frombuffer(words, np.uint8), "tokenizer": np.frombuffer(tokenizer, np.uint8)}

    def write_beside(self, folder: Path) -> None:
        """Write ``vocab.txt``; see `Trainer.write_beside`."""
        self.corpus.vocabulary.save(folder / "vocab.txt")
