"""How much memory a call takes at its highest, as the operating system counts it: on Linux."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Growth", "measure_growth", "result_bytes"]


class Growth(NamedTuple):
    """Bytes of a call: at its highest above what there was before, and of what it gives back."""

    peak: int
    results: int


def _status(name: str) -> int:
    """Return a line of the kernel's account of this process, in bytes."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}: memory is measured on Linux only")
    return int(found[1]) * 1024


def result_bytes(value: Any) -> int:
    """Return the bytes of all arrays in nested tuples, lists and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return sum(result_bytes(part) for part in value)
    if getattr(value, "is_sparse", False):  # a tensor of PyTorch that has no nbytes of its own
        return int(value._indices().nbytes + value._values().nbytes)
    return int(getattr(value, "nbytes", 0))


def measure_growth(call: Callable[[], Any]) -> Growth:
    """Return what one call adds to the resident memory of this process.

    Freed memory that the allocator keeps would be used by the call without being seen, so it is given back first. The
    high-water mark starts anew by writing 5 to ``clear_refs``, see proc_pid_clear_refs(5).
    """
    if not sys.platform.startswith("linux"):
        raise OSError("memory is measured on Linux only")
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # not in every C library
    if trim is not None:
        trim(0)
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    results = call()
    return Growth(max(_status("VmHWM") - before, 0), result_bytes(results))
