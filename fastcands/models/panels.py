"""Work on the rows of a batch in panels of one size, by a few threads.

NumPy lets go of the interpreter lock inside a matrix product, so plain threads suffice. What a panel
computes depends on its shape alone, never on who computes it: that makes the bits independent of the
number of threads, as long as BLAS runs each product in one thread (how it splits one may change them).
"""

from __future__ import annotations

import contextvars
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import fastcands as fc

__all__ = ["Panels"]


class Panels:
    """Runs a function over panels of rows, on as many threads as ``fastcands.get_num_threads`` says.

    Parameters
    ----------
    rows : int, default 256
        Rows of a panel; the last one may have fewer.

    Examples
    --------
    >>> import numpy as np
    >>> x, y = np.arange(10.0), np.empty(10)
    >>> Panels(rows=4).run(lambda rows: np.multiply(x[rows], 2, out=y[rows]), 10)
    >>> y[-1]
    np.float64(18.0)
    """

    def __init__(self, rows: int = 256) -> None:
        self.rows = rows
        self._pool: ThreadPoolExecutor | None = None
        self._pool_key = (0, 0)

    def _slices(self, num_rows: int) -> Iterator[slice]:
        for start in range(0, num_rows, self.rows):
            yield slice(start, min(start + self.rows, num_rows))

    def run(self, work: Callable[[slice], object], num_rows: int) -> None:
        """Call ``work(rows)`` for every panel of ``num_rows`` rows and return when all are done.

        Parameters
        ----------
        work : callable
            Takes a slice of rows. Calls may overlap in time, so each writes to its own rows only.
        num_rows : int
            Rows in all; 0 does nothing.
        """
        num_threads = fc.get_num_threads()
        if num_threads == 1 or num_rows <= self.rows:
            for rows in self._slices(num_rows):
                work(rows)
            return
        pool = self._executor(num_threads)
        # in a copy of the caller's context: NumPy's error state is part of it
        calls = [pool.submit(contextvars.copy_context().run, work, rows) for rows in self._slices(num_rows)]
        wait(calls)  # all of them, even after an error: they write to the caller's arrays
        for call in calls:
            call.result()

    def _executor(self, num_threads: int) -> ThreadPoolExecutor:
        key = (os.getpid(), num_threads)  # threads do not survive a fork
        if self._pool is None or self._pool_key != key:
            if self._pool is not None and self._pool_key[0] == key[0]:
                self._pool.shutdown()
            self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="fastcands-panel")
            self._pool_key = key
        return self._pool
