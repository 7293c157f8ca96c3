"""Code that signal handlers do not interrupt.

Python runs signal handlers between two bytecodes of the main thread, and the one of Ctrl-C raises there. Masking
signals with ``pthread_sigmask`` does not help: the workers of the parallel loops may receive the signal instead,
and the handler still runs in the main thread. So for a few microseconds the handlers are replaced by one that records
the signals, which are sent again afterwards. Other threads run no handlers, so nothing is done there.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enumerations, which take longer than an update
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Uninterrupted"]

_NAMES = "SIGINT SIGTERM SIGHUP SIGQUIT SIGBREAK SIGALRM SIGVTALRM SIGPROF SIGUSR1 SIGUSR2"
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES.split() if hasattr(signal, name))
"""Those that programs handle by raising; `signal.signal` refuses or ignores handlers for faults."""


class Uninterrupted:
    """Inside a ``with`` block, delay signals that have a handler in Python.

    Exceptions that one thread sets in another (``PyThreadState_SetAsyncExc``) are not signals and are not delayed.
    """

    def __init__(self) -> None:
        self._handlers: list[tuple[signal.Signals, Any]] = []
        self._noted: list[int] = []

    def __enter__(self) -> Self:
        """Replace the handlers; a signal that comes before that is handled before that."""
        if threading.current_thread() is threading.main_thread():
            try:
                for number in _SIGNALS:
                    handler = _signal.getsignal(number)
                    if callable(handler):
                        self._handlers.append((number, handler))  # first: restoring the old handlers is harmless
                        _signal.signal(number, self._note)
            except BaseException:
                self._put_back()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Restore the handlers and send again the signals that came."""
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)

    def _put_back(self) -> None:
        try:
            while self._handlers:
                _signal.signal(*self._handlers[-1])
                self._handlers.pop()
            while self._noted:
                signal.raise_signal(self._noted.pop(0))
        except BaseException:  # raised by a restored handler: the others must be restored too
            self._put_back()
            raise
