"""The processor that kernels are compiled for: its features, its vector width and its register tile.

A tile is MR x NR numbers held in registers: MR broadcast factors times a panel of two vectors.

========== ============ ================ ====
target     vector bytes vector registers MR
========== ============ ================ ====
AVX-512    64           32               8
AVX, AVX2  32           16               4
NEON       16           32               8
others     16           16 (SSE)         4
========== ============ ================ ====

8 x 2 accumulators need 16 registers and leave the other half to operands; with 16 registers 4 x 2 is what fits.
Larger tiles (14 x 2, 12 x 2, 6 x 4) gain nothing where 8 x 2 fits; 16 x 1 is slower: each broadcast feeds one
multiplication only.
"""

from __future__ import annotations

from typing import NamedTuple

import llvmlite.binding as llvm
import numba

__all__ = ["MR", "VECTOR_BYTES", "features"]


class Target(NamedTuple):
    """Bytes of a vector and rows of a register tile."""

    vector_bytes: int
    rows: int


_AVX512, _AVX, _NEON, _BASELINE = Target(64, 8), Target(32, 4), Target(16, 8), Target(16, 4)

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
"""What is asked of a processor by LLVM's name; the first that a name begins with counts."""


def features() -> frozenset[str]:
    """Return the features, by LLVM's names, of the processor that kernels are compiled for.

    Numba's settings ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` count, as they do for Numba. For this processor all
    features are there, for a named one those that the library asks about.
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


def _choose() -> Target:
    """Choose the widest vectors that there are."""
    on = features()
    if on >= _OF_AVX512 - _OF_AVX:
        return _AVX512
    if "avx" in on:
        return _AVX
    is_arm = "neon" in on or llvm.get_process_triple().startswith(("aarch64", "arm64"))
    return _NEON if is_arm and numba.config.CPU_NAME in (None, "host") else _BASELINE


VECTOR_BYTES, MR = _choose()
