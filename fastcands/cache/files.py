"""The files of one kernel: an index of what it was compiled for, and a data file for each entry.

Each file begins with a digest of all that follows and of the kernel's sources. Another digest means a file that is
damaged or that belongs to other sources, and both are as good as no file: machine code with one wrong bit would end the
process. A data file names its entry, since two processes that store different entries at once may choose the same name.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import pickle
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from numba.core.serialize import dumps

from fastcands.atomic import write_atomically

__all__ = ["CacheFiles"]

_DIGEST_BYTES = hashlib.sha256().digest_size


class CacheFiles:
    """Values by key, on disk.

    Parameters
    ----------
    folder : path
        Made when something is stored.
    name : str
        What the files' names begin with.
    stamp : bytes
        Digest of the sources.
    """

    def __init__(self, folder: Path, name: str, stamp: bytes) -> None:
        self.folder = folder
        self._name = name
        self._stamp = stamp
        self._index = f"{name}.nbi"

    def load(self, key: Hashable) -> Any:
        """Return what is stored under a key; None if that is nothing, or cannot be read."""
        name = self._entries().get(key)
        stored = None if name is None else self._read(name)
        return stored[1] if stored is not None and stored[0] == key else None

    def save(self, key: Hashable, value: Any) -> None:
        """Store a value under a key.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        os.makedirs(self.folder, exist_ok=True)
        entries = self._entries()
        known = key in entries
        if not known:
            taken = set(entries.values())
            names = (f"{self._name}.{number}.nbc" for number in itertools.count(1))
            entries[key] = next(name for name in names if name not in taken)
        self._write(entries[key], (key, value))
        if not known:
            self._write(self._index, entries)

    def flush(self) -> None:
        """Forget all that is stored."""
        (self.folder / self._index).unlink(missing_ok=True)

    def _entries(self) -> dict[Hashable, str]:
        """Return the names of data files by key."""
        return self._read(self._index) or {}

    def _digest(self, content: bytes | memoryview) -> bytes:
        digest = hashlib.sha256(self._stamp)
        digest.update(content)
        return digest.digest()

    def _read(self, name: str) -> Any:
        try:
            content = memoryview((self.folder / name).read_bytes())
        except OSError:
            return None
        if content[:_DIGEST_BYTES] != self._digest(content[_DIGEST_BYTES:]):
            return None
        try:
            return pickle.loads(content[_DIGEST_BYTES:])
        except Exception:  # it was written whole, but a type in it cannot be found in this process
            return None

    def _write(self, name: str, value: Any) -> None:
        content = dumps(value)
        write_atomically(self.folder / name, lambda file: file.write(self._digest(content) + content))
