"""Panels: every row once, whatever the threads, errors passed on, alive after a fork."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import fastcands as fc
from fastcands.models.panels import Panels


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("num_rows", [0, 1, 6, 7, 8, 50])
def test_every_row_once(threads: int, num_rows: int) -> None:
    seen = np.zeros(num_rows, int)

    def work(rows: slice) -> None:
        assert 1 <= rows.stop - rows.start <= 7
        seen[rows] += 1

    with fc.num_threads(threads):
        Panels(rows=7).run(work, num_rows)
    assert (seen == 1).all()


def test_the_number_of_threads_is_used() -> None:
    meeting = threading.Barrier(3, timeout=30)
    panels = Panels(rows=1)
    with fc.num_threads(3):
        panels.run(lambda rows: meeting.wait(), 3)  # three calls at once, or the barrier breaks
    workers = set()
    with fc.num_threads(1):
        panels.run(lambda rows: workers.add(threading.get_ident()), 3)
    assert workers == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_come_through(threads: int) -> None:
    def work(rows: slice) -> None:
        if rows.start == 4:
            raise ZeroDivisionError("row 4")

    with fc.num_threads(threads), pytest.raises(ZeroDivisionError, match="row 4"):
        Panels(rows=2).run(work, 9)


def test_errors_leave_no_call_running() -> None:
    finished = []

    def work(rows: slice) -> None:
        if rows.start == 0:
            raise ZeroDivisionError
        time.sleep(0.05)
        finished.append(rows.start)

    with fc.num_threads(2), pytest.raises(ZeroDivisionError):
        Panels(rows=1).run(work, 5)
    assert sorted(finished) == [1, 2, 3, 4]


def test_threads_see_the_callers_error_state() -> None:
    def work(rows: slice) -> None:
        np.float32(1e30) * np.float32(1e30)

    with fc.num_threads(2), np.errstate(over="raise"), pytest.raises(FloatingPointError):
        Panels(rows=1).run(work, 2)
    with fc.num_threads(2), np.errstate(over="ignore"):
        Panels(rows=1).run(work, 2)


FORKING = """
import os, sys
import fastcands as fc
from fastcands.models.panels import Panels
fc.set_num_threads(2)
panels, seen = Panels(rows=1), []
panels.run(seen.append, 4)
child = os.fork()
if child == 0:
    panels.run(seen.append, 4)
    os._exit(len(seen))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_has_threads_of_its_own() -> None:
    script = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    assert subprocess.run(script, timeout=60, check=False).returncode == 8
