"""A small corpus, and the command run inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands.cli.main import run

SMALL = ("--embedding-dim", "8", "--hidden-dim", "12", "--context", "3", "--batch-size", "64")


class Outcome(NamedTuple):
    """What a call of the command did."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 3,000 words of which each depends on the word before."""
    generator = np.random.default_rng(0)
    words, number = [], 1
    for _ in range(3000):
        words.append(f"w{number}" if generator.random() < 0.95 else ".\n")
        number = (5 * number + int(generator.integers(0, 3))) % 47
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(words))
    return path


@pytest.fixture(scope="session")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained model of `text`; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    assert run([str(argument) for argument in ("train", text, *SMALL, "--epochs", 3, "--out", folder)]) == 0
    return folder


def logits_of(folder: Path, contexts: np.ndarray) -> np.ndarray:
    """The saved model's logits of all words, by plain NumPy in float64, from the arrays alone."""
    with np.load(folder / "model.npz") as file:
        p = {name: array.astype(np.float64) for name, array in file.items() if array.dtype == np.float32}
    inputs = p["embedding"][contexts].reshape(len(contexts), -1)
    hidden = np.tanh(inputs @ p["hidden_weights"] + p["hidden_biases"])
    features = hidden @ p["feature_weights"] + p["feature_biases"]
    return features @ p["table_weights"].T + p["table_biases"] + p.get("logit_offsets", 0.0)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def only_line(err: str) -> str:
    """The one line that a refused call leaves on stderr."""
    assert err.count("\n") == 1
    assert err.startswith("fastcands: ")
    return err.removesuffix("\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
