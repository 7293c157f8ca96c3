"""Reading: the text of files as a stream, a piece at a time.

What had to be repaired on the way is counted in a `ReadReport`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

__all__ = ["ReadReport", "first_bytes", "read_text", "utf8_size"]

_PIECE = 1 << 20  # characters read at once
_LONGEST_PIECE = 1 << 24  # a piece without white space is cut here, wherever that is

_UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclasses.dataclass
class ReadReport:
    """Counts of what was read from files.

    Parameters
    ----------
    files : int, default 0
        Files read.
    characters : int, default 0
        Characters read.
    undecodable_bytes : int, default 0
        Bytes that were not UTF-8, each replaced by U+FFFD.
    undecodable_files : int, default 0
        Files with such bytes.
    bytes : int, default 0
        Bytes of the text in UTF-8, after line ends have been translated and undecodable bytes replaced.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "latin-1.txt")
    >>> _ = path.write_bytes("café".encode("latin-1"))
    >>> report = ReadReport()
    >>> list(read_text(path, report))
    ['caf�']
    >>> report.files, report.characters, report.undecodable_bytes, report.bytes
    (1, 4, 1, 6)
    """

    files: int = 0
    characters: int = 0
    undecodable_bytes: int = 0
    undecodable_files: int = 0
    bytes: int = 0


@contextlib.contextmanager
def _clear_gzip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error})") from None


def _open(path: Path) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast("IO[bytes]", gzip.open(path))
    return path.open("rb")


def first_bytes(path: Path, size: int) -> bytes:
    """Return the beginning of a file, unpacked when its name ends in ``.gz``.

    Parameters
    ----------
    path : Path
        The file.
    size : int
        Most bytes.

    Returns
    -------
    bytes
        Fewer than `size` where the file ends before.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a gzip file is damaged.
    """
    with _clear_gzip_errors(path), _open(path) as file:
        return file.read(size)


def utf8_size(text: str) -> int:
    """Return the number of bytes of `text` in UTF-8.

    Parameters
    ----------
    text : str
        Without lone surrogates.

    Returns
    -------
    int
        The bytes.

    Examples
    --------
    >>> utf8_size("café")
    5
    """
    return len(text) if text.isascii() else len(text.encode())


def read_text(path: str | os.PathLike[str], report: ReadReport) -> Iterator[str]:
    r"""Read the text of a file in pieces of about a million characters, cut at white space.

    The text is taken as UTF-8, with or without a byte order mark; any line ends become ``\n``. Joined, the
    pieces are the text. A piece is cut elsewhere only when 16 million characters hold no white space.

    Parameters
    ----------
    path : str or path
        The file; unpacked when its name ends in ``.gz``.
    report : ReadReport
        Gets the counts of this file added, when the file has been read to its end.

    Yields
    ------
    str
        The next piece, never empty.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If a gzip file is damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "lines.txt")
    >>> _ = path.write_bytes(b"one\r\ntwo")
    >>> "".join(read_text(path, ReadReport()))
    'one\ntwo'
    """
    path = Path(path)
    characters = undecodable = size = 0
    # each undecodable byte becomes a lone surrogate, which valid UTF-8 never gives: so they can be counted
    with (
        _clear_gzip_errors(path),
        _open(path) as binary,
        io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape") as file,
    ):
        rest = ""
        while fresh := file.read(_PIECE):
            characters += len(fresh)
            if not fresh.isascii():
                fresh, replaced = _UNDECODABLE.subn("\N{REPLACEMENT CHARACTER}", fresh)
                undecodable += replaced
            size += utf8_size(fresh)
            rest += fresh
            cut = rest.rfind("\n") + 1 or _after_last_space(rest)
            if not cut and len(rest) >= _LONGEST_PIECE:
                cut = len(rest)
            if cut:
                yield rest[:cut]
                rest = rest[cut:]
        if rest:
            yield rest
    report.files += 1
    report.characters += characters
    report.undecodable_bytes += undecodable
    report.undecodable_files += undecodable > 0
    report.bytes += size


def _after_last_space(text: str) -> int:
    """Return the position after the last white space of `text`, 0 when it has none."""
    if text[-1:].isspace():
        return len(text)
    before_and_last_word = text.rsplit(None, 1)
    return len(text) - len(before_and_last_word[-1]) if len(before_and_last_word) == 2 else 0
