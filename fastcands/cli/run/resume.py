"""A saved run, of any task, found in a folder: to go on with, or for its model."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.errors import Refusal
from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.files import load_arrays
from fastcands.cli.run.folder import FORMAT, MODEL, READABLE_FORMATS
from fastcands.cli.run.trainer import BEST, Trainer

__all__ = ["Saved", "task_of"]

ConfigT = TypeVar("ConfigT", bound=RunConfig)
ModelT = TypeVar("ModelT")


def task_of(folder: Path) -> str:
    """Return the task of the model in a folder; "text" where that cannot be told, for `Saved` to say why.

    Parameters
    ----------
    folder : Path
        Where a run was saved.

    Returns
    -------
    str
        As ``--task`` names it.
    """
    try:
        # this array alone is read, not those of the model
        with (folder / MODEL).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return str(json.loads(str(arrays["run"]))["task"])
    except Exception:  # NumPy's reader raises many kinds of errors at a missing or damaged file
        return "text"


class Saved(ABC, Generic[ConfigT, ModelT]):
    """What ``model.npz`` in a folder holds; each task has a subclass.

    That file alone is read, configuration included, so the files of two runs are never mixed, whenever one of them
    was killed.

    Parameters
    ----------
    folder : Path
        Where a run was saved.

    Attributes
    ----------
    config : RunConfig
        Of the run.

    Raises
    ------
    Refusal
        If there is no model, or it is damaged, of another version or of another task.
    """

    config_class: ClassVar[type[RunConfig]]
    data: ClassVar[str]
    """What messages call what the run was trained on."""

    config: ConfigT

    def __init__(self, folder: Path) -> None:
        self._path = folder / MODEL
        if not folder.is_dir() or not self._path.exists():
            raise Refusal(f"{folder}: no saved model there ({MODEL} is missing); `fastcands train` makes one")
        self._arrays: dict[str, NDArray[Any]] = load_arrays(self._path)
        expected = self.config_class.task
        try:
            run = json.loads(str(self._arrays["run"]))
            if run["format"] not in READABLE_FORMATS:
                raise ValueError(f"format {run['format']}, expected {FORMAT}")
            if run["task"] != expected:
                raise Refusal(f"{self._path}: a model of --task {run['task']}, and this is for --task {expected}")
            self.config = self.config_class.from_json(run["config"])  # type: ignore[assignment]
            self._fingerprint: str = run["fingerprint"]
            self._adopt()
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(error) from None

    @abstractmethod
    def _adopt(self) -> None:
        """Read the parts of the file that belong to the task."""

    @abstractmethod
    def _make_model(self) -> ModelT:
        """Return the model of the arrays; a KeyError, TypeError, ValueError or AttributeError if they do not fit."""

    def _foreign(self, error: Exception) -> Refusal:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return Refusal(f"{self._path}: not a model of this version of fastcands ({reason})")

    def model(self) -> ModelT:
        """Return the best model of the run for use, and release the other arrays.

        Returns
        -------
        model
            As saved.

        Raises
        ------
        Refusal
            If the file lacks something, or its parts do not fit together.
        """
        best = {name.removeprefix(BEST): array for name, array in self._arrays.items() if name.startswith(BEST)}
        self._arrays.update(best)
        try:
            model = self._make_model()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._foreign(error) from None
        self._arrays = {}
        return model

    def restore(self, trainer: Trainer) -> None:
        """Put a new trainer where the saved one was, and release the arrays.

        Parameters
        ----------
        trainer : Trainer
            Of the same configuration, its bounds aside.

        Raises
        ------
        Refusal
            If the data has changed, or the file lacks something.
        """
        if trainer.fingerprint() != self._fingerprint:
            raise Refusal(f"the {self.data} has changed since the run was saved: it cannot be resumed")
        try:
            trainer.load_state_dict(self._arrays)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._foreign(error) from None
        if (trainer.config.epochs, trainer.config.max_seconds) != (self.config.epochs, self.config.max_seconds):
            trainer.counters.lost = False  # who makes a run longer does not give it up
        self._arrays = {}
