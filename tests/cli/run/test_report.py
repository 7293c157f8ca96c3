"""What reports say of precision, and what runs say where it is not available."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastcands as fc
from fastcands.cli.run.config import RunConfig
from fastcands.cli.run.report import precision_metrics, precision_note, precision_text
from fastcands.simd import dot
from tests.cli.conftest import CONFIG, SMALL, Command, read_json


def test_where_amx_is_missing_a_run_says_so(
    command: Command, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dot, "unusable", lambda: "there are none")
    code, out, err = command("train", text, *SMALL, "--epochs", 0.1, "--precision", "medium", "--out", tmp_path)
    assert code == 0
    assert "--precision medium computes as highest here: there are none" in err
    assert "medium (computed as highest), table of float32" in " ".join(out.split())
    assert read_json(tmp_path / "metrics.json")["computed_precision"] == "highest"
    code, out, err = command(
        "compare", text, *SMALL, "--run", "nce", "--epochs", 0.1, "--precision", "high", "--out", tmp_path
    )
    assert code == 0
    assert "--precision high computes as highest here: there are none" in err
    code, out, _ = command("info")
    assert code == 0
    assert "there are none" in out


def test_what_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    config = type(CONFIG).from_json(CONFIG.to_json())
    assert precision_note(config) is None
    assert precision_text(precision_metrics(config)) is None
    monkeypatch.setattr(dot, "unusable", lambda: None)
    fields = json.loads(CONFIG.to_json()) | {"precision": "medium"}
    asked: RunConfig = type(CONFIG).from_json(json.dumps(fields))
    assert precision_note(asked) is None
    assert precision_text(precision_metrics(asked)) == "medium, table of float32"
    assert fc.get_matmul_precision() == "highest"
