"""``fastcands compare``: every run under the same conditions, on record, in a table and in a picture."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from fastcands.cli.run.loop import EVALUATIONS
from tests.cli.conftest import SMALL, Command, StopAt, only_line, read_json

RUNS = ("softmax", "sampled_softmax:uniform:12", "nce@0.05")
OPTIONS = (*SMALL, *(part for run in RUNS for part in ("--run", run)))
FILES = {"compare.jsonl", "compare.json", "compare.png"}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "compare.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def both(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison by time and by epochs."""
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("compare") / "out"
    limits = ("--seconds", 0.3, "--epochs", 2, "--epochs-vocab-size", 20, "--epochs-tokens", 1500)
    assert run([str(argument) for argument in ("compare", text, *OPTIONS, *limits, "--out", folder)]) == 0
    return folder


def test_the_record(both: Path) -> None:
    assert {path.name for path in both.iterdir()} == FILES
    record = lines(both)
    assert set(record[0]) == {
        "heat",
        "run",
        "body",
        "loss",
        "sampler",
        "num_sampled",
        "learning_rate",
        "vocab_size",
        "step",
        "examples",
        "seconds",
        "examples_per_second",
        "train_loss",
        "valid_perplexity",
    }
    order = list(dict.fromkeys((line["heat"], line["run"]) for line in record))
    assert order == [(heat, run) for heat in ("seconds", "epochs") for run in RUNS]
    by_epochs = [line for line in record if line["heat"] == "epochs"]
    assert len(by_epochs) == EVALUATIONS * len(RUNS)
    assert {line["vocab_size"] for line in by_epochs} == {20}
    choices = {
        (line["run"], line["loss"], line["sampler"], line["num_sampled"], line["learning_rate"]) for line in by_epochs
    }
    assert choices == {
        (RUNS[0], "softmax", None, None, 0.1),
        (RUNS[1], "sampled_softmax", "uniform", 12, 0.1),
        (RUNS[2], "nce", "log_uniform", 10, 0.05),
    }


def test_equal_conditions(both: Path) -> None:
    results = read_json(both / "compare.json")
    by_time, by_epochs = results["heats"]
    assert (by_time["heat"], by_time["max_seconds"], by_time["epochs"], by_time["vocab_size"]) == (
        "seconds",
        0.3,
        None,
        50,
    )
    assert (by_epochs["heat"], by_epochs["max_seconds"], by_epochs["epochs"]) == ("epochs", None, 2)
    assert by_epochs["vocab_size"] == 20
    assert by_epochs["train_tokens"] <= 1501
    assert all(0.3 <= run["seconds"] < 2 for run in by_time["runs"])
    assert {run["examples"] for run in by_epochs["runs"]} == {2 * by_epochs["train_tokens"]}
    record = lines(both)
    for heat in results["heats"]:
        perplexities = [run["valid_perplexity"] for run in heat["runs"]]
        assert perplexities == sorted(perplexities)
        exact = next(run["valid_perplexity"] for run in heat["runs"] if run["run"] == "softmax")
        candidates = {run["run"]: run["num_sampled"] for run in heat["runs"]}
        assert candidates == {RUNS[0]: None, RUNS[1]: 12, RUNS[2]: heat["vocab_size"] // 2}
        for run in heat["runs"]:
            assert run["relative_to_softmax"] == pytest.approx(run["valid_perplexity"] / exact)
            own = [line for line in record if (line["heat"], line["run"]) == (heat["heat"], run["run"])]
            assert min(line["valid_perplexity"] for line in own) == run["valid_perplexity"]
            assert (own[-1]["step"], own[-1]["body"]) == (run["steps"], run["body"])


def test_the_picture(both: Path) -> None:
    from matplotlib import image

    content = (both / "compare.png").read_bytes()
    assert struct.unpack(">II", content[16:24]) == (1320, 552)
    pixels = image.imread(both / "compare.png")[..., :3]
    for colour in ("1b1b1b", "1f5fa8", "c8601a"):  # each run, in both panels
        wanted = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        there = np.abs(pixels - wanted).max(axis=2) < 0.02
        assert there[:400, :660].sum() > 10
        assert there[:400, 660:].sum() > 10


def test_equal_epochs_can_be_repeated(command: Command, text: Path, tmp_path: Path, both: Path) -> None:
    """To the last bit, whatever ran before and with any number of threads."""
    limits = ("--epochs", 2, "--epochs-vocab-size", 20, "--epochs-tokens", 1500, "--threads", 1)
    code, out, err = command("compare", text, *OPTIONS, *limits, "--out", tmp_path / "out")
    assert code == 0
    first = [line["valid_perplexity"] for line in lines(both) if line["heat"] == "epochs"]
    assert [line["valid_perplexity"] for line in lines(tmp_path / "out")] == first
    assert "equal epochs: 2 epochs each; 20 words, 1,5" in out
    assert "equal seconds" not in out
    for run in RUNS:
        assert run.replace(":", " ") in out
    assert max(map(len, out.splitlines()[:-1])) <= 80  # the last one names the folder
    assert "equal epochs, 2 of 3: sampled_softmax:uniform:12" in err


def test_json(command: Command, text: Path, tmp_path: Path) -> None:
    options = (*SMALL, "--run", "softmax", "--seconds", 0.1, "--out", tmp_path / "out", "--json")
    code, out, _ = command("compare", text, *options)
    assert code == 0
    assert json.loads(out) == read_json(tmp_path / "out" / "compare.json")
    assert [heat["heat"] for heat in json.loads(out)["heats"]] == ["seconds"]


def test_ctrl_c_keeps_the_record(command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StopAt.checks_left = 60
    monkeypatch.setattr("fastcands.cli.compare.session.Interrupts", StopAt)
    folder = tmp_path / "out"
    code, out, err = command("compare", text, *OPTIONS, "--epochs", 1, "--out", folder)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == f"stopped; 1 of 3 runs done, their figures are in {folder / 'compare.jsonl'}"
    assert {path.name for path in folder.iterdir()} == {"compare.jsonl"}
    assert {line["run"] for line in lines(folder)} >= {"softmax"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--run", "sofmax"), "--run: unknown name 'sofmax', did you mean 'softmax'?"),
        (("--run", "softmax:uniform"), "--run softmax:uniform: softmax is exact and takes no sampler"),
        (("--run", "nce:unifrom"), "--run nce:unifrom: unknown name 'unifrom', did you mean 'uniform'?"),
        (("--run", "nce:uniform:many"), "--run nce:uniform:many: CANDIDATES and RATE must be numbers"),
        (("--run", "nce:uniform:3:4"), "--run nce:uniform:3:4: expected [BODY/]LOSS[:SAMPLER[:CANDIDATES]][@RATE]"),
        (("--run", "nce@fast"), "--run nce@fast: CANDIDATES and RATE must be numbers"),
        (("--run", "nce@-1"), "--learning-rate must be a number above 0, got -1.0"),
        (("--run", "nce:uniform:0"), "--num-sampled must be at least 1, got 0"),
        (("--seconds", "0"), "--max-seconds must be a number above 0, got 0.0"),
        (("--epochs", "-1"), "--epochs must be a number above 0, got -1.0"),
        (("--epochs-vocab-size", "2"), "--epochs-vocab-size must be at least 3, got 2"),
        (("--epochs-tokens", "3"), "--epochs-tokens must be at least 4, got 3"),
        (("--optimizer", "adam"), "--optimizer: unknown name 'adam', did you mean 'lazy_adam'?"),
        (("--threads", "0"), "--threads must be between 1 and 1024, got 0"),
    ],
)
def test_refused(command: Command, text: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, out, err = command("compare", text, *SMALL, *options, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in only_line(err)
    assert not (tmp_path / "out").exists()


def test_refused_by_the_vocabulary(command: Command, text: Path, tmp_path: Path) -> None:
    options = ("--run", "nce:uniform:30", "--epochs", 1, "--epochs-vocab-size", 20)
    code, out, err = command("compare", text, *SMALL, *options, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1] == "fastcands: --num-sampled must be at most the vocabulary's 20 words, got 30"
