from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest

from fastcands.data import Corpus, find_text_files, standard_library


def write(folder: Path, *names: str, content: bytes = b"some words\n") -> list[Path]:
    paths = [folder / name for name in names]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return paths


def names(paths: list[Path] | tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


def test_a_folder_is_walked_in_the_order_of_relative_paths(tmp_path: Path) -> None:
    write(tmp_path, "b/z.txt", "b/a.md", "b.txt", "a.txt.gz", "c/d/e", ".git/config", "c/.hidden")
    write(tmp_path, "empty.txt", content=b"")
    write(tmp_path, "picture.png", "packed.gz", content=b"\x89PNG\0")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    found = find_text_files([tmp_path])
    assert names(found, tmp_path) == ["a.txt.gz", "b.txt", "b/a.md", "b/z.txt", "c/d/e"]


def test_files_and_folders_mix_in_the_order_given_and_count_once(tmp_path: Path) -> None:
    write(tmp_path, "x/b.txt", "x/a.txt", "y.txt")
    found = find_text_files([tmp_path / "y.txt", str(tmp_path / "x"), tmp_path / "x" / ".." / "x" / "a.txt"])
    assert names(found, tmp_path) == ["y.txt", "x/a.txt", "x/b.txt"]


def test_a_hidden_file_is_taken_when_named(tmp_path: Path) -> None:
    paths = write(tmp_path, ".notes")
    assert find_text_files(paths) == paths


def test_a_pipe_is_not_looked_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer for ever
    assert find_text_files([tmp_path / "pipe"]) == [tmp_path / "pipe"]


def one_line(message: str) -> str:
    return f"^{re.escape(message)}$"


def test_refused_paths(tmp_path: Path) -> None:
    missing = tmp_path / "missing.txt"
    with pytest.raises(FileNotFoundError, match=one_line(f"{missing}: no such file or folder")):
        find_text_files([missing])
    for name in ("empty.txt", "empty.gz"):
        [empty] = write(tmp_path, name, content=b"")
        with pytest.raises(ValueError, match=one_line(f"{empty}: the file is empty")):
            find_text_files([empty])
    [binary] = write(tmp_path, "model.npz", content=b"PK\0\1")
    with pytest.raises(ValueError, match=one_line(f"{binary}: not a text file in UTF-8 (it holds zero bytes)")):
        find_text_files([binary])
    folder = tmp_path / "folder"
    write(folder, "empty.txt", content=b"")
    with pytest.raises(ValueError, match=one_line(f"{folder}: no text file in this folder")):
        find_text_files([folder])
    with pytest.raises(ValueError, match=one_line("paths must name at least one file or folder")):
        find_text_files([])


def test_a_gzip_file_damaged_at_its_start_is_found_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(b"plain text")
    with pytest.raises(ValueError, match="damaged gzip file"):
        find_text_files([path])


def test_training_files_leave_out_those_held_out(tmp_path: Path) -> None:
    write(tmp_path, "a.txt", "b.txt", "c.txt", "d.txt")
    found = Corpus.from_paths([tmp_path], [tmp_path / "b.txt"], [tmp_path / "d.txt"])
    assert [names(part, tmp_path) for part in (found.train, found.valid, found.test)] == [
        ["a.txt", "c.txt"],
        ["b.txt"],
        ["d.txt"],
    ]
    assert Corpus.from_paths([tmp_path / "a.txt"]) == Corpus((tmp_path / "a.txt",), (), ())


def test_refused_corpora(tmp_path: Path) -> None:
    [path] = write(tmp_path, "a.txt")
    with pytest.raises(ValueError, match=one_line("train holds no file that is not in valid or test too")):
        Corpus.from_paths([tmp_path], [path])
    with pytest.raises(ValueError, match=one_line("train must name at least one file or folder")):
        Corpus.from_paths([], [path])
    with pytest.raises(FileNotFoundError, match="nothing"):
        Corpus.from_paths([path], [tmp_path / "nothing"])


# files whose SHA-256 is below 2 % of the largest, and those whose is above 98 %
GOLDEN_VALID = [
    "email/module0.py",
    "email/module36.py",
    "email/module45.py",
    "module4.py",
]
GOLDEN_TEST = [
    "test/data/module9.py",
]


def test_the_split_of_the_standard_library_is_that_of_the_relative_path(tmp_path: Path) -> None:
    root = tmp_path / "lib" / "python3"
    files = [f"{package}module{i}.py" for i in range(60) for package in ("", "email/", "test/data/")]
    write(root, *files)
    left_out = [
        "_sysconfigdata__linux.py",
        "config-3/config.py",
        "site-packages/pip/main.py",
        "x/__pycache__/y.py",
    ]
    write(root, *left_out, "LICENSE.txt", ".hidden.py", "x/dist-packages/z.py", "lib.so")
    write(root, "empty.py", "email/__init__.py", content=b"")
    found = standard_library(root)
    parts = [names(part, root) for part in (found.train, found.valid, found.test)]
    assert sorted(parts[0] + parts[1] + parts[2]) == sorted(files)
    assert all(part == sorted(part) for part in parts)
    assert parts[1] == GOLDEN_VALID
    assert parts[2] == GOLDEN_TEST


def test_the_running_library() -> None:
    found = standard_library()
    sizes = [len(part) for part in (found.train, found.valid, found.test)]
    assert 0.93 < sizes[0] / sum(sizes) < 0.985
    assert Path(os.__file__) in {*found.train, *found.valid, *found.test}


def test_refused_libraries(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder, where the standard library's source was expected"):
        standard_library(tmp_path / "nothing")
    write(tmp_path, "os.py")
    message = f"{tmp_path}: too few Python source files for a corpus; name text files instead"
    with pytest.raises(ValueError, match=one_line(message)):
        standard_library(tmp_path)
