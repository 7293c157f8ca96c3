"""Models saved before there were bodies, trained tokenizers and best states still load, and go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command, read_json

OLD = Path(__file__).parents[2] / "golden" / "run-format-2.npz"
# what the version that saved it predicted after "w7 w36"
PREDICTED = {"w41": 0.07797529527135193, "w2": 0.06182293402416711, "w32": 0.049903020353822304}
VALID, TEST = 27.759729755873067, 27.835549283318265


@pytest.fixture
def old(tmp_path: Path, text: Path) -> Path:
    """The old run, as if its text were that of the tests: it is the same."""
    with np.load(OLD) as file:
        arrays = dict(file.items())
    run = json.loads(str(arrays["run"]))
    run["config"] = json.dumps({**json.loads(run["config"]), "files": [str(text)]})
    (tmp_path / "old").mkdir()
    np.savez(tmp_path / "old" / "model.npz", **{**arrays, "run": np.array(json.dumps(run))})
    return tmp_path / "old"


def test_its_predictions(command: Command, old: Path) -> None:
    answer = json.loads(command("predict", old, "w7 w36", "-k", 3, "--json").out)
    assert {pair["word"]: pair["probability"] for pair in answer["next"]} == pytest.approx(PREDICTED, rel=1e-5)
    assert answer["context"] == ["</s>", "w7", "w36"]
    assert command("neighbors", old, "w7").code == 0


def test_it_goes_on(command: Command, old: Path) -> None:
    assert command("train", "--resume", old).code == 0
    metrics = read_json(old / "metrics.json")
    assert (metrics["valid_perplexity"], metrics["test_perplexity"]) == pytest.approx((VALID, TEST), rel=1e-5)
    assert metrics["mixture_perplexity"] is None
    assert command("train", "--resume", old, "--epochs", 4).code == 0
    assert read_json(old / "metrics.json")["valid_perplexity"] < VALID
