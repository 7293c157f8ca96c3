"""The folder a run writes to, and a run found in one."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastcands as fc
from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Refusal
from fastcands.cli.files import remove_leftovers, save_arrays, write_text
from fastcands.cli.loop import Loop
from fastcands.cli.saved import FORMAT, MODEL, Saved
from fastcands.data import Vocabulary
from fastcands.models import NGramPredictor

__all__ = ["RunFolder", "SavedRun"]

_FINAL = ("metrics.json", "curves.png")
_FILES = (MODEL, "vocab.txt", "config.json", "metrics.jsonl", *_FINAL)


class SavedRun(Saved[TrainConfig]):
    """What ``model.npz`` of a run on text holds, vocabulary included.

    Parameters
    ----------
    folder : Path
        Where a run was saved.

    Attributes
    ----------
    config : TrainConfig
        What the run was asked to do.
    vocabulary : Vocabulary
        The words of the model.

    Raises
    ------
    Refusal
        If there is no model, or it is damaged, of another version or of another task.
    """

    config_class = TrainConfig
    data = "text"

    def _adopt(self) -> None:
        self.vocabulary = Vocabulary(self._arrays.pop("vocabulary").tobytes().decode().split("\n"))

    def predictor(self) -> NGramPredictor:
        """Return the model for use, and let go of the other arrays.

        Returns
        -------
        NGramPredictor
            As saved.

        Raises
        ------
        Refusal
            If the file lacks something, or its parts do not fit together.
        """
        try:
            predictor = NGramPredictor.from_state(self._arrays, self.config.context)
            if predictor.table.num_classes != len(self.vocabulary):
                raise ValueError(f"{predictor.table.num_classes} classes, {len(self.vocabulary)} words")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._foreign(error) from None
        self._arrays = {}
        return predictor


class RunFolder:
    """Writes the files of a run.

    Parameters
    ----------
    path : Path
        The folder; it is made at the first save.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begun = False

    def save(self, trainer: Loop) -> None:
        """Save the run so that it can be resumed: ``model.npz``, and beside it what people read.

        Parameters
        ----------
        trainer : Loop
            The run.

        Raises
        ------
        Refusal
            If a file cannot be written; ``model.npz`` is then as before.
        """
        if not self._begun:
            self._begin(trainer)
        lines = (json.dumps(evaluation._asdict()) + "\n" for evaluation in trainer.counters.evaluations)
        write_text(self.path / "metrics.jsonl", "".join(lines))
        config = trainer.config
        run = {"format": FORMAT, "task": config.task, "config": config.to_json(), "fingerprint": self._fingerprint}
        arrays = {**trainer.state_dict(), **trainer.extra_arrays(), "run": np.array(json.dumps(run))}
        save_arrays(self.path / MODEL, arrays)

    def _begin(self, trainer: Loop) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path, _FILES)
            for stale in _FINAL:  # of an earlier run, or of this one before it went on
                with contextlib.suppress(FileNotFoundError):
                    (self.path / stale).unlink()
            trainer.write_beside(self.path)
        except OSError as error:
            raise Refusal(f"{self.path}: cannot be written to ({error.strerror or error})") from None
        self._fingerprint = trainer.fingerprint()
        config = {"fastcands": fc.__version__, "task": trainer.config.task, **json.loads(trainer.config.to_json())}
        write_text(self.path / "config.json", json.dumps(config, indent=2) + "\n")
        self._begun = True

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write ``metrics.json``.

        Parameters
        ----------
        metrics : dict
            The final figures.

        Raises
        ------
        Refusal
            If it cannot be written.
        """
        write_text(self.path / "metrics.json", json.dumps(metrics, indent=2) + "\n")
