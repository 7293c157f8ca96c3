"""What is read from Numba's settings of the processor, and what follows for vectors."""

from __future__ import annotations

import llvmlite.binding as llvm
import numba
import pytest

from fastcands.simd import target

HOST = {"avx": True, "avx512f": True, "avx512vl": True, "avx512dq": True, "avx512bw": True, "amx-tile": False}
WIDE, MIDDLE, NARROW = (64, 8), (32, 4), (16, 4)


@pytest.mark.parametrize(
    ("name", "words", "found", "vectors"),
    [
        (None, None, {key for key, on in HOST.items() if on}, WIDE),
        ("host", None, {key for key, on in HOST.items() if on}, WIDE),
        ("host", "+avx,-sse4a", {"avx"}, MIDDLE),
        (None, "", set(), NARROW),
        ("generic", "", set(), NARROW),
        ("haswell", None, {"avx"}, MIDDLE),
        ("haswell", "+avx512bf16, -avx", {"avx512bf16"}, NARROW),
        ("skylake", "", {"avx"}, MIDDLE),
        ("skylake-avx512", "", {"avx", "avx512f", "avx512vl", "avx512dq", "avx512bw"}, WIDE),
        ("znver5", "-avx512bf16", {"avx", "avx512f", "avx512vl", "avx512dq", "avx512bw"}, WIDE),
        ("znver5", "-avx512vl", {"avx", "avx512f", "avx512bf16", "avx512dq", "avx512bw"}, MIDDLE),
        ("nobody", "+avx", {"avx"}, MIDDLE),
    ],
)
def test_settings(
    name: str | None, words: str | None, found: set[str], vectors: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: HOST)
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    monkeypatch.setattr(numba.config, "CPU_NAME", name)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", words)
    assert target.features() == found
    assert target._choose() == vectors


def test_names_that_have_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    for name in ("sapphirerapids", "graniterapids-d"):
        monkeypatch.setattr(numba.config, "CPU_NAME", name)
        assert {"amx-tile", "amx-bf16", "avx512bf16", "avx512f", "avx"} <= target.features()


def test_other_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"neon": True})
    monkeypatch.setattr(numba.config, "CPU_NAME", None)
    monkeypatch.setattr(numba.config, "CPU_FEATURES", None)
    assert target._choose() == (16, 8)
