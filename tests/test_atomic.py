"""A file is the old one or the complete new one, whatever ends the write."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from fastcands import atomic
from fastcands.atomic import remove_leftovers, write_atomically


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that holds b"old"."""
    file = tmp_path / "file.txt"
    write_atomically(file, lambda new: new.write(b"old"))
    return file


def test_the_new_content_replaces_the_old(path: Path) -> None:
    def write(file: IO[bytes]) -> str:
        assert path.read_bytes() == b"old"
        file.write(b"... long")
        file.seek(0)
        assert file.read() == b"... long"
        file.seek(0)
        file.write(b"new")
        return "ignored"

    write_atomically(str(path), write)
    assert path.read_bytes() == b"new long"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("bad"), MemoryError])
def test_what_ends_a_write_leaves_the_old_file(path: Path, error: Any) -> None:
    def fail(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_an_error_of_the_system_names_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*file\.txt'$") as info:
        write_atomically(path, lambda file: file.write(b"new"))
    assert info.value.errno == 28
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*none/file'$"):
        write_atomically(tmp_path / "none" / "file", lambda file: file.write(b"new"))
    with pytest.raises(FileNotFoundError):
        remove_leftovers(tmp_path / "none" / "file")


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", lambda file: file.write(b"new"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o666 & ~umask


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link"
    link.symlink_to(path)
    write_atomically(link, lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert os.listdir(link.parent) == ["link"]


KILLED = """
import os, signal, sys
from fastcands import atomic
from fastcands.atomic import write_atomically
def write(file):
    file.write(b"half of the n")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(sys.argv[1], write)
"""


@pytest.mark.parametrize("by_next_write", [True, False])
def test_what_a_killed_process_leaves_is_removed(path: Path, by_next_write: bool) -> None:
    other = path.parent / ".other.txt.0123.partial"
    other.write_bytes(b"of another file")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, cwd=Path(__file__).parents[1])
    assert path.read_bytes() == b"old"
    assert len(os.listdir(path.parent)) == 3
    if by_next_write:
        write_atomically(path, lambda file: file.write(b"old"))
    else:
        remove_leftovers(path)
    assert path.read_bytes() == b"old"
    assert sorted(os.listdir(path.parent)) == [other.name, path.name]


def test_a_write_under_way_is_no_leftover(path: Path) -> None:
    def write(file: IO[bytes]) -> None:
        file.write(b"outer")
        write_atomically(path, lambda inner: inner.write(b"inner"))
        remove_leftovers(path)
        assert path.read_bytes() == b"inner"

    write_atomically(path, write)
    assert path.read_bytes() == b"outer"
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_is_taken_for_a_leftover_is_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another write can see it after it was made and before it was marked as in use."""
    lock, waits = atomic._lock, []

    def lock_late(descriptor: int, *, wait: bool) -> None:
        waits.append(wait)
        if waits == [True]:
            remove_leftovers(path)
        lock(descriptor, wait=wait)

    monkeypatch.setattr(atomic, "_lock", lock_late)
    write_atomically(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    assert waits == [True, False, True]
    assert os.listdir(path.parent) == [path.name]
