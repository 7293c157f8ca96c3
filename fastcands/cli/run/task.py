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
    files: str
    """Names of the files that a finished run leaves in its folder."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def read(self, stage: Callable[[str], None]) -> None:
        """Read the data, and settle what depends on it alone.

        Parameters
        ----------
        stage : callable
            Gets lines for the user: what happens next, what was found.

        Raises
        ------
        Refusal
            If the data cannot be used.
        """

    @property
    @abstractmethod
    def needs_speed(self) -> bool:
        """Whether the plan depends on how fast the run trains."""

    @abstractmethod
    def planned(self, examples_per_second: float | None) -> tuple[Any, str]:
        """Return the configuration with all that the data decides, and the plan in one line.

        Parameters
        ----------
        examples_per_second : float or None
            As measured with the plan made without it; None before.

        Returns
        -------
        config : RunConfig
            Complete.
        line : str
            For the user.
        """

    @abstractmethod
    def make_trainer(self, config: Any) -> TrainerT:
        """Return a trainer before its first step.

        Parameters
        ----------
        config : RunConfig
            Complete.

        Returns
        -------
        Trainer
            Of the task's kind.
        """

    @abstractmethod
    def final_metrics(
        self, trainer: TrainerT, stage: Callable[[str], None], check: Callable[[], None]
    ) -> dict[str, Any]:
        """Measure the best model of the run.

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

    def write_final(self, folder: Path) -> None:
        """Write what `final_metrics` made beside its figures; nothing where the task has no such thing.

        Parameters
        ----------
        folder : Path
            Of the run.

        Raises
        ------
        Refusal
            If a file cannot be written.
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
