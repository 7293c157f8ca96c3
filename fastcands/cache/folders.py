"""In which folder compiled kernels are kept, and what is said where there is none that lasts."""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numba
from numba.core.caching import UserProvidedCacheLocator
from numba.misc.appdirs import AppDirs

__all__ = ["Folder", "choose_folder", "warn_once"]

_REMEDY = "NUMBA_CACHE_DIR can name a directory that can be written"
_warned = False


class Folder(NamedTuple):
    """Where the kernels of a source file are kept."""

    path: Path | None
    """None for nowhere."""
    warning: str | None
    """What is said when the first kernel is compiled."""


def warn_once(text: str) -> None:
    """Warn that kernels are not kept where they should be, the first time in a process."""
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"fastcands: {text}; {_REMEDY}", RuntimeWarning, stacklevel=2)


@functools.cache
def _can_write(folder: Path) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


@functools.cache
def _temporary() -> Path | None:
    """Return a folder of this user's own below the one for temporary files, or None.

    What is loaded from it runs as machine code, so nobody else may be able to write there.
    """
    user = os.geteuid() if hasattr(os, "geteuid") else None  # Windows gives each user a folder of his own
    try:
        folder = Path(tempfile.gettempdir()) / ("fastcands" if user is None else f"fastcands-{user}")
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        state = os.lstat(folder)
    except OSError:
        return None
    if not stat.S_ISDIR(state.st_mode) or (user is not None and (state.st_uid != user or state.st_mode & 0o022)):
        return None
    return folder


def choose_folder(file: str) -> Folder:
    """Return the folder for the kernels of a source file: the first of these that can be written.

    The one that ``NUMBA_CACHE_DIR`` names, the ``__pycache__`` beside the file, the user's cache directory, a temporary
    one.
    """
    name = UserProvidedCacheLocator.get_suitable_cache_subpath(file)
    named = numba.config.CACHE_DIR and Path(numba.config.CACHE_DIR).absolute()
    if named and _can_write(named / name):
        return Folder(named / name, None)
    lasting = []
    if os.path.exists(file):
        lasting.append(Path(file).parent / "__pycache__")
    home = Path(AppDirs(appname="numba", appauthor=False).user_cache_dir)
    if home.is_absolute():  # else the user has none
        lasting.append(home / name)
    for path in lasting:
        if _can_write(path):
            instead = f"{named} cannot be written, so compiled kernels are kept elsewhere, such as in {path}"
            return Folder(path, instead if named else None)
    tried = ", ".join(map(str, ([named / name] if named else []) + lasting))
    temporary = _temporary()
    if temporary is not None and _can_write(temporary / name):
        return Folder(
            temporary / name,
            f"compiled kernels are kept in {temporary}, among temporary files, since no other directory can be written "
            f"(tried {tried})",
        )
    return Folder(None, f"kernels are compiled anew in each process, since no directory can be written (tried {tried})")
