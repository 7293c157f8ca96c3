"""A small corpus, a configuration, and the command run inside this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastcands.cli.errors import Interrupted
from fastcands.cli.main import run
from fastcands.cli.run.interrupts import Interrupts
from fastcands.cli.text.config import TextConfig

SIZES = ("--embedding-dim", "8", "--hidden-dim", "12", "--batch-size", "64")
# a feed-forward body, by what it learns fastest with on so little text
SMALL = (*SIZES, "--context", "3", "--no-tie", "--optimizer", "adagrad", "--dropout", "0")
RECURRENT = (*SIZES, "--body", "qrnn")


CONFIG = TextConfig(
    files=("/a", "/b"),
    valid=(),
    test=("/c",),
    tokenizer="words",
    vocab_size=100,
    min_count=1,
    context=2,
    embedding_dim=3,
    hidden_dim=4,
    loss="sampled_softmax",
    sampler="uniform",
    distortion=None,
    num_sampled=None,
    num_resampled=None,
    batch_size=5,
    epochs=1.5,
    max_seconds=None,
    optimizer="sgd",
    learning_rate=0.25,
    seed=6,
)


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
    """The best saved feed-forward model's logits of all words, by NumPy in float64, from the arrays alone."""
    with np.load(folder / "model.npz") as file:
        p = {name: array.astype(np.float64) for name, array in file.items() if array.dtype == np.float32}
    p.update({name.removeprefix("best."): p[name] for name in list(p) if name.startswith("best.")})
    embedding = p.get("embedding", p["table_weights"])  # a tied model has one array for both
    inputs = embedding[contexts].reshape(len(contexts), -1)
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


def bits(folder: Path) -> tuple[list[float], dict[str, bytes]]:
    """All perplexities of a run, and its arrays."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    metrics = read_json(folder / "metrics.json")
    figures = [line[name] for line in lines for name in ("step", "train_loss", "valid_perplexity")]
    with np.load(folder / "model.npz") as file:
        arrays = {name: array.tobytes() for name, array in file.items() if name not in ("run", "trainer")}
    return [*figures, metrics["valid_perplexity"], metrics["test_perplexity"]], arrays


class StopAt(Interrupts):
    """Asks to stop at the n-th check, which may come before a step or within an evaluation."""

    checks_left = 0

    def check(self) -> None:
        type(self).checks_left -= 1
        if self.checks_left == 0:
            raise Interrupted
