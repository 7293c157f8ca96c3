"""Every refusal: exit code 2, one clear line on stderr, nothing on stdout, nothing left behind."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.cli.conftest import SMALL, Command


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "good.txt").write_text("a rose is a rose is a rose " * 20)
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "blank.txt").write_text(" \n ")
    (tmp_path / "short.txt").write_text("one two three four")
    (tmp_path / "binary.txt").write_bytes(b"a\0b")
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"some words " * 100)[:-20])
    (tmp_path / "folder").mkdir()
    return tmp_path


REFUSED = {
    "missing file": (("{}/none.txt",), "none.txt: no such file or folder"),
    "empty file": (("{}/empty.txt",), "empty.txt: the file is empty"),
    "file without words": (("{}/blank.txt",), "no word in"),
    "binary file": (("{}/binary.txt",), "not a text file in UTF-8"),
    "damaged gzip": (("{}/broken.gz",), "damaged gzip file"),
    "folder without text": (("{}/folder",), "no text file in this folder"),
    "too short": (
        ("{}/short.txt", "--context", "4"),
        "the training text must have more tokens than --context 4, got 4",
    ),
    "much too short": (("{}/short.txt", "--context", "900"), "--context 900, got"),
    "missing validation": (("{}/good.txt", "--valid", "{}/none.txt"), "none.txt: no such file or folder"),
    "missing test": (("{}/good.txt", "--test", "{}/none.txt"), "none.txt: no such file or folder"),
    "only held-out text": (("{}/good.txt", "--test", "{}/good.txt"), "train holds no file"),
    "loss": (
        ("{}/good.txt", "--loss", "sampled_sofmax"),
        "--loss: unknown name 'sampled_sofmax', did you mean 'sampled_softmax'?",
    ),
    "sampler": (("{}/good.txt", "--sampler", "zipf"), "--sampler: unknown name 'zipf', did you mean "),
    "optimizer": (("{}/good.txt", "--optimizer", "adagard"), "did you mean 'adagrad'? Known: adagrad, "),
    "tokenizer": (("{}/good.txt", "--tokenizer", "word"), "--tokenizer: unknown name 'word', did you mean 'words'?"),
    "body": (("{}/good.txt", "--body", "qrn"), "--body: unknown name 'qrn', did you mean 'qrnn'?"),
    "context of another body": (
        ("{}/good.txt", "--body", "qrnn", "--context", "4"),
        "--context is for --body feed_forward, got --body qrnn",
    ),
    "dropout": (("{}/good.txt", "--dropout", "1"), "--dropout must be at least 0 and below 1, got 1.0"),
    "dropout that is no number": (
        ("{}/good.txt", "--dropout", "nan"),
        "--dropout must be at least 0 and below 1, got nan",
    ),
    "vocabulary": (("{}/good.txt", "--vocab-size", "2"), "--vocab-size must be at least 3, got 2"),
    "huge vocabulary": (("{}/good.txt", "--vocab-size", "9999999999"), "--vocab-size must be at most 2147483647"),
    "min count": (("{}/good.txt", "--min-count", "0"), "--min-count must be at least 1, got 0"),
    "context": (("{}/good.txt", "--context", "0"), "--context must be at least 1, got 0"),
    "embedding": (("{}/good.txt", "--embedding-dim", "-3"), "--embedding-dim must be at least 1, got -3"),
    "hidden": (("{}/good.txt", "--hidden-dim", "0"), "--hidden-dim must be at least 1, got 0"),
    "no candidates": (("{}/good.txt", "--num-sampled", "0"), "--num-sampled must be at least 1, got 0"),
    "too many candidates": (
        ("{}/good.txt", "--num-sampled", "99"),
        "--num-sampled must be at most the vocabulary's 5 words, got 99",
    ),
    "all but some candidates": (
        ("{}/good.txt", "--sampler", "all", "--num-sampled", "3"),
        "--sampler all takes all 5 words: leave out --num-sampled, got 3",
    ),
    "distortion of another sampler": (
        ("{}/good.txt", "--distortion", "0.5"),
        "--distortion is for --sampler fixed_unigram, got --sampler log_uniform",
    ),
    "distortion": (
        ("{}/good.txt", "--sampler", "fixed_unigram", "--distortion", "-1"),
        "--distortion must be a number of at least 0, got -1.0",
    ),
    "resampling by another loss": (
        ("{}/good.txt", "--num-resampled", "2"),
        "--num-resampled is for --loss rank_sampled_softmax, got --loss sampled_softmax",
    ),
    "more resampled than sampled": (
        ("{}/good.txt", "--loss", "rank_sampled_softmax", "--num-sampled", "3", "--num-resampled", "3"),
        "--num-resampled must be less than --num-sampled 3, got 3",
    ),
    "more resampled than words": (
        ("{}/good.txt", "--loss", "rank_sampled_softmax", "--num-resampled", "3"),
        "--num-resampled must be less than the 2 candidates, got 3",
    ),
    "batch": (("{}/good.txt", "--batch-size", "0"), "--batch-size must be at least 1, got 0"),
    "epochs": (("{}/good.txt", "--epochs", "0"), "--epochs must be a number above 0, got 0.0"),
    "infinite epochs": (("{}/good.txt", "--epochs", "inf"), "--epochs must be a number above 0, got inf"),
    "seconds": (("{}/good.txt", "--max-seconds", "-1"), "--max-seconds must be a number above 0, got -1.0"),
    "rate": (("{}/good.txt", "--learning-rate", "nan"), "--learning-rate must be a number above 0, got nan"),
    "seed": (("{}/good.txt", "--seed", "-1"), "--seed must be at least 0, got -1"),
    "threads": (("{}/good.txt", "--threads", "0"), "--threads must be between 1 and 1024, got 0"),
    "no number": (("{}/good.txt", "--batch-size", "many"), "--batch-size"),
    "no value": (("{}/good.txt", "--batch-size"), "--batch-size"),
    "no such option": (("{}/good.txt", "--batchsize", "3"), "--batch-size"),
    "out is a file": (("{}/good.txt", "--out", "{}/blank.txt"), "blank.txt: a file of that name is in the way"),
    "out below a file": (("{}/good.txt", "--out", "{}/blank.txt/run"), "blank.txt/run: cannot be written to"),
    "out unwritable": (("{}/good.txt", "--out", "/proc/run"), "/proc/run: cannot be written to"),
    "too large a model": (("{}/good.txt", "--embedding-dim", "2000000000"), "not enough memory"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused(command: Command, place: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    arguments, message = REFUSED[case]
    monkeypatch.chdir(place)
    before = sorted(place.rglob("*"))
    options = [argument.format(place) for argument in arguments]
    small = [] if {"--context", "--embedding-dim", "--hidden-dim", "--batch-size"} & {*arguments} else SMALL
    code, out, err = command("train", *small, "--epochs", 1, *options)
    assert (code, out) == (2, "")
    assert err.startswith("fastcands: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(place.rglob("*")) == before


def test_a_rate_that_breaks_training(command: Command, place: Path) -> None:
    options = ("--optimizer", "sgd", "--learning-rate", 1e30, "--epochs", 3, "--out", place / "run")
    code, out, err = command("train", place / "good.txt", *SMALL, *options)
    assert (code, out) == (2, "")
    assert "training broke down at step" in err.splitlines()[-1]
    folder = place / "run"
    assert f"try a lower --learning-rate. The best model, of step 0, is saved in {folder}" in err.splitlines()[-1]
    # that of before the first step is no worse than the words' frequencies
    answer = json.loads(command("predict", folder, "a", "-k", 5, "--json").out)
    assert {pair["word"] for pair in answer["next"][:3]} == {"rose", "is", "a"}
    assert command("evaluate", folder, place / "good.txt").code == 0


def test_an_unreadable_file(command: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.open

    def refuse(path: Path, *args: object, **more: object) -> object:
        if path.name == "good.txt":
            raise PermissionError(13, os.strerror(13), str(path))
        return original(path, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    code, out, err = command("train", place / "good.txt", *SMALL, "--epochs", 1, "--out", place / "run")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == f"fastcands: {place}/good.txt: Permission denied"


def test_a_full_disk(command: Command, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*args: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("os.fsync", no_space)
    code, out, err = command("train", place / "good.txt", *SMALL, "--epochs", 1, "--out", place / "run")
    assert (code, out) == (2, "")
    assert "No space left on device" in err.splitlines()[-1]
    assert list((place / "run").iterdir()) == []
