"""How far a run is, and its learning rates."""

from __future__ import annotations

from fastcands.cli.run.schedule import Schedule


def test_schedule_by_examples() -> None:
    schedule = Schedule(200, None)
    rate = schedule.rate(0.5)
    assert rate(100) == 0.5
    assert [rate(step) for step in (0, 4, 9, 10)] == [0.05, 0.25, 0.5, 0.5]
    schedule.update(50, 1e9)
    assert (schedule.progress, rate(99), schedule.finished) == (0.25, 0.375, False)
    schedule.update(200, 0)
    assert (schedule.progress, rate(99), schedule.finished) == (1.0, 0.0, True)


def test_schedule_by_time_and_by_both() -> None:
    schedule = Schedule(None, 10.0)
    schedule.update(10**9, 2.5)
    assert (schedule.progress, schedule.finished) == (0.25, False)
    schedule.update(0, 11)
    assert (schedule.progress, schedule.finished) == (1.0, True)
    schedule = Schedule(100, 10.0)
    for examples, seconds, progress in ((10, 5, 0.5), (80, 6, 0.8), (100, 6, 1.0)):
        schedule.update(examples, seconds)
        assert schedule.progress == progress
