"""The configuration on this machine: versions, processor, threads, precision, compiled kernels."""

from __future__ import annotations

import platform
from typing import Any, Literal

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np

from fastcands.cache import cache_directories
from fastcands.precision import get_matmul_precision, resolve
from fastcands.simd import dot
from fastcands.simd.target import MR, VECTOR_BYTES
from fastcands.threads import get_num_threads, threading_layer
from fastcands.version import __version__

__all__ = ["show_config"]

_FEATURES = ("avx2", "fma", "avx512f", "avx512bw", "avx512bf16", "amx-tile", "amx-bf16", "neon", "sve")


def _processor() -> dict[str, Any]:
    present = {name for name, value in llvm.get_host_cpu_features().items() if value}
    forced = numba.config.CPU_NAME
    return {
        "architecture": platform.machine(),
        "name": llvm.get_host_cpu_name(),
        "compiled for": llvm.get_host_cpu_name() if forced in (None, "host") else forced,
        "features": [name for name in _FEATURES if name in present],
        "vector bytes": VECTOR_BYTES,
        "register tile": f"{MR} rows x 2 vectors",
    }


def _precision() -> dict[str, Any]:
    return {
        "setting": get_matmul_precision(),
        "computed as": resolve(None, np.dtype(np.float32)),
        "instruction set": dot.unusable() or dot.name_of_chosen(),
    }


def _cache() -> dict[str, Any]:
    directories = [path for path in cache_directories() if path.is_dir()]
    files = [file for path in directories for file in path.iterdir() if file.suffix in (".nbi", ".nbc")]
    return {
        "directories": [str(path) for path in directories],
        "kernels": sum(file.suffix == ".nbc" for file in files),
        "bytes": sum(file.stat().st_size for file in files),
    }


def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, dict[str, Any]] | None:
    """Print, or return, the versions, the processor, the threads, the precision and the compiled kernels in use.

    Parameters
    ----------
    mode : {'stdout', 'dicts'}, default 'stdout'
        Print a table, or return dictionaries, as ``numpy.show_config`` does.

    Returns
    -------
    dict or None
        With ``mode='dicts'`` the sections ``versions``, ``processor``, ``threads``, ``matmul precision`` and
        ``kernel cache``; each a dictionary of text, numbers and lists, as JSON can hold.

    Raises
    ------
    ValueError
        If `mode` is another word.

    Notes
    -----
    Numba chooses the threading layer when the first parallel kernel runs; before that it is ``"not started"``.

    ``matmul precision`` has the ``setting``; under ``computed as`` the tier in which float32 products are computed with
    it; and under ``instruction set`` the one that multiplies bfloat16 numbers, ``"amx"``, or why there is none.

    Examples
    --------
    >>> import fastcands as fc
    >>> config = fc.show_config(mode="dicts")
    >>> sorted(config)
    ['kernel cache', 'matmul precision', 'processor', 'threads', 'versions']
    >>> config["threads"]["threads"] == fc.get_num_threads()
    True
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode must be 'stdout' or 'dicts', got {mode!r}")
    config: dict[str, dict[str, Any]] = {
        "versions": {
            "fastcands": __version__,
            "numba": numba.__version__,
            "llvmlite": llvmlite.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "processor": _processor(),
        "threads": {"threads": get_num_threads(), "layer": threading_layer()},
        "matmul precision": _precision(),
        "kernel cache": _cache(),
    }
    if mode == "dicts":
        return config
    for section, entries in config.items():
        print(f"{section}:")
        for name, value in entries.items():
            print(f"  {name + ':':16} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return None
