"""The folder a run writes to."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import fastcands as fc
from fastcands.atomic import remove_leftovers
from fastcands.cli.errors import Refusal
from fastcands.cli.run.files import save_arrays, write_text
from fastcands.cli.run.trainer import Trainer

__all__ = ["FORMAT", "MODEL", "READABLE_FORMATS", "RunFolder"]

FORMAT = 3
READABLE_FORMATS = (2, FORMAT)  # 2 lacks the best state: the last one stands for it
MODEL = "model.npz"
_FINAL = ("metrics.json", "curves.png", "mixture.npz")
_FILES = (MODEL, "vocab.txt", "config.json", "metrics.jsonl", *_FINAL)


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

    def save(self, trainer: Trainer) -> None:
        """Save the run so that it can be resumed: ``model.npz``, and beside it what people read.

        Parameters
        ----------
        trainer : Trainer
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

    def _begin(self, trainer: Trainer) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name in _FILES:
                remove_leftovers(self.path / name)
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
