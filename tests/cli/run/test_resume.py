"""A run that was stopped and goes on is the run that was not stopped, to the last bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import RECURRENT, SMALL, Command, StopAt, bits

RUN = (*SMALL, "--epochs", 2, "--seed", 3)
STEPS = 86  # of RUN: 2 epochs of 2708 words, 43 batches of 64 each


@pytest.fixture(scope="module")
def uninterrupted(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert run([str(argument) for argument in ("train", text, *RUN, "--out", folder)]) == 0
    return folder


def stop_at(checks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    StopAt.checks_left = checks
    monkeypatch.setattr("fastcands.cli.run.session.Interrupts", StopAt)


@pytest.mark.parametrize("checks", [1, 2, 9, 10, 46, 47, STEPS + 11, STEPS + 13, STEPS + 14])
def test_stopped_and_resumed(
    command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Path, checks: int
) -> None:
    folder = tmp_path / "run"
    stop_at(checks, monkeypatch)
    code, out, err = command("train", text, *RUN, "--out", folder)
    assert (code, out) == (130, "")
    assert f"--resume {folder}" in err
    assert not (folder / "metrics.json").exists()
    monkeypatch.undo()
    code, out, err = command("train", "--resume", folder, "--threads", 1)
    assert code == 0
    assert bits(folder) == bits(uninterrupted)


def test_stopped_many_times(
    command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Path
) -> None:
    folder = tmp_path / "run"
    stop_at(20, monkeypatch)
    assert command("train", text, *RUN, "--out", folder).code == 130
    for _ in range(3):
        stop_at(25, monkeypatch)
        assert command("train", "--resume", folder).code == 130
    monkeypatch.undo()
    assert command("train", "--resume", folder).code == 0
    assert bits(folder) == bits(uninterrupted)


@pytest.fixture(scope="module")
def recurrent(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("recurrent") / "run"
    arguments = ("train", text, *RECURRENT, "--epochs", 3, "--dropout", 0.2, "--out", folder)
    assert run([str(argument) for argument in arguments]) == 0
    return folder


@pytest.mark.parametrize("checks", [3, 40, 90])
def test_a_recurrent_run_goes_on(
    command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recurrent: Path, checks: int
) -> None:
    """The state that is carried through the text is saved too, and dropout depends on the step alone."""
    folder = tmp_path / "run"
    stop_at(checks, monkeypatch)
    arguments = ("train", text, *RECURRENT, "--epochs", 3, "--dropout", 0.2, "--out", folder)
    assert command(*arguments).code == 130
    monkeypatch.undo()
    assert command("train", "--resume", folder, "--threads", 1).code == 0
    assert bits(folder) == bits(recurrent)


def test_a_finished_run_can_be_made_longer(command: Command, uninterrupted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "model.npz").write_bytes((uninterrupted / "model.npz").read_bytes())
    assert command("train", "--resume", folder, "--epochs", 3).code == 0
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == STEPS * 3 // 2
    assert steps[11] == STEPS
    assert json.loads((folder / "config.json").read_text())["epochs"] == 3.0


def test_saving_now_and_then(
    command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Path
) -> None:
    """A process killed at any time leaves its last save, and that goes on as well."""
    folder = tmp_path / "run"
    monkeypatch.setattr("fastcands.cli.run.session._SECONDS_BETWEEN_SAVES", 0.0)
    kept = []

    class Killed(BaseException):
        pass

    def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
        if len(kept) == 30:
            raise Killed
        kept.append(path)
        save_arrays(path, arrays)

    from fastcands.cli.run.folder import save_arrays

    monkeypatch.setattr("fastcands.cli.run.folder.save_arrays", save)
    with pytest.raises(Killed):
        command("train", text, *RUN, "--out", folder)
    monkeypatch.undo()
    assert command("train", "--resume", folder).code == 0
    assert bits(folder) == bits(uninterrupted)


def test_a_lost_run_ends_and_can_be_made_longer(command: Command, text: Path, tmp_path: Path) -> None:
    """Validation text without the order of the training text: the more is learned, the worse."""
    folder, other = tmp_path / "run", tmp_path / "other.txt"
    words = text.read_text().split()
    np.random.default_rng(0).shuffle(words)
    other.write_text(" ".join(words))
    options = (*SMALL, "--valid", other, "--epochs", 12, "--out", folder)
    code, _, err = command("train", text, *options)
    assert code == 0
    metrics = json.loads((folder / "metrics.json").read_text())
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) < 12
    assert f"stopped: {metrics['steps']:,} steps, and none since step {metrics['best_step']:,} was better" in err
    assert metrics["valid_perplexity"] <= min(line["valid_perplexity"] for line in lines) * (1 + 1e-6)
    assert metrics["valid_perplexity"] < lines[-1]["valid_perplexity"] / 1.25
    # again: it stays as it is; with another end it goes on
    assert command("train", "--resume", folder).code == 0
    assert json.loads((folder / "metrics.json").read_text())["steps"] == metrics["steps"]
    assert command("train", "--resume", folder, "--epochs", 11).code == 0
    assert json.loads((folder / "metrics.json").read_text())["steps"] > metrics["steps"]


def refusal(command: Command, *arguments: object) -> str:
    code, out, err = command("train", *arguments)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if line.startswith("fastcands: ")]
    assert err.splitlines()[-1:] == lines
    return lines[0]


def test_refused(command: Command, uninterrupted: Path, tmp_path: Path, text: Path) -> None:
    assert "no saved model there (model.npz is missing)" in refusal(command, "--resume", tmp_path)
    for option in (("--batch-size", 8), ("--out", tmp_path / "x"), ("--context", 3)):
        message = refusal(command, "--resume", uninterrupted, *option)
        assert f"{option[0]} cannot be given with it" in message
    assert "FILES cannot be given with it" in refusal(command, text, "--resume", uninterrupted)


def test_the_text_has_changed(command: Command, text: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.txt"
    copy.write_text(text.read_text())
    folder = tmp_path / "run"
    assert command("train", copy, *SMALL, "--epochs", 0.2, "--out", folder).code == 0
    copy.write_text(text.read_text() + " more")
    assert "the text has changed since the run was saved" in refusal(command, "--resume", folder)
    copy.unlink()
    assert "no such file" in refusal(command, "--resume", folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99, 0.9999])
def test_truncated_models(command: Command, uninterrupted: Path, tmp_path: Path, share: float) -> None:
    whole = (uninterrupted / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(whole[: int(share * len(whole))])
    message = refusal(command, "--resume", tmp_path)
    assert str(tmp_path / "model.npz") in message
    assert "damaged" in message


def test_foreign_models(command: Command, uninterrupted: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, weights=np.zeros(3))
    assert "not a model of this version of fastcands" in refusal(command, "--resume", tmp_path)
    path.write_bytes(b"\x93NUMPY\x01\x00")
    assert "damaged, or not a model of fastcands" in refusal(command, "--resume", tmp_path)
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".npy").replace(path)
    assert "damaged, or not a model of fastcands" in refusal(command, "--resume", tmp_path)
    with np.load(uninterrupted / "model.npz") as file:
        arrays = dict(file.items())
    np.savez(path, **{**arrays, "run": np.array(str(arrays["run"]).replace('"format": 3', '"format": 99'))})
    assert "format 99, expected 3" in refusal(command, "--resume", tmp_path)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "table_weights"})
    assert "lacks the array 'table_weights'" in refusal(command, "--resume", tmp_path)
    flipped = bytearray((uninterrupted / "model.npz").read_bytes())
    flipped[len(flipped) // 2] ^= 1
    path.write_bytes(flipped)
    assert "damaged" in refusal(command, "--resume", tmp_path)
