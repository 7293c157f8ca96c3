"""Several ways to train the same model, one after the other under the same conditions, each evaluation on record."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from rich.console import Console

from fastcands.cli.compare.contenders import Contender
from fastcands.cli.errors import Refusal
from fastcands.cli.run.progress import make_display
from fastcands.cli.text.config import TextConfig
from fastcands.cli.text.corpus import smaller
from fastcands.cli.text.trainer import PerplexityEvaluation, TextTrainer
from fastcands.data import PreparedCorpus

__all__ = ["Heat", "Record", "Result", "heats", "run_heat"]


class Heat(NamedTuple):
    """Conditions that are the same for all contenders.

    Attributes
    ----------
    name : str
        ``seconds`` when all train for the same time, ``epochs`` when all train on the same text.
    corpus : PreparedCorpus
        The text.
    config : TextConfig
        What all have in common, the end of the training included.
    """

    name: str
    corpus: PreparedCorpus
    config: TextConfig


class Result(NamedTuple):
    """How a contender did in a heat.

    Attributes
    ----------
    heat, run : str
        Names of the two.
    evaluations : list of PerplexityEvaluation
        In order; the best one is the result.
    epochs : float
        Passes through the training text.
    """

    heat: str
    run: str
    evaluations: list[PerplexityEvaluation]
    epochs: float

    @property
    def final(self) -> PerplexityEvaluation:
        """The last evaluation, at the end of the training."""
        return self.evaluations[-1]

    @property
    def best(self) -> PerplexityEvaluation:
        """The evaluation of the model that ``fastcands train`` would keep."""
        return min(self.evaluations, key=lambda evaluation: evaluation.valid_perplexity)


class Record:
    """``compare.jsonl``: a line for each evaluation, written at once.

    Parameters
    ----------
    path : Path
        The file; an older one is replaced.

    Raises
    ------
    Refusal
        If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self._attempt(lambda: path.parent.mkdir(parents=True, exist_ok=True))
        self._file = self._attempt(lambda: path.open("w", encoding="utf-8"))

    def _attempt(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except OSError as error:
            raise Refusal(f"{self._path}: cannot be written ({error.strerror or error})") from None

    def add(self, fields: dict[str, Any]) -> None:
        """Write a line.

        Parameters
        ----------
        fields : dict
            What the line says.

        Raises
        ------
        Refusal
            If it cannot be written.
        """

        def write() -> None:
            assert self._file is not None
            self._file.write(json.dumps(fields) + "\n")
            self._file.flush()

        self._attempt(write)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._attempt(self._file.close)


def heats(
    config: TextConfig,
    corpus: PreparedCorpus,
    *,
    seconds: float | None,
    epochs: float | None,
    epochs_vocab_size: int,
    epochs_tokens: int,
) -> list[Heat]:
    """Return the conditions of a comparison.

    Parameters
    ----------
    config : TextConfig
        What all have in common.
    corpus : PreparedCorpus
        The whole text.
    seconds, epochs : float or None
        Of training for each contender; None leaves the heat out.
    epochs_vocab_size, epochs_tokens : int
        Most words and training tokens where the epochs are equal: exact losses have to train on all of them too.

    Returns
    -------
    list of Heat
        First that of equal time.
    """
    found = []
    if seconds is not None:
        found.append(Heat("seconds", corpus, dataclasses.replace(config, max_seconds=seconds, epochs=None)))
    if epochs is not None:
        part = smaller(corpus, epochs_vocab_size, epochs_tokens, config.seed)
        found.append(Heat("epochs", part, dataclasses.replace(config, max_seconds=None, epochs=epochs)))
    return found


def run_heat(
    heat: Heat, contenders: Sequence[Contender], record: Record, check: Callable[[], None], console: Console
) -> Iterator[Result]:
    """Train every contender under the same conditions.

    Parameters
    ----------
    heat : Heat
        The conditions.
    contenders : sequence of Contender
        In the order they run.
    record : Record
        Gets a line for each evaluation.
    check : callable
        Called before every step; may raise to give up.
    console : rich.console.Console
        For the progress.

    Yields
    ------
    Result
        Of each, as soon as it is done.
    """
    vocab_size = len(heat.corpus.vocabulary)
    for number, contender in enumerate(contenders, 1):
        check()
        display = make_display(console)
        display.stage(f"equal {heat.name}, {number} of {len(contenders)}: {contender.name}")
        config, trainer, line = _plan(heat, contender.configure(heat.config).settled(vocab_size))
        display.stage(line)
        with display:
            for event in trainer.run(check):
                display.show(event)
                if isinstance(event, PerplexityEvaluation):
                    record.add(_line(heat, contender, config, event))
        examples = trainer.counters.examples
        epochs = examples / trainer.batches.num_examples
        yield Result(heat.name, contender.name, trainer.counters.evaluations, epochs)


def _plan(heat: Heat, config: TextConfig) -> tuple[TextConfig, TextTrainer, str]:
    """Return the complete configuration of a contender, its trainer, and its plan in one line."""

    def planned(examples_per_second: float | None) -> tuple[TextConfig, TextTrainer, str]:
        complete, line = config.planned(len(heat.corpus.train), examples_per_second)
        # where the time is equal, it alone ends the training
        complete = dataclasses.replace(complete, epochs=config.epochs)
        return complete, TextTrainer(complete, heat.corpus), line

    complete, trainer, line = planned(None)
    trainer.compile_kernels()
    if config.max_seconds is not None and config.dropout is None:
        complete, trainer, line = planned(trainer.measure_speed())
    return complete, trainer, line


def _line(heat: Heat, contender: Contender, config: TextConfig, evaluation: PerplexityEvaluation) -> dict[str, Any]:
    return {
        "heat": heat.name,
        "run": contender.name,
        "body": config.body,
        "loss": config.loss,
        "sampler": contender.sampler_name,
        "num_sampled": contender.candidates(heat.config, len(heat.corpus.vocabulary)),
        "learning_rate": config.learning_rate,
        "vocab_size": len(heat.corpus.vocabulary),
        **evaluation._asdict(),
    }
