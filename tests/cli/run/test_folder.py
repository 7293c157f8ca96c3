"""Killed while it trains or saves, a full disk, files that are no models: what was saved before still loads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastcands.cli.errors import Refusal
from fastcands.cli.run.files import load_arrays
from tests.cli.conftest import SMALL, Command, StopAt, bits, only_line

RUN = (*SMALL, "--epochs", "2", "--seed", "3")

# the command, saving after every step; {trouble} is what happens at the sixth save
PROGRAM = """
import os, signal, sys
import numpy as np
import fastcands.cli.run.session
from fastcands.cli import main

fastcands.cli.run.session._SECONDS_BETWEEN_SAVES = 0.0
savez, saves = np.savez, 0

def save(file, **arrays):
    global saves
    saves += 1
    if saves == 6:
        {trouble}
    savez(file, **arrays)

np.savez = save
main()
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
KILLED_BEFORE = KILL
KILLED_HALFWAY = f"file.write(b'PK half of it'); file.flush(); {KILL}"
KILLED_AFTER = f"savez(file, **arrays); file.flush(); {KILL}"
FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))"


def run_with(trouble: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(trouble=trouble)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def uninterrupted(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert run([str(argument) for argument in ("train", text, *RUN, "--out", folder)]) == 0
    return folder


def steps_of(folder: Path) -> int:
    return int(load_arrays(folder / "model.npz")["step"])


@pytest.mark.parametrize("trouble", [KILLED_BEFORE, KILLED_HALFWAY, KILLED_AFTER])
def test_killed_while_saving(command: Command, text: Path, tmp_path: Path, uninterrupted: Path, trouble: str) -> None:
    folder = tmp_path / "run"
    result = run_with(trouble, "train", text, *RUN, "--out", folder)
    assert result.returncode == -signal.SIGKILL
    assert "Traceback" not in result.stderr
    assert steps_of(folder) == 5  # that of the fifth save
    leftovers = [path for path in folder.iterdir() if path.name.startswith(".")]
    assert len(leftovers) == 1
    assert command("predict", folder, "w1").code == 0
    assert command("train", "--resume", folder).code == 0
    assert bits(folder) == bits(uninterrupted)
    assert not any(path.name.startswith(".") for path in folder.iterdir())


def test_killed_while_training(command: Command, text: Path, tmp_path: Path, uninterrupted: Path) -> None:
    folder = tmp_path / "run"
    program = PROGRAM.format(trouble="print('here', flush=True)")
    process = subprocess.Popen(
        [sys.executable, "-c", program, "train", str(text), *RUN, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert command("evaluate", folder, text).code == 0
    assert command("train", "--resume", folder).code == 0
    assert bits(folder) == bits(uninterrupted)


def test_leftovers_of_files_that_are_not_written_again(
    command: Command, tmp_path: Path, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(uninterrupted, folder)
    for name in (".metrics.json.a1b2.partial", ".curves.png.x.partial", ".profile"):
        (folder / name).touch()
    StopAt.checks_left = 1
    monkeypatch.setattr("fastcands.cli.run.session.Interrupts", StopAt)
    assert command("train", "--resume", folder, "--epochs", 3).code == 130
    assert {path.name for path in folder.iterdir() if path.name.startswith(".")} == {".profile"}


def test_a_full_disk_while_saving(command: Command, text: Path, tmp_path: Path, uninterrupted: Path) -> None:
    folder = tmp_path / "run"
    result = run_with(FULL_DISK, "train", text, *RUN, "--out", folder)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert (
        last == f"fastcands: {folder}/model.npz: cannot be written (File too large); what was there before is as it was"
    )
    assert steps_of(folder) == 5
    assert not any(path.name.startswith(".") for path in folder.iterdir())
    assert command("train", "--resume", folder).code == 0
    assert bits(folder) == bits(uninterrupted)


def test_a_new_run_killed_in_an_old_folder(command: Command, text: Path, tmp_path: Path, trained: Path) -> None:
    """The words beside the old model are the new run's by then; the model has its own."""
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    expected = command("predict", trained, "w1 w5", "--json").out
    result = run_with(
        "pass", "train", text, *RUN, "--vocab-size", 20, "--min-count", 2, "--out", folder
    )  # to see that it would have replaced the model
    assert result.returncode == 0
    assert command("predict", folder, "w1 w5", "--json").out != expected
    shutil.copy(trained / "model.npz", folder / "model.npz")
    assert command("predict", folder, "w1 w5", "--json").out == expected


COMMANDS = {
    "train": lambda folder, text: ("train", "--resume", folder),
    "evaluate": lambda folder, text: ("evaluate", folder, text),
    "predict": lambda folder, text: ("predict", folder, "w1"),
    "neighbors": lambda folder, text: ("neighbors", folder, "w1"),
}


def damaged(trained: Path) -> dict[str, tuple[bytes, str]]:
    """Contents of a file that is no model, and what is said about them."""
    whole = (trained / "model.npz").read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    return {
        "empty": (b"", "damaged, or not a model of fastcands"),
        "truncated": (whole[: len(whole) * 2 // 3], "damaged, or not a model of fastcands"),
        "one bit": (bytes(flipped), "damaged, or not a model of fastcands"),
        "text": (b"a text\n" * 100, "damaged, or not a model of fastcands"),
        "image": ((trained / "curves.png").read_bytes(), "damaged, or not a model of fastcands"),
    }


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["empty", "truncated", "one bit", "text", "image", "foreign arrays", "folder"])
def test_files_that_are_no_models(
    command: Command, text: Path, tmp_path: Path, trained: Path, name: str, kind: str
) -> None:
    path = tmp_path / "model.npz"
    if kind == "folder":
        path.mkdir()
        message = "cannot be read (Is a directory)"
    elif kind == "foreign arrays":
        np.savez(path, weights=np.zeros(3))
        message = "not a model of this version of fastcands"
    else:
        content, message = damaged(trained)[kind]
        path.write_bytes(content)
    before = sorted(tmp_path.iterdir())
    code, out, err = command(*COMMANDS[name](tmp_path, text))
    assert (code, out) == (2, "")
    line = only_line(err)
    assert str(path) in line
    assert message in line
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("table_weights", None, "lacks the array 'table_weights'"),
        ("hidden_biases", None, "lacks the array 'hidden_biases'"),
        ("vocabulary", None, "'vocabulary' is missing"),
        ("table_weights", np.zeros((50, 9), np.float32), "table_weights must have shape (50, 8), got (50, 9)"),
        ("table_biases", np.zeros(49, np.float32), "biases"),
        ("embedding", np.zeros((50, 7), np.float32), "cannot have the shapes"),
        ("table_weights", np.zeros((50, 8), np.int64), "weights"),
        ("vocabulary", np.frombuffer(b"a\nb", np.uint8), "words must hold '<unk>'"),
        ("vocabulary", np.frombuffer(b"a\n<unk>\n</s>", np.uint8), "50 classes, 3 words"),
    ],
)
def test_models_whose_parts_do_not_fit(
    command: Command, tmp_path: Path, trained: Path, name: str, array: np.ndarray | None, message: str
) -> None:
    arrays = load_arrays(trained / "model.npz")
    arrays.pop(name)
    np.savez(tmp_path / "model.npz", **arrays, **({} if array is None else {name: array}))
    code, out, err = command("predict", tmp_path, "w1")
    assert (code, out) == (2, "")
    assert f"{tmp_path / 'model.npz'}: not a model of this version of fastcands (" in only_line(err)
    assert message in err


def test_no_damage_gets_past_the_checks(tmp_path: Path, trained: Path) -> None:
    """Bytes changed anywhere are found, or stand where nothing is read, as in a time stamp."""
    whole = (trained / "model.npz").read_bytes()
    arrays = load_arrays(trained / "model.npz")
    generator = np.random.default_rng(5)
    path, refused = tmp_path / "model.npz", 0
    for _ in range(300):
        content = np.frombuffer(whole, np.uint8).copy()
        # half of them among the names and sizes, which lie at the end
        first = 0 if generator.random() < 0.5 else len(content) - 2000
        places = generator.integers(first, len(content), generator.integers(1, 4))
        content[places] ^= generator.integers(1, 256, len(places), np.uint8)
        path.write_bytes(content.tobytes())
        try:
            loaded = load_arrays(path)
        except Refusal:
            refused += 1
        else:
            assert all(np.array_equal(array, arrays[name]) for name, array in loaded.items() if name in arrays)
    assert refused > 200


def test_a_file_nobody_may_read(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.npz").write_bytes(b"anything")
    original = Path.open

    def refuse(path: Path, *args: object, **more: object) -> object:
        if path.name == "model.npz":
            raise PermissionError(13, os.strerror(13), str(path))
        return original(path, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    code, out, err = command("predict", tmp_path, "w1")
    assert (code, out) == (2, "")
    assert only_line(err) == f"fastcands: {tmp_path}/model.npz: cannot be read (Permission denied)"
