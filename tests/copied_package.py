"""A copy of the package with two more kernels, one calling the other, and processes that use it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1] / "fastcands"

CALLER = """
from fastcands.jit import kernel
from fastcands.kernels.callee import callee


@kernel
def caller(x):
    return callee(x) + 1
"""
CALLEE = """
from fastcands.jit import kernel


@kernel
def callee(x):
    return x * {factor}
"""
RUN = """
from fastcands.kernels.caller import caller
print(caller(10), sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values()))
"""
TYPES = """
from typing import NamedTuple


class Pair(NamedTuple):
    x: int
    y: int
"""


def make_copy(folder: Path) -> None:
    shutil.copytree(PACKAGE, folder / "fastcands", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = folder / "fastcands" / "kernels"
    (kernels / "caller.py").write_text(CALLER)
    (kernels / "callee.py").write_text(CALLEE.format(factor=2))


def start(path: Path, program: str, variables: dict[str, str | None], **options: Any) -> Any:
    """Run a program with the package at `path`; a variable that is None is not set."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": None, "PYTHONPATH": str(path), **variables}
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={name: value for name, value in environment.items() if value is not None},
        **options,
    )


def run(
    folder: Path, cache: Path | None = None, *, program: str = RUN, variables: dict[str, str] | None = None
) -> list[int]:
    """Call the kernel in a new process: its result, how often the cache had it, how often not."""
    place = {"NUMBA_CACHE_DIR": str(cache)} if cache else {}
    result = start(folder, program, {**place, **(variables or {})}, check=True, cwd=folder)
    return [int(word) for word in result.stdout.split()]


def obey_permissions() -> None:
    """Take the right to write everywhere from this process, which root has."""
    if os.geteuid() == 0:
        bounding_drop, dac_override = 24, 1
        if ctypes.CDLL(None, use_errno=True).prctl(bounding_drop, dac_override, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
