"""Whether the processor's matrix tiles (AMX) can be used, and if not, why.

Tiles hold 8 KiB of a thread's state, so Linux hands them out on request only, once for a whole process; threads and
forked children have what the process was granted. Nothing here runs at import: a process that never asks for tiles
keeps its signal frames small.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys

import llvmlite.binding as llvm
import numba

from fastcands.simd.target import VECTOR_BYTES

__all__ = ["unusable"]

_NEEDED = ("amx-tile", "amx-bf16", "avx512bf16")
_VECTOR_BYTES = 64
"""What comes between the tiles is AVX-512, in all its usual parts: `target` looks for them."""
_NAMES = ("sapphirerapids", "emeraldrapids", "graniterapids", "diamondrapids")
_ARCH_PRCTL = 158
"""The number of the system call on x86-64."""
_REQUEST_STATE = 0x1023
_TILE_DATA = 18


def _missing() -> list[str]:
    """List what the processor lacks that kernels are compiled for; Numba's settings count as in `simd.target`."""
    name, features = numba.config.CPU_NAME, numba.config.CPU_FEATURES
    if name in (None, "host"):
        if features is None:
            on = {key for key, value in llvm.get_host_cpu_features().items() if value}
        else:
            on = {word[1:] for word in features.split(",") if word.startswith("+")}
    else:
        on = set(_NEEDED) if name.startswith(_NAMES) else set()
        words = (features or "").split(",")
        on |= {word[1:] for word in words if word.startswith("+")}
        on -= {word[1:] for word in words if word.startswith("-")}
    return [feature for feature in _NEEDED if feature not in on]


def _request() -> str | None:
    """Ask the operating system for the tiles; return why not, None when they are granted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(_ARCH_PRCTL, _REQUEST_STATE, _TILE_DATA) == 0:
        return None
    return f"the operating system refuses them ({os.strerror(ctypes.get_errno())})"


@functools.cache
def unusable() -> str | None:
    """Return why kernels cannot use matrix tiles, None when they can; the operating system is asked once.

    Returns
    -------
    str or None
        A few words that complete "matrix tiles cannot be used:".

    Examples
    --------
    >>> reason = unusable()
    >>> reason is None or isinstance(reason, str)
    True
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"the processor is {platform.machine()}, not x86-64"
    if not sys.platform.startswith("linux"):
        return f"the operating system is {sys.platform}, not Linux"
    missing = _missing()
    if missing:
        return f"the processor that kernels are compiled for has no {', '.join(missing)}"
    if VECTOR_BYTES != _VECTOR_BYTES:
        return f"kernels are compiled for vectors of {VECTOR_BYTES} bytes, not {_VECTOR_BYTES}"
    return _request()
