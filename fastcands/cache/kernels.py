"""The cache of a kernel, as Numba's compiler asks for it."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from numba.core.caching import IPythonCacheLocator, NullCache
from numba.core.compiler import CompileResult
from numba.core.errors import NumbaWarning
from numba.core.serialize import dumps
from numba.core.types.containers import BaseTuple

from fastcands.cache.files import CacheFiles
from fastcands.cache.folders import Folder, choose_folder, warn_once
from fastcands.cache.sources import choices_of, stamp_of, stamp_with

__all__ = ["KernelCache", "NamedCache", "cache_directories"]

_PACKAGE = __package__.partition(".")[0]


def _is_ours(kind: Any) -> bool:
    """Whether all named tuples in a Numba type, or in those it points to, are classes of the package."""
    owner = getattr(kind, "instance_class", None)
    parts = kind if isinstance(kind, BaseTuple) else getattr(kind, "named_tuples", ())
    return (owner is None or owner.__module__.partition(".")[0] == _PACKAGE) and all(map(_is_ours, parts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _place(function: Callable[..., Any]) -> tuple[Folder, str, bytes | None]:
    """Return the folder of a function's files, what tells it from others of its name there, and its stamp."""
    file = inspect.getfile(function)
    cell = IPythonCacheLocator.from_function(function, file)
    if cell is not None:
        stamp = stamp_with(cell.get_source_stamp().encode())
        return Folder(Path(cell.get_cache_path()), None), cell.get_disambiguator(), stamp
    stamp = stamp_of(function, file)
    if stamp is None:  # a function of no file, as at a prompt, is not expected to last
        inside = function.__globals__["__name__"].partition(".")[0] == _PACKAGE
        warning = "kernels are compiled anew in each process, since their sources cannot be read" if inside else None
        return Folder(None, warning), "", None
    return choose_folder(file), str(function.__code__.co_firstlineno), stamp


class KernelCache(NullCache):  # type: ignore[misc]
    """The cache of a kernel, without code for named tuples of other packages.

    Such code may come from the other package's file (see `fastcands.jit.by_type`), which no stamp covers. And in a
    process that cannot import the class, the whole index of the kernel would be unreadable.

    Parameters
    ----------
    function : callable
        As Numba is to compile it.
    """

    directories: ClassVar[set[Path]] = set()

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        folder, mark, stamp = _place(function)
        self._warning = folder.warning
        self._files: CacheFiles | None = None
        if folder.path is not None and stamp is not None:
            module = os.path.splitext(os.path.basename(inspect.getfile(function)))[0]
            name = f"{module}.{function.__qualname__}".replace("<", "").replace(">", "")
            version = f"py{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
            self._files = CacheFiles(folder.path, f"{name}-{mark}.{version}", stamp)
            self.directories.add(folder.path)

    @property
    def cache_path(self) -> str | None:
        """The folder of the files, as text."""
        return None if self._files is None else str(self._files.folder)

    def _key(self, sig: Any, codegen: Any) -> Any:
        closure = self._function.__closure__
        cells = b"" if closure is None else dumps(tuple(cell.cell_contents for cell in closure))
        code = _digest(self._function.__code__.co_code), _digest(cells)
        return (sig, codegen.magic_tuple(), code, *choices_of(self._function))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the stored code for a signature, None if there is none."""
        if self._warning is not None:
            warn_once(self._warning)
        if self._files is None or not all(map(_is_ours, getattr(sig, "args", sig))):
            return None
        target_context.refresh()
        stored = self._files.load(self._key(sig, target_context.codegen()))
        try:
            return None if stored is None else CompileResult._rebuild(target_context, *stored)
        except Exception:  # a file that is not as this version of Numba has it is as good as none
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store the compiled code for a signature, where that is possible."""
        if self._files is None or not all(map(_is_ours, data.signature.args)):
            return
        if data.library.has_dynamic_globals:
            text = f"{self._function.__qualname__} cannot be stored: its code holds addresses of this process"
            warnings.warn_explicit(
                text, NumbaWarning, inspect.getfile(self._function), self._function.__code__.co_firstlineno
            )
            return
        try:
            self._files.save(self._key(sig, data.codegen), data._reduce())
        except OSError as error:
            warn_once(f"kernels are compiled anew in each process, since they cannot be stored: {error}")

    def flush(self) -> None:
        """Forget all that is stored of the kernel."""
        if self._files is not None:
            self._files.flush()


class NamedCache(KernelCache):
    """The cache of a function that another function creates, and that is identified by its name."""

    def _key(self, sig: Any, codegen: Any) -> Any:
        # the other key has the objects that the function refers to, which differ between processes
        return sig, codegen.magic_tuple()


def cache_directories() -> list[Path]:
    """List the directories in which the kernels imported so far are stored, or will be once they are compiled."""
    return sorted(KernelCache.directories)
