"""The files of a run's folder, each complete or not there at all; what goes wrong with them is told in one line."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastcands import atomic
from fastcands.cli.errors import Refusal
from fastcands.cli.run.bfloat16 import as_bits, from_bits

__all__ = ["check_writable", "load_arrays", "save_arrays", "write_atomically", "write_text"]


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that its name always means the old content or the complete new one.

    Parameters
    ----------
    path : Path
        The file; its folder exists.
    write : callable
        Gets a binary file and writes the content to it.

    Raises
    ------
    Refusal
        If the file cannot be written, as on a full disk. A file that was there before is as before.
    """
    try:
        atomic.write_atomically(path, write)
    except OSError as error:
        before = "; what was there before is as it was" if path.exists() else ""
        raise Refusal(f"{path}: cannot be written ({error.strerror or error}){before}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8; see `write_atomically`.

    Parameters
    ----------
    path : Path
        The file.
    text : str
        Its content.
    """
    write_atomically(path, lambda file: file.write(text.encode()))


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an ``.npz`` file; see `write_atomically`.

    Parameters
    ----------
    path : Path
        The file.
    arrays : mapping of str to array
        By the names they get in the file.
    """
    write_atomically(path, lambda file: np.savez(file, **as_bits(arrays)))  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote, and check its checksums.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to array
        The arrays.

    Raises
    ------
    Refusal
        If the file is missing, truncated or of another kind.
    """
    try:
        # opened here: NumPy leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = dict(arrays.items())
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # NumPy's reader raises more kinds of errors at a damaged file than it documents
        raise Refusal(f"{path}: damaged, or not a model of fastcands ({str(error) or type(error).__name__})") from None
    return from_bits(found, path)


def check_writable(folder: Path) -> None:
    """Make sure that files can be written to a folder that may not be there yet; nothing is left behind.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    Refusal
        If it cannot be made or written to.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except FileExistsError:
        raise Refusal(f"--out {folder}: a file of that name is in the way") from None
    except OSError as error:
        raise Refusal(f"--out {folder}: cannot be written to ({error.strerror or error})") from None
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
