"""Whether AMX is usable: what the processor has, what Numba compiles for, what the system grants."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import numba
import pytest

from fastcands.simd.dot import amx

ALL = {"amx-tile": True, "amx-bf16": True, "avx512bf16": True, "avx512f": True}


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    amx.unusable.cache_clear()
    yield
    amx.unusable.cache_clear()


@pytest.fixture
def granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with AMX, to be changed by the test."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: ALL)
    monkeypatch.setattr(numba.config, "CPU_NAME", None)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    monkeypatch.setattr(amx, "VECTOR_BYTES", 64)
    monkeypatch.setattr(amx, "_request", lambda: None)


@pytest.mark.usefixtures("granted")
def test_all_is_there() -> None:
    assert amx.unusable() is None


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize("missing", ["amx-tile", "amx-bf16", "avx512bf16"])
def test_a_processor_without(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: ALL | {missing: False})
    assert amx.unusable() == f"the processor that kernels are compiled for has no {missing}"


@pytest.mark.usefixtures("granted")
@pytest.mark.parametrize(
    ("name", "features", "reason"),
    [
        ("skylake-avx512", None, "has no amx-tile, amx-bf16, avx512bf16"),
        ("sapphirerapids", None, None),
        ("graniterapids-d", "", None),
        ("sapphirerapids", "+avx,-amx-bf16", "has no amx-bf16"),
        ("skylake", "+amx-tile,+amx-bf16,+avx512bf16", None),
        ("host", "+avx512f,+amx-tile,+avx512bf16", "has no amx-bf16"),
        (None, "+amx-tile,+amx-bf16,+avx512bf16", None),
    ],
)
def test_the_target_of_the_compiler_counts(
    name: str | None, features: str | None, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CPU_NAME", name)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", features)
    found = amx.unusable()
    assert found is None if reason is None else str(found).endswith(reason)


@pytest.mark.usefixtures("granted")
def test_other_machines_and_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert amx.unusable() == "the operating system is darwin, not Linux"
    amx.unusable.cache_clear()
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert amx.unusable() == "the processor is aarch64, not x86-64"


@pytest.mark.usefixtures("granted")
def test_the_system_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse() -> str:
        asked.append(1)
        return "refused"

    monkeypatch.setattr(amx, "_request", refuse)
    assert amx.unusable() == amx.unusable() == "refused"
    assert len(asked) == 1


def test_what_the_system_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that no processor has is refused; where there is no such call, it is not made."""
    monkeypatch.setattr(amx, "_TILE_DATA", 63)
    if sys.platform.startswith("linux") and platform.machine() == "x86_64":
        assert str(amx._request()).startswith("the operating system refuses them (")
    else:
        assert amx.unusable() is not None


CHILD = """
import os
from fastcands.simd.dot import amx
before = os.fork()
if before == 0:
    os._exit(10 if amx.unusable() is None else 11)  # right after a fork, asked here first
first = os.waitstatus_to_exitcode(os.waitpid(before, 0)[1])
own = 10 if amx.unusable() is None else 11
after = os.fork()
if after == 0:
    amx.unusable.cache_clear()
    os._exit(10 if amx.unusable() is None else 11)
print(first, own, os.waitstatus_to_exitcode(os.waitpid(after, 0)[1]))
"""


def test_a_forked_child_gets_the_same_answer() -> None:
    result = subprocess.run(
        [sys.executable, "-c", CHILD],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    expected = 10 if amx.unusable() is None else 11
    assert result.stdout.split() == [str(expected)] * 3


def test_nothing_is_asked_at_import() -> None:
    code = "import fastcands\nfrom fastcands.simd.dot import amx\nassert amx.unusable.cache_info().currsize == 0\n"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.usefixtures("granted")
def test_amx_without_long_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amx, "VECTOR_BYTES", 32)
    assert amx.unusable() == "kernels are compiled for vectors of 32 bytes, not 64"
