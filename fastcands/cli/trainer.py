"""The training loop: batches in a seeded order, evaluations at intervals, a state to save and resume."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Refusal
from fastcands.cli.registry import LOSSES, OPTIMIZERS, SAMPLERS
from fastcands.cli.schedule import Schedule
from fastcands.data import EncodedText, PreparedCorpus
from fastcands.models import NGramModel

__all__ = ["Evaluation", "Snapshot", "Trainer", "perplexity"]

EVALUATIONS = 12  # in a run, at equal steps of progress
EVALUATED_WORDS = 8_192  # of the validation text, at each of them
_CHUNK = 4096


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


class Snapshot(NamedTuple):
    """How a run stands, for the progress display.

    Attributes
    ----------
    progress : float
        From 0 to 1.
    step, examples : int
        Done so far.
    examples_per_second : float
        Lately.
    train_loss : float
        Mean since the last evaluation.
    seconds : float
        Of training so far.
    """

    progress: float
    step: int
    examples: int
    examples_per_second: float
    train_loss: float
    seconds: float


@dataclasses.dataclass
class _Counters:
    """What changes from step to step, besides the arrays."""

    step: int = 0
    examples: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    evaluated: int = 0  # twelfths of the progress whose evaluation is done
    loss_sum: float = 0.0
    loss_examples: int = 0
    evaluations: list[Evaluation] = dataclasses.field(default_factory=list)


def perplexity(model: NGramModel, text: EncodedText, positions: NDArray[Any], check: Callable[[], None]) -> float:
    """Return the exact perplexity of a model at some positions of a text.

    Parameters
    ----------
    model : NGramModel
        The model.
    text : EncodedText
        The text.
    positions : integer array, shape (N,)
        Which of its words to predict, at least one.
    check : callable
        Called every few thousand words; may raise to give up.

    Returns
    -------
    float
        ``exp`` of the mean loss.
    """
    total = 0.0
    for start in range(0, len(positions), _CHUNK):
        check()
        chunk = positions[start : start + _CHUNK]
        total += model.log_loss(text.contexts(chunk, model.context), text.ids[chunk]) * len(chunk)
    return float(np.exp(total / len(positions)))


class Trainer:
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
    schedule : Schedule
        How far the run is.
    counters
        Steps, examples, seconds and evaluations so far.
    """

    def __init__(
        self, config: TrainConfig, corpus: PreparedCorpus, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.config = config
        self.corpus = corpus
        self._clock = clock
        vocab_size = len(corpus.vocabulary)
        epochs = config.epochs
        total = None if epochs is None else max(1, round(epochs * len(corpus.train)))
        self.schedule = Schedule(total, config.max_seconds)
        choice = OPTIMIZERS[config.optimizer]
        self.model = NGramModel(
            vocab_size,
            context=config.context,
            embedding_dim=config.embedding_dim,
            hidden_dim=config.hidden_dim,
            optimizer=choice.make(self.schedule.rate(config.learning_rate)),
            dense_optimizer=choice.make(self.schedule.rate(config.learning_rate * choice.dense_share)),
            class_counts=corpus.train.counts(vocab_size),
            seed=config.seed,
        )
        self._sampler = None
        if LOSSES[config.loss].sampled:
            self._sampler = SAMPLERS[config.sampler](vocab_size, seed=np.random.SeedSequence([config.seed, 1]))
        self.loss = LOSSES[config.loss].make(self._sampler, config.default_num_sampled(vocab_size))
        self.counters = _Counters()
        self._order: tuple[int, NDArray[np.int32]] | None = None

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

    def _order_of(self, epoch: int) -> NDArray[np.int32]:
        if self._order is None or self._order[0] != epoch:
            generator = np.random.default_rng([self.config.seed, 2, epoch])
            order = np.arange(len(self.corpus.train), dtype=np.int32)
            generator.shuffle(order)
            self._order = epoch, order
        return self._order[1]

    def _next_positions(self) -> NDArray[np.int32]:
        """Take the next batch of the epoch: the last one of an epoch, or of the run, may be smaller."""
        done = self.counters
        order = self._order_of(done.epoch)
        size = self.config.batch_size
        if self.schedule.total_examples is not None:
            size = min(size, self.schedule.total_examples - done.examples)
        positions = order[done.position : done.position + size]
        done.position += len(positions)
        if done.position == len(order):
            done.epoch, done.position = done.epoch + 1, 0
        return positions

    def run(self, check: Callable[[], None]) -> Iterator[Snapshot | Evaluation]:
        """Train to the end of the run.

        Parameters
        ----------
        check : callable
            Called before every step and during evaluations. When it raises, the trainer is as after a whole
            number of steps: it can be saved, and another `run` goes on.

        Yields
        ------
        Snapshot or Evaluation
            The first after every step, the second after every evaluation.
        """
        done = self.counters
        recent = _Recent()
        while True:
            due = int(self.schedule.progress * EVALUATIONS)
            if due > done.evaluated:
                evaluation = self._evaluate(check)
                done.evaluated = due
                yield evaluation
            if self.schedule.finished:
                return
            check()
            started = self._clock()
            contexts, words = self.batch(self._next_positions())
            loss = self._step(contexts, words)
            done.step += 1
            done.examples += len(words)
            done.loss_sum += float(loss.sum(dtype=np.float64))
            done.loss_examples += len(words)
            seconds = self._clock() - started
            done.seconds += seconds
            self.schedule.update(done.examples, done.seconds)
            yield Snapshot(
                self.schedule.progress,
                done.step,
                done.examples,
                recent(len(words), seconds),
                done.loss_sum / done.loss_examples,
                done.seconds,
            )

    def _step(self, contexts: NDArray[Any], words: NDArray[Any]) -> NDArray[Any]:
        try:
            return self.model.train_step(self.loss, contexts, words)
        except ValueError as error:  # ids and shapes are right by construction: what is left is a loss not finite
            step = self.counters.step
            raise Refusal(f"training broke down at step {step}: {error}; try a lower --learning-rate") from None

    def _evaluate(self, check: Callable[[], None]) -> Evaluation:
        done = self.counters
        text = self.corpus.valid
        count = min(len(text), EVALUATED_WORDS)
        positions = np.arange(count) * len(text) // count
        value = perplexity(self.model, text, positions, check)
        speed = done.examples / done.seconds if done.seconds else 0.0
        loss = done.loss_sum / done.loss_examples
        evaluation = Evaluation(done.step, done.examples, done.seconds, speed, loss, value)
        done.evaluations.append(evaluation)
        done.loss_sum, done.loss_examples = 0.0, 0
        return evaluation

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return all that `load_state_dict` needs to go on exactly from here.

        Returns
        -------
        dict of str to array
            The model's arrays, and ``trainer``, a JSON text.
        """
        trainer = dataclasses.asdict(self.counters)
        trainer["sampler"] = None if self._sampler is None else self._sampler.state_dict()
        return {**self.model.state_dict(), "trainer": np.array(json.dumps(trainer))}

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
        trainer = json.loads(str(state["trainer"]))
        sampler = trainer.pop("sampler")
        evaluations = [Evaluation(*values) for values in trainer.pop("evaluations")]
        self.model.load_state_dict(state)
        if self._sampler is not None:
            self._sampler.load_state_dict({k: tuple(v) if isinstance(v, list) else v for k, v in sampler.items()})
        self.counters = _Counters(**trainer, evaluations=evaluations)
        self.schedule.update(self.counters.examples, self.counters.seconds)
        # a run that was made longer has fewer twelfths behind it
        self.counters.evaluated = min(self.counters.evaluated, int(self.schedule.progress * EVALUATIONS))


class _Recent:
    """Examples a second over the last steps, older ones counting less and less."""

    def __init__(self) -> None:
        self._examples = self._seconds = 0.0

    def __call__(self, examples: int, seconds: float) -> float:
        self._examples = 0.98 * self._examples + examples
        self._seconds = 0.98 * self._seconds + seconds
        return self._examples / self._seconds if self._seconds else 0.0
