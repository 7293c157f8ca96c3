"""``fastcands neighbors`` against plain NumPy over the saved arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastcands.data import Vocabulary
from tests.cli.conftest import SMALL, Command, only_line


@pytest.mark.parametrize("by", ["output", "input"])
def test_neighbors(command: Command, trained: Path, by: str) -> None:
    vocabulary = Vocabulary.load(trained / "vocab.txt")
    with np.load(trained / "model.npz") as file:
        vectors = file["table_weights" if by == "output" else "embedding"].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    own = int(vocabulary.encode(["w12"])[0])
    cosines = vectors @ vectors[own]
    order = [id_ for id_ in np.argsort(-cosines, kind="stable") if id_ != own]
    code, out, err = command("neighbors", trained, "w12", "--by", by, "-k", 1000, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["word"], answer["by"]) == ("w12", by)
    assert [pair["word"] for pair in answer["neighbors"]] == vocabulary.decode(order)
    np.testing.assert_allclose([pair["cosine"] for pair in answer["neighbors"]], cosines[order], atol=1e-12)
    table = command("neighbors", trained, "w12", "--by", by, "-k", 3).out
    assert table.splitlines()[3].split() == [answer["neighbors"][0]["word"], f"{cosines[order[0]]:.3f}"]
    assert answer["neighbors"][3]["word"] not in table.split()


def test_words_that_look_like_markup(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("[red] [/red] :smile: [bold] " * 50)
    options = (*SMALL, "--tokenizer", "whitespace", "--epochs", 1, "--out", tmp_path / "run")
    assert command("train", tmp_path / "text.txt", *options).code == 0
    assert "[/red]" in command("neighbors", tmp_path / "run", "[red]").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("neighbors", "{place}", "w1"), "no saved model there"),
        (("neighbors", "{model}", "w1", "-k", "0"), "-k must be at least 1, got 0"),
        (("neighbors", "{model}", "w1", "--by", "outptu"), "--by: unknown name 'outptu', did you mean 'output'?"),
        (("neighbors", "{model}", "W12"), "lacks the word 'W12', did you mean 'w12'?"),
        (("neighbors", "{model}", "w112"), "lacks the word 'w112', did you mean 'w12' or "),
        (("neighbors", "{model}", "quite?else"), "lacks the word 'quite?else'\n"),
    ],
)
def test_refused(command: Command, trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = command(*(argument.format(model=trained, place=tmp_path) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in only_line(err) + "\n"
