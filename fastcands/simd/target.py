"""The vector width and the register tile of the processor that kernels are compiled for.

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

__all__ = ["MR", "VECTOR_BYTES"]


class Target(NamedTuple):
    """Bytes of a vector and rows of a register tile."""

    vector_bytes: int
    rows: int


_BY_NAME = {"avx512": Target(64, 8), "avx": Target(32, 4), "neon": Target(16, 8)}
_BASELINE = Target(16, 4)
_AVX_NAMES = (
    "sandybridge",
    "ivybridge",
    "haswell",
    "broadwell",
    "skylake",
    "znver1",
    "znver2",
    "znver3",
    "alderlake",
)
_AVX512_NAMES = (
    "skylake-avx512",
    "cascadelake",
    "icelake",
    "sapphirerapids",
    "emeraldrapids",
    "znver4",
    "znver5",
)


def _choose() -> Target:
    """Choose from Numba's settings (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``), else from the processor."""
    name, features = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    if name in (None, "host"):
        if features is None:
            on = {key for key, value in llvm.get_host_cpu_features().items() if value}
        else:
            on = {word[1:] for word in features.split(",") if word.startswith("+")}
        if {"avx512f", "avx512vl", "avx512dq", "avx512bw"} <= on:
            return _BY_NAME["avx512"]
        if "avx" in on:
            return _BY_NAME["avx"]
        if "neon" in on or llvm.get_process_triple().startswith(("aarch64", "arm64")):
            return _BY_NAME["neon"]
        return _BASELINE
    if name.startswith(_AVX512_NAMES):
        return _BY_NAME["avx512"]
    return _BY_NAME["avx"] if name.startswith(_AVX_NAMES) else _BASELINE


VECTOR_BYTES, MR = _choose()
