"""Where kernels are kept on machines that have no place for them: read-only, without a home, with a full disk."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import pytest

from fastcands.cache import folders
from tests.copied_package import RUN, obey_permissions, start

WARNING = "RuntimeWarning: fastcands: "
TWO_KERNELS = "from fastcands.kernels.callee import callee\ncallee(2.0)\n" + RUN


@pytest.fixture
def read_only(copy: Path) -> Path:
    """Return a folder with a copy of the package, where only ``temporary`` can be written."""
    (copy / "temporary").mkdir()
    (copy / "home").mkdir(0o555)
    for folder in (copy / "fastcands").rglob("*"):
        if folder.is_dir():
            folder.chmod(0o555)
    (copy / "fastcands").chmod(0o555)
    return copy


def call(folder: Path, program: str = RUN, **variables: str | None) -> tuple[str, list[str]]:
    """Return what a process that may not write everywhere prints, and the first lines of its warnings."""
    home = {"HOME": str(folder / "home"), "XDG_CACHE_HOME": None, "TMPDIR": str(folder / "temporary")}
    result = start(folder, program, home | variables, cwd=folder, preexec_fn=obey_permissions)
    return result.stdout, [line.split(WARNING)[1] for line in result.stderr.splitlines() if WARNING in line]


def test_a_read_only_package_without_a_home(read_only: Path) -> None:
    own = read_only / "temporary" / f"fastcands-{os.geteuid()}"
    for hits in (0, 1):
        printed, warnings = call(read_only, TWO_KERNELS)
        assert printed == f"21 {hits} {1 - hits}\n"
        (warning,) = warnings
        assert warning.startswith(
            f"compiled kernels are kept in {own}, among temporary files, since no other directory"
        )
        assert str(read_only / "home") in warning
        assert warning.endswith("NUMBA_CACHE_DIR can name a directory that can be written")
    assert own.stat().st_mode & 0o777 == 0o700
    assert not list((read_only / "fastcands").rglob("__pycache__"))
    assert call(read_only, "import fastcands") == ("", [])  # it is the first kernel that warns


def test_a_read_only_package_with_a_home(read_only: Path) -> None:
    (read_only / "home").chmod(0o755)
    for hits in (0, 1):
        assert call(read_only) == (f"21 {hits} {1 - hits}\n", [])
    assert list((read_only / "home" / ".cache" / "numba").rglob("*.nbc"))


@pytest.mark.parametrize("kind", ["open to others", "a link", "a file"])
def test_a_temporary_folder_in_which_others_may_write_is_not_used(read_only: Path, kind: str) -> None:
    """Anybody can make it first: what it holds would run as machine code of this user."""
    own = read_only / "temporary" / f"fastcands-{os.geteuid()}"
    (read_only / "other").mkdir(0o700)
    if kind == "a link":
        own.symlink_to(read_only / "other")
    elif kind == "a file":
        own.touch(0o600)
    else:
        own.mkdir()
        own.chmod(0o777)
    for _ in range(2):
        printed, warnings = call(read_only)
        assert printed == "21 0 1\n"
        assert warnings[0].startswith("kernels are compiled anew in each process, since no directory can be written (")
        assert len(warnings) == 1
    assert not list((read_only / "other").iterdir())


def test_a_cache_directory_that_cannot_be_written(copy: Path) -> None:
    for hits in (0, 1):
        printed, warnings = call(copy, NUMBA_CACHE_DIR="/dev/null/nowhere")
        assert printed == f"21 {hits} {1 - hits}\n"
        (warning,) = warnings
        assert warning.startswith(
            "/dev/null/nowhere cannot be written, so compiled kernels are kept elsewhere, such as in"
        )


def forbid_files() -> None:
    """Let no file grow beyond a few bytes, as on a full disk: it can be made, and not be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_full_disk(copy: Path) -> None:
    for _ in range(2):
        result = start(copy, TWO_KERNELS, {}, cwd=copy, preexec_fn=forbid_files)
        assert result.stdout == "21 0 1\n"
        assert result.stderr.count(WARNING) == 1
        assert "kernels are compiled anew in each process, since they cannot be stored: [Errno 27]" in result.stderr
        assert "caller" in result.stderr or "callee" in result.stderr
    assert start(copy, TWO_KERNELS, {}, cwd=copy).stdout == "21 0 1\n"
    assert start(copy, TWO_KERNELS, {}, cwd=copy).stdout == "21 1 0\n"
    assert not [path for path in copy.rglob("*") if path.name.endswith((".partial", ".tmp"))]


def test_a_relative_cache_directory_of_the_user_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home ``~`` stays as it is, and would be made wherever the process runs."""
    seen: list[Path] = []

    def note(folder: Path) -> Any:
        seen.append(folder)
        return False

    monkeypatch.setattr(folders, "_can_write", note)
    monkeypatch.setattr(folders.numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/.cache")
    folders.choose_folder(str(tmp_path / "archive.zip" / "module.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folders.choose_folder(str(tmp_path / "archive.zip" / "module.py"))
    assert [path.is_relative_to(tmp_path) for path in seen if "fastcands" not in str(path)] == [True]
    assert all(path.is_absolute() for path in seen)
