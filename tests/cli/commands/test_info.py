"""``fastcands info`` and ``fastcands warmup``."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

import fastcands as fc
from tests.cli.conftest import Command, only_line


def test_info(command: Command) -> None:
    code, out, err = command("info", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(fc.show_config(mode="dicts")))
    code, out, err = command("info")
    assert (code, err) == (0, "")
    for title, values in fc.show_config(mode="dicts").items():
        assert title in out
        for name in values if isinstance(values, dict) else ():
            assert ("size" if name == "bytes" else name) in out
    assert fc.__version__ in out


def test_how_values_are_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {
        "section": {"a flag": True, "other": False, "list": ["a", "[b]"], "bytes": 3 << 20, "none": None},
        "alone": 3,
        "deep": {"inner": {"x": 1, "y": 2}, "vector bytes": 64, "folders": ["/a", "/b c"]},
    }
    monkeypatch.setattr(fc, "show_config", lambda mode: config)
    rows = [" ".join(line.split()) for line in command("info").out.splitlines()]
    assert rows == [
        "section",
        "a flag yes",
        "other no",
        "list a [b]",
        "size 3.0 MiB",
        "none not known",
        "alone",
        "3",
        "deep",
        "inner x 1, y 2",
        "vector bytes 64",
        "folders /a",
        "/b c",
    ]


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def fake(report: Callable[[str, float], None] | None = None) -> None:
        assert report is not None
        report("one", 0.25)
        report("two", 12.5)

    monkeypatch.setattr(fc, "warmup", fake)


@pytest.mark.usefixtures("kernels")
def test_warmup(command: Command) -> None:
    code, out, err = command("warmup")
    assert code == 0
    assert err.splitlines()[:2] == ["    0.25 s  one", "   12.50 s  two"]
    assert [line.split("  ")[-1] for line in err.splitlines()[2:]] == [
        "multilabel reader",
        "multilabel model",
        "language models",
    ]
    assert out.startswith("all kernels ready in ")
    code, out, err = command("warmup", "--quiet")
    assert (code, err) == (0, "")
    code, out, err = command("warmup", "--json", "-q")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["parts"][:2] == [{"name": "one", "seconds": 0.25}, {"name": "two", "seconds": 12.5}]
    assert len(answer["parts"]) == 5
    assert answer["seconds"] >= 0


def test_ctrl_c_in_warmup(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(report: object = None) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fc, "warmup", stop)
    code, out, err = command("warmup")
    assert (code, out) == (130, "")
    assert only_line(err).startswith("fastcands: stopped at once")
