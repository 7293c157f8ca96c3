"""The mixture beside a model: used by evaluate and predict, and refused where it is not that model's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import RECURRENT, Command, only_line, read_json


@pytest.fixture(scope="module")
def mixed(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from fastcands.cli.main import run

    folder = tmp_path_factory.mktemp("mixed") / "run"
    test = folder.with_name("test.txt")
    test.write_text(" ".join(text.read_text().split(" ")[:500]))
    assert run([str(each) for each in ("train", text, "--test", test, *RECURRENT, "--epochs", 2, "--out", folder)]) == 0
    return folder


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def test_figures_of_a_run(mixed: Path) -> None:
    metrics = read_json(mixed / "metrics.json")
    best = min(metrics["valid_perplexity"], metrics["kneser_ney_5_valid_perplexity"])
    assert 1 < metrics["mixture_valid_perplexity"] <= best * (1 + 1e-9)
    assert 0 <= metrics["mixture_weight"] <= 1


def test_evaluate(command: Command, mixed: Path) -> None:
    metrics, text = read_json(mixed / "metrics.json"), mixed.with_name("test.txt")
    answer = json.loads(command("evaluate", mixed, text, "--json").out)
    for here, there in (
        ("perplexity", "test_perplexity"),
        ("mixture_perplexity", "mixture_perplexity"),
        ("kneser_ney_5_perplexity", "kneser_ney_5_perplexity"),
        ("bits_per_byte", "bits_per_byte"),
        ("mixture_weight", "mixture_weight"),
    ):
        assert answer[here] == pytest.approx(metrics[there], rel=1e-5)
    assert f"{metrics['mixture_perplexity']:,.2f}" in command("evaluate", mixed, text).out
    alone = json.loads(command("evaluate", mixed, text, "--no-mix", "--json").out)
    assert "mixture_perplexity" not in alone
    assert alone["perplexity"] == answer["perplexity"]


def test_predict(command: Command, mixed: Path) -> None:
    own, mix = (
        {pair["word"]: pair["probability"] for pair in json.loads(out)["next"]}
        for out in (command("predict", mixed, "w7 w36", "-k", 50, *more, "--json").out for more in ((), ("--mix",)))
    )
    assert sum(own.values()) == pytest.approx(1, abs=1e-6)
    assert sum(mix.values()) == pytest.approx(1, abs=1e-6)
    assert own != mix
    assert list(mix.values()) == sorted(mix.values(), reverse=True)


def test_without_a_mixture(command: Command, mixed: Path, text: Path, tmp_path: Path) -> None:
    folder = copied(mixed, tmp_path)
    (folder / "mixture.npz").unlink()
    assert "mixture_perplexity" not in json.loads(command("evaluate", folder, text, "--json").out)
    for arguments in (("evaluate", folder, text, "--mix"), ("predict", folder, "w7", "--mix")):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "")
        assert f"{folder}: the model there has no mixture (mixture.npz is missing)" in only_line(err)


def test_a_mixture_of_another_model(command: Command, mixed: Path, text: Path, tmp_path: Path) -> None:
    folder = copied(mixed, tmp_path)
    with np.load(folder / "mixture.npz") as file:
        arrays = dict(file.items())
    about = json.loads(str(arrays["mixture"]))
    np.savez(folder / "mixture.npz", **{**arrays, "mixture": np.array(json.dumps({**about, "step": 1}))})
    assert "mixture.npz: of another model than the one beside it" in only_line(command("evaluate", folder, text).err)
    del arrays["mixture"]
    np.savez(folder / "mixture.npz", **arrays)
    message = only_line(command("predict", folder, "w7", "--mix").err)
    assert "not a mixture of this version of fastcands ('mixture' is missing)" in message
    (folder / "mixture.npz").write_bytes(b"PK")
    assert "damaged, or not a model" in only_line(command("evaluate", folder, text).err)


def test_no_mix(command: Command, text: Path, tmp_path: Path) -> None:
    code, out, _ = command("train", text, *RECURRENT, "--epochs", 0.5, "--no-mix", "--out", tmp_path / "run")
    assert code == 0
    assert "mixture.npz" not in out
    assert not (tmp_path / "run" / "mixture.npz").exists()
    metrics = read_json(tmp_path / "run" / "metrics.json")
    assert metrics["mixture_perplexity"] is metrics["mixture_weight"] is None
    assert metrics["kneser_ney_5_perplexity"] > 1
