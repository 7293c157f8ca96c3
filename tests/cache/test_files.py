"""Files of the cache that are damaged, of other sources, or written by several processes at once."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fastcands.cache.files import CacheFiles

STAMP = b"s" * 32


def make(folder: Path, stamp: bytes = STAMP) -> CacheFiles:
    return CacheFiles(folder, "name", stamp)


def damages() -> dict[str, Callable[[bytes], bytes]]:
    def flipped(position: int) -> Callable[[bytes], bytes]:
        def flip(content: bytes) -> bytes:
            at = position % len(content)
            return content[:at] + bytes([content[at] ^ 1 << position % 8]) + content[at + 1 :]

        return flip

    return {
        "empty": lambda content: b"",
        "a byte": lambda content: content[:1],
        "the digest alone": lambda content: content[:32],
        "half": lambda content: content[: len(content) // 2],
        "a byte short": lambda content: content[:-1],
        "a byte long": lambda content: content + b"\0",
        "zeros": lambda content: bytes(len(content)),
        "another format": lambda content: pickle.dumps("0.68.1") + pickle.dumps((1, {})),
        **{f"bit {position}": flipped(position) for position in range(0, 600, 7)},
    }


@pytest.mark.parametrize("file", ["name.nbi", "name.1.nbc"])
@pytest.mark.parametrize("kind", damages())
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, file: str, kind: str) -> None:
    files = make(tmp_path)
    files.save("key", list(range(100)))
    assert files.load("key") == list(range(100))
    path = tmp_path / file
    path.write_bytes(damages()[kind](path.read_bytes()))
    assert files.load("key") is None
    files.save("key", [1])
    assert files.load("key") == [1]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["name.1.nbc", "name.nbi"]


@pytest.mark.parametrize("file", ["name.nbi", "name.1.nbc"])
def test_a_file_that_is_missing_or_no_file(tmp_path: Path, file: str) -> None:
    files = make(tmp_path)
    files.save("key", [1])
    (tmp_path / file).unlink()
    assert files.load("key") is None
    (tmp_path / file).mkdir()
    assert files.load("key") is None
    with pytest.raises(OSError, match="name"):
        files.save("key", [2])


def test_entries_keep_apart(tmp_path: Path) -> None:
    files = make(tmp_path / "made" / "here")
    for key in range(5):
        files.save(key, str(key))
    files.save(2, "two")
    assert [files.load(key) for key in range(6)] == ["0", "1", "two", "3", "4", None]
    files.flush()
    files.flush()
    assert files.load(2) is None


def test_what_other_sources_stored_is_not_there(tmp_path: Path) -> None:
    old, new = make(tmp_path), make(tmp_path, b"t" * 32)
    old.save("key", "old")
    assert new.load("key") is None
    new.save("key", "new")
    assert (old.load("key"), new.load("key")) == (None, "new")
    data = (tmp_path / "name.1.nbc").read_bytes()
    old.save("key", "old")
    (tmp_path / "name.1.nbc").write_bytes(data)  # by a process that was stopped before it wrote the index
    assert old.load("key") is None


def test_two_processes_that_choose_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry whose data file was written over is not there; it never gets the other's code."""
    first, second = make(tmp_path), make(tmp_path)
    monkeypatch.setattr(second, "_entries", dict)  # it had looked before the first one wrote
    first.save("first", "1")
    second.save("second", "2")
    assert (first.load("first"), first.load("second")) == (None, "2")
    first._write("name.nbi", {"first": "name.1.nbc"})  # the first one's index came last
    assert (first.load("first"), first.load("second")) == (None, None)
    first.save("first", "1")
    assert first.load("first") == "1"


def test_many_that_write_at_once(tmp_path: Path) -> None:
    wrong = []

    def work(worker: int) -> None:
        files = make(tmp_path)
        for turn in range(30):
            key = (worker + turn) % 5
            files.save(key, [key] * 1000)
            for each in range(5):
                value = files.load(each)
                if value not in (None, [each] * 1000):
                    wrong.append((each, value))

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    files = make(tmp_path)
    for key in range(5):
        files.save(key, [key])
    assert [files.load(key) for key in range(5)] == [[key] for key in range(5)]
    assert not list(tmp_path.glob(".*"))
