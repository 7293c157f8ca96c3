"""``fastcands evaluate`` against plain NumPy over the saved arrays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastcands.data import Vocabulary, encode_files
from tests.cli.conftest import Command, log_softmax, logits_of, only_line

KEYS = [
    "files",
    "tokens",
    "bytes",
    "unknown_share",
    "loss",
    "perplexity",
    "bits_per_byte",
    "mixture_perplexity",
    "kneser_ney_5_perplexity",
    "mixture_weight",
    "hit_at_1",
    "hit_at_5",
    "hit_at_10",
    "mean_reciprocal_rank",
    "seconds",
]


@pytest.fixture
def held_out(text: Path, tmp_path: Path) -> list[Path]:
    words = text.read_text().split()
    files = [tmp_path / "one.txt", tmp_path / "two.txt"]
    files[0].write_text(" ".join(words[100:300]) + " and seven words that nobody has seen")
    files[1].write_text(" ".join(words[1000:1100]))
    return files


def test_the_figures(command: Command, trained: Path, held_out: list[Path]) -> None:
    code, out, err = command("evaluate", trained, *held_out, "--json")
    assert (code, err) == (0, "")
    figures = json.loads(out)
    assert list(figures) == KEYS

    vocabulary = Vocabulary.load(trained / "vocab.txt")
    text = encode_files(held_out, "words", vocabulary)
    logits = logits_of(trained, text.contexts(np.arange(len(text)), 3))
    own = logits[np.arange(len(text)), text.ids]
    ranks = 1 + (logits > own[:, None]).sum(axis=1)
    loss = -log_softmax(logits)[np.arange(len(text)), text.ids].mean()
    assert (figures["files"], figures["tokens"]) == (2, len(text))
    assert figures["unknown_share"] == pytest.approx(7 / len(text))
    assert figures["loss"] == pytest.approx(loss, rel=1e-6)
    assert figures["perplexity"] == pytest.approx(np.exp(loss), rel=1e-5)
    assert figures["bytes"] == sum(len(path.read_bytes()) for path in held_out)
    assert figures["bits_per_byte"] == pytest.approx(loss * len(text) / np.log(2) / figures["bytes"], rel=1e-6)
    for k in (1, 5, 10):
        assert figures[f"hit_at_{k}"] == pytest.approx((ranks <= k).mean(), abs=1e-9)
    assert figures["mean_reciprocal_rank"] == pytest.approx((1 / ranks).mean(), rel=1e-6)
    assert 0 < figures["hit_at_1"] < figures["hit_at_5"] < figures["hit_at_10"] < 1


def test_the_table(command: Command, trained: Path, held_out: list[Path]) -> None:
    figures = json.loads(command("evaluate", trained, *held_out, "--json").out)
    code, out, err = command("evaluate", trained, *held_out)
    assert (code, err) == (0, "")
    assert f"{figures['perplexity']:,.2f}" in out
    assert f"{100 * figures['hit_at_5']:.1f} %" in out
    unknown = f"{100 * figures['unknown_share']:.1f} % of them not in the vocabulary"
    assert f"{figures['tokens']} tokens in 2 files, {unknown}" in out
    assert max(map(len, out.splitlines())) <= 80


def test_threads_do_not_matter(command: Command, trained: Path, held_out: list[Path]) -> None:
    results = [json.loads(command("evaluate", trained, *held_out, "--json", "--threads", n).out) for n in (1, 2)]
    assert results[0] | {"seconds": 0} == results[1] | {"seconds": 0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("{model}",), "FILES"),
        (("{model}", "{place}/none.txt"), "none.txt: no such file or folder"),
        (("{model}", "{place}/blank.txt"), "no word in"),
        (("{place}", "{text}"), "no saved model there (model.npz is missing); `fastcands train` makes one"),
        (("{place}/none", "{text}"), "none: no saved model there"),
        (("{text}", "{text}"), "text.txt: no saved model there"),
        (("{model}", "{text}", "--threads", "0"), "--threads must be between 1 and 1024, got 0"),
    ],
)
def test_refused(
    command: Command, trained: Path, text: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "blank.txt").write_text(" \n")
    given = [argument.format(model=trained, place=tmp_path, text=text) for argument in arguments]
    code, out, err = command("evaluate", *given)
    assert (code, out) == (2, "")
    assert message in only_line(err)


def test_ctrl_c(command: Command, trained: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastcands.models.NGramPredictor.evaluate_text", stop)
    code, out, err = command("evaluate", trained, text)
    assert (code, out) == (130, "")
    assert only_line(err).startswith("fastcands: stopped at once")
