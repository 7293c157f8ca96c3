"""Settings for all tests: Hypothesis; threads and bfloat16 for small problems too; what a processor must have."""

import os
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import settings

from fastcands import threads
from fastcands.losses import exact_classes
from fastcands.simd import dot
from tests.copied_package import make_copy

# no deadline: the first example of a kernel includes its compilation; the same examples in every run
settings.register_profile("fastcands", deadline=None, derandomize=True)
settings.load_profile("fastcands")

REASONS = {name: dot.instruction_set(name).unusable() for name in dot.INSTRUCTION_SETS}
if all(REASONS[name] is not None for name in REASONS if name != dot.PORTABLE):
    # 'medium' and 'high' are then computed in bfloat16 here too, in this process and in those it starts
    os.environ.setdefault(dot.VARIABLE, dot.PORTABLE)

NOT_RUN = pytest.StashKey[dict[str, int]]()


@pytest.fixture(autouse=True, scope="session")
def small_calls_are_as_large_ones():
    """Give small calls the threads and packed blocks of large ones: a test's problems are small, and must meet them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "_WORTH_STARTING", 0)
        patch.setattr(exact_classes, "_FEWEST_EXAMPLES", 0)
        patch.setattr(exact_classes, "_WORTH_ROUNDING", 0)
        yield


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder that holds a copy of the package with two more kernels, one calling the other."""
    make_copy(tmp_path)
    return tmp_path


def pytest_collection_modifyitems(config, items):
    """Leave out tests with the marker ``needs(instruction set)`` where it is unusable; the summary names them."""
    run, left_out, reasons = [], [], defaultdict(int)
    for item in items:
        missing = [mark.args[0] for mark in item.iter_markers("needs") if REASONS[mark.args[0]] is not None]
        (left_out if missing else run).append(item)
        for name in missing:
            reasons[f"{item.nodeid.split('[')[0]} needs {name}: {REASONS[name]}"] += 1
    config.stash[NOT_RUN] = reasons
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = run


def pytest_terminal_summary(terminalreporter, config):
    """Print what was not run, and why."""
    reasons = config.stash.get(NOT_RUN, {})
    if reasons:
        terminalreporter.section("not run")
        for reason, count in sorted(reasons.items()):
            terminalreporter.line(f"{count} x {reason}")
