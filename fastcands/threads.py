"""Number of threads, and the threading layer under Numba's parallel loops.

Numba offers three layers. TBB allows calls from several threads and after a fork. OpenMP allows calls from several
threads only. workqueue aborts the process when two threads call at once. The library of TBB's wheel is not on the
loader's path, so it is loaded here by its file name, before Numba looks for it.

No layer allows a fork during a parallel loop: the child would wait for workers that it does not have. So a fork waits
until no loop runs.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import operator
import os
import site
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba

__all__ = [
    "get_num_threads",
    "launch",
    "may_start_threads",
    "num_threads",
    "set_num_threads",
    "threading_layer",
    "threads_for",
]

_LIBTBB = "libtbb.so.12"
_WORTH_STARTING = 1 << 20
"""So many multiplications take one thread as long as waking another one."""


def _load_tbb() -> None:
    """Make the TBB library of pip's ``tbb`` package known to the dynamic loader, if it is installed."""
    layer = os.environ.get("NUMBA_THREADING_LAYER", "tbb")
    if not sys.platform.startswith("linux") or layer in ("omp", "workqueue"):
        return
    roots = [sysconfig.get_path("data"), sys.prefix, site.getuserbase()]
    for root in dict.fromkeys(roots):
        path = Path(root) / "lib" / _LIBTBB
        if path.exists():
            with contextlib.suppress(OSError):
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
                return


_load_tbb()

_default = int(numba.config.NUMBA_NUM_THREADS)
_override: contextvars.ContextVar[int | None] = contextvars.ContextVar("fastcands_num_threads", default=None)
_concurrent: bool | None = None


def _as_num_threads(n: int) -> int:
    if isinstance(n, bool):
        raise TypeError("num_threads must be an integer, got bool")
    try:
        value = operator.index(n)
    except TypeError:
        raise TypeError(f"num_threads must be an integer, got {type(n).__name__}") from None
    if not 1 <= value <= 1024:
        raise ValueError(f"num_threads must be between 1 and 1024, got {value}")
    return value


def get_num_threads() -> int:
    """Return how many threads a call made here uses.

    Returns
    -------
    int
        The innermost `num_threads` block's number, else the one of `set_num_threads`, else the number of
        processors this process may use (``NUMBA_NUM_THREADS`` overrides that).

    Examples
    --------
    >>> import fastcands as fc
    >>> with fc.num_threads(1):
    ...     fc.get_num_threads()
    1
    """
    n = _override.get()
    return _default if n is None else n


def threads_for(work: int) -> int:
    """Return how many threads a call with `work` multiplications uses: one if starting more would take longer."""
    return get_num_threads() if work >= _WORTH_STARTING else 1


def set_num_threads(n: int) -> None:
    """Set how many threads later calls use, in the whole process.

    Results do not depend on it. It does not change the settings of Numba itself, BLAS or PyTorch.

    Parameters
    ----------
    n : int
        At least 1. More than the number of processors is allowed but gains nothing.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is not between 1 and 1024.

    Examples
    --------
    >>> import fastcands as fc
    >>> before = fc.get_num_threads()
    >>> fc.set_num_threads(1)
    >>> fc.get_num_threads()
    1
    >>> fc.set_num_threads(before)
    """
    global _default
    _default = _as_num_threads(n)


@contextlib.contextmanager
def num_threads(n: int) -> Iterator[None]:
    """Use `n` threads inside a ``with`` block, in this thread of Python only.

    Parameters
    ----------
    n : int
        At least 1.

    Raises
    ------
    TypeError
        If `n` is not an integer.
    ValueError
        If `n` is not between 1 and 1024.

    Examples
    --------
    >>> import fastcands as fc
    >>> with fc.num_threads(2):
    ...     fc.get_num_threads()
    2
    """
    token = _override.set(_as_num_threads(n))
    try:
        yield
    finally:
        _override.reset(token)


def threading_layer() -> str:
    """Return the layer Numba has started: 'tbb', 'omp' or 'workqueue'; 'not started' before any parallel kernel ran."""
    try:
        return str(numba.threading_layer())
    except ValueError:
        return "not started"


def _layer_allows_concurrency() -> bool:
    """Whether the layer Numba started allows two Python threads in parallel loops at once."""
    global _concurrent
    if _concurrent is None:
        layer = threading_layer()
        if layer == "not started":
            return False
        _concurrent = layer in ("tbb", "omp")
    return _concurrent


class _Launcher:
    """Runs parallel loops: delays forks until they end, and runs one at a time if the layer requires it."""

    longest = 60.0  # seconds that a fork waits at most

    def __init__(self) -> None:
        self._gate = threading.RLock()  # held by a fork, so that no launch begins
        self._running: list[int] = []  # the thread of each launch that has begun
        self.may_start_threads = True
        self._one_at_a_time = threading.RLock()

    def launch(self, kernel: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a kernel that holds a parallel loop."""
        thread = threading.get_ident()
        if thread in self._running:  # a launch by a signal handler, during one of the same thread
            self._running.append(thread)
        else:
            with self._gate:
                self._running.append(thread)
        try:
            if _layer_allows_concurrency():
                return kernel(*args)
            with self._one_at_a_time:
                return kernel(*args)
        finally:
            self._running.remove(thread)

    def before_fork(self) -> None:
        """Prevent new launches, and wait until those of other threads have ended."""
        self._gate.acquire()
        give_up = time.monotonic() + self.longest
        while any(t != threading.get_ident() for t in tuple(self._running)) and time.monotonic() < give_up:
            time.sleep(1e-4)

    def after_fork_in_parent(self) -> None:
        """Allow launches again."""
        self._gate.release()

    def after_fork_in_child(self) -> None:
        """Forget the threads of the parent, and the locks that they may have held."""
        self._gate, self._one_at_a_time = threading.RLock(), threading.RLock()
        self._running.clear()
        # GNU OpenMP would end the process, workqueue wait for threads that the child does not have
        self.may_start_threads = threading_layer() in ("tbb", "not started")


_launcher = _Launcher()
launch = _launcher.launch


def may_start_threads() -> bool:
    """Whether parallel loops can run: not in the forked child of a process whose layer does not survive a fork."""
    return _launcher.may_start_threads


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_launcher.before_fork,
        after_in_parent=_launcher.after_fork_in_parent,
        after_in_child=_launcher.after_fork_in_child,
    )
