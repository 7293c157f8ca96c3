"""``--precision`` and ``--table-dtype``: what they change, what is saved, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from fastcands.cli.run.bfloat16 import as_bits, from_bits
from fastcands.cli.run.files import load_arrays, save_arrays
from tests.cli.conftest import SMALL, Command, StopAt, bits, log_softmax, logits_of, only_line, read_json
from tests.cli.multilabel.test_task import data, train  # noqa: F401 - a fixture

RUN = (*SMALL, "--epochs", 3, "--precision", "medium", "--table-dtype", "bfloat16")


@pytest.fixture(scope="module")
def narrow(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that was trained with both options; not to be changed."""
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("narrow") / "model"
    assert run([str(argument) for argument in ("train", text, *RUN, "--out", folder)]) == 0
    return folder


def as_float32(folder: Path, other: Path) -> Path:
    """Copy a model, its table widened, to where plain NumPy reads all of it."""
    arrays = load_arrays(folder / "model.npz")
    other.mkdir()
    wide = {name: a.astype(np.float32) if a.dtype.name == "bfloat16" else a for name, a in arrays.items()}
    np.savez(other / "model.npz", **wide)  # type: ignore[arg-type]
    return other


def test_a_run(command: Command, text: Path, trained: Path, narrow: Path, tmp_path: Path) -> None:
    metrics, config = read_json(narrow / "metrics.json"), read_json(narrow / "config.json")
    assert (config["precision"], config["table_dtype"]) == ("medium", "bfloat16")
    assert (metrics["precision"], metrics["table_dtype"]) == ("medium", "bfloat16")
    assert metrics["computed_precision"] == "medium"
    plain = read_json(trained / "metrics.json")
    assert (plain["precision"], plain["computed_precision"], plain["table_dtype"]) == ("highest", "highest", "float32")
    assert metrics["test_perplexity"] == pytest.approx(plain["test_perplexity"], rel=0.05)
    with np.load(narrow / "model.npz", allow_pickle=False) as file:
        assert "table_weights" not in file.files
        assert (file["table_weights@bfloat16"].dtype, file["table_biases"].dtype) == (np.uint16, np.float32)
        assert file["embedding"].dtype == file["table_weights.accumulator"].dtype == np.float32

    # the saved numbers, in float64 by NumPy, have the perplexity that evaluate reports
    code, out, _ = command("evaluate", narrow, text, "--json")
    assert code == 0
    from fastcands.cli.text.saved import SavedText
    from fastcands.data import encode_files

    encoded = encode_files([text], "words", SavedText(narrow).vocabulary)
    logits = logits_of(as_float32(narrow, tmp_path / "wide"), encoded.contexts(np.arange(len(encoded)), 3))
    exact = float(np.exp(-log_softmax(logits)[np.arange(len(encoded)), encoded.ids].mean()))
    assert json.loads(out)["perplexity"] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("arguments", [("predict", "w1 w5 w25", "-k", 5), ("neighbors", "w1", "-k", 4)], ids=str)
def test_a_saved_model_answers_as_one_of_float32(
    command: Command, narrow: Path, tmp_path: Path, arguments: tuple[Any, ...]
) -> None:
    name, *rest = arguments
    answers = [command(name, folder, *rest, "--json") for folder in (narrow, as_float32(narrow, tmp_path / "wide"))]
    assert answers[0].code == 0
    assert answers[0] == answers[1]


def test_a_stopped_run_goes_on_to_the_same_bits(
    command: Command, text: Path, tmp_path: Path, narrow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    StopAt.checks_left = 60
    monkeypatch.setattr("fastcands.cli.run.session.Interrupts", StopAt)
    assert command("train", text, *RUN, "--threads", 1, "--out", folder).code == 130
    monkeypatch.undo()
    code, out, _ = command("train", "--resume", folder, "--threads", 2)
    assert code == 0
    assert "table of bfloat16" in out
    assert bits(folder) == bits(narrow)
    code, _, err = command("train", "--resume", folder, "--precision", "high")
    assert code == 2
    assert "--precision cannot be given with it" in only_line(err)


def test_models_saved_before_there_was_a_choice(command: Command, trained: Path, tmp_path: Path) -> None:
    arrays = load_arrays(trained / "model.npz")
    run = json.loads(str(arrays["run"]))
    config = json.loads(run["config"])
    run["config"] = json.dumps({name: config[name] for name in config if name not in ("precision", "table_dtype")})
    save_arrays(tmp_path / "model.npz", arrays | {"run": np.array(json.dumps(run))})
    assert command("predict", tmp_path, "w1", "--json") == command("predict", trained, "w1", "--json")


def test_a_multilabel_run(command: Command, data: Path, tmp_path: Path) -> None:  # noqa: F811 - the fixture
    folders = [tmp_path / "narrow", tmp_path / "plain"]
    options = [("--precision", "high", "--table-dtype", "bfloat16"), ()]
    for folder, more in zip(folders, options, strict=True):
        assert command(*train(data, *more, "--out", folder)).code == 0
    metrics, plain = (read_json(folder / "metrics.json") for folder in folders)
    assert (metrics["precision"], metrics["table_dtype"]) == ("high", "bfloat16")
    assert metrics["test_precision_at_1"] == pytest.approx(plain["test_precision_at_1"], abs=0.05)
    code, out, _ = command("evaluate", folders[0], data / "test.txt", "--json")
    assert code == 0
    assert json.loads(out)["precision_at_1"] == metrics["test_precision_at_1"]
    assert command("predict", folders[0], "3:1 7:2", "-k", 3, "--json").code == 0


def test_a_comparison(command: Command, text: Path, tmp_path: Path) -> None:
    options = ("--run", "softmax", "--run", "nce", "--epochs", 0.5, "--precision", "high", "--table-dtype", "bfloat16")
    code, out, _ = command("compare", text, *SMALL, *options, "--out", tmp_path)
    assert code == 0
    (heat,) = read_json(tmp_path / "compare.json")["heats"]
    assert (heat["precision"], heat["table_dtype"]) == ("high", "bfloat16")
    assert "table of bfloat16" in " ".join(out.split())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--precision", "hihg", "--precision: unknown name 'hihg', did you mean 'high'? Known: high, highest, medium"),
        ("--table-dtype", "float16", "--table-dtype: unknown name 'float16', did you mean"),
    ],
)
@pytest.mark.parametrize("name", ["train", "compare"])
def test_unknown_names(
    command: Command, text: Path, tmp_path: Path, name: str, option: str, value: str, message: str
) -> None:
    code, out, err = command(name, text, option, value, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert message in only_line(err)
    assert not (tmp_path / "run").exists()


def test_without_the_package(
    command: Command, text: Path, narrow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ml_dtypes" else find(name))
    code, out, err = command("train", text, "--table-dtype", "bfloat16", "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "--table-dtype bfloat16 needs the package ml_dtypes: pip install 'fastcands[bfloat16]'" in only_line(err)
    code, out, err = command("predict", narrow, "w1")
    assert (code, out) == (2, "")
    assert "model.npz: a model with a table of bfloat16 needs the package ml_dtypes" in only_line(err)


def test_bits_and_back() -> None:
    arrays = {"a": np.arange(3.0), "b": np.array([1.5, -2], ml_dtypes.bfloat16), "c": np.arange(2, dtype=np.uint16)}
    saved = as_bits(arrays)
    assert {array.dtype.kind for array in saved.values()} == {"f", "u"}
    back = from_bits(saved, "file")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].tobytes() == array.tobytes()
    # a marked name with other numbers is left for whoever misses the array to complain
    assert list(from_bits({"x@bfloat16": np.ones(2)}, "file")) == ["x@bfloat16"]


def test_a_table_of_bits_that_is_damaged(command: Command, narrow: Path, tmp_path: Path) -> None:
    arrays = as_bits(load_arrays(narrow / "model.npz"))
    arrays["table_weights@bfloat16"] = arrays["table_weights@bfloat16"].astype(np.int64)
    np.savez(tmp_path / "model.npz", **arrays)  # type: ignore[arg-type]
    code, _, err = command("predict", tmp_path, "w1")
    assert code == 2
    assert "the state lacks the array 'table_weights'" in only_line(err)
