"""What the package uses of Numba and llvmlite, read from its sources, and what of that the installed versions lack.

It imports nothing of the package, so that it can say what is missing where the package cannot be imported.
"""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "fastcands"
COMPILERS = {"numba", "llvmlite"}

# variables that hold an object of Numba or llvmlite in every file that generates code
OBJECTS = {"builder": "llvmlite.ir.IRBuilder", "context": "numba.core.base.BaseContext"}
# set by the constructors, so not found in the class
OF_INSTANCES = {"numba.core.base.BaseContext.data_model_manager"}


def used_names(source: str) -> Iterator[str]:
    """Yield the dotted name of everything of Numba and llvmlite that a module names: ``numba.core.types.Array``."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                if top in COMPILERS:
                    known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in COMPILERS:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    yield from known.values()
    if known:
        known |= OBJECTS
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        value = node.value
        if isinstance(value, ast.Name) and value.id in known:
            yield f"{known[value.id]}.{node.attr}"
        elif known and isinstance(value, ast.Attribute) and value.attr.lstrip("_") in OBJECTS:  # `self.builder`
            yield f"{OBJECTS[value.attr.lstrip('_')]}.{node.attr}"


def uses() -> dict[str, list[str]]:
    """Return every name in use, and the files that use it."""
    files = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        for name in used_names(path.read_text()):
            files[name].add(path.relative_to(PACKAGE).as_posix())
    return {name: sorted(files[name]) for name in sorted(files)}


def is_there(name: str) -> bool:
    """Say whether the installed versions have what a dotted name means."""
    if name in OF_INSTANCES:
        return True
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ImportError:
            continue
        try:
            for part in parts[length:]:
                found = getattr(found, part)
        except AttributeError:
            return False
        return True
    return False


def complaint(name: str, files: list[str]) -> str:
    return f"{name} is not there any more; fastcands uses it in {', '.join(files)}"


def missing() -> list[str]:
    """Return a line for each name that is in use and not there."""
    return [complaint(name, files) for name, files in uses().items() if not is_there(name)]
