"""Calls with arguments of all kinds, by number: ``python -m tests.fuzz`` makes many, ``--case N`` one of them.

Each case depends on its number and the seed alone. Cases run in a process of their own, so that one that crashes or
never ends is named too.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.fuzz.calls import CALLS
from tests.fuzz.judge import verdict
from tests.fuzz.values import change

LONGEST = 60.0  # seconds of one case: it may have to compile
MEMORY = 8 << 30  # bytes, of addresses: what asks for more gets a MemoryError, not the machine


def finding(seed: int, case: int) -> str | None:
    """Make a case; return what is wrong, in one line that reproduces it."""
    rng = np.random.default_rng([seed, case])
    call = CALLS[int(rng.integers(len(CALLS)))](rng)
    changes = []
    for _ in range(int(rng.choice(4, p=[0.05, 0.65, 0.2, 0.1]))):
        name = list(call.arguments)[int(rng.integers(len(call.arguments)))]
        kind, call.arguments[name] = change(rng, call.arguments[name])
        changes.append(f"{name}: {kind}")
    wrong = verdict(call)
    if wrong is None:
        return None
    return f"python -m tests.fuzz --seed {seed} --case {case}  # {call.name} ({'; '.join(changes)}): {wrong[:300]}"


def work(seed: int, first: int, end: int, progress: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with progress.open("wb", buffering=0) as file:
        for case in range(first, end):
            file.seek(0)
            file.write(b"%20d" % case)
            line = finding(seed, case)
            if line is not None:
                print(line.replace("\n", " "), flush=True)
        file.seek(0)
        file.write(b"%20d" % end)


def attack(seed: int, first: int, end: int) -> list[str]:
    """Make cases in other processes; return a line for each that is wrong."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        while first < end:
            progress.write_bytes(b"%20d" % first)
            numbers = [str(number) for number in (seed, first, end)]
            command = [sys.executable, "-m", "tests.fuzz", "--work", *numbers, str(progress)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                ended, reached = None, -1
                while ended is None:
                    try:
                        output, _ = process.communicate(timeout=LONGEST)
                        ended = f"ended the process, code {process.returncode}"
                    except subprocess.TimeoutExpired:
                        now = int(progress.read_bytes())
                        if now == reached:
                            process.kill()
                            output, _ = process.communicate()
                            ended = f"took more than {LONGEST:.0f} s"
                        reached = now
            found += output.splitlines()
            reached = int(progress.read_bytes())
            if reached < end:
                found.append(f"python -m tests.fuzz --seed {seed} --case {reached}  # {ended}")
            first = reached + 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--case", type=int, help="make this one here, with its traceback if it is wrong")
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        work(*map(int, options.work[:3]), Path(options.work[3]))
        return 0
    if options.case is not None:
        line = finding(options.seed, options.case)
        print(line or "right")
        return line is not None
    found = attack(options.seed, options.first, options.first + options.cases)
    print(*found, f"{options.cases} cases, {len(found)} wrong", sep="\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
