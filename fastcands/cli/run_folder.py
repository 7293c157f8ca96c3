"""The folder a run writes to, and a run found in one."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastcands as fc
from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Refusal
from fastcands.cli.files import load_arrays, save_arrays, write_text
from fastcands.cli.trainer import Trainer
from fastcands.data import PreparedCorpus

__all__ = ["RunFolder", "SavedRun"]

_FORMAT = 1


def _fingerprint(corpus: PreparedCorpus) -> str:
    """Digest of the vocabulary and of all three texts."""
    digest = hashlib.sha256("\n".join(corpus.vocabulary.words).encode())
    for text in (corpus.train, corpus.valid, corpus.test):
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(text.ids).data)
    return digest.hexdigest()


class SavedRun:
    """What ``model.npz`` in a folder holds.

    The file alone decides, configuration included, so no mix of two runs' files can be resumed.

    Parameters
    ----------
    folder : Path
        Where a run was saved.

    Attributes
    ----------
    config : TrainConfig
        What the run was asked to do.

    Raises
    ------
    Refusal
        If there is no model, or it is damaged or of another version.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "model.npz"
        self._arrays: dict[str, NDArray[Any]] = load_arrays(self._path)
        try:
            run = json.loads(str(self._arrays["run"]))
            if run["format"] != _FORMAT:
                raise ValueError(f"format {run['format']}, expected {_FORMAT}")
            self.config = TrainConfig.from_json(run["config"])
            self._fingerprint: str = run["fingerprint"]
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal(f"{self._path}: not a model of this version of fastcands ({error})") from None

    def restore(self, trainer: Trainer) -> None:
        """Put a new trainer where the saved one was, and let go of the arrays.

        Parameters
        ----------
        trainer : Trainer
            Of the same configuration, its bounds aside.

        Raises
        ------
        Refusal
            If the text has changed, or the file lacks something.
        """
        if _fingerprint(trainer.corpus) != self._fingerprint:
            raise Refusal("the text has changed since the run was saved: it cannot be resumed")
        try:
            trainer.load_state_dict(self._arrays)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Refusal(f"{self._path}: not a model of this version of fastcands ({error})") from None
        self._arrays = {}


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
        run = {"format": _FORMAT, "config": trainer.config.to_json(), "fingerprint": self._fingerprint}
        save_arrays(self.path / "model.npz", {**trainer.state_dict(), "run": np.array(json.dumps(run))})

    def _begin(self, trainer: Trainer) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for stale in (
                "metrics.json",
                "curves.png",
            ):  # of an earlier run, or of this one before it went on
                with contextlib.suppress(FileNotFoundError):
                    (self.path / stale).unlink()
            trainer.corpus.vocabulary.save(self.path / "vocab.txt")
        except OSError as error:
            raise Refusal(f"{self.path}: cannot be written to ({error.strerror or error})") from None
        self._fingerprint = _fingerprint(trainer.corpus)
        config = {"fastcands": fc.__version__, **json.loads(trainer.config.to_json())}
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
