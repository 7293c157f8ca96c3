"""The process of one contender: ``python -m bench.worker MODULE THREADS``, driven by `bench.pool`.

It reads requests and writes replies, one JSON object a line. What libraries print goes to the standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from typing import IO, Any

from bench.cases import TINY, Case
from bench.contenders.interface import Call, Contender
from bench.memory import measure_growth
from bench.timing import median_seconds

__all__ = ["main"]

_CALLS = 5
_LONGEST = 4000  # characters of an error: some libraries list all that they could have done instead


class _Server:
    """Answers requests; the method's name is that of the request."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._calls: dict[str, Call] = {}

    def prepare(self, label: str, operation: str, case: list[int]) -> None:
        """Make an operation ready under a label."""
        self._calls[label] = self._contender.prepare(operation, Case(*case))

    def seconds(self, label: str) -> float:
        """Time a call, see `timing.median_seconds`."""
        return median_seconds(self._calls[label])

    def bytes(self, operation: str, case: list[int]) -> dict[str, int]:
        """Measure the first call at a size, after a tiny one: what later calls keep is in."""
        tiny = self._contender.prepare(operation, TINY)
        tiny()
        tiny()
        del tiny
        self._contender.forget()
        call = self._contender.prepare(operation, Case(*case))
        return measure_growth(call)._asdict()

    def kernels(self, label: str) -> dict[str, float]:
        """Time a call's kernels and the whole of it, in the call whose time is the median of a few.

        Medians of the parts would not add up: what interrupts a call now and then would be in the whole alone.
        """
        from bench.observe import timed_kernels  # contenders other than fastcands have none

        call = self._calls[label]
        found: list[dict[str, float]] = []
        with timed_kernels() as seconds:
            call()
            for _ in range(_CALLS):
                seconds.clear()
                start = time.perf_counter()
                call()
                found.append({"total": time.perf_counter() - start, **seconds})
        return sorted(found, key=lambda times: times["total"])[_CALLS // 2]

    def forget(self) -> None:
        """Drop all calls and tables."""
        self._calls.clear()
        self._contender.forget()

    def describe(self) -> dict[str, Any]:
        """Return versions and the like."""
        return self._contender.describe()


def _serve(server: _Server, requests: IO[str], replies: IO[str]) -> None:
    for line in requests:
        request = json.loads(line)
        try:
            reply = {"result": getattr(server, request.pop("do"))(**request)}
        except Exception:
            reply = {"error": traceback.format_exc()[:_LONGEST]}
        print(json.dumps(reply), file=replies, flush=True)
    server.forget()


def main(module: str, threads: int) -> None:
    """Load the contender and answer until there are no more requests."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not end up among the replies
    try:
        server = _Server(importlib.import_module(module).Bench(threads))
    except Exception:
        print(json.dumps({"error": traceback.format_exc()[:_LONGEST]}), file=replies, flush=True)
        return
    print(json.dumps({"result": "ready"}), file=replies, flush=True)
    _serve(server, sys.stdin, replies)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
