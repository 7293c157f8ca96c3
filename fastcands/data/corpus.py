"""Corpora: which files hold the text."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from fastcands.data.reading import first_bytes

__all__ = ["Corpus", "find_text_files", "standard_library"]

_SNIFFED = 8192  # bytes looked at to tell text from binary data

_NOT_PYTHONS_OWN = frozenset({"site-packages", "dist-packages", "__pycache__"})
_MADE_BY_THE_BUILD = ("config-", "_sysconfigdata")  # differ from machine to machine
_HELD_OUT_SHARE = 0.02  # of the files of the standard library, for valid and for test each


@dataclasses.dataclass(frozen=True)
class Corpus:
    """The files of a corpus, split for training.

    Parameters
    ----------
    train, valid, test : tuple of Path
        Text files in the order they are read. When `valid` or `test` is empty, ``prepare_corpus`` holds out
        the end of the training text in its place.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("one.txt", "two.txt"):
    ...     _ = (folder / name).write_text("some words")
    >>> corpus = Corpus.from_paths([folder], test=[folder / "two.txt"])
    >>> [path.name for path in corpus.train], corpus.valid, [path.name for path in corpus.test]
    (['one.txt'], (), ['two.txt'])
    """

    train: tuple[Path, ...]
    valid: tuple[Path, ...]
    test: tuple[Path, ...]

    @classmethod
    def from_paths(
        cls,
        train: Iterable[str | os.PathLike[str]],
        valid: Iterable[str | os.PathLike[str]] = (),
        test: Iterable[str | os.PathLike[str]] = (),
    ) -> Corpus:
        """Find the files of each part; a file of `valid` or `test` is left out of `train`.

        Parameters
        ----------
        train, valid, test : iterable of paths
            Files and folders, as `find_text_files` takes them.

        Returns
        -------
        Corpus
            The files found.

        Raises
        ------
        FileNotFoundError, ValueError
            As `find_text_files`; also when no training file is left beside `valid` and `test`.
        """
        train, valid, test = list(train), list(valid), list(test)
        if not train:
            raise ValueError("train must name at least one file or folder")
        parts = [find_text_files(paths) if paths else [] for paths in (train, valid, test)]
        held_out = {path.resolve() for path in parts[1] + parts[2]}
        kept = tuple(path for path in parts[0] if path.resolve() not in held_out)
        if not kept:
            raise ValueError("train holds no file that is not in valid or test too")
        return cls(kept, tuple(parts[1]), tuple(parts[2]))


def _walk(folder: Path, without: frozenset[str] = frozenset()) -> list[Path]:
    """List the files below `folder`, sorted by relative path; hidden files and folders are left out.

    `without` names folders to pass over, wherever they are.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in without]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _is_text(path: Path) -> bool:
    if not path.is_file():  # a broken link, a pipe
        return False
    first = first_bytes(path, _SNIFFED)
    return bool(first) and b"\0" not in first


def find_text_files(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the text files of a mix of files and folders, each file once.

    A folder stands for all text files below it, sorted by relative path; hidden files and empty or binary
    ones (a zero byte among the first 8192 bytes) are passed over there. Files whose name ends in ``.gz`` are
    read unpacked.

    Parameters
    ----------
    paths : iterable of str or path
        Files and folders, in the order in which they are to be read.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If a file named in `paths` is empty or binary, a gzip file is damaged, a folder holds no text file,
        or `paths` is empty.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("b.txt", "a.txt"):
    ...     _ = (folder / name).write_text("some words")
    >>> [path.name for path in find_text_files([folder])]
    ['a.txt', 'b.txt']
    """
    found: dict[Path, Path] = {}
    any_path = False
    for given in paths:
        any_path = True
        path = Path(given)
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        if path.is_dir():
            files = [file for file in _walk(path) if _is_text(file)]
            if not files:
                raise ValueError(f"{path}: no text file in this folder")
        else:
            # a pipe can be read only once, so it is taken on trust
            first = first_bytes(path, _SNIFFED) if path.is_file() else b"?"
            if not first:
                raise ValueError(f"{path}: the file is empty")
            if b"\0" in first:
                raise ValueError(f"{path}: not a text file in UTF-8 (it holds zero bytes)")
            files = [path]
        for file in files:
            found.setdefault(file.resolve(), file)
    if not any_path:
        raise ValueError("paths must name at least one file or folder")
    return list(found.values())


def standard_library(root: str | os.PathLike[str] | None = None) -> Corpus:
    """Return the source of the running Python's standard library as a corpus, split by file.

    All ``.py`` files are taken, tests included; installed packages and the files that describe the machine
    Python was built on are not. A file's part depends only on the SHA-256 of its relative path with ``/``
    between the names: those with the lowest 2 % of the values are for validation, the highest 2 % for testing.
    So the corpus of one version of Python is the same everywhere.

    Parameters
    ----------
    root : str or path, optional
        The library's folder; by default that of the running Python.

    Returns
    -------
    Corpus
        Its files, each part sorted by relative path.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    ValueError
        If the folder lacks source files for one of the parts, as when the library lies in a zip file.

    Examples
    --------
    >>> corpus = standard_library()
    >>> len(corpus.train) > 20 * len(corpus.valid) > 0
    True
    """
    folder = Path(sysconfig.get_path("stdlib") if root is None else root)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder, where the standard library's source was expected")
    parts: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    for path in _walk(folder, without=_NOT_PYTHONS_OWN):
        relative = path.relative_to(folder)
        if path.suffix != ".py" or relative.parts[0].startswith(_MADE_BY_THE_BUILD) or not path.is_file():
            continue
        if not path.stat().st_size:
            continue
        digest = hashlib.sha256(relative.as_posix().encode()).digest()
        position = int.from_bytes(digest[:8], "big") / 2**64
        parts[1 if position < _HELD_OUT_SHARE else 2 if position >= 1 - _HELD_OUT_SHARE else 0].append(path)
    if not all(parts):
        raise ValueError(f"{folder}: too few Python source files for a corpus; name text files instead")
    return Corpus(*map(tuple, parts))
