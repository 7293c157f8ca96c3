"""What machine code is made from: source files, versions, and what a process chooses."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite
import numba

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["choices_of", "sources", "stamp_of", "stamp_with", "vary"]

_PACKAGE = __package__.partition(".")[0]
_ROOMS = ("cache", "jit", "kernels", "simd", "stages", "workspace")
"""Rooms of the package that kernels are built from."""

_choices: dict[str, Callable[[], Hashable]] = {}


def vary(folder: str, choice: Callable[[], Hashable]) -> None:
    """Make a choice of this process part of the key under which some kernels are stored.

    Parameters
    ----------
    folder : str
        Name of a folder. Kernels in folders of this name depend on the choice; kernels outside of the package may
        depend on it.
    choice : callable
        Returns the choice; called when such a kernel is compiled or loaded.
    """
    _choices[folder] = choice


def choices_of(function: Callable[..., Any]) -> tuple[Hashable, ...]:
    """Return the choices that the machine code of a function depends on."""
    top, *folders = (function.__globals__.get("__package__") or "").split(".")
    inside = top == _PACKAGE
    return tuple(choice() for folder, choice in _choices.items() if folder in folders or not inside)


def _files_in(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    """Yield name and file of all code below a folder, which may be in a zip archive."""
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        inner = f"{name}/{each.name}"
        if each.is_dir():
            if each.name != "__pycache__":
                yield from _files_in(each, inner)
        elif each.name.endswith((".py", ".pyc")):  # an archive may hold the latter alone
            yield inner, each


def sources() -> Iterator[tuple[str, Traversable]]:
    """Yield name and file of all sources that kernels are built from."""
    ordinary = Path(__file__).parents[1]
    package: Traversable = ordinary if ordinary.is_dir() else importlib.resources.files(_PACKAGE)
    for each in sorted(package.iterdir(), key=lambda each: each.name):
        if each.name.partition(".")[0] in _ROOMS:
            if each.is_dir():
                yield from _files_in(each, each.name)
            else:
                yield each.name, each


@functools.cache
def _stamp_of_package() -> bytes | None:
    """Digest every source that a kernel can be built from; None where they cannot be read."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    try:
        for name, file in sources():
            digest.update(name.encode())
            digest.update(file.read_bytes())
    except OSError:
        return None
    return digest.digest()


def stamp_with(content: bytes) -> bytes | None:
    """Return a digest of some code and of all that it can call; None where that cannot be read."""
    package = _stamp_of_package()
    return None if package is None else hashlib.sha256(package + content).digest()


def stamp_of(function: Callable[..., Any], file: str) -> bytes | None:
    """Return a digest of all that a function is compiled from; None where that cannot be read.

    Read when a kernel is defined, not when it is compiled: a file that is edited in between would be taken for the one
    that runs.
    """
    top, _, module = function.__globals__["__name__"].partition(".")
    if top == _PACKAGE and module.partition(".")[0] in _ROOMS:
        return _stamp_of_package()
    try:
        with open(file, "rb") as stream:
            return stamp_with(stream.read())
    except OSError:
        pass
    try:  # in an archive
        return stamp_with(function.__globals__["__loader__"].get_data(file))
    except (OSError, KeyError, AttributeError):
        return None
