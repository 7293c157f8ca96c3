"""What a contender is: operations by name, each made ready for a case and then called."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Callable
from typing import Any, ClassVar

from bench.cases import Case
from bench.problems import make_table

__all__ = ["Call", "Contender"]

Call = Callable[[], Any]


class Contender:
    """A library set to a number of threads. A method that takes a case and returns a call is an operation.

    Parameters
    ----------
    threads : int
        How many threads the library may use. The environment of the process says the same to its parts.
    """

    packages: ClassVar[tuple[str, ...]] = ("numpy",)
    """Installed packages whose versions belong to a result."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.until_forgotten = contextlib.ExitStack()

    def prepare(self, operation: str, case: Case) -> Call:
        """Make an operation ready: tables made, graphs built, nothing computed that a call computes."""
        make = getattr(type(self), operation, None)
        if make is None or operation.startswith("_") or hasattr(Contender, operation):
            raise ValueError(f"{type(self).__module__} has no operation {operation!r}")
        call: Call = make(self, case)
        return call

    def forget(self) -> None:
        """Let go of tables, files and the like; calls made ready are gone already."""
        self.until_forgotten.close()
        make_table.cache_clear()

    def describe(self) -> dict[str, Any]:
        """Return versions and what else decides the speed."""
        versions = {}
        for name in self.packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # TBB is not made for every processor
                versions[name] = importlib.metadata.version(name)
        return {"versions": versions}
