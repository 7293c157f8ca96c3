"""How figures are printed."""

from __future__ import annotations

from fastcands.cli.console import duration


def test_duration() -> None:
    assert [duration(s) for s in (0, 0.4, 59.6, 61, 3599, 3600, 90061)] == [
        "0:00",
        "0:00",
        "1:00",
        "1:01",
        "59:59",
        "1:00:00",
        "25:01:01",
    ]
