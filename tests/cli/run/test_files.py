"""Files that are complete or not there, and folders that can be written to."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from fastcands.cli.errors import Refusal
from fastcands.cli.run.files import check_writable, load_arrays, save_arrays, write_atomically, write_text


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        file.flush()
        raise OSError(28, os.strerror(28))

    with pytest.raises(
        Refusal, match=r"file: cannot be written \(No space left on device\); what was there before is as it was$"
    ):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(Refusal, match="cannot be written"):
        write_text(tmp_path / "none" / "file", "text")


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_arrays(path, {"a": np.arange(3)})

    def die(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, die)
    assert load_arrays(path)["a"].tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_arrays_and_back(tmp_path: Path) -> None:
    arrays = {"a.b": np.arange(5, dtype=np.float32), "step": np.array(3), "text": np.array("ä {}")}
    save_arrays(tmp_path / "x.npz", arrays)
    loaded = load_arrays(tmp_path / "x.npz")
    assert list(loaded) == list(arrays)
    assert all(np.array_equal(loaded[name], arrays[name]) for name in arrays)
    assert loaded["a.b"].dtype == np.float32


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []
