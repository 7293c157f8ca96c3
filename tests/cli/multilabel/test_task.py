"""``--task multilabel``: a run and its files, resuming, evaluating, predicting, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastcands.data import read_extreme
from fastcands.data.synthetic_extreme import ExtremeStructure, write_synthetic
from tests.cli.conftest import Command, StopAt, read_json

FILES = {"model.npz", "config.json", "metrics.jsonl", "metrics.json", "curves.png"}
RUN = ("--embedding-dim", 16, "--batch-size", 64, "--epochs", 4, "--seed", 3, "--num-sampled", 100)
NUM_POINTS, NUM_TEST = 1200, 300


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("points")
    write_synthetic(folder, ExtremeStructure(400, 1000, cluster_labels=20, seed=5), NUM_POINTS, NUM_TEST)
    return folder


def train(data: Path, *more: object) -> tuple[object, ...]:
    return ("train", "--task", "multilabel", data / "train.txt", "--test", data / "test.txt", *RUN, *more)


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("finished") / "run"
    assert run([str(argument) for argument in train(data, "--out", folder)]) == 0
    return folder


def bits(folder: Path) -> dict[str, bytes]:
    """The arrays of a saved model; what the clock says is left out."""
    with np.load(folder / "model.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files if name not in ("trainer", "run")}
        trainer = json.loads(str(file["trainer"]))
    counters = {name: trainer[name] for name in ("step", "examples", "epoch", "position", "sampler")}
    return {**arrays, "counters": json.dumps(counters).encode()}


def test_a_run_and_its_files(data: Path, finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES
    metrics, structure = read_json(finished / "metrics.json"), read_json(data / "structure.json")
    labelled = len(read_extreme(data / "train.txt").take(np.arange(NUM_POINTS - 60)).labelled())
    sizes = [metrics[name] for name in ("labels", "features", "train_points", "valid_points", "test_points")]
    assert sizes == [400, 1000, NUM_POINTS - 60, 60, NUM_TEST]
    assert (metrics["examples"], metrics["epochs"]) == (4 * labelled, 4)
    for k, best, frequent in zip((1, 3, 5), structure["test_best"], structure["test_frequency"], strict=True):
        assert 0.85 * best < metrics[f"test_precision_at_{k}"] < best + 0.02
        assert metrics[f"test_frequency_precision_at_{k}"] == pytest.approx(frequent, abs=0.05)
        assert 0 < metrics[f"test_propensity_scored_precision_at_{k}"] < 1
    evaluations = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert len(evaluations) == 12
    assert evaluations[-1]["valid_precision_at_1"] == metrics["valid_precision_at_1"]
    config = read_json(finished / "config.json")
    assert (config["task"], config["sampler"], config["batch_size"]) == ("multilabel", "fixed_unigram", 64)


def test_what_it_prints(command: Command, data: Path, tmp_path: Path) -> None:
    code, out, err = command(*train(data, "--out", tmp_path / "run"))
    assert code == 0
    for text in ("this model", "most frequent labels", "P@1", "PSP@5", "400 labels, 1,000 features", str(tmp_path)):
        assert text in out
    assert "1,140 train, 60 valid, 300 test" in err
    assert "valid precision@1" in err


@pytest.mark.parametrize("loss", ["softmax", "logistic", "nce", "sampled_logistic", "negative_sampling"])
def test_every_loss_learns(command: Command, data: Path, tmp_path: Path, loss: str) -> None:
    code, out, _ = command(*train(data, "--loss", loss, "--json", "--out", tmp_path / "run"))
    assert code == 0
    metrics = json.loads(out)
    assert metrics["test_precision_at_1"] > 4 * metrics["test_frequency_precision_at_1"]


def test_a_validation_file_and_no_test_file(command: Command, data: Path, tmp_path: Path) -> None:
    arguments = ("--task", "multilabel", data / "train.txt", "--valid", data / "test.txt", *RUN, "--json")
    code, out, _ = command("train", *arguments, "--out", tmp_path / "run")
    assert code == 0
    metrics = json.loads(out)
    assert [metrics[f"{part}_points"] for part in ("train", "valid", "test")] == [NUM_POINTS, NUM_TEST, 0]
    assert not any(name.startswith("test_p") and "precision" in name for name in metrics)


@pytest.mark.parametrize("checks", [1, 20, 84])
def test_stopped_and_resumed(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Path, checks: int
) -> None:
    folder = tmp_path / "run"
    StopAt.checks_left = checks
    monkeypatch.setattr("fastcands.cli.run.session.Interrupts", StopAt)
    code, out, err = command(*train(data, "--out", folder))
    assert (code, out) == (130, "")
    assert f"--resume {folder}" in err
    monkeypatch.undo()
    assert command("train", "--resume", folder, "--threads", 1).code == 0
    assert bits(folder) == bits(finished)
    assert {path.name for path in folder.iterdir()} == FILES


def test_resuming_with_other_points(command: Command, data: Path, tmp_path: Path) -> None:
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    assert command(*train(tmp_path, "--epochs", 0.2, "--out", tmp_path / "run")).code == 0
    text = (tmp_path / "train.txt").read_text()
    (tmp_path / "train.txt").write_text(text.replace(":1.", ":2.", 1))
    code, _, err = command("train", "--resume", tmp_path / "run")
    assert code == 2
    assert err.splitlines()[-1] == "fastcands: the data has changed since the run was saved: it cannot be resumed"


def test_evaluating(command: Command, data: Path, finished: Path) -> None:
    code, out, err = command("evaluate", finished, data / "test.txt", "--json")
    assert (code, err) == (0, "")
    found, metrics = json.loads(out), read_json(finished / "metrics.json")
    assert found["points"] == NUM_TEST
    for k in (1, 3, 5):
        for name in (f"precision_at_{k}", f"propensity_scored_precision_at_{k}"):
            assert found[name] == metrics[f"test_{name}"]
    code, out, err = command("evaluate", finished, data / "test.txt")
    assert (code, err) == (0, "")
    assert f"{100 * found['precision_at_1']:.2f}" in out


def test_predicting(command: Command, data: Path, finished: Path) -> None:
    test = read_extreme(data / "test.txt")
    lines = (data / "test.txt").read_text().splitlines()[1:]
    hits = 0
    for i in range(10):
        code, out, err = command("predict", finished, lines[i].split(" ", 1)[1], "-k", 3, "--json")
        assert (code, err) == (0, "")
        answer = json.loads(out)["labels"]
        assert [entry["logit"] for entry in answer] == sorted((entry["logit"] for entry in answer), reverse=True)
        hits += answer[0]["label"] in test.labels[test.label_starts[i] : test.label_starts[i + 1]]
    assert hits >= 6
    code, out, _ = command("predict", finished, "", "-k", 1, "--json")  # a point without features
    assert (code, len(json.loads(out)["labels"])) == (0, 1)
    code, out, _ = command("predict", finished, lines[0].split(" ", 1)[1])
    assert code == 0
    assert "logit" in out


def write(folder: Path, content: str) -> Path:
    path = folder / "bad.txt"
    path.write_text(content)
    return path


REFUSED: dict[str, tuple[tuple[object, ...], str]] = {
    "no file": ((), "--task multilabel needs a file of training points"),
    "two files": (("{train}", "{train}"), "FILES: --task multilabel takes one file, got 2"),
    "two tests": (("{train}", "--test", "{train}"), "--test: --task multilabel takes one file, got 2"),
    "missing file": (("none.txt",), "none.txt: no such file"),
    "a text": (("{text}",), "text.txt, line 1: must be the header"),
    "bad line": (("{bad}",), "bad.txt, line 3: label 4 comes more than once"),
    "no points": (("{empty}",), "empty.txt: there are no points in this file"),
    "few points": (("{few}",), "few.txt: 2 points are too few to hold some out for validation"),
    "no labels": (("{none}", "--valid", "{none}"), "none.txt: no training point has a label"),
    "another size": (("{few}", "--valid", "{train}"), "but the training points have 9 and 5"),
    "text's option": (("{train}", "--context", 3), "--context is for --task text, got --task multilabel"),
    "many candidates": (("{train}", "--num-sampled", 401), "--num-sampled must be at most the data's 400 labels"),
    "propensity": (("{train}", "--propensity-a", 0), "--propensity-a must be a number above 0, got 0.0"),
    "infinite": (("{train}", "--propensity-b", "inf"), "--propensity-b must be a number above 0, got inf"),
    "task": (("{train}", "--task", "multilabl"), "--task: unknown name 'multilabl', did you mean 'multilabel'"),
    "large": (("{train}", "--embedding-dim", 2_000_000_000), "not enough memory"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_refused(command: Command, data: Path, tmp_path: Path, case: str) -> None:
    contents = {
        "text": "a rose is a rose\n",
        "bad": "9 9 5\n4,1 1:1\n4,4 1:1\n",
        "empty": "0 9 5\n",
        "few": "2 9 5\n1 1:1\n2 1:1\n",
        "none": "2 9 5\n 1:1\n 1:1\n",
    }
    paths = {name: tmp_path / f"{name}.txt" for name in contents} | {"train": data / "train.txt"}
    for name, content in contents.items():
        paths[name].write_text(content)
    before = sorted(tmp_path.rglob("*"))
    given, message = REFUSED[case]
    options = [argument.format(**paths) if isinstance(argument, str) else argument for argument in given]
    test = ("--test", data / "test.txt") if case in ("two tests",) else ()
    code, out, err = command("train", "--task", "multilabel", "--epochs", 1, *test, *options, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert err.startswith("fastcands: ")
    assert message in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_of_the_other_task(command: Command, data: Path, finished: Path, text: Path, tmp_path: Path) -> None:
    code, out, err = command("neighbors", finished, "the")
    assert (code, out) == (2, "")
    assert err.endswith("model.npz: a model of --task multilabel, and this is for --task text\n")
    assert command("train", "--propensity-a", 0.5, text)[::2] == (
        2,
        "fastcands: --propensity-a is for --task multilabel, got --task text\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "{run}", "{data}/train.txt", "{data}/test.txt"), "takes one file, got 2"),
        (("evaluate", "{run}", "{data}/none.txt"), "none.txt: no such file"),
        (("evaluate", "{run}", "{bad}"), "bad.txt: 9 features and 5 labels, but the model has 1000 and 400"),
        (("predict", "{run}", "1:x"), "TEXT, line 1: a feature's value must be a finite float32 number, got 'x'"),
        (("predict", "{run}", "1000:1"), "TEXT, line 1: a feature must be an integer in [0, 1000), got '1000'"),
        (("predict", "{run}", "1:1\n2:1"), "TEXT must be the features of one point, got 2 lines"),
        (("predict", "{run}", "1:1", "-k", "401"), "-k must be between 1 and the data's 400 labels, got 401"),
    ],
)
def test_refused_uses(
    command: Command, data: Path, finished: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    bad = write(tmp_path, "1 9 5\n1 1:1\n")
    code, out, err = command(*(argument.format(run=finished, data=data, bad=bad) for argument in arguments))
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_planned(command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without options, the size of the data decides loss, rate, epochs and batch."""
    arguments = (
        "train",
        "--task",
        "multilabel",
        data / "train.txt",
        "--test",
        data / "test.txt",
        "--embedding-dim",
        16,
    )
    code, _, err = command(*arguments, "--out", tmp_path / "exact")
    assert code == 0
    assert "--loss logistic: points and labels are few enough for all labels in each step" in err
    config, metrics = read_json(tmp_path / "exact" / "config.json"), read_json(tmp_path / "exact" / "metrics.json")
    assert (config["loss"], config["optimizer"], config["learning_rate"]) == ("logistic", "adagrad", 0.3)
    assert (config["batch_size"], metrics["epochs"]) == (256, pytest.approx(config["epochs"], abs=0.01))
    assert config["epochs"] > 10
    assert metrics["test_precision_at_1"] > 0.9 * read_json(data / "structure.json")["test_best"][0]
    assert command("train", "--resume", tmp_path / "exact", "--epochs", 16).code == 0

    monkeypatch.setattr("fastcands.cli.run.recipe._MOST_LOGITS", 1000)
    code, _, err = command(*arguments, "--epochs", 0.5, "--out", tmp_path / "sampled")
    assert "--loss sampled_softmax: points and labels are too many for all labels in each step" in err
    config = read_json(tmp_path / "sampled" / "config.json")
    assert (config["loss"], config["sampler"], config["learning_rate"]) == ("sampled_softmax", "fixed_unigram", 0.1)
    # who chooses candidates has chosen a sampled loss
    code, _, err = command(*arguments, "--epochs", 0.5, "--num-sampled", 50, "--out", tmp_path / "chosen")
    assert read_json(tmp_path / "chosen" / "config.json")["loss"] == "sampled_softmax"


def test_options_of_text_are_refused(command: Command, data: Path, finished: Path) -> None:
    for option in (("--body", "qrnn"), ("--no-tie",), ("--dropout", 0.1), ("--no-mix",)):
        code, out, err = command(*train(data, *option))
        assert (code, out) == (2, "")
        assert " is for --task text, got --task multilabel" in err
    for arguments in (("evaluate", finished, data / "test.txt", "--mix"), ("predict", finished, "1:1", "--mix")):
        code, out, err = command(*arguments)
        assert (code, out, err) == (
            2,
            "",
            "fastcands: --mix is for models of --task text, got one of --task multilabel\n",
        )


def test_damaged_models(command: Command, data: Path, finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    with np.load(finished / "model.npz") as file:
        # the last state alone: where it was not the best one, that is what is read
        arrays: dict[str, Any] = {name: array for name, array in file.items() if not name.startswith("best.")}

    def refusal(**changed: Any) -> str:
        kept = {name: array for name, array in {**arrays, **changed}.items() if array is not None}
        np.savez(path, **kept)
        code, out, err = command("evaluate", tmp_path, data / "test.txt")
        assert (code, out, err.count("\n")) == (2, "", 1)
        return str(err)

    assert "lacks the array 'bag'" in refusal(bag=None)
    assert "label_counts" in refusal(label_counts=None)
    assert "rows of one length" in refusal(bag=np.zeros((1000, 3), np.float32))
    assert "400 classes, 3 labels" in refusal(label_counts=np.ones(3, np.int64))
    assert "expected 3" in refusal(run=np.array(str(arrays["run"]).replace('"format": 3', '"format": 99')))
    whole = (finished / "model.npz").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in command("evaluate", tmp_path, data / "test.txt").err


def test_threads_do_not_matter(command: Command, data: Path, finished: Path, tmp_path: Path) -> None:
    assert command(*train(data, "--threads", 1, "--out", tmp_path / "run")).code == 0
    assert bits(tmp_path / "run") == bits(finished)
