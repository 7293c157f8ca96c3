"""What a task of ``fastcands train`` has to do: the parts of a run that depend on the kind of its data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from rich.console import Console

from fastcands.cli.interrupts import Interrupts
from fastcands.cli.loop import Loop
from fastcands.cli.progress import Display

__all__ = ["Task", "TrainerT"]

TrainerT = TypeVar("TrainerT", bound=Loop)


class Task(ABC, Generic[TrainerT]):
    """One kind of data and model, with a configuration."""

    files: ClassVar[str]
    """Names of the files that a finished run leaves in its folder."""

    @abstractmethod
    def begin(self, display: Display) -> TrainerT:
        """Read the data and return a trainer before its first step.

        Parameters
        ----------
        display : Display
            For what there is to say.

        Returns
        -------
        Loop
            Of the task's kind.

        Raises
        ------
        Refusal
            If the data cannot be used.
        """

    @abstractmethod
    def compile(self, trainer: TrainerT) -> None:
        """Use all kernels of a run once, on a tiny model, so that no compilation is timed as training."""

    @abstractmethod
    def final_metrics(self, trainer: TrainerT, display: Display, interrupts: Interrupts) -> dict[str, Any]:
        """Measure the trained model.

        Parameters
        ----------
        trainer : Loop
            At the end of its run, and saved.
        display : Display
            For what there is to say.
        interrupts : Interrupts
            To be checked now and then.

        Returns
        -------
        dict
            For ``metrics.json``.
        """

    @abstractmethod
    def draw(self, folder: Path, trainer: TrainerT, metrics: dict[str, Any]) -> None:
        """Draw ``curves.png``."""

    @abstractmethod
    def print_summary(self, metrics: dict[str, Any], console: Console) -> None:
        """Print the final figures."""
