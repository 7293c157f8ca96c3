"""What a measurement needs beside it so that others can judge it: code, machine, versions."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["KEYS", "provenance"]

_ROOT = Path(__file__).parents[1]

KEYS = (
    "date", "commit", "dirty", "processor", "cores", "os", "python", "threads", "load", "quick", "versions",
    "threading_layer", "target",
)  # fmt: skip


def _git(*arguments: str) -> str | None:
    try:
        return subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or an unpacked archive
        return None


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def provenance(threads: int, quick: bool) -> dict[str, Any]:
    """Return what is the same for all results of a run; each adds the `describe` of its contender.

    The load is that of the last minute before the run: 0 on an idle machine, the number of busy processors otherwise.
    """
    changes = _git("status", "--porcelain")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changes is None else bool(changes),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "os": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "quick": quick,
        "versions": {},
        "threading_layer": None,
        "target": None,
    }
