"""How a call is timed, in the process that makes it."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

__all__ = ["median_seconds"]

_ENOUGH = 0.05
"""Seconds of calls after which a median is that of a training loop: short calls are repeated for so long."""


def median_seconds(call: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the median time of three calls after one to warm up; of up to 300 if they are short.

    What a call gives back is freed within its time. Python's collector of cycles waits meanwhile, as in `timeit`.
    """
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        call()
        repeats = max(3, min(300, int(_ENOUGH / max(clock() - start, 1e-9))))
        times = []
        for _ in range(repeats):
            start = clock()
            call()
            times.append(clock() - start)
    finally:
        if was_enabled:
            gc.enable()
    return statistics.median(times)
