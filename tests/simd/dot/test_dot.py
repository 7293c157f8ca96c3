"""Which instruction set is chosen: by itself, by the environment, and what is said where none can be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fastcands as fc
from fastcands.simd import dot
from tests.bf16 import each_instruction_set

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _chosen_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Choose again in each test, without the environment, and as before afterwards."""
    monkeypatch.delenv(dot.VARIABLE, raising=False)
    dot._choice.cache_clear()
    yield
    monkeypatch.undo()
    dot._choice.cache_clear()


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Give three instruction sets, and why each is unusable, to be changed by the test."""
    reasons: dict[str, str | None] = {"first": None, "second": None, dot.PORTABLE: None}
    monkeypatch.setattr(dot, "INSTRUCTION_SETS", tuple(reasons))
    monkeypatch.setattr(dot, "instruction_set", lambda name: SimpleNamespace(unusable=lambda: reasons[name]))
    return reasons


def test_the_first_usable_one_is_chosen(three: dict[str, str | None]) -> None:
    assert (dot.name_of_chosen(), dot.unusable()) == ("first", None)
    dot._choice.cache_clear()
    three["first"] = "it is missing"
    assert (dot.name_of_chosen(), dot.unusable()) == ("second", None)


def test_portable_is_never_chosen_by_itself(three: dict[str, str | None]) -> None:
    """Its code is what kernels are made of then, but no tier of a loss uses them."""
    three["first"], three["second"] = "it is missing", "it is slow"
    assert dot.unusable() == "first: it is missing; second: it is slow"
    assert dot.name_of_chosen() == dot.PORTABLE


def test_the_environment_chooses(three: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in three:
        monkeypatch.setenv(dot.VARIABLE, name)
        dot._choice.cache_clear()
        assert (dot.name_of_chosen(), dot.unusable()) == (name, None)
    monkeypatch.setenv(dot.VARIABLE, "")
    dot._choice.cache_clear()
    assert dot.name_of_chosen() == "first"


def test_another_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dot.VARIABLE, "avx9")
    with pytest.raises(ValueError, match=r"FASTCANDS_BF16_ISA must be one of 'amx', .*'portable', got 'avx9'"):
        dot.unusable()


def test_one_that_cannot_be_used(three: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    three["second"] = "it is slow"
    monkeypatch.setenv(dot.VARIABLE, "second")
    with pytest.raises(RuntimeError, match="FASTCANDS_BF16_ISA is 'second', which cannot be used: it is slow"):
        dot.name_of_chosen()


def test_a_loss_raises_what_is_wrong_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(dot.VARIABLE, "x")
    table = fc.ClassTable(10, 3)
    before = table.weights.copy()
    with pytest.raises(ValueError, match="FASTCANDS_BF16_ISA must be one of"):
        table.train_step(fc.SoftmaxLoss(precision="medium"), np.array([1]), np.ones((1, 3), np.float32))
    assert (table.weights == before).all()


PROGRAM = """
import numpy as np
import fastcands as fc
with fc.matmul_precision("medium"):
    config = fc.show_config(mode="dicts")["matmul precision"]
rng = np.random.default_rng(0)
weights, inputs = (rng.normal(size=(40, 9)).astype(np.float32) for _ in range(2))
found = [
    fc.SampledSoftmaxLoss(fc.UniformSampler(40, seed=1), 8, precision=tier).value(weights, None, np.arange(40), inputs)
    for tier in ("highest", "medium")
]
error = np.abs(found[1] - found[0]).max()
print(config["instruction set"], config["computed as"], 1e-5 < error < 0.2)
"""


@each_instruction_set
def test_a_process_with_the_variable(name: str) -> None:
    environment = os.environ | {dot.VARIABLE: name, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert result.stdout.split() == [name, "medium", "True"]


def test_nothing_is_asked_at_import() -> None:
    code = "import fastcands\nfrom fastcands.simd import dot\nassert dot._choice.cache_info().currsize == 0\n"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
