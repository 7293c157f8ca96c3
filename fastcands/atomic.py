"""A file that is the old one or the complete new one at every moment."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO

__all__ = ["remove_leftovers", "write_atomically"]

try:
    import fcntl
except ImportError:  # Windows: a file that is open cannot be removed there, which serves the same end, nor be renamed
    _LOCKS = False

    def _lock(descriptor: int, *, wait: bool) -> None:
        """Mark a file as in use."""
else:
    _LOCKS = True

    def _lock(descriptor: int, *, wait: bool) -> None:
        """Mark a file as in use for as long as it is open; the mark of a killed process goes with it."""
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Remove what writes of `path` left behind when their process was killed.

    Parameters
    ----------
    path : str or path
        What `write_atomically` was to write. Its own leftovers it removes itself, the next time it writes that file.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    real = Path(os.path.realpath(path))
    prefix, suffix = f".{real.name}.", ".partial"
    for name in os.listdir(real.parent):
        if name.startswith(prefix) and name.endswith(suffix):
            with contextlib.suppress(OSError):  # another write is using it, or it is gone
                leftover = real.parent / name
                descriptor = os.open(leftover, os.O_RDWR)
                try:
                    _lock(descriptor, wait=False)
                    os.unlink(leftover)
                finally:
                    os.close(descriptor)


def _create(path: Path) -> int:
    """Create a file that is marked as in use, and return its descriptor."""
    while True:
        # not tempfile: its files are for the owner alone, whatever the umask
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        with contextlib.suppress(OSError):  # file systems without locks
            _lock(descriptor, wait=True)
        if path.exists():  # else another write took it for a leftover, before it was marked
            return descriptor
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where folders can be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under another name in the same folder, and rename it when it is complete and on the disk.

    Whatever ends the write early, an exception of `write` or a signal, the file that was there is as before and
    nothing else is left. What a killed process leaves, the next write of the same file removes.

    Parameters
    ----------
    path : str or path
        The file, in a folder that exists. Where it is a link, the file that the link names is written.
    write : callable
        Writes the content to the binary file it is given, which can be read and sought in too.

    Raises
    ------
    OSError
        If the file cannot be written, as on a full disk; it names `path`.
    """
    real = Path(os.path.realpath(path))
    temporary = real.parent / f".{real.name}.{secrets.token_hex(6)}.partial"
    try:
        remove_leftovers(real)
        try:
            with os.fdopen(_create(temporary), "w+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                if _LOCKS:  # while it is marked as in use
                    os.replace(temporary, real)
            if not _LOCKS:
                os.replace(temporary, real)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        _sync_folder(real.parent)
    except OSError as error:
        raise type(error)(error.errno, error.strerror or str(error), str(real)) from None
