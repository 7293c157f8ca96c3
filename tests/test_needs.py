"""Tests that need an instruction set: left out where it is unusable, and named at the end of the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*options: str, **variables: str) -> str:
    """Collect the tests of twins for AMX in a process; return what pytest prints."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/simd/dot/test_dot_twins.py", "--collect-only", "-q", *options],
        capture_output=True,
        text=True,
        env=os.environ | variables,
        cwd=ROOT,
        check=False,
    )
    return result.stdout


def test_what_is_not_run_is_named_with_the_reason() -> None:
    printed = run(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", FASTCANDS_BF16_ISA="portable")
    assert "test_products[portable]" in printed
    assert "test_products[amx]" not in printed
    assert "not run" in printed
    assert "1 x tests/simd/dot/test_dot_twins.py::test_products needs amx: the processor" in " ".join(printed.split())


def test_nothing_is_said_where_all_is_run() -> None:
    printed = run("-k", "portable")
    assert "test_products[portable]" in printed
    assert "needs portable" not in printed
