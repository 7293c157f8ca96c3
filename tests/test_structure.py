"""The rules of the tree: who imports whom, who names the compiler, how long a file is, what an import costs.

Each rule is a function from source text to findings, and each is tried on a text that breaks it.
"""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastcands"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 350

# room -> rooms it may import besides itself. A room is a folder or a file of the package, or a folder of kernels; who
# may import "kernels" may import all of those. "fastcands" is what `import fastcands` gives, the public names.
ROOMS: dict[str, set[str]] = {
    "threads": set(),
    "jit": {"threads"},
    "simd": {"jit"},
    "precision": {"simd"},
    "stages": {"jit", "threads"},
    "kernels": set(),
    "kernels.sampling": {"simd", "jit"},
    "kernels.table": {"simd", "jit"},
    "kernels.sampled_loss": {"kernels.table", "stages", "simd", "jit"},
    "kernels.full_loss": {"kernels.sampled_loss", "kernels.table", "stages", "simd", "jit"},
    "kernels.optimizers": {"stages", "simd", "jit"},
    "kernels.text": {"jit"},
    "workspace": set(),
    "validation": set(),
    "values": {"kernels.table", "threads", "validation"},
    "distributions": {"kernels.sampling", "kernels.text", "threads", "validation"},
    "samplers": {"distributions", "kernels.sampling", "kernels.table", "threads", "validation", "values"},
    "losses": {"kernels", "precision", "stages", "threads", "validation", "values", "workspace"},
    "schedules": {"validation"},
    "optimizers": {"schedules", "kernels.optimizers", "threads", "validation", "values"},
    "table": {"losses", "optimizers", "kernels", "threads", "validation", "values", "workspace"},
    "nn": {"losses", "samplers", "kernels", "threads", "validation", "values"},
    "reference": set(),
    "version": set(),
    "configuration": {"jit", "simd", "precision", "threads", "version"},
    "precompile": {"precision", "samplers", "losses", "optimizers", "table", "values"},
    "fastcands": {"version", "configuration", "precision", "precompile", "metrics", "schedules"}
    | {"nn", "table", "optimizers", "losses", "samplers", "values", "threads"},
    "metrics": {"validation"},
    "data": {"kernels", "validation"},
    "models": {"data", "kernels", "fastcands"},
    "cli": {"models", "data", "fastcands"},
    "__main__": {"cli"},
}

# packages beside the standard library that a room may import; NumPy is free to all
OUTSIDE: dict[str, set[str]] = {
    "threads": {"numba"},
    "jit": {"numba", "llvmlite"},
    "stages": {"numba", "llvmlite"},
    "configuration": {"numba", "llvmlite"},
    "simd": {"numba", "llvmlite"},
    "table": {"ml_dtypes"},
    "cli": {"typer", "click", "rich", "matplotlib", "threadpoolctl", "ml_dtypes"},
}

COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "CFunc", "generated_jit", "stencil"}
NEVER_AT_IMPORT = {"torch", "tensorflow", "sklearn", "mpi4py", "matplotlib", "typer", "rich"}


def room_of(path: Path) -> str:
    """Name the room a file stands in."""
    first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    return "fastcands" if first == "__init__" else room_at([first, *rest])


def room_at(parts: list[str]) -> str:
    """Name the room of a module of the package."""
    inner = parts[0] == "kernels" and len(parts) > 1 and parts[1] != "__init__"
    return ".".join(parts[: 2 if inner else 1])


def is_room(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def imported_modules(source: str, package: str = "fastcands") -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of all that the source imports; `package` anchors relative names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                anchor = ".".join(parents[: len(parents) - node.level + 1])
                base = f"{anchor}.{base}" if base else anchor
            for alias in node.names:
                # `from fastcands import threads` is a room, `from fastcands import ClassTable` a public name
                is_whole = base == "fastcands" and is_room(alias.name)
                yield node.lineno, f"{base}.{alias.name}" if is_whole else base


def import_findings(source: str, room: str, package: str = "fastcands") -> list[str]:
    findings = []
    for line, name in imported_modules(source, package):
        top, _, rest = name.partition(".")
        if top == "fastcands":
            target = room_at(rest.split(".")) if rest else "fastcands"
            if target != room and not {target, target.split(".")[0]} & ROOMS[room]:
                findings.append(f"line {line}: {room} may not import {name}")
        elif top not in sys.stdlib_module_names and top != "numpy" and top not in OUTSIDE.get(room, set()):
            findings.append(f"line {line}: {room} may not import {name}")
    return findings


def compiler_findings(source: str) -> list[str]:
    findings = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names if (node.module or "").split(".")[0] == "numba"]
        findings += [f"line {node.lineno}: {name}" for name in names if name in COMPILERS]
    return findings


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def package_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parent.parts)


def test_rooms_have_an_order() -> None:
    order = list(graphlib.TopologicalSorter(ROOMS).static_order())
    assert set(order) == set(ROOMS)


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in FILES} <= set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_imports_go_one_way(path: Path) -> None:
    assert import_findings(path.read_text(), room_of(path), package_of(path)) == []


@pytest.mark.parametrize(
    ("source", "room", "package"),
    [
        ("from fastcands.losses import SampledSoftmaxLoss", "samplers", "fastcands.samplers"),
        ("from fastcands.samplers.uniform import UniformSampler", "losses", "fastcands.losses"),
        ("from ..samplers import UniformSampler", "losses", "fastcands.losses"),
        ("import fastcands.table", "kernels.table", "fastcands.kernels.table"),
        ("from fastcands.kernels.full_loss import ranks", "kernels.table", "fastcands.kernels.table"),
        ("def f():\n    from fastcands import threads", "reference", "fastcands"),
        ("import numba", "reference", "fastcands"),
        ("import numba", "kernels.table", "fastcands.kernels.table"),
        ("import torch", "cli", "fastcands.cli"),
        ("from fastcands.table import ClassTable", "models", "fastcands.models"),
    ],
)
def test_a_wrong_import_is_found(source: str, room: str, package: str) -> None:
    assert len(import_findings(source, room, package)) == 1


def test_a_right_import_is_not_found() -> None:
    source = "import math\nimport numpy as np\nfrom fastcands.kernels.sampling.philox import fill\nfrom . import race"
    assert import_findings(source, "samplers", "fastcands.samplers") == []
    assert import_findings("import fastcands as fc\nfrom fastcands import ClassTable", "models") == []


@pytest.mark.parametrize("path", [f for f in FILES if f != PACKAGE / "jit.py"], ids=ids)
def test_only_one_file_names_the_compiler(path: Path) -> None:
    assert compiler_findings(path.read_text()) == []


@pytest.mark.parametrize("source", ["import numba\nnumba.njit(f)", "from numba import njit", "@nb.jit()\ndef f(): 0"])
def test_a_stray_compiler_call_is_found(source: str) -> None:
    assert len(compiler_findings(source)) == 1


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MAX_LINES


def test_import_is_light() -> None:
    """No heavy package, no compilation; the recorder is shown to see a compilation."""
    code = """
import json, sys
from numba import njit
from numba.core import event
with event.install_recorder("numba:compile") as compilations:
    import fastcands
    at_import = len(compilations.buffer)
    njit(lambda x: x + 1)(1)
print(json.dumps([at_import, len(compilations.buffer), sorted({name.split(".")[0] for name in sys.modules})]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    at_import, afterwards, modules = json.loads(result.stdout)
    assert at_import == 0
    assert afterwards > 0
    assert "fastcands" in modules
    assert NEVER_AT_IMPORT.isdisjoint(modules)


def test_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme


def test_makefile_has_the_targets_it_promises() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = "help setup demo test lint types peers bench docs check clean"
    for target in targets.split(" "):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
