"""The processes of the contenders, and the turns they take.

Every round calls all of them, each once to warm up and then for a median; the next round begins with the next of them.
A ratio is one of neighbours in time, so a machine that is slower in some rounds than in others does not change it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from bench.cases import Case
from bench.contenders import MODULES
from bench.tasks.task import Entry, Task

__all__ = ["ContenderError", "Pool", "in_turns"]

_ROOT = Path(__file__).parents[1]
_SETTLE = 0.01
"""Seconds between turns: pools of threads go on spinning for a moment after their work is done."""
_PATIENCE = 10  # seconds for a process to end by itself
_LAST_WORDS = 2000  # characters of the standard error of a process that died
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)  # fmt: skip


class ContenderError(RuntimeError):
    """A contender does not start or a call of it failed; the message has its traceback."""


def in_turns(labels: Sequence[str], rounds: int) -> list[list[str]]:
    """Return who comes after whom in each round: every round begins with the next one."""
    shifts = (round_ % len(labels) for round_ in range(rounds))
    return [[*labels[shift:], *labels[:shift]] for shift in shifts]


class _Worker:
    """One process, and one request to it at a time."""

    def __init__(self, name: str, threads: int) -> None:
        self.name = name
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        command = [sys.executable, "-m", "bench.worker", MODULES.get(name, name), str(threads)]
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=_ROOT,
            env=environment,
        )  # fmt: skip
        try:
            self._reply()
        except ContenderError:
            self.close()
            raise

    def ask(self, request: str, **arguments: Any) -> Any:
        """Send a request and wait for what it gives."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: the reply tells
            self._process.stdin.write(json.dumps({"do": request, **arguments}) + "\n")
            self._process.stdin.flush()
        return self._reply()

    def _reply(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._log.seek(0)
            raise ContenderError(f"{self.name}: the process ended with code {code}\n{self._log.read()[-_LAST_WORDS:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise ContenderError(f"{self.name}: {reply['error']}")
        return reply["result"]

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process by ending its requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:  # in the middle of a call that nobody waits for any more
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


class Pool:
    """Starts each contender when it is first needed, one process for each number of threads.

    Parameters
    ----------
    threads : int
        Threads of every contender whose entry does not say otherwise.
    settle : float, optional
        Seconds of rest between turns.
    """

    def __init__(self, threads: int, settle: float = _SETTLE) -> None:
        self.threads = threads
        self._settle = settle
        self._workers: dict[tuple[str, int], _Worker] = {}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """End all processes."""
        while self._workers:
            self._workers.popitem()[1].close()

    def threads_of(self, entry: Entry) -> int:
        """Return how many threads an entry is measured with."""
        return entry.threads or self.threads

    def _worker(self, entry: Entry) -> _Worker:
        key = entry.contender, self.threads_of(entry)
        if key not in self._workers:
            self._workers[key] = _Worker(*key)
        return self._workers[key]

    def describe(self, entry: Entry) -> dict[str, Any]:
        """Return versions and the like of the process that an entry is measured in."""
        found: dict[str, Any] = self._worker(entry).ask("describe")
        return found

    def measure(self, task: Task, case: Case, rounds: int) -> dict[str, list[Any]]:
        """Return a number (or a dict of them) for each round, by label of the task's entries."""
        if task.measure == "bytes":
            return {label: self._in_new_processes(entry, case, rounds) for label, entry in task.entries.items()}
        try:
            for label, entry in task.entries.items():
                self._worker(entry).ask("prepare", label=label, operation=entry.operation, case=list(case))
            found: dict[str, list[Any]] = {label: [] for label in task.entries}
            for turn in in_turns(list(task.entries), rounds):
                for label in turn:
                    time.sleep(self._settle)
                    found[label].append(self._worker(task.entries[label]).ask(task.measure, label=label))
            return found
        finally:
            for worker in self._workers.values():
                if worker.alive:
                    worker.ask("forget")

    def _in_new_processes(self, entry: Entry, case: Case, rounds: int) -> list[Any]:
        """Measure memory where nothing has been allocated before."""
        found = []
        for _ in range(rounds):
            worker = _Worker(entry.contender, self.threads_of(entry))
            try:
                found.append(worker.ask("bytes", operation=entry.operation, case=list(case)))
            finally:
                worker.close()
        return found
