"""A task of ``fastcands train``: the parts of a run that depend on the kind of its data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from rich.console import Console

from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.resume import Saved
from fastcands.cli.run.trainer import Trainer

__all__ = ["Task", "TrainerT"]

TrainerT = TypeVar("TrainerT", bound=Trainer)


class Task(ABC, Generic[TrainerT]):
    """One kind of data and model, with a configuration.

    Parameters
    ----------
    config : RunConfig
        What to do, of the task's kind and already checked.
    """

    config_class: ClassVar[type[RunConfig]]
    """Of its runs."""
    saved_class: ClassVar[type[Saved[Any, Any]]]
    """Of its saved runs."""
    files: ClassVar[str]
    """Names of the files that a finished run leaves in its folder."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def begin(self, stage: Callable[[str], None]) -> TrainerT:
        """Read the data and return a trainer before its first step.

        Parameters
        ----------
        stage : callable
            Gets lines for the user: what happens next, what was found.

        Returns
        -------
        Trainer
            Of the task's kind.

        Raises
        ------
        Refusal
            If the data cannot be used.
        """

    @abstractmethod
    def final_metrics(
        self, trainer: TrainerT, stage: Callable[[str], None], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Measure the trained model.

        Parameters
        ----------
        trainer : Trainer
            At the end of its run, and saved.
        stage : callable
            Gets lines for the user.
        check : callable
            Called now and then; may raise to give up.

        Returns
        -------
        dict
            For ``metrics.json``.
        """

    @abstractmethod
    def draw(self, path: Path, trainer: TrainerT, metrics: dict[str, Any]) -> None:
        """Draw the picture of the run.

        Parameters
        ----------
        path : Path
            The PNG file to write.
        trainer : Trainer
            With the evaluations.
        metrics : dict
            What `final_metrics` returned.
        """

    @abstractmethod
    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print the final figures.

        Parameters
        ----------
        metrics : dict
            What `final_metrics` returned.
        console : rich.console.Console
            Where to.
        """
