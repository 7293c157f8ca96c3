"""``fastcands train`` from its arguments to its files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastcands.cli.run.loop import EVALUATIONS
from fastcands.cli.run.registry import LOSSES, OPTIMIZERS, SAMPLERS
from fastcands.data import Corpus, EncodedText, Vocabulary, encode_files, prepare_corpus
from tests.cli.conftest import SMALL, Command, bits, log_softmax, logits_of, read_json

FILES = {"model.npz", "vocab.txt", "config.json", "metrics.jsonl", "metrics.json", "curves.png", "mixture.npz"}
FIGURES = {
    "vocab_size",
    "train_tokens",
    "seconds",
    "examples_per_second",
    "valid_perplexity",
    "test_perplexity",
    "unigram_perplexity",
    "trigram_perplexity",
    "kneser_ney_5_perplexity",
    "kneser_ney_5_valid_perplexity",
    "mixture_perplexity",
    "mixture_valid_perplexity",
    "mixture_weight",
    "best_step",
    "bits_per_byte",
    "valid_bits_per_byte",
    "verdict",
}


def exact_perplexity(folder: Path, text: EncodedText) -> float:
    """From the saved arrays alone."""
    log_probabilities = log_softmax(logits_of(folder, text.contexts(np.arange(len(text)), 3)))
    return float(np.exp(-log_probabilities[np.arange(len(text)), text.ids].mean()))


def test_a_run_and_its_files(command: Command, text: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "held_out.txt"
    held_out.write_text(" ".join(text.read_text().split()[:300]))
    folder = tmp_path / "deep" / "run"
    code, out, err = command("train", text, "--test", held_out, *SMALL, "--epochs", 4, "--out", folder)
    assert code == 0
    assert {path.name for path in folder.iterdir()} == FILES

    metrics = read_json(folder / "metrics.json")
    assert metrics.keys() >= FIGURES
    vocabulary = Vocabulary.load(folder / "vocab.txt")
    assert metrics["vocab_size"] == len(vocabulary) == 47 + 3  # the words, the full stop, <unk> and </s>
    assert metrics["examples"] == 4 * metrics["train_tokens"]  # the last partial batch trains too
    assert metrics["steps"] == 4 * -(-metrics["train_tokens"] // 64)
    assert metrics["epochs"] == 4
    test_text = encode_files([held_out], "words", vocabulary)
    assert metrics["test_tokens"] == len(test_text) == 301
    assert metrics["test_perplexity"] == pytest.approx(exact_perplexity(folder, test_text), rel=1e-5)
    assert metrics["test_perplexity"] < 0.5 * metrics["unigram_perplexity"]
    assert 1 < metrics["trigram_perplexity"] < metrics["unigram_perplexity"]

    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == EVALUATIONS
    assert list(lines[0]) == [
        "step",
        "examples",
        "seconds",
        "examples_per_second",
        "train_loss",
        "valid_perplexity",
    ]
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})
    assert lines[-1]["examples"] == metrics["examples"]
    assert lines[-1]["valid_perplexity"] == pytest.approx(metrics["valid_perplexity"], rel=1e-9)  # a small text
    assert lines[-1]["train_loss"] < lines[0]["train_loss"]

    config = read_json(folder / "config.json")
    assert (config["files"], config["epochs"], config["max_seconds"]) == ([str(text)], 4.0, None)
    assert config["num_sampled"] == 25  # what was used, not that it was left open
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    for figure in (f"{metrics['test_perplexity']:,.2f}", f"{metrics['trigram_perplexity']:,.2f}", "50 of 48"):
        assert figure in out
    assert "after 0:0" in err
    assert "Traceback" not in err


def test_the_seed_decides_and_the_threads_do_not(command: Command, text: Path, tmp_path: Path) -> None:
    results = []
    for number, (seed, threads) in enumerate([(1, 1), (1, 2), (2, 1)]):
        folder = tmp_path / str(number)
        arguments = (*SMALL, "--batch-size", 300, "--epochs", 1.3, "--seed", seed, "--threads", threads)
        assert command("train", text, *arguments, "--out", folder).code == 0
        results.append(bits(folder))
    assert results[0] == results[1]
    assert results[0][0] != results[2][0]


@pytest.mark.parametrize(
    "options",
    [
        ("--loss", "softmax"),
        ("--sampler", "uniform", "--num-sampled", "10"),
        ("--optimizer", "sgd"),
        ("--tokenizer", "whitespace", "--min-count", "30", "--vocab-size", "20"),
        ("--loss", "nce"),
        ("--loss", "sampled_logistic", "--sampler", "learned_unigram"),
        ("--loss", "negative_sampling", "--sampler", "fixed_unigram", "--distortion", "0.75"),
        ("--loss", "rank_sampled_softmax", "--num-resampled", "15"),
        ("--loss", "logistic"),
        ("--sampler", "all"),
        ("--optimizer", "momentum"),
        ("--optimizer", "rowwise_adagrad"),
        ("--optimizer", "lazy_adam", "--learning-rate", "0.02"),
        ("--tie", "--no-mix"),
        ("--optimizer", "momentum", "--loss", "nce"),
    ],
    ids=" ".join,
)
def test_other_choices(command: Command, text: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    assert command("train", text, *SMALL, *options, "--epochs", 2, "--out", tmp_path / "run").code == 0
    metrics = read_json(tmp_path / "run" / "metrics.json")
    assert metrics["test_perplexity"] < metrics["unigram_perplexity"]
    if "--vocab-size" in options:
        assert metrics["vocab_size"] == 20
    if "negative_sampling" in options:  # its logits lack log Q, which the reported perplexity has
        vocabulary = Vocabulary.load(tmp_path / "run" / "vocab.txt")
        prepared = prepare_corpus(Corpus.from_paths([text]), "words", 100_000)
        assert prepared.vocabulary == vocabulary
        assert metrics["test_perplexity"] == pytest.approx(exact_perplexity(tmp_path / "run", prepared.test), rel=1e-5)


def test_each_loss_sampler_and_optimizer_has_been_tried() -> None:
    """The choices above hold every name but the defaults."""
    (mark,) = (mark for mark in test_other_choices.pytestmark if mark.name == "parametrize")
    words = {word for options in mark.args[1] for word in options}
    assert {*LOSSES, *SAMPLERS, *OPTIMIZERS} - words == {"sampled_softmax", "log_uniform", "adagrad"}


def test_json_in_place_of_tables(command: Command, text: Path, tmp_path: Path) -> None:
    code, out, err = command("train", text, *SMALL, "--epochs", 0.2, "--out", tmp_path / "run", "--json")
    assert code == 0
    assert json.loads(out) == read_json(tmp_path / "run" / "metrics.json")
    assert out.count("\n") == 1
    assert "after 0:0" in err


def test_a_run_bounded_by_time_replaces_an_earlier_one(command: Command, text: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "metrics.json").write_text("{}")
    (folder / "notes.txt").write_text("mine")
    started = time.monotonic()
    assert command("train", text, *SMALL, "--max-seconds", 0.02, "--out", folder).code == 0
    assert time.monotonic() - started < 60
    metrics = read_json(folder / "metrics.json")
    assert 0.02 <= metrics["seconds"] < 2
    assert metrics["epochs"] < 2  # those planned take longer
    assert (folder / "notes.txt").read_text() == "mine"


def test_undecodable_bytes_are_replaced_and_counted(command: Command, text: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.txt"
    broken.write_bytes(text.read_bytes() + b" caf\xe9 \xff\xfe")
    code, _, err = command("train", broken, *SMALL, "--epochs", 0.1, "--out", tmp_path / "run")
    assert code == 0
    assert "3 undecodable bytes in 1 files replaced" in err


def test_without_files_it_reads_the_standard_library(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "lib"
    library.mkdir()
    for number in range(150):
        (library / f"module{number}.py").write_text(f"def name{number}(x):\n    return x + {number % 7}\n" * 3)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(library))
    assert command("train", *SMALL, "--epochs", 0.5, "--out", tmp_path / "run").code == 0
    config = read_json(tmp_path / "run" / "config.json")
    assert (config["files"], config["tokenizer"]) == ([], "python")
    assert "return" in Vocabulary.load(tmp_path / "run" / "vocab.txt")


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastcands", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_model_and_says_how_to_go_on(text: Path, tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "run"
    process = start("train", text, *SMALL, "--max-seconds", 600, "--out", folder)
    assert process.stderr is not None
    for line in process.stderr:
        if "step" in line:  # training shows its first steps after ten seconds
            break
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1].endswith(f"To go on: fastcands train --resume {folder}")
    assert {path.name for path in folder.iterdir()} == FILES - {"metrics.json", "curves.png", "mixture.npz"}
    process = start("train", "--resume", folder, "--max-seconds", 0.1)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (0, False)
    assert {path.name for path in folder.iterdir()} == FILES
