"""The recorded call of each kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bench.kernels.replay import Replay, argument_bytes
from bench.kernels.scenarios import scenarios
from bench.observe import Kernel, watch


@pytest.fixture(scope="session")
def recorded() -> Iterator[dict[str, tuple[str, Replay]]]:
    """For each kernel the scenario with its largest call, and that call."""
    found: dict[str, tuple[str, Replay]] = {}
    with scenarios() as calls:
        for scenario, call in calls.items():

            def record(kernel: Kernel, args: tuple[Any, ...], scenario: str = scenario) -> Any:
                if kernel.name not in found or found[kernel.name][1].bytes < argument_bytes(args):
                    found[kernel.name] = scenario, Replay(kernel, args, calls)
                return kernel.run(*args)

            with watch(record):
                call()
        yield found
