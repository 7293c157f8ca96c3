"""What is stored of a kernel, and what of the files' damage the next process notices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.copied_package import CALLER, TYPES, run

USE_TYPES = """
import sys
from fastcands.kernels.caller import caller
if sys.argv[1:]:
    from {module} import Pair
    caller(Pair(1, 2))
print(caller(10), sum(caller.stats.cache_hits.values()), sum(caller.stats.cache_misses.values()))
"""


def test_a_type_that_is_gone_makes_the_cache_start_anew(copy: Path) -> None:
    """Numba's index of a kernel holds the types of every signature, and cannot be read without their modules."""
    program = USE_TYPES.format(module="fastcands.passing")
    kernels = copy / "fastcands" / "kernels"
    (kernels / "caller.py").write_text(CALLER.replace("callee(x) + 1", "10"))
    (copy / "fastcands" / "passing.py").write_text(TYPES)
    assert run(copy, program=program.replace("sys.argv[1:]", "True")) == [10, 0, 2]
    (copy / "fastcands" / "passing.py").unlink()
    assert run(copy, program=program) == [10, 0, 1]
    assert run(copy, program=program) == [10, 1, 0]


def test_what_is_compiled_for_another_packages_type_is_not_stored(copy: Path) -> None:
    """The index of a kernel stays readable where that package is not installed."""
    program = USE_TYPES.format(module="passing")
    with_type = program.replace("sys.argv[1:]", "True")
    (copy / "fastcands" / "kernels" / "caller.py").write_text(CALLER.replace("callee(x) + 1", "10"))
    (copy / "passing.py").write_text(TYPES)
    assert run(copy, program=with_type) == [10, 0, 2]
    assert run(copy, program=with_type) == [10, 1, 1]
    (copy / "passing.py").unlink()
    assert run(copy, program=program) == [10, 1, 0]


STAGE = """
from fastcands.stages import StagedKernel


def double(worker, num_threads, counter, job):
    for i in range(worker, len(job.values), num_threads):
        job.values[i] *= 2


doubled = StagedKernel(double=double)
"""
USE_STAGE = """
import numpy as np
from fastcands.kernels.caller import doubled
from {module} import Pair
values = np.arange(4)
doubled(Pair(values), None, 2)
print(values.sum())
"""


@pytest.mark.parametrize(("module", "stored"), [("fastcands.passing", True), ("passing", False)])
def test_stages_of_another_packages_job_are_not_stored(copy: Path, module: str, stored: bool) -> None:
    (copy / "fastcands" / "kernels" / "caller.py").write_text(STAGE)
    (copy / f"{module.replace('.', '/')}.py").write_text(TYPES.replace("x: int\n    y: int", "values: object"))
    for _ in range(2):
        assert run(copy, copy / "cache", program=USE_STAGE.format(module=module)) == [12]
    indices = [path.read_bytes() for path in (copy / "cache").rglob("*.nbi")]
    assert any(b"Pair" in index for index in indices) == stored


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "a bit": lambda content: content[:-2000] + bytes([content[-2000] ^ 1]) + content[-1999:],
    "another format": lambda content: b"\x80\x05\x8c\x060.68.1\x94.",
}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_cache_is_repaired_by_the_next_process(copy: Path, suffix: str) -> None:
    cache = copy / "cache"
    assert run(copy, cache) == [21, 0, 1]
    for kind, damage in DAMAGES.items():
        for path in cache.rglob(f"*{suffix}"):
            content = path.read_bytes().ljust(2001, b"\0")
            path.write_bytes(damage(content))
        assert run(copy, cache) == [21, 0, 1], kind
        assert run(copy, cache) == [21, 1, 0], kind
