"""Contenders whose speed is known, for tests of the turns they take."""

from __future__ import annotations

import time
from pathlib import Path

from bench.cases import Case
from bench.contenders.interface import Call, Contender


class Bench(Contender):
    """Sleeps; a case's batch is a time in milliseconds."""

    def steady(self, case: Case) -> Call:
        return lambda: time.sleep(case.batch / 1000)

    def thrice(self, case: Case) -> Call:
        return lambda: time.sleep(3 * case.batch / 1000)

    def threads_thrice(self, case: Case) -> Call:
        return lambda: time.sleep(3 * case.batch / 1000 / self.threads)

    def array(self, case: Case) -> Call:
        return lambda: bytearray(case.classes)

    def broken(self, case: Case) -> Call:
        def call() -> None:
            raise RuntimeError("this one cannot")

        return call

    def gone(self, case: Case) -> Call:
        def call() -> None:
            import os
            import sys

            print("last words", file=sys.stderr, flush=True)
            os._exit(3)

        return call

    def noisy(self, case: Case) -> Call:
        print(Path.cwd(), "this is no reply")
        return lambda: print("nor is this")
