"""The tests of bfloat16 paths, once more by each instruction set that is not the one of this process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastcands.simd import dot

HERE = Path(__file__).parent
FILES = [
    *("simd/bf16", "kernels/epilogues", "kernels/full_loss/bf16", "losses/test_precision.py"),
    *sorted(str(path.relative_to(HERE)) for path in (HERE / "losses").glob("test_*bf16*.py")),
]
OTHERS = [name for name in dot.INSTRUCTION_SETS if name != dot.name_of_chosen()]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.needs(name)) for name in OTHERS])
def test_all_pass(name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        capture_output=True,
        text=True,
        env=os.environ | {dot.VARIABLE: name},
        cwd=HERE,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-3000:]
