"""The file of a table that is trained in place, and whether it is complete."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from typing import Any

from fastcands.table.container import Container

__all__ = ["InPlaceFile"]


class InPlaceFile:
    """A container whose arrays are mapped into memory and change there.

    Parameters
    ----------
    container : Container
        Open for writing.
    memory : mmap
        Its arrays.
    """

    def __init__(self, container: Container, memory: mmap.mmap) -> None:
        self._container, self._memory = container, memory
        self.path = container.path
        self._complete = True

    def begin_changes(self) -> None:
        """Mark the file as changing, before the first change."""
        if self._complete:
            self._container.mark(complete=False)
            self._complete = False

    def complete(self, manifest: Mapping[str, Any]) -> None:
        """Write the arrays to disk, then checksums and manifest, then the mark, in this order."""
        if not self._complete:
            self._memory.flush()
            self._container.rewrite({**manifest, "samplers": {}})
            self._container.mark(complete=True)
            self._complete = True

    def close(self) -> None:
        """Close the file; the mapping goes when the arrays do."""
        self._container.close()
