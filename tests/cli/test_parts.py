"""The smaller parts of the command: names, configuration, schedule, signals, files, displays, picture."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import stat
import struct
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from rich.console import Console

from fastcands.cli.config import TrainConfig
from fastcands.cli.errors import Interrupted, Refusal
from fastcands.cli.files import check_writable, load_arrays, remove_leftovers, save_arrays, write_atomically, write_text
from fastcands.cli.interrupts import Interrupts
from fastcands.cli.loop import Snapshot
from fastcands.cli.plots import draw_curves
from fastcands.cli.progress import duration, make_display
from fastcands.cli.registry import LOSSES, OPTIMIZERS, SAMPLERS, check_name, default_rate
from fastcands.cli.schedule import Schedule
from fastcands.cli.trainer import Evaluation

CONFIG = TrainConfig(
    files=("/a", "/b"),
    valid=(),
    test=("/c",),
    tokenizer="words",
    vocab_size=100,
    min_count=1,
    context=2,
    embedding_dim=3,
    hidden_dim=4,
    loss="sampled_softmax",
    sampler="uniform",
    distortion=None,
    num_sampled=None,
    num_resampled=None,
    batch_size=5,
    epochs=1.5,
    max_seconds=None,
    optimizer="sgd",
    learning_rate=0.25,
    seed=6,
)


def test_config_as_json_and_back() -> None:
    assert TrainConfig.from_json(CONFIG.to_json()) == CONFIG
    assert dataclasses.replace(CONFIG, seed=7) != CONFIG
    for text in ("{", "[]", '{"files": []}', '{"nothing": 1}'):
        with pytest.raises(ValueError, match=r"."):
            TrainConfig.from_json(text)


def test_default_candidates() -> None:
    assert [CONFIG.default_num_sampled(size) for size in (3, 100, 1999, 5000, 10**6)] == [1, 50, 999, 1024, 1024]
    assert dataclasses.replace(CONFIG, num_sampled=7).default_num_sampled(10**6) == 7


@pytest.mark.parametrize("table", [LOSSES, SAMPLERS, OPTIMIZERS])
def test_names(table: dict[str, object]) -> None:
    for name in table:
        assert check_name("--x", name, table) == name
        with pytest.raises(Refusal, match=f"^--x: unknown name '{name}z', did you mean '{name}'"):
            check_name("--x", name + "z", table)
    with pytest.raises(Refusal, match="did you mean"):
        check_name("--x", "", table)


def test_candidates_that_are_kept() -> None:
    assert [CONFIG.default_num_resampled(drawn) for drawn in (2, 9, 1024)] == [1, 4, 512]
    assert dataclasses.replace(CONFIG, num_resampled=7).default_num_resampled(1024) == 7


def test_default_rates_are_for_known_names() -> None:
    assert default_rate("adagrad", "softmax") == OPTIMIZERS["adagrad"].learning_rate
    assert default_rate("sgd", "logistic") < default_rate("sgd", "softmax")
    assert default_rate("adagard", "softmax") == default_rate("sgd", "logstic") == 1.0  # until they are refused


def test_leftovers_of_killed_processes(tmp_path: Path) -> None:
    for name in (".model.npz.a1b2", ".vocab.txt.x", ".model.npzz", "model.npz", ".profile"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, ("model.npz", "vocab.txt"))
    assert {path.name for path in tmp_path.iterdir()} == {".model.npzz", "model.npz", ".profile"}
    remove_leftovers(tmp_path / "none", ("model.npz",))


def test_schedule_by_examples() -> None:
    schedule = Schedule(200, None)
    rate = schedule.rate(0.5)
    assert rate(0) == 0.5
    schedule.update(50, 1e9)
    assert (schedule.progress, rate(0), schedule.finished) == (0.25, 0.375, False)
    schedule.update(200, 0)
    assert (schedule.progress, rate(0), schedule.finished) == (1.0, 0.0, True)


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), number)
        with pytest.raises(Interrupted):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        file.flush()
        raise OSError(28, os.strerror(28))

    with pytest.raises(
        Refusal, match=r"file: cannot be written \(No space left on device\); what was there before is as it was$"
    ):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(Refusal, match="cannot be written"):
        write_text(tmp_path / "none" / "file", "text")


def test_a_killed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    save_arrays(path, {"a": np.arange(3)})

    def die(file: IO[bytes]) -> None:
        file.write(b"half of the n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, die)
    assert load_arrays(path)["a"].tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_arrays_and_back(tmp_path: Path) -> None:
    arrays = {"a.b": np.arange(5, dtype=np.float32), "step": np.array(3), "text": np.array("ä {}")}
    save_arrays(tmp_path / "x.npz", arrays)
    loaded = load_arrays(tmp_path / "x.npz")
    assert list(loaded) == list(arrays)
    assert all(np.array_equal(loaded[name], arrays[name]) for name in arrays)
    assert loaded["a.b"].dtype == np.float32


def test_check_writable_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


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


def snapshot(progress: float, seconds: float) -> Snapshot:
    return Snapshot(progress, 1234, 56789, 4321.0, 3.25, seconds)


EVALUATION = Evaluation(7, 8000, 65.0, 123.0, 4.5, 67.891)


def test_lines_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("fastcands.cli.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    display = make_display(Console(file=file, width=40))
    display.stage("reading")
    with display:
        display.show(snapshot(0.1, 10.0))
        for _ in range(30):
            now[0] += 1.0
            display.show(snapshot(0.2, 20.0))
        display.show(EVALUATION)
    assert file.getvalue().splitlines() == [
        "reading",
        " 10%  step 1,234  loss 3.250  4,321 examples/s  ? left",
        *[" 20%  step 1,234  loss 3.250  4,321 examples/s  1:20 left"] * 3,
        "after 1:05, 8,000 examples: training loss 4.500, valid perplexity 67.89",
    ]


def test_a_bar_on_a_terminal() -> None:
    file = io.StringIO()
    display = make_display(Console(file=file, width=120, force_terminal=True))
    display.stage("reading")
    with display:
        display.show(snapshot(0.25, 10.0))
        display.show(snapshot(0.5, 20.0))
        display.show(EVALUATION)
    shown = file.getvalue()
    for part in ("reading", "50%", "loss 3.250", "4,321 examples/s", "0:20 left", "perplexity 67.89"):
        assert part in shown


@pytest.mark.parametrize("count", [1, 12])
def test_the_picture(tmp_path: Path, count: int) -> None:
    evaluations = [Evaluation(i, i, 2.0 * i, 1.0, 5.0 - i / 10, 100.0 - i) for i in range(1, count + 1)]
    draw_curves(tmp_path / "curves.png", evaluations, {"Kneser-Ney trigram": 70.0}, "a title")
    content = (tmp_path / "curves.png").read_bytes()
    assert content.startswith(b"\x89PNG")
    assert struct.unpack(">II", content[16:24]) == (1200, 480)
    from matplotlib import image

    pixels = image.imread(tmp_path / "curves.png")[..., :3]
    for colour in ("1f5fa8", "c8601a"):  # both curves are there
        wanted = np.array([int(colour[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        assert (np.abs(pixels - wanted).max(axis=2) < 0.02).sum() > 10
