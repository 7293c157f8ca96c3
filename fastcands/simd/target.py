"""The processor that kernels are compiled for: its features, its vector width and its register tile.

A register tile is MR x NR numbers: MR broadcast factors times a panel, whose NR numbers are two vectors.

========== ============ ================ ====
target     vector bytes vector registers MR
========== ============ ================ ====
AVX-512    64           32               8
AVX, AVX2  32           16               4
NEON       16           32               8
others     16           16 (SSE)         4
========== ============ ================ ====

8 x 2 sums need 16 of 32 registers and leave the others to operands; with 16 registers 4 x 2 fits. Larger tiles (14 x 2,
12 x 2, 6 x 4) gain nothing where 8 x 2 fits; 16 x 1 is slower, because each broadcast feeds only one multiplication.
"""

from __future__ import annotations

from typing import NamedTuple

import llvmlite.binding as llvm
import numba

__all__ = ["MR", "VECTOR_BYTES", "features"]


class _Target(NamedTuple):
    """Bytes of a vector and rows of a register tile."""

    vector_bytes: int
    rows: int


_AVX512, _AVX, _NEON, _BASELINE = _Target(64, 8), _Target(32, 4), _Target(16, 8), _Target(16, 4)

_OF_AVX = frozenset({"avx"})
_OF_AVX512 = _OF_AVX | {"avx512f", "avx512vl", "avx512dq", "avx512bw"}
_OF_BF16 = _OF_AVX512 | {"avx512bf16"}
_OF_AMX = _OF_BF16 | {"amx-tile", "amx-bf16"}
_BY_NAME = {
    **dict.fromkeys(("sapphirerapids", "emeraldrapids", "graniterapids", "diamondrapids"), _OF_AMX),
    **dict.fromkeys(("cooperlake", "znver4", "znver5"), _OF_BF16),
    **dict.fromkeys(("skylake-avx512", "cascadelake", "icelake"), _OF_AVX512),
    **dict.fromkeys(("sandybridge", "ivybridge", "haswell", "broadwell", "skylake", "alderlake"), _OF_AVX),
    **dict.fromkeys(("znver1", "znver2", "znver3"), _OF_AVX),
}
"""Features of processors by LLVM's names; a processor has those of the first entry that its name begins with."""


def features() -> frozenset[str]:
    """Return the features, by LLVM's names, of the processor that kernels are compiled for.

    Numba's settings ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` count, as they do for Numba. The set is complete for
    this processor; for a named one it has only features that the library tests for.
    """
    name, words = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    if name in (None, "host"):
        found = (
            frozenset() if words is not None else frozenset(k for k, on in llvm.get_host_cpu_features().items() if on)
        )
    else:
        found = next((known for start, known in _BY_NAME.items() if name.startswith(start)), frozenset())
    listed = [word.strip() for word in (words or "").split(",")]
    added = {word[1:] for word in listed if word.startswith("+")}
    return found.union(added).difference(word[1:] for word in listed if word.startswith("-"))


def _choose() -> _Target:
    """Return the target with the widest vectors that the processor has."""
    on = features()
    if on >= _OF_AVX512 - _OF_AVX:
        return _AVX512
    if "avx" in on:
        return _AVX
    is_arm = "neon" in on or llvm.get_process_triple().startswith(("aarch64", "arm64"))
    return _NEON if is_arm and numba.config.CPU_NAME in (None, "host") else _BASELINE


VECTOR_BYTES, MR = _choose()
