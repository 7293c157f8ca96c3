"""The rules of the tree: who imports whom, who names the compiler, how long a file is, where tests stand.

Each rule is a function from source text to findings, and each is tried on a text that breaks it.
"""

from __future__ import annotations

import ast
import graphlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "fastcands"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 350

# room -> rooms it may import besides itself. A room is a folder or a file of the package, or, inside kernels and cli,
# a folder or a file there; who may import "kernels" or "cli" may import all of its rooms. "fastcands" is what
# `import fastcands` gives, the public names.
ROOMS: dict[str, set[str]] = {
    "threads": set(),
    "cache": {"atomic"},
    "jit": {"cache", "threads"},
    "simd": {"cache", "jit"},
    "precision": {"simd"},
    "stages": {"jit", "threads"},
    "kernels": set(),
    "kernels.sampling": {"simd", "jit"},
    "kernels.table": {"simd", "jit"},
    "kernels.epilogues": {"simd", "jit"},
    "kernels.sampled_loss": {"kernels.epilogues", "kernels.table", "stages", "simd", "jit", "workspace"},
    "kernels.full_loss": {"kernels.epilogues", "kernels.table", "stages", "simd", "jit", "workspace"},
    "kernels.optimizers": {"stages", "simd", "jit"},
    "kernels.recurrence": {"simd", "jit"},
    "kernels.text": {"jit"},
    "workspace": set(),
    "validation": {"kernels.table"},
    "values": set(),
    "gradients": {"kernels.table", "threads", "validation"},
    "atomic": set(),
    "distributions": {"kernels.sampling", "kernels.text", "threads", "validation"},
    "samplers": {"distributions", "kernels.sampling", "kernels.table", "threads", "validation", "values"},
    "losses": {"gradients", "kernels", "precision", "stages", "threads", "validation", "values", "workspace"},
    "schedules": {"validation"},
    "optimizers": {"schedules", "kernels.optimizers", "threads", "validation", "gradients"},
    "table": {"atomic", "gradients", "losses", "optimizers", "kernels", "threads", "validation", "workspace"},
    "nn": {"losses", "samplers", "gradients", "kernels.epilogues", "kernels.table", "threads", "validation", "values"},
    "reference": set(),
    "version": set(),
    "configuration": {"cache", "simd", "precision", "threads", "version"},
    "precompile": {"precision", "samplers", "losses", "optimizers", "table", "gradients", "values"},
    "fastcands": {"version", "configuration", "precision", "precompile", "metrics", "schedules"}
    | {"nn", "table", "optimizers", "losses", "samplers", "gradients", "values", "threads"},
    "metrics": {"validation"},
    "data": {"atomic", "kernels", "validation"},
    "models": {"data", "kernels", "validation", "fastcands"},
    "cli": {"cli.main"},
    "cli.errors": set(),
    "cli.console": set(),
    "cli.options": {"cli.errors"},
    "cli.run": {"cli.errors", "cli.console", "atomic", "fastcands"},
    "cli.text": {"cli.run", "cli.errors", "cli.console", "models", "data", "fastcands"},
    "cli.multilabel": {"cli.run", "cli.errors", "cli.console", "models", "data", "fastcands"},
    "cli.compare": {"cli.text", "cli.run", "cli.errors", "cli.console", "data"},
    "cli.commands": {"cli.compare", "cli.text", "cli.multilabel", "cli.run", "cli.options", "cli.errors", "cli.console"}
    | {"models", "data", "fastcands"},
    "cli.main": {"cli.commands", "cli.errors", "fastcands"},
    "__main__": {"cli"},
}

# packages beside the standard library that a room may import; NumPy is free to all
OUTSIDE: dict[str, set[str]] = {
    "threads": {"numba"},
    "cache": {"numba", "llvmlite"},
    "jit": {"numba"},
    "stages": {"numba", "llvmlite"},
    "configuration": {"numba", "llvmlite"},
    "simd": {"numba", "llvmlite"},
    "kernels.epilogues": {"numba", "llvmlite"},
    "kernels.recurrence": {"numba", "llvmlite"},
    "table": {"ml_dtypes"},
    "data": {"tokenizers"},
    "cli.main": {"typer"},
    "cli.options": {"typer"},
    "cli.console": {"rich"},
    "cli.commands": {"typer", "rich"},
    "cli.run": {"rich", "matplotlib", "threadpoolctl", "ml_dtypes"},
    "cli.text": {"rich", "matplotlib"},
    "cli.multilabel": {"rich"},
    "cli.compare": {"rich"},
}

# tests of what holds across modules; every other test file stands where its module does
CROSS_CUTTING = {
    "tests/fuzz": "public functions with arguments of all kinds",
    "tests/peers": "the same calls in TensorFlow and PyTorch",
    "tests/test_docs.py": "pages and what they name",
    "tests/test_docstrings.py": "every public function",
    "tests/test_numba_internals.py": "what of Numba is used, alone and first",
    "tests/test_public_names.py": "what the package exports",
    "tests/test_structure.py": "the tree",
    "tests/test_needs.py": "what is not run for want of an instruction set",
    "tests/test_bf16_everywhere.py": "bfloat16 paths on ordinary vector code",
    "tests/kernels/test_jobs.py": "every job by its declaration",
    "tests/losses/test_errors.py": "refusals, of every argument",
    "tests/losses/test_ignored.py": "examples that count nothing, in every loss and tier",
    "tests/losses/test_precision.py": "every loss in every tier",
    "tests/samplers/test_distribution_of_draws.py": "every sampler by chi-square",
    "tests/samplers/test_fork.py": "every sampler in a forked child",
    "tests/samplers/test_golden.py": "every sampler by TensorFlow's stored draws",
    "tests/samplers/test_identity.py": "states of every sampler in every other",
    "tests/samplers/test_workers.py": "copies of every sampler, and every sampler in other processes",
    "tests/samplers/test_sampling.py": "what all samplers share",
    "tests/samplers/test_unbiased.py": "expected counts of every sampler",
    "tests/optimizers/test_steps.py": "every optimizer by its formula",
    "tests/optimizers/test_finite.py": "bad numbers in every optimizer",
    "tests/optimizers/test_options.py": "options of every optimizer",
    "tests/optimizers/test_bfloat16.py": "every optimizer on bfloat16 rows",
    "tests/validation/test_arguments.py": "every array argument of every function",
    "tests/simd/test_targets.py": "the package compiled for other processors",
    "tests/table/test_finite.py": "bad numbers in every argument and array of a step",
    "tests/table/test_bfloat16.py": "all that a table of bfloat16 does",
}

COMPILERS = {"njit", "jit", "vectorize", "guvectorize", "cfunc", "CFunc", "generated_jit", "stencil"}
NEVER_AT_IMPORT = {"torch", "tensorflow", "sklearn", "mpi4py", "matplotlib", "typer", "rich"}


def room_of(path: Path) -> str:
    """Name the room a file stands in."""
    first, *rest = path.relative_to(PACKAGE).with_suffix("").parts
    return "fastcands" if first == "__init__" else room_at([first, *rest])


def room_at(parts: list[str]) -> str:
    """Name the room of a module of the package."""
    inner = parts[0] in ("kernels", "cli") and len(parts) > 1 and parts[1] != "__init__"
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


def mirror_findings(files: Iterable[str]) -> list[str]:
    """Name the test files that stand elsewhere than their module, of all files of the tree.

    ``tests/a/test_b.py`` or ``tests/a/test_b_and_more.py`` tests the module ``fastcands/a/b.py``, the folder
    ``fastcands/a/b``, or the helper ``tests/a/b.py``; ``tests/a/test_a.py`` tests all of the folder ``fastcands/a``.
    What stands in ``tests/bench`` tests ``bench``.
    """
    modules, tests = set(), []
    for file in files:
        if not file.endswith(".py"):
            continue
        parts = file.removesuffix(".py").split("/")
        if parts[0] == "tests" and parts[-1].startswith("test_"):
            tests.append((file, "/".join(parts[1:-1]), parts[-1].removeprefix("test_")))
            continue
        parts = parts if parts[0] == "bench" else parts[1:]
        modules.add("/".join(parts))
        modules.add("/".join(parts[:-1]))
    findings = []
    for file, folder, name in sorted(tests):
        words = name.split("_")
        names = ("_".join(words[:count]) for count in range(1, len(words) + 1))
        room = folder.rpartition("/")[2]
        found = any(f"{folder}/{each}".lstrip("/") in modules or each == room for each in names)
        if not found and not {file, "/".join(file.split("/")[:2])} & set(CROSS_CUTTING):
            findings.append(f"{file}: no module {name} at that place")
    return findings


def instruction_set_findings(source: str, path: str) -> list[str]:
    """Find what depends on the instruction set outside of the folders whose kernels have it in their key.

    Epilogues have it in the name that their code is stored under.
    """
    if (
        "bf16" in path.split("/")
        or path.startswith(("simd/", "kernels/epilogues/"))
        or path in ("precision.py", "configuration.py")
    ):
        return []
    depends = re.compile(r"fastcands\.simd\.(bf16(\.|$)|dot($|\.(?!blocks$)))|fastcands\.simd$")
    return [f"line {line}: {name}" for line, name in imported_modules(source) if depends.match(name)]


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
        ("import torch", "cli.text", "fastcands.cli.text"),
        ("from fastcands.cli.multilabel.task import MultilabelTask", "cli.text", "fastcands.cli.text"),
        ("from fastcands.cli.main import run", "cli.commands", "fastcands.cli.commands"),
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
def test_kernels_that_depend_on_the_instruction_set_have_it_in_their_key(path: Path) -> None:
    assert instruction_set_findings(path.read_text(), path.relative_to(PACKAGE).as_posix()) == []


def test_a_kernel_that_depends_on_the_instruction_set_elsewhere_is_found() -> None:
    for source in (
        "from fastcands.simd.dot import block_product",
        "from fastcands.simd.bf16.packing import pack_left",
        "from fastcands.simd import dot",
    ):
        assert len(instruction_set_findings(source, "kernels/sampled_loss/logits.py")) == 1
        assert instruction_set_findings(source, "kernels/sampled_loss/bf16/logits.py") == []
    assert instruction_set_findings("from fastcands.simd.dot.blocks import SIDE", "kernels/table/blocking.py") == []


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_files_are_short(path: Path) -> None:
    lines = path.read_text().count("\n")
    assert lines <= MAX_LINES


def tracked() -> list[str]:
    """Name the Python files of the package, the tests and the bench."""
    roots = (ROOT / name for name in ("fastcands", "tests", "bench"))
    return [str(path.relative_to(ROOT)) for root in roots for path in root.rglob("*.py")]


def test_tests_stand_where_their_modules_do() -> None:
    assert mirror_findings(tracked()) == []


def test_cross_cutting_tests_exist() -> None:
    assert [name for name in CROSS_CUTTING if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("test", "is_right"),
    [
        ("tests/table/test_scores.py", True),
        ("tests/table/test_scores_of_copies.py", True),
        ("tests/kernels/text/test_numbers.py", True),  # a helper beside it
        ("tests/kernels/test_text.py", True),
        ("tests/table/test_table_in_threads.py", True),
        ("tests/bench/test_pool.py", True),
        ("tests/peers/test_anything.py", True),
        ("tests/test_structure.py", True),
        ("tests/test_scores.py", False),
        ("tests/table/test_score.py", False),
        ("tests/table/test_text.py", False),
        ("tests/kernels/table/test_scores.py", False),
        ("tests/test_pool.py", False),
        ("tests/bench/test_scores.py", False),
    ],
)
def test_a_test_at_the_wrong_place_is_found(test: str, is_right: bool) -> None:
    tree = ["fastcands/table/__init__.py", "fastcands/table/scores.py", "fastcands/kernels/text/points.py"]
    tree += ["bench/pool.py", "tests/kernels/text/numbers.py", "docs/score.md", test]
    assert mirror_findings(tree) == ([] if is_right else [f"{test}: no module {Path(test).stem[5:]} at that place"])


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
    targets = "help setup demo test fuzz lint types peers bench docs check clean"
    for target in targets.split(" "):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
