"""The cache of kernels: used again when nothing changed, renewed when any file of theirs did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastcands.jit import kernel, parallel_kernel, prange
from fastcands.simd.dot import name_of_chosen

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


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the package with two more kernels, one calling the other."""
    shutil.copytree(PACKAGE, tmp_path / "fastcands", ignore=shutil.ignore_patterns("__pycache__"))
    kernels = tmp_path / "fastcands" / "kernels"
    (kernels / "caller.py").write_text(CALLER)
    (kernels / "callee.py").write_text(CALLEE.format(factor=2))
    return tmp_path


def run(
    folder: Path, cache: Path | None = None, *, program: str = RUN, variables: dict[str, str] | None = None
) -> list[int]:
    """Call the kernel in a new process: its result, how often the cache had it, how often not."""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    if cache:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)} | (variables or {}),
    )
    return [int(word) for word in result.stdout.split()]


def test_a_cached_kernel_notices_an_edit_of_another_kernels_file(copy: Path) -> None:
    kernels = copy / "fastcands" / "kernels"
    assert run(copy) == [21, 0, 1]
    os.utime(kernels / "caller.py", (1, 1))  # touched, not edited
    assert run(copy) == [21, 1, 0]
    (kernels / "callee.py").write_text(CALLEE.format(factor=3))
    assert run(copy) == [31, 0, 1]
    assert run(copy) == [31, 1, 0]


def test_an_edit_in_a_sub_folder_is_noticed(copy: Path) -> None:
    """The stamp covers all files below the folders of kernels and vector code."""
    for folder in ("kernels/table", "kernels/sampled_loss/bf16", "simd/dot"):
        name = folder.replace("/", ".")
        callee = copy / "fastcands" / folder / "callee.py"
        callee.write_text(CALLEE.format(factor=2))
        caller = CALLER.replace("fastcands.kernels.callee", f"fastcands.{name}.callee")
        (copy / "fastcands" / "kernels" / "caller.py").write_text(caller)
        assert run(copy, copy / name) == [21, 0, 1]
        assert run(copy, copy / name) == [21, 1, 0]
        callee.write_text(CALLEE.format(factor=3))
        assert run(copy, copy / name) == [31, 0, 1]


def test_a_kernel_outside_the_package_follows_its_own_file(copy: Path) -> None:
    """Numba's key holds a function's bytecode but not its constants: only the stamp tells 2 from 5."""
    outside = copy / "outside.py"
    program = RUN.replace("fastcands.kernels.caller", "outside")
    outside.write_text(CALLER)
    assert run(copy, copy / "cache", program=program) == [21, 0, 1]
    assert run(copy, copy / "cache", program=program) == [21, 1, 0]
    outside.write_text(CALLER.replace("+ 1", "+ 5"))
    assert run(copy, copy / "cache", program=program) == [25, 0, 1]


CHOICE = """
import os
from fastcands import jit
jit.vary("few", lambda: os.environ["CHOICE"])
"""


def test_a_choice_is_part_of_the_key_of_the_kernels_it_concerns(copy: Path) -> None:
    """Machine code for each choice stays beside that for another: going back compiles nothing."""
    kernels = copy / "fastcands" / "kernels"
    (kernels / "few").mkdir()
    (kernels / "few" / "__init__.py").write_text("")
    (kernels / "few" / "caller.py").write_text(CALLER)
    (copy / "outside.py").write_text(CALLER)
    for module in ("fastcands.kernels.few.caller", "outside"):
        program = CHOICE + RUN.replace("fastcands.kernels.caller", module)
        for choice, hits in (("1", 0), ("1", 1), ("2", 0), ("1", 1), ("2", 1)):
            got = run(copy, copy / "cache", program=program, variables={"CHOICE": choice})
            assert got == [21, hits, 1 - hits], (module, choice)
    program = CHOICE + RUN
    for choice, hits in (("1", 0), ("2", 1)):
        assert run(copy, copy / "cache", program=program, variables={"CHOICE": choice}) == [21, hits, 1 - hits]


BF16 = """
from fastcands.jit import kernel
from fastcands.simd.dot import configure


@kernel
def caller(x):
    configure()
    return 2 * x + 1
"""


def test_the_instruction_set_is_such_a_choice(copy: Path) -> None:
    (copy / "fastcands" / "kernels" / "bf16").mkdir()
    (copy / "fastcands" / "kernels" / "bf16" / "__init__.py").write_text("")
    (copy / "fastcands" / "kernels" / "bf16" / "caller.py").write_text(BF16)
    program = RUN.replace("fastcands.kernels.caller", "fastcands.kernels.bf16.caller")
    hits = []
    for name in ("portable", "portable", name_of_chosen(), "portable"):
        result, hit, _ = run(copy, program=program, variables={"FASTCANDS_BF16_ISA": name})
        assert result == 21
        hits.append(hit)
    assert hits == [0, 1, int(name_of_chosen() == "portable"), 1]


TYPES = """
from typing import NamedTuple


class Pair(NamedTuple):
    x: int
    y: int
"""
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


CALL_BY_TYPE = """
from fastcands.jit import by_type, kernel


@by_type
def chosen(x):
    return 1


@kernel
def caller(x):
    return 10 * chosen(x)
"""
USE_BY_TYPE = """
import numpy as np
from fastcands.kernels.caller import caller, chosen
from passing import Pair


@chosen.register(Pair)
def _pair(x):
    return x.x + x.y


@chosen.register(np.uint16)
def _bits(x):
    return 2


print(caller(Pair({x}, 2)), chosen(Pair({x}, 2)), caller(np.uint16(7)), chosen(np.uint16(7)), caller(7), chosen(7))
"""


def test_code_is_chosen_by_the_type_of_the_first_argument(copy: Path) -> None:
    """In Python and compiled, for named tuples and numbers, and again when the file of another package has changed."""
    (copy / "fastcands" / "kernels" / "caller.py").write_text(CALL_BY_TYPE)
    (copy / "passing.py").write_text(TYPES)
    assert run(copy, program=USE_BY_TYPE.format(x=1)) == [30, 3, 20, 2, 10, 1]
    assert run(copy, program=USE_BY_TYPE.format(x=1)) == [30, 3, 20, 2, 10, 1]
    assert run(copy, program=USE_BY_TYPE.format(x=1).replace("x.x + x.y", "x.x - x.y")) == [-10, -1, 20, 2, 10, 1]


def test_division_by_zero_gives_what_numpy_gives() -> None:
    @kernel
    def divide(a, b):  # type: ignore[no-untyped-def]
        return a / b

    assert divide(1.0, 0.0) == np.inf
    assert np.isnan(divide(0.0, 0.0))


def test_fastmath_is_off_unless_asked_for() -> None:
    @kernel
    def exact(x, big):  # type: ignore[no-untyped-def]
        return (x + big) - big

    @kernel(fastmath=frozenset({"reassoc", "nsz"}))
    def loose(x, big):  # type: ignore[no-untyped-def]
        return (x + big) - big

    assert exact(0.3, 1e16) != 0.3
    assert loose(0.3, 1e16) == 0.3


def test_parallel_kernel_runs_its_loop_over_workers() -> None:
    @parallel_kernel
    def squares(out, num_threads):  # type: ignore[no-untyped-def]
        for worker in prange(num_threads):
            for i in range(worker, len(out), num_threads):
                out[i] = i * i

    for num_threads in (1, 2, 5):
        out = np.zeros(17)
        squares(out, num_threads)
        assert out.tolist() == [i * i for i in range(17)]
    assert squares.__name__ == "squares"
    assert squares.dispatcher.targetoptions["parallel"]
