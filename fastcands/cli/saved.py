"""A run found in a folder, of any task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastcands.cli.errors import Refusal
from fastcands.cli.files import load_arrays
from fastcands.cli.loop import Loop
from fastcands.cli.run_config import RunConfig

__all__ = ["FORMAT", "MODEL", "Saved", "task_of"]

FORMAT = 2
MODEL = "model.npz"

ConfigT = TypeVar("ConfigT", bound=RunConfig)


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
    except Exception:  # whatever a missing or damaged file makes of NumPy's reader
        return "text"


class Saved(Generic[ConfigT]):
    """What ``model.npz`` in a folder holds.

    The file alone decides, configuration included: no mix of two runs' files can be used, whenever one of them was
    killed.

    Parameters
    ----------
    folder : Path
        Where a run was saved.

    Attributes
    ----------
    config : RunConfig
        What the run was asked to do.

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
            if run["format"] != FORMAT:
                raise ValueError(f"format {run['format']}, expected {FORMAT}")
            if run["task"] != expected:
                raise Refusal(f"{self._path}: a model of --task {run['task']}, and this is for --task {expected}")
            self.config = self.config_class.from_json(run["config"])  # type: ignore[assignment]
            self._fingerprint: str = run["fingerprint"]
            self._adopt()
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(error) from None

    def _adopt(self) -> None:
        """Take over further parts of the file."""

    def _foreign(self, error: Exception) -> Refusal:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return Refusal(f"{self._path}: not a model of this version of fastcands ({reason})")

    def restore(self, trainer: Loop) -> None:
        """Put a new trainer where the saved one was, and let go of the arrays.

        Parameters
        ----------
        trainer : Loop
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
        self._arrays = {}
