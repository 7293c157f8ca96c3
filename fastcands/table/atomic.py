"""A file that is the old one or the complete new one at every moment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["write_atomically"]

try:
    import fcntl
except ImportError:  # Windows: a file that is open cannot be removed there, which serves the same end

    def _lock(descriptor: int) -> None:
        """Mark a file as in use."""
else:

    def _lock(descriptor: int) -> None:
        """Mark a file as in use for as long as it is open; the mark of a killed process goes with it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_leftovers(path: Path) -> None:
    """Remove what saves to `path` left behind when their process was killed."""
    prefix, suffix = f".{path.name}.", ".partial"
    for name in os.listdir(path.parent):
        if name.startswith(prefix) and name.endswith(suffix):
            with contextlib.suppress(OSError):  # in use by another save, or gone
                leftover = path.parent / name
                descriptor = os.open(leftover, os.O_RDWR)
                try:
                    _lock(descriptor)
                    os.unlink(leftover)
                finally:
                    os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file under another name in the same folder, and give it its name when it is complete and on the disk.

    Raises OSError that names `path`; the file that was there is then as before, and nothing else is left.
    """
    path = Path(os.path.realpath(path))  # a link is followed, not replaced
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}.partial"
    try:
        _remove_leftovers(path)
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
            with os.fdopen(descriptor, "w+b") as file:
                with contextlib.suppress(OSError):  # file systems without locks
                    _lock(descriptor)
                write(file)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        _sync_folder(path.parent)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(path)) from None
