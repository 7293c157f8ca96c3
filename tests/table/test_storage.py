"""Saved tables: they go on exactly; a file that is not whole is refused in one line; a save is whole or not there."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastcands as fc
from tests.table.test_class_table import OPTIMIZERS, snapshot

ROOT = Path(__file__).parents[2]
INPUTS = np.random.default_rng(1).normal(size=(6, 5)).astype(np.float32)
LABELS = np.arange(6)


def trained(optimizer: Any = fc.Adagrad(0.5), **options: Any) -> fc.ClassTable:  # noqa: B008
    table = fc.ClassTable(40, 5, optimizer=optimizer, seed=3, **options)
    table.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)
    return table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.npz"


@pytest.mark.parametrize("mmap", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_loaded_table_goes_on_exactly(path: Path, optimizer: Any, dtype: str, mmap: bool) -> None:
    table = trained(optimizer, dtype=dtype)
    table.save(path)
    copy = fc.ClassTable.load(path, mmap=mmap)
    assert repr(copy) == repr(table)
    for one in (table, copy):
        for _ in range(2):
            one.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)
    assert snapshot(copy) == snapshot(table)
    assert copy.rounding_seed == table.rounding_seed
    copy.close()


def test_a_sampler_goes_on_with_its_table(path: Path) -> None:
    samplers = {"a": fc.LogUniformSampler(40, seed=5), "learned": fc.LearnedUnigramSampler(40, seed=6)}
    for sampler in samplers.values():
        sampler.sample(LABELS[:, None], 7)
    trained().save(path, samplers=samplers)
    fresh = {"a": fc.LogUniformSampler(40, seed=1), "learned": fc.LearnedUnigramSampler(40, seed=2)}
    fc.ClassTable.load(path, samplers=fresh)
    for name, sampler in samplers.items():
        for one, other in zip(sampler.sample(LABELS[:, None], 9), fresh[name].sample(LABELS[:, None], 9), strict=True):
            assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"holds no sampler 'b'; it holds \['a', 'learned'\]"):
        fc.ClassTable.load(path, samplers={"b": fresh["a"]})


def test_numpy_reads_the_file_and_data_is_aligned(path: Path) -> None:
    table = trained()
    table.save(path)
    with np.load(path, allow_pickle=False) as arrays:
        assert_array_equal(arrays["weights"], table.weights)
        assert_array_equal(arrays["biases.accumulator"], table.optimizer_state["biases"]["accumulator"])
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("manifest.json"))["step"] == 1
    mapped = fc.ClassTable.load(path, mmap="r")
    assert mapped.weights.__array_interface__["data"][0] % 64 == 0
    before = path.read_bytes()
    table.save(path)
    assert path.read_bytes() == before  # no dates, no chance


def test_views_are_saved_as_what_they_show(path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32)
    fc.ClassTable.from_arrays(weights.T, optimizer=fc.SGD(0.1)).save(path)
    loaded = fc.ClassTable.load(path)
    assert_array_equal(loaded.weights, weights.T)
    assert loaded.biases is None


def test_read_only_mapping(path: Path) -> None:
    table = trained()
    table.save(path)
    mapped = fc.ClassTable.load(path, mmap="r")
    assert mapped.evaluate(LABELS, INPUTS) == table.evaluate(LABELS, INPUTS)
    with pytest.raises(ValueError, match="weights must be writable"):
        mapped.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)
    mapped.close()


def test_training_in_place(path: Path, tmp_path: Path) -> None:
    """The file is complete after flush and close, refused between; a copy can be saved at any time."""
    table = trained()
    table.save(path, samplers={"a": fc.UniformSampler(40, seed=1)})
    mapped = fc.ClassTable.load(path, mmap="r+")
    refused = r"table.npz: is being trained in place, or was when its process ended"
    with pytest.raises(ValueError, match=refused):
        fc.ClassTable.load(path)
    for one in (table, mapped):
        one.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)
    mapped.save(tmp_path / "copy.npz")
    assert snapshot(fc.ClassTable.load(tmp_path / "copy.npz")) == snapshot(table)
    with pytest.raises(ValueError, match="path must be another file"):
        mapped.save(path)
    mapped.flush()
    assert snapshot(fc.ClassTable.load(path)) == snapshot(table)
    with pytest.raises(ValueError, match="holds no sampler 'a'; it holds \\[\\]"):
        fc.ClassTable.load(path, samplers={"a": fc.UniformSampler(40, seed=1)})
    for one in (table, mapped):
        one.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)
    with pytest.raises(ValueError, match=refused):
        fc.ClassTable.load(path, mmap="r")
    salvaged = fc.ClassTable.load(path, verify=False)
    assert_array_equal(salvaged.weights, table.weights)
    mapped.close()
    assert snapshot(fc.ClassTable.load(path, mmap="r", verify=True)) == snapshot(table)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with pytest.raises(ValueError, match="must be writable"):
        mapped.train_step(fc.SoftmaxLoss(), LABELS, INPUTS)


def test_a_learning_rate_of_ones_own_is_given_again(path: Path) -> None:
    def rate(step: int) -> float:
        return 0.5 / (1 + step)

    trained(fc.Adagrad(rate)).save(path)
    with pytest.raises(ValueError, match=r"table.npz: the description of Adagrad has no lr"):
        fc.ClassTable.load(path)
    assert fc.ClassTable.load(path, optimizer=fc.Adagrad(rate)).optimizer.lr is rate
    with pytest.raises(ValueError, match=r"table.npz: optimizer_state of weights must be \{\} for SGD"):
        fc.ClassTable.load(path, optimizer=fc.SGD(0.1))


def damage(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x40
    path.write_bytes(content)


def test_every_truncated_file_is_refused(path: Path) -> None:
    trained(fc.SGD(0.1)).save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"table\.npz: is (truncated|no table)") as caught:
            fc.ClassTable.load(path)
        assert "\n" not in str(caught.value)


def test_a_changed_byte_is_found_or_harmless(path: Path) -> None:
    """Anything but the right table or one line that names the file would be a fault."""
    table = trained(fc.SGD(0.1))
    table.save(path)
    content = path.read_bytes()
    found = 0
    for position in range(0, len(content), 13):
        path.write_bytes(content)
        damage(path, position)
        try:
            loaded = fc.ClassTable.load(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 - some changes are harmless
            assert "\n" not in str(error)  # noqa: PT017
            found += 1
        else:
            assert snapshot(loaded) == snapshot(table)
    assert found > len(content) / 13 / 2


@pytest.mark.parametrize("mmap", [False, "r"])
def test_checksums(path: Path, mmap: Any) -> None:
    table = trained()
    table.save(path)
    place = path.read_bytes().index(table.weights.tobytes())
    damage(path, place + 17)
    with pytest.raises(ValueError, match=r"table\.npz: is damaged: the checksum of weights does not match"):
        fc.ClassTable.load(path, mmap=mmap, verify=True)
    fc.ClassTable.load(path, mmap=mmap, verify=False)
    fc.ClassTable.load(path, mmap="r")


def test_foreign_files(path: Path) -> None:
    for write in (
        lambda: path.write_text("a text"),
        lambda: path.write_bytes(b""),
        lambda: np.savez(path, weights=np.zeros(3)),
        lambda: path.write_bytes(b"\0" * 5000),
    ):
        write()
        with pytest.raises(ValueError, match=r"table\.npz: is no table saved by fastcands|table.npz: is trunc"):
            fc.ClassTable.load(path)
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        fc.ClassTable.load(path.parent / "nothing.npz")


def test_another_format_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastcands.table.container._FORMAT", 2)
    trained().save(path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"table\.npz: has format 2, this version of fastcands reads format 1"):
        fc.ClassTable.load(path)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda p: fc.ClassTable.load(p, mmap="w"), ValueError, "mmap must be False, True, 'r' or 'r.', got 'w'"),
        (lambda p: trained().save(p, samplers=[1]), TypeError, "samplers must be a mapping .* got list"),
        (lambda p: trained().save(p, samplers={"a": 1}), TypeError, r"samplers\['a'\] must have state_dict, got int"),
        (lambda p: trained().save(p.parent / "no" / "t"), OSError, "No such file or directory.*t'"),
    ],
)
def test_bad_arguments(path: Path, call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(path)
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_leaves_the_previous_file(path: Path) -> None:
    """The largest file the process may write stands for the disk."""
    table = trained()
    table.save(path)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    big = fc.ClassTable(4000, 50, seed=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: '.*table\.npz'"):
            big.save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


SAVES_FOREVER = """
import sys, numpy as np, fastcands as fc
table = fc.ClassTable(20_000, 20, optimizer=fc.SGD(0.1), seed=0)
step = 0
while True:
    table.weights[:] = table.step = step
    table.save(sys.argv[1])
    print(step, flush=True)
    step += 1
"""


def test_a_killed_save_leaves_a_whole_file(path: Path) -> None:
    """Killed at random moments; the file is of one step, the last reported or the next; the next save tidies up."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        command = [sys.executable, "-c", SAVES_FOREVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            reported = [0, *map(int, process.stdout.read().split())][-1]
        table = fc.ClassTable.load(path)
        assert table.step in (reported, reported + 1)
        assert (table.weights == table.step).all()
    (path.parent / f".{path.name}.0123.partial").write_text("left behind")
    table.save(path)
    assert os.listdir(path.parent) == [path.name]
    assert fc.ClassTable.load(path).step == table.step


def test_a_link_is_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path.symlink_to(tmp_path / "real" / "t.npz")
    trained().save(path)
    assert path.is_symlink()
    assert fc.ClassTable.load(tmp_path / "real" / "t.npz").step == 1
