"""The training of a language model."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.build import log_q, make_loss, make_model, make_sampler
from fastcands.cli.config import TrainConfig
from fastcands.cli.loop import Loop
from fastcands.cli.quality import perplexity, spread
from fastcands.data import PreparedCorpus

__all__ = ["Evaluation", "Trainer"]

EVALUATED_WORDS = 8_192  # of the validation text, at each of them


class Evaluation(NamedTuple):
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
        """What the model came to, for people."""
        return f"valid perplexity {self.valid_perplexity:.2f}"


class Trainer(Loop):
    """A model, a loss and a text, and how far training has come.

    Parameters
    ----------
    config : TrainConfig
        What to do.
    corpus : PreparedCorpus
        The text.
    clock : callable, default time.perf_counter
        Seconds from any start.

    Attributes
    ----------
    model : NGramModel
        Trained in place.
    loss : loss object
        What it is trained with.
    """

    config: TrainConfig

    def __init__(
        self, config: TrainConfig, corpus: PreparedCorpus, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.config = config
        self.corpus = corpus
        vocab_size = len(corpus.vocabulary)
        super().__init__(len(corpus.train), config.batch_size, config.epochs, config.max_seconds, config.seed, clock)
        counts = corpus.train.counts(vocab_size)
        self.sampler = make_sampler(config, counts)
        self.loss = make_loss(config, self.sampler, vocab_size)
        self.model = make_model(config, counts, self.schedule.rate)
        self.update_offsets()
        if self.model.logit_offsets is not None:
            assert self.model.table.biases is not None
            self.model.table.biases -= self.model.logit_offsets  # so this too starts as the unigram model

    def update_offsets(self) -> None:
        """Bring what predictions add to the logits up to date with what the sampler has learned."""
        self.model.logit_offsets = log_q(self.config, self.sampler, len(self.corpus.vocabulary))

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

    def _evaluate(self, check: Callable[[], None]) -> Evaluation:
        self.update_offsets()
        text = self.corpus.valid
        value = perplexity(self.model.predictor(), text, spread(text, EVALUATED_WORDS), check)
        return Evaluation(*self.figures(), value)

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
        """Write ``vocab.txt``."""
        self.corpus.vocabulary.save(folder / "vocab.txt")

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all that `load_state_dict` needs to go on exactly from here.

        Returns
        -------
        dict of str to array
            The model's arrays, those of the sampler, and ``trainer``, a JSON text.
        """
        self.update_offsets()
        return {**self.model.state_dict(), **self.loop_state()}

    def load_state_dict(self, state: dict[str, NDArray[Any]]) -> None:
        """Go on from a state of a run of the same model, sampler and text.

        Parameters
        ----------
        state : dict of str to array
            What `state_dict` returned.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is the state of something else.
        """
        self.model.load_state_dict(state)
        self.load_loop_state(state, Evaluation)
