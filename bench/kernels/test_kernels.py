"""Each kernel that Python calls, alone, in the largest call that a scenario makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from bench.kernels.replay import Replay
from bench.observe import kernels_called_from_python


@pytest.mark.parametrize("name", kernels_called_from_python())
def test_kernel(name: str, recorded: dict[str, tuple[str, Replay]], benchmark: Any) -> None:
    assert name in recorded, f"no scenario calls {name}: add one to bench/kernels/scenarios.py"
    scenario, replay = recorded[name]
    benchmark.group = name.partition(".")[0]
    benchmark.extra_info.update(scenario=scenario, argument_bytes=replay.bytes)
    benchmark.pedantic(replay, setup=replay.restore, rounds=20, warmup_rounds=2)
