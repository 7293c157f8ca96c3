"""How kernels are compiled: code chosen by type, division, fast-math flags, parallel loops; not without a compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from fastcands.jit import kernel, parallel_kernel, prange
from tests.copied_package import PACKAGE, TYPES, run

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


COMMAND = "import sys; from fastcands.cli import main; sys.exit(main())"


def without_compiler(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=PACKAGE.parent, env=environment
    )


def test_without_the_compiler_the_import_is_refused(tmp_path: Path) -> None:
    """And the command says so in one line, however it is started."""
    text = "fastcands: compiled code is needed, and NUMBA_DISABLE_JIT=1 turns it off: unset it"
    imported = without_compiler("-c", "import fastcands")
    assert imported.stderr.splitlines()[-1] == f"ImportError: {text}"
    script = tmp_path / "fastcands"
    script.write_text(f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); {COMMAND}")
    for arguments in (("-m", "fastcands", "info"), (str(script), "info")):
        told = without_compiler(*arguments)
        assert (told.returncode, told.stdout, told.stderr) == (2, "", f"{text}\n")
