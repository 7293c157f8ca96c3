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


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
