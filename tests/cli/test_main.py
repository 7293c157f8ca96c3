"""The command's frame: help, version, exit codes, the ways to start it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastcands
from tests.cli.conftest import Command, only_line


def test_version(command: Command) -> None:
    assert command("--version") == (0, f"fastcands {fastcands.__version__}\n", "")


COMMANDS = ("train", "evaluate", "predict", "neighbors", "compare", "info", "warmup")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_on_one_line(command: Command, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = command(name, "--help")
    assert (code, err) == (0, "")
    (example,) = (line.strip() for line in out.splitlines() if line.strip().startswith("Example: "))
    words = example.removeprefix("Example: ").split()
    assert words[:2] == ["fastcands", name]
    assert "--json" in out
    for word in words:  # every option of it is one
        if word.startswith("--"):
            assert f"{word} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_the_list_of_commands(command: Command) -> None:
    out = command("--help").out
    for name in COMMANDS:
        assert f"│ {name} " in out
    for code in ("0 done", "1 a defect", "2 bad input", "130 stopped"):
        assert code in " ".join(out.split())


LIGHT = """
import sys
from numba.core import event
with event.install_recorder("numba:compile") as compilations:
    from fastcands.cli.main import run
    code = run(sys.argv[1:])
print([code, len(compilations.buffer), "matplotlib" in sys.modules], file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("--version",)])
def test_help_compiles_nothing_and_loads_no_plots(arguments: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LIGHT, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stderr == "[0, 0, False]\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fastcands train --loss n", {"nce", "negative_sampling"}),
        ("fastcands train --sampler un", {"uniform"}),
        ("fastcands train --optimizer ", {"adagrad", "rowwise_adagrad", "lazy_adam", "momentum", "sgd"}),
        ("fastcands compare --run sam", {"sampled_softmax", "sampled_logistic"}),
        ("fastcands neighbors --by o", {"output"}),
        ("fastcands pre", {"predict"}),
    ],
)
def test_shell_completion(words: str, expected: set[str]) -> None:
    """What bash asks the command for, in the way `--show-completion` sets up."""
    environment = {
        **os.environ,
        "_FASTCANDS_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    program = "import sys; sys.argv[0] = 'fastcands'; from fastcands.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert set(result.stdout.split()) == expected
    assert result.stderr == ""


def test_a_reader_that_has_gone(trained: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fastcands", "predict", str(trained), "w1", "-k", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "")


def test_not_enough_memory(command: Command, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr("fastcands.models.NGramPredictor.from_state", fail)
    code, out, err = command("predict", trained, "w1")
    assert (code, out) == (2, "")
    assert only_line(err) == "fastcands: not enough memory (Unable to allocate 9 TiB)"


def test_help_names_every_option(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    code, out, err = command("train", "--help")
    assert (code, err) == (0, "")
    names = """valid test tokenizer vocab-size min-count context embedding-dim hidden-dim loss sampler num-sampled
        num-resampled distortion batch-size epochs max-seconds optimizer learning-rate seed threads out resume json"""
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

    monkeypatch.setattr("fastcands.cli.text.task.read_corpus", stop)
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
