"""``fastcands predict`` against plain NumPy over the saved arrays."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

from fastcands.data import Vocabulary
from tests.cli.conftest import SMALL, Command, log_softmax, logits_of, only_line


def test_probabilities(command: Command, trained: Path) -> None:
    vocabulary = Vocabulary.load(trained / "vocab.txt")
    context = ["w7", "w36", "w40"]
    log_probabilities = log_softmax(logits_of(trained, vocabulary.encode(context)[None]))[0]
    best = np.argsort(-log_probabilities, kind="stable")
    code, out, err = command("predict", trained, "w1 w5 w7 w36 w40", "--json", "-k", len(vocabulary))
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["context"] == context
    assert [pair["word"] for pair in answer["next"]] == vocabulary.decode(best)
    values = [pair["probability"] for pair in answer["next"]]
    np.testing.assert_allclose(values, np.exp(log_probabilities[best]), rtol=1e-5)
    assert sum(values) == pytest.approx(1, abs=1e-6)


def test_a_table_of_words(command: Command, trained: Path) -> None:
    answer = json.loads(command("predict", trained, "w7 w36", "--json", "-k", 4).out)
    assert answer["context"] == ["</s>", "w7", "w36"]  # before the first word stands the boundary
    code, out, err = command("predict", trained, "w7 w36", "-k", 4)
    assert (code, err) == (0, "")
    assert "after </s> w7 w36\n" in out
    lines = [line.split() for line in out.splitlines()]
    for pair in answer["next"]:
        row = next(line for line in lines if line[:1] == [pair["word"]])
        assert row[1] == f"{100 * pair['probability']:.2f}"
    assert max(map(len, out.splitlines())) <= 80


def test_text_from_stdin(command: Command, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = command("predict", trained, "w5 w7\nw36 new", "--json").out
    monkeypatch.setattr("sys.stdin", io.StringIO("w5 w7\nw36 new\n"))
    assert command("predict", trained, "-", "--json").out == expected
    assert json.loads(expected)["context"] == ["w7", "w36", "<unk>"]
    assert len(json.loads(expected)["next"]) == 10


def test_no_text_at_all(command: Command, trained: Path) -> None:
    assert json.loads(command("predict", trained, "", "--json").out)["context"] == ["</s>"] * 3


def test_words_that_look_like_markup(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("[red] [/red] :smile: [bold] " * 50)
    options = (*SMALL, "--tokenizer", "whitespace", "--epochs", 1, "--out", tmp_path / "run")
    assert command("train", tmp_path / "text.txt", *options).code == 0
    out = command("predict", tmp_path / "run", "[red]", "-k", 6).out
    for word in ("[red]", "[/red]", ":smile:", "[bold]"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "{model}"), "TEXT"),
        (("predict", "{model}", "w1", "-k", "0"), "-k must be between 1 and the vocabulary's 50 words, got 0"),
        (("predict", "{model}", "w1", "-k", "51"), "-k must be between 1 and the vocabulary's 50 words, got 51"),
        (("predict", "{place}", "w1"), "no saved model there"),
    ],
)
def test_refused(command: Command, trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = command(*(argument.format(model=trained, place=tmp_path) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in only_line(err) + "\n"
