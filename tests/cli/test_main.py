"""The command's frame: help, version, exit codes, the ways to start it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fastcands
from tests.cli.conftest import Command


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"fastcands {fastcands.__version__}\n", "")


def test_help_names_every_option(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = command("train", "--help")
    assert (code, err) == (0, "")
    names = """valid test tokenizer vocab-size min-count context embedding-dim hidden-dim loss sampler num-sampled
        batch-size epochs max-seconds optimizer learning-rate seed threads out resume"""
    for name in names.split():
        assert f"--{name} " in out
    assert "fastcands train books/" in out  # an example


def test_without_arguments_it_helps(command: Command) -> None:
    code, out, err = command()
    assert (code, err) == (0, "")
    assert "train" in out


@pytest.mark.parametrize("arguments", [("trian",), ("--nothing",), ("train", "--nothing")])
def test_unknown_words(command: Command, arguments: tuple[str, ...]) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("fastcands: ")
    assert err.count("\n") == 1
    assert arguments[-1] in err


def test_ctrl_c_before_training(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastcands.cli.session.read_corpus", stop)
    code, out, err = command("train")
    assert (code, out) == (130, "")
    assert err.splitlines()[-1].startswith("fastcands: stopped at once")


def test_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "fastcands", "train", "--loss", "nec"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("fastcands: --loss: unknown name 'nec', did you mean ")
    assert result.stderr.count("\n") == 1


WITHOUT_TYPER = """
import sys
sys.modules["typer"] = None
from fastcands.cli import main
main()
"""


def test_without_the_packages_of_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_TYPER], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 2
    assert result.stderr == "fastcands: the command needs typer: pip install 'fastcands[cli]'\n"
