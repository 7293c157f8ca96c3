"""Ctrl-C as a request to stop at the next step."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

from fastcands.cli.errors import Interrupted

__all__ = ["Interrupts"]


class Interrupts:
    """Inside a ``with`` block, SIGINT and SIGTERM set a flag; the second one raises KeyboardInterrupt.

    Attributes
    ----------
    requested : bool
        Whether a signal has come.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the two signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise if a signal has come.

        Raises
        ------
        Interrupted
            If `requested`.
        """
        if self.requested:
            raise Interrupted

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
